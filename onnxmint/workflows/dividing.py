"""A step of an audit in parts: the work is described, so that all processes know that they share the same one."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from onnxmint import __version__
from onnxmint.engine.units import SIZE, cut
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.images.entries import ImageEntry
from onnxmint.images.sources import Place, parse_location
from onnxmint.methods.references import file_digest
from onnxmint.places.remote import AnyPath, RemotePath, files_in, forget_listings
from onnxmint.places.words import stored
from onnxmint.results.manifest import as_json
from onnxmint.results.work import NAME, WORK, Asked, Shard, Unit, Work, differences
from onnxmint.settings import AuditSettings
from onnxmint.workflows.opening import Ready
from onnxmint.writing.files import make_folder, write_once
from onnxmint.writing.leftovers import clear
from onnxmint.writing.regular import regular_bytes

_ENDS = 1 << 16  # bytes
_HOLDING = (".parquet", ".tar")
_ELSEWHERE = ("device", "batch_size", "reference")  # settings that no part depends on, or by content


def asked_of(model: str | Path, images: Place | Sequence[Place], auditor: str | Path, settings: AuditSettings) -> Asked:
    """Return where things are, as a work keeps it: without secrets."""
    places = [images] if isinstance(images, (str, Path)) else images
    return Asked(
        folder=str(Path.cwd()),
        model=stored(model),
        auditor=stored(auditor),
        images=tuple(map(stored, places)),
        reference=tuple(map(stored, settings.reference)),
    )


def plan_work(
    ready: Ready,
    settings: AuditSettings,
    *,
    asked: Asked,
    unit: int = SIZE,
    images: Place | Sequence[Place] | None = None,
) -> Work:
    """Describe the work of an audit.

    Args:
        ready: the auditor and the questioned images.
        settings: of the audit.
        asked: where these are, as a work keeps it.
        unit: images of a unit at most.
        images: the same places of images with what opens them, where that was cut from `asked`.

    Raises:
        OnnxmintError: a shard cannot be read.
    """
    places = asked.images if images is None else [images] if isinstance(images, (str, Path)) else images
    entries = ready.source.entries()
    kept = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in _ELSEWHERE}
    kept["reference"] = sorted(file_digest(Path(path)) for path in settings.reference)
    return Work(
        version=__version__,
        target_sha256=ready.auditor.target_sha256,
        auditor_sha256=hashlib.sha256(ready.auditor.model).hexdigest(),
        settings=as_json(kept),
        shards=tuple(_shards(map(str, places))),
        unit=unit,
        units=tuple(
            Unit(first=span.start, images=len(span), listed=_listed(entries[span.start : span.stop]))
            for span in cut(ready.source.origins(), unit)
        ),
        asked=asked,
    )


def _listed(entries: Sequence[ImageEntry]) -> str:
    """Return the SHA-256 of what is known of images before they are read."""
    found = hashlib.sha256()
    for one in entries:
        found.update(repr((one.path, one.label, one.group)).encode("utf-8", "backslashreplace") + b"\n")
    return found.hexdigest()


def _shards(places: Iterable[str]) -> Iterator[Shard]:
    """Yield the files that hold many images, in the order of the places.

    Raises:
        OnnxmintError: one cannot be read, or its store cannot tell.
    """
    for place in places:
        path = parse_location(place).path
        at = path
        try:
            for at in _holding(path):
                yield _shard(at)
        except OSError as problem:
            raise OnnxmintError(
                f"cannot read {at} to know it again: {problem.strerror or problem}; all parts and their merge need "
                "the same images where they can be read, so run the same command again once they can"
            ) from None
        finally:
            forget_listings()


def _shard(file: AnyPath) -> Shard:
    """Return by what a file is known again."""
    size = file.size() if isinstance(file, RemotePath) else file.stat().st_size
    with file.open("rb") as handle:
        ends = hashlib.sha256(handle.read(_ENDS))
        handle.seek(max(0, size - _ENDS))
        ends.update(handle.read(_ENDS))
    return Shard(name=file.name, bytes=size, ends=ends.hexdigest())


def _holding(path: AnyPath) -> Iterator[AnyPath]:
    """Yield a file, or the files of a folder that hold many images."""
    if not path.is_dir():
        yield from [path] if path.is_file() else []
        return
    for suffix in _HOLDING:  # what a store lists are files
        yield from (file for file in files_in(path, suffix) if isinstance(file, RemotePath) or file.is_file())


def begin(work: Work, folder: Path) -> None:
    """Put the description into the folder of the parts, or hold this one against what is there.

    Raises:
        UsageError: another work was begun there.
        OnnxmintError: it cannot be written.
    """
    make_folder(folder)
    clear(folder)
    place = folder / NAME
    if write_once(place, (WORK.write(work) + "\n").encode()):
        return
    require_same_work(read_work(folder), work, folder)


def read_work(folder: Path) -> Work:
    """Return what a folder of parts was begun for.

    Raises:
        OnnxmintError: there is none, or it is damaged.
    """
    place = folder / NAME
    try:
        return WORK.read(regular_bytes(place, links=True), str(place))
    except (FileNotFoundError, NotADirectoryError):
        raise OnnxmintError(
            f"{folder} holds no parts: make them with onnxmint audit MODEL IMAGES --auditor FILE --part 1/N -o RUN"
        ) from None
    except (OSError, ValueError) as problem:
        raise OnnxmintError(f"cannot read {place}: {getattr(problem, 'strerror', None) or problem}") from None


def require_same_work(before: Work, now: Work, folder: Path) -> None:
    """Refuse to go on with other inputs or settings than the parts were begun with.

    Raises:
        UsageError: naming what differs.
    """
    if before.identity != now.identity:
        found = "; ".join(differences(before, now)) or "its description was edited"
        raise UsageError(
            f"{folder} was begun for another audit: {found}. Go on with what it was begun with, or choose another "
            "folder with -o"
        )
