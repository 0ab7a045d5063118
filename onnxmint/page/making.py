"""An auditor becomes a page: one HTML file that asks no network, or a folder for a web server."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onnxmint import __version__
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.page.assets import Assets, assets, packed
from onnxmint.page.facts import page_facts
from onnxmint.page.refusing import require_known
from onnxmint.results.json import Facts

if TYPE_CHECKING:
    import onnx

EMBEDDED = 64_000_000
"""Bytes of an auditor up to which it lies in the page; a larger one is picked as a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that was made.

    Attributes:
        files: content by name: the page alone, or all that a server needs.
        auditor_sha256: hash of the auditor's file.
        embedded: whether the auditor lies in it; else it is asked for by its hash.
    """

    files: Mapping[str, bytes]
    auditor_sha256: str
    embedded: bool


def make_page(path: Path, *, folder: bool = False, language: str = "en", embed: bool | None = None) -> Page:
    """Return the page of an auditor.

    Args:
        path: the auditor's file.
        folder: whether a server will give it, so that its parts lie beside each other and several threads may run.
        language: that it begins with where the browser's is none of ours.
        embed: whether the auditor lies in it; None decides by its size.

    Raises:
        ModelError: no auditor, or one that the page would judge otherwise than an audit does.
    """
    import onnx

    auditor, parts = load_auditor(path), assets()
    require_known(auditor)
    proto = onnx.load_model_from_string(auditor.model)
    digest = hashlib.sha256(auditor.model).hexdigest()
    within = len(auditor.model) <= EMBEDDED if embed is None else embed
    facts = _facts(auditor, proto, language) | {
        "model": {"name": path.name, "bytes": len(auditor.model), "sha256": digest, "embedded": within}
    }
    del proto.metadata_props[:]  # the facts hold what of it the page needs
    blocks = {
        "facts": json.dumps(facts, allow_nan=False).encode(),
        **({"model": proto.SerializeToString(deterministic=True)} if within else {}),
        "licences": parts.licences.encode(),
    }
    content = {name: packed(block) for name, block in blocks.items()} | parts.binaries
    files = _folder(content, parts, language, digest) if folder else {"": _alone(content, parts, language, digest)}
    return Page(files=files, auditor_sha256=digest, embedded=within)


def _facts(auditor: Auditor, proto: "onnx.ModelProto", language: str) -> Facts:
    inputs = [one.name for one in proto.graph.input]
    shape = next(one for one in proto.graph.output if one.name == "answer").type.tensor_type.shape
    label = inputs[1] if auditor.method.labels else None
    return page_facts(auditor, outputs=shape.dim[1].dim_value, tensors=(inputs[0], label), language=language)


def _alone(content: Mapping[str, bytes], parts: Assets, language: str, digest: str) -> bytes:
    """Return the page with everything inside."""
    blocks = {**content, "worker": packed(parts.worker.encode())}
    policy = (
        f"default-src 'none'; script-src '{_hash(parts.page)}' 'wasm-unsafe-eval'; style-src '{_hash(parts.style)}'; "
        "img-src blob:; worker-src blob:; connect-src 'none'; form-action 'none'; base-uri 'none'"
    )
    written = {name: base64.b64encode(block).decode() for name, block in blocks.items()}
    return _rendered(policy, language, digest, folder=False, style=parts.style, script=parts.page, parts=written)


def _folder(content: Mapping[str, bytes], parts: Assets, language: str, digest: str) -> dict[str, bytes]:
    """Return the files of a folder for a server; `headers.txt` says what it has to send for several threads."""
    policy = (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src blob:; worker-src 'self' "
        "blob:; connect-src 'self'; form-action 'none'; base-uri 'none'"
    )
    page = _rendered(policy, language, digest, folder=True, style="", script="", parts={})
    return {
        "index.html": page,
        "page.js": parts.page.encode(),
        "worker.js": parts.worker.encode(),
        "threads.mjs": parts.threads.encode(),
        "page.css": parts.style.encode(),
        "headers.txt": HEADERS.encode(),
        **{f"{name}.gz": block for name, block in content.items()},
    }


HEADERS = """Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Embedder-Policy: require-corp
"""
"""With which a server lets a page use several threads; without, it runs on one."""


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _rendered(policy: str, language: str, digest: str, **shown: object) -> bytes:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    safe = {name: Markup(value) if isinstance(value, str) else value for name, value in shown.items()}
    page = pages.get_template("page.html").render(
        policy=Markup(policy),
        language=language,
        sha256=digest,
        version=__version__,
        **safe,
    )
    return page.encode()
