"""An audit in parts: the work described once, its units made by whatever processes there are, each file whole or not.

    plan_work --> work.json --> make_parts, by any number of processes --> part files --> workflows/merging.py

A part that is there and whole is done, so that resuming is running again. Parts know nothing of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from onnxmint.cores import processor
from onnxmint.engine.part_file import Made, PartError, part_name, read_part, write_part
from onnxmint.engine.session import share_cores
from onnxmint.engine.units import SIZE, Recorder
from onnxmint.errors import UsageError
from onnxmint.evidence.questioned import to_describe
from onnxmint.evidence.table import labels_of
from onnxmint.graph.bringing import brought, brought_settings
from onnxmint.images.sources import Place
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.work import Work
from onnxmint.settings import AuditSettings
from onnxmint.stats.sampling import likely
from onnxmint.workflows.dividing import asked_of, begin, plan_work
from onnxmint.workflows.opening import Ready, open_with_auditor
from onnxmint.workflows.questioning import scoring


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
class PartProgress:
    """What became of the units of a share.

    Attributes:
        units: of the share.
        before: of them that were there already.
        every: units of all shares.
        missing: of all shares, now.
    """

    units: int
    before: int
    every: int
    missing: int


def audit_part(
    model: str | Path,
    images: Place | Sequence[Place],
    auditor: str | Path,
    folder: str | Path,
    *,
    part: tuple[int, int] = (1, 1),
    settings: AuditSettings | None = None,
    unit: int = SIZE,
    stage: Stage = quiet,
) -> PartProgress:
    """Make one share of an audit in this process, into a folder that all shares have; `merge_parts` judges them.

    What is there already is not made again, so that after a failure the same call goes on.

    Args:
        model: the target classifier, an ONNX file.
        images: the questioned images, in one place or several.
        auditor: the file of its auditor.
        folder: of the parts.
        part: number of the share, from 1, and of how many.
        settings: of the audit; the defaults when None.
        unit: images of one file at most.
        stage: told of the progress.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve; UsageError where the folder
            was begun for another audit.
    """
    share, settings = Share(number=part[0], of=part[1]), settings or AuditSettings()
    found = load_auditor(Path(auditor))
    asked = asked_of(model, images, auditor, settings)
    with brought(model) as here, brought_settings(settings) as now:
        ready = open_parts(here, images, found, now)
        work = plan_work(ready, now, asked=asked, unit=unit, images=images)
        return make_parts(ready, work, Path(folder), share, settings=now, stage=stage)


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


def make_parts(
    ready: Ready, work: Work, folder: Path, share: Share, *, settings: AuditSettings, stage: Stage = quiet
) -> PartProgress:
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
    identity = work.identity  # of thousands of units it takes a while
    todo = [unit for unit in mine if not _is_whole(folder, work, unit, identity)]
    device = ready.target.device
    workers, threads = share_cores(device)
    recorder = recorder_for(ready, work, settings, workers=workers, threads=threads)
    made = Made(
        work=identity, unit=0, shares=share.of, host=processor(),
        device=device.kind, provider=device.provider, reason=device.reason,
    )  # fmt: skip
    with stage(f"part {share.number}/{share.of}", sum(work.units[unit].images for unit in todo)) as advance:
        for unit in todo:
            make_unit(ready, work, recorder, folder, replace(made, unit=unit))
            advance(work.units[unit].images)
    missing = len(missing_units(folder, work))
    return PartProgress(units=len(mine), before=len(mine) - len(todo), every=len(work.units), missing=missing)


def recorder_for(ready: Ready, work: Work, settings: AuditSettings, *, workers: int, threads: int) -> Recorder:
    """Return what looks at images and scores them; of a sample only those that may be in it."""
    wanted = None
    if settings.sample is not None and settings.group is None:
        wanted = partial(likely, count=settings.sample, of=work.images, seed=settings.seed)
    entries, described = ready.source.entries(), frozenset[int]()
    if settings.sample is None or settings.sample >= len(entries):  # as `judge` draws them before anything else
        described = to_describe(len(entries), np.random.default_rng(settings.seed))
    return Recorder(
        scoring(ready, settings), workers=workers, threads=threads, wanted=wanted, described=described
    )  # fmt: skip


def make_unit(ready: Ready, work: Work, recorder: Recorder, folder: Path, made: Made) -> None:
    """Observe the images of a unit, and write its part."""
    entries, span = ready.source.entries(), work.units[made.unit].span
    found = recorder(ready.source, span, labels_of(entries))
    paths = [entries[row].path for row in span]
    write_part(folder / part_name(made.unit), found, paths, made)


def is_whole(folder: Path, work: Work, unit: int) -> bool:
    """Return whether a unit's part is there, whole, and of this work."""
    return _is_whole(folder, work, unit, work.identity)


def _is_whole(folder: Path, work: Work, unit: int, identity: str) -> bool:
    try:
        made, found = read_part(folder / part_name(unit))
    except (FileNotFoundError, PartError):
        return False
    same = made.work == identity and made.unit == unit
    return same and np.array_equal(found.index, np.array(work.units[unit].span))


def missing_units(folder: Path, work: Work) -> list[int]:
    """Return the units that have no file yet."""
    return [unit for unit in range(len(work.units)) if not (folder / part_name(unit)).is_file()]
