"""What the page is made of beside an auditor: built from tools/page, kept with its hashes, and checked before use."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from onnxmint.errors import OnnxmintError

BINARIES = ("runtime", "jpeg", "png", "webp")
"""Compiled code, in the order in which the page unpacks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Content of the asset files.

    Attributes:
        page: script of the page.
        worker: script that judges, beside the page.
        threads: the runtime's script for several threads, of which only a folder has use.
        style: style sheet.
        binaries: gzipped compiled code by name.
        licences: of all parts.
    """

    page: str
    worker: str
    threads: str
    style: str
    binaries: dict[str, bytes]
    licences: str


def assets(place: Traversable | None = None) -> Assets:
    """Return the assets.

    Args:
        place: the folder that holds them; that of this package when None.

    Raises:
        OnnxmintError: a file is not what was built.
    """
    place = place or files("onnxmint.page") / "assets"
    hashes: dict[str, str] = json.loads((place / "hashes.json").read_text("utf-8"))

    def content(name: str) -> bytes:
        found = (place / name).read_bytes()
        if hashlib.sha256(found).hexdigest() != hashes.get(name):
            raise OnnxmintError(f"{name} of the page is not the file that was built; install onnxmint again")
        return found

    return Assets(
        page=content("page.js").decode(),
        worker=content("worker.js").decode(),
        threads=content("threads.mjs").decode(),
        style=content("page.css").decode(),
        binaries={name: content(f"{name}.wasm.gz") for name in BINARIES},
        licences=content("LICENCES.txt").decode(),
    )


def packed(data: bytes) -> bytes:
    """Return data as gzip, the same bytes for the same data."""
    return gzip.compress(data, mtime=0)
