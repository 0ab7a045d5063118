"""An audit in parts: the work described once, its units made by whatever processes there are, each file whole or not.

    plan_work --> work.json --> make_parts, by any number of processes --> part files --> workflows/merging.py

A part that is there and whole is done, so that resuming is running again. Parts know nothing of each other.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.cores import processor
from onnxmint.engine.part_file import Made, PartError, part_name, read_part, write_part
from onnxmint.engine.session import share_cores
from onnxmint.engine.units import SIZE, Recorder, cut
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.evidence.table import labels_of
from onnxmint.images.entries import ImageEntry
from onnxmint.images.sources import Place, parse_location
from onnxmint.methods.references import file_digest
from onnxmint.mint.auditor import Auditor
from onnxmint.places.remote import AnyPath, RemotePath, files_in
from onnxmint.progress import Stage, quiet
from onnxmint.results.manifest import as_json
from onnxmint.results.work import NAME, WORK, Asked, Shard, Unit, Work, differences
from onnxmint.settings import AuditSettings
from onnxmint.stats.sampling import likely
from onnxmint.workflows.opening import Ready, open_with_auditor
from onnxmint.workflows.questioning import scoring
from onnxmint.writing.files import make_folder, write_once
from onnxmint.writing.leftovers import clear

_ENDS = 1 << 16  # bytes
_HOLDING = (".parquet", ".tar")
_ELSEWHERE = ("device", "batch_size", "reference")  # settings that no part depends on, or by content


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which units a process makes: every `of`-th one, from its own number on, from 1."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        """Refuse a share that is none.

        Raises:
            UsageError: saying how shares are counted.
        """
        if not 1 <= self.number <= self.of:
            raise UsageError(
                f"part {self.number}/{self.of}: parts are counted from 1, the last one is {self.of}/{self.of}"
            )

    def units(self, count: int) -> range:
        """Return the units of this share."""
        return range(self.number - 1, count, self.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What became of the units of a share."""

    units: int  # of the share
    before: int  # of them that were there already
    missing: int  # of all shares, now


def refuse_for_parts(settings: AuditSettings) -> None:
    """Refuse what only one process can do.

    Raises:
        UsageError: saying what to do instead.
    """
    if settings.sequential:
        raise UsageError(
            "--sequential looks at one lot after the other and stops, which parts side by side cannot: leave it out, "
            "or take --sample N"
        )
    if settings.time is not None:
        raise UsageError("--time plans the work of one process; leave it out, or take --sample N")


def open_parts(model: str | Path, images: Place | Sequence[Place], auditor: Auditor, settings: AuditSettings) -> Ready:
    """Open what parts need: the auditor and the questioned images; what controls need is opened at the merge."""
    refuse_for_parts(settings)
    return open_with_auditor(model, images, auditor, replace(settings, controls=False, reference=()))


def plan_work(ready: Ready, settings: AuditSettings, *, asked: Asked, unit: int = SIZE) -> Work:
    """Describe the work of an audit.

    Args:
        ready: the auditor and the questioned images.
        settings: of the audit.
        asked: where these are.
        unit: images of a unit at most.

    Raises:
        ImagesError: a shard cannot be read.
    """
    entries = ready.source.entries()
    kept = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in _ELSEWHERE}
    kept["reference"] = sorted(file_digest(Path(path)) for path in settings.reference)
    return Work(
        version=__version__,
        target_sha256=ready.auditor.target_sha256,
        auditor_sha256=hashlib.sha256(ready.auditor.model).hexdigest(),
        settings=as_json(kept),
        shards=tuple(_shards(asked.images)),
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


def _shards(places: Sequence[str]) -> Iterator[Shard]:
    """Yield the files that hold many images, in the order of the places."""
    for place in places:
        path = parse_location(place).path
        for file in _holding(path):
            try:
                size = file.size() if isinstance(file, RemotePath) else file.stat().st_size
                with file.open("rb") as handle:
                    ends = hashlib.sha256(handle.read(_ENDS))
                    handle.seek(max(0, size - _ENDS))
                    ends.update(handle.read(_ENDS))
            except OSError as problem:
                raise OnnxmintError(f"cannot read {file}: {problem.strerror or problem}") from None
            yield Shard(name=file.name, bytes=size, ends=ends.hexdigest())


def _holding(path: AnyPath) -> Iterator[AnyPath]:
    """Yield a file, or the files of a folder that hold many images."""
    if not path.is_dir():
        yield from [path] if path.is_file() else []
        return
    for suffix in _HOLDING:
        yield from (file for file in files_in(path, suffix) if file.is_file())


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
        return WORK.read(place.read_bytes(), str(place))
    except (FileNotFoundError, NotADirectoryError):
        raise OnnxmintError(
            f"{folder} holds no parts: make them with onnxmint audit MODEL IMAGES --auditor FILE --part 1/N -o RUN"
        ) from None
    except OSError as problem:
        raise OnnxmintError(f"cannot read {place}: {problem.strerror or problem}") from None


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


def make_parts(
    ready: Ready, work: Work, folder: Path, share: Share, *, settings: AuditSettings, stage: Stage = quiet
) -> Progress:
    """Make the units of a share that are not there yet, in this process.

    Args:
        ready: the auditor and the questioned images.
        work: what is divided.
        folder: of the parts.
        share: of this process.
        settings: of the audit.
        stage: told of the progress.

    Raises:
        OnnxmintError: a part cannot be written, or the model cannot be run.
    """
    begin(work, folder)
    mine = share.units(len(work.units))
    todo = [unit for unit in mine if not is_whole(folder, work, unit)]
    device = ready.target.device
    workers, threads = share_cores(device)
    recorder = recorder_for(ready, work, settings, workers=workers, threads=threads)
    made = Made(
        work=work.identity, unit=0, shares=share.of, host=processor(),
        device=device.kind, provider=device.provider, reason=device.reason,
    )  # fmt: skip
    with stage(f"part {share.number}/{share.of}", sum(work.units[unit].images for unit in todo)) as advance:
        for unit in todo:
            make_unit(ready, work, recorder, folder, replace(made, unit=unit))
            advance(work.units[unit].images)
    return Progress(units=len(mine), before=len(mine) - len(todo), missing=len(missing_units(folder, work)))


def recorder_for(ready: Ready, work: Work, settings: AuditSettings, *, workers: int, threads: int) -> Recorder:
    """Return what looks at images and scores them; of a sample only those that may be in it."""
    wanted = None
    if settings.sample is not None and settings.group is None:
        wanted = partial(likely, count=settings.sample, of=work.images, seed=settings.seed)
    return Recorder(scoring(ready, settings), workers=workers, threads=threads, wanted=wanted)


def make_unit(ready: Ready, work: Work, recorder: Recorder, folder: Path, made: Made) -> None:
    """Observe the images of a unit, and write its part."""
    entries, span = ready.source.entries(), work.units[made.unit].span
    found = recorder(ready.source, span, labels_of(entries))
    paths = [entries[row].path for row in span]
    write_part(folder / part_name(made.unit), found, paths, made)


def is_whole(folder: Path, work: Work, unit: int) -> bool:
    """Return whether a unit's part is there, whole, and of this work."""
    try:
        made, found = read_part(folder / part_name(unit))
    except (FileNotFoundError, PartError):
        return False
    same = made.work == work.identity and made.unit == unit
    return same and np.array_equal(found.index, np.array(work.units[unit].span))


def missing_units(folder: Path, work: Work) -> list[int]:
    """Return the units that have no file yet."""
    return [unit for unit in range(len(work.units)) if not (folder / part_name(unit)).is_file()]
