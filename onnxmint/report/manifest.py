"""The manifest of a run, made of its files and its result; written last."""

import contextlib
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from onnxmint.errors import OnnxmintError
from onnxmint.results.audit import AuditResult
from onnxmint.results.comparison import Comparison
from onnxmint.results.evaluation import Evaluation
from onnxmint.results.facts import Skipped, TargetFacts
from onnxmint.results.json import plain
from onnxmint.results.manifest import MANIFEST, NAME, FileFacts, Manifest, SoftwareFacts, as_json, canonical, file_facts
from onnxmint.results.redaction import RedactionFacts
from onnxmint.results.sealed import SealedAudit
from onnxmint.writing.files import atomic_write
from onnxmint.writing.regular import regular_bytes
from onnxmint.writing.scratch import Content

_PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu", "torch", "pillow", "pyarrow", "scipy")
_CPU = Path("/proc/cpuinfo")


def versions() -> dict[str, str]:
    """Return the versions of packages that numbers may depend on."""
    from importlib import metadata

    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def platform_words() -> str:
    """Return system, release and machine; `platform.platform()` would run uname."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def audit_manifest(
    result: AuditResult,
    files: Mapping[str, Content],
    command: Mapping[str, object],
    redaction: RedactionFacts | None = None,
) -> bytes:
    """Return manifest.json of an audit.

    Args:
        result: the audit.
        files: of the run, by name.
        command: its words.
        redaction: that names of images were taken out.
    """
    method, rule = result.method, {} if result.rule is None else plain(result.rule)
    chosen = {"module": method.name, "layers": method.tensors, "views": method.views, "folds": method.folds}
    chosen |= {} if method.augmentation is None else {"augmentation": method.augmentation}
    auditor = files.get("auditor.onnx")
    return canonical(
        Manifest(
            kind="audit",
            created=result.created,
            files=_facts(files),
            target_sha256=result.target.sha256,
            auditor_sha256=None if auditor is None else file_facts(auditor).sha256,
            references=tuple(one.sha256 for one in method.references),
            members=result.evidence.listed_members,
            nonmembers=result.evidence.listed_nonmembers,
            questioned=result.questioned.listed,
            skipped=_reasons(result.questioned.skipped, result.questioned.unnamed),
            registration=result.registration,
            settings=as_json({**rule, **chosen, "auditor_seed": method.seed, "preprocess": plain(result.preprocess)}),
            command=as_json(command),
            software=_software(result.version, result.target),
            redaction=redaction,
        )
    )


def evaluation_manifest(found: Evaluation, files: Mapping[str, bytes], command: Mapping[str, object]) -> bytes:
    """Return manifest.json of an evaluation, see `audit_manifest`."""
    return canonical(
        Manifest(
            kind="evaluation",
            created=found.created,
            files=_facts(files),
            target_sha256=found.target.sha256,
            auditor_sha256=None,
            references=(),
            members=found.evidence.listed_members,
            nonmembers=found.evidence.listed_nonmembers,
            questioned=None,
            skipped=_reasons(found.evidence.skipped),
            registration=None,
            settings=as_json({**plain(found.settings), "preprocess": plain(found.preprocess)}),
            command=as_json(command),
            software=_software(found.version, found.target),
        )
    )


def comparison_manifest(found: Comparison, files: Mapping[str, bytes], command: Mapping[str, object]) -> bytes:
    """Return manifest.json of a comparison, see `audit_manifest`; the second model stands among the references."""
    return canonical(
        Manifest(
            kind="comparison",
            created=found.created,
            files=_facts(files),
            target_sha256=found.before.target.sha256,
            auditor_sha256=None,
            references=(found.after.target.sha256,),
            members=found.evidence.listed_members,
            nonmembers=found.evidence.listed_nonmembers,
            questioned=None,
            skipped=_reasons(found.evidence.skipped),
            registration=None,
            settings=as_json(
                {
                    **plain(found.settings),
                    "preprocess": plain(found.before.preprocess),
                    "preprocess_after": plain(found.after.preprocess),
                }
            ),
            command=as_json(command),
            software=_software(found.version, found.before.target),
        )
    )


def sealed_manifest(found: SealedAudit, files: Mapping[str, Content], command: Mapping[str, object]) -> bytes:
    """Return manifest.json of an audit of sealed pictures, see `audit_manifest`; the seal is told by its commitment."""
    seal = found.seal
    chosen = {"commitment": seal.commitment, "change": plain(seal.change), "variants": found.test.variants}
    return canonical(
        Manifest(
            kind="sealed",
            created=found.created,
            files=_facts(files),
            target_sha256=found.target.sha256,
            auditor_sha256=None,
            references=(),
            members=None,
            nonmembers=None,
            questioned=None,
            skipped=_reasons(found.skipped),
            registration=None,
            settings=as_json({**chosen, "alpha": found.alpha, "preprocess": plain(found.preprocessing)}),
            command=as_json(command),
            software=_software(found.version, found.target),
        )
    )


def renew(folder: Path, changed: Mapping[str, Content]) -> None:
    """Write the manifest of a run again after files were made anew; one that still holds stays, with its signatures.

    Raises:
        OnnxmintError: it is damaged, or cannot be written.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return
    try:
        found = MANIFEST.read(regular_bytes(path), str(path))
    except (OSError, ValueError) as problem:
        raise OnnxmintError(f"{folder} holds a damaged run: {problem}; {MANIFEST.mend}") from None
    files = found.files | _facts(changed)
    if files != found.files:
        atomic_write(path, canonical(replace(found, files=files)))


def _facts(files: Mapping[str, Content]) -> dict[str, FileFacts]:
    return {name: file_facts(content) for name, content in files.items()}


def _reasons(skipped: Iterable[Skipped], unnamed: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return why images were skipped and how many; reasons only, as names may be secret."""
    named = Counter(one.reason.partition(":")[0] for one in skipped)
    return dict(named + Counter(unnamed or {}))


def _software(version: str, target: TargetFacts) -> SoftwareFacts:
    return SoftwareFacts(
        onnxmint=version,
        python=platform.python_version(),
        platform=platform_words(),
        processor=_processor(),
        device=target.device,
        provider=target.provider,
        packages=versions(),
    )


def _processor() -> str:
    """Return the name of the processor, on which the last bits of a score may depend."""
    with contextlib.suppress(OSError):
        for line in _CPU.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
