"""An audit in parts whose units a cluster makes: described here, made there, and merged as any parts are.

plan_work --> work.json --> engine/supervision.py --> a `UnitMaker` on each node --> part files --> merging.py
"""

import contextlib
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnxmint.cores import limit_tables, processor
from onnxmint.engine.cluster import Cluster, Event, Request, memory_for
from onnxmint.engine.part_file import Made, part_name
from onnxmint.engine.session import share_cores
from onnxmint.engine.supervision import LostError, spread
from onnxmint.engine.units import Recorder
from onnxmint.errors import OnnxmintError
from onnxmint.graph.bringing import brought, brought_settings
from onnxmint.mint.auditor import load_auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.work import NAME, Work
from onnxmint.settings import AuditSettings, DeviceKind
from onnxmint.workflows.dividing import asked_of, begin, plan_work, read_work, require_same_work
from onnxmint.workflows.opening import Ready
from onnxmint.workflows.parting import is_whole, make_unit, missing_units, open_parts, recorder_for

_NAMED = 3  # units that a message names
_AGAIN = "resume with: the same command, which makes only what is missing"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an audit in parts is asked, as the user wrote it.

    Attributes:
        here: folder that relative places start from.
        model: the target's file.
        images: places of the questioned images.
        auditor: its auditor's file.
        folder: of the parts.
        settings: of the audit.
        unit: images of a unit at most.
    """

    here: str
    model: str
    images: tuple[str, ...]
    auditor: str
    folder: str
    settings: AuditSettings
    unit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """What a process has opened to make units."""

    ready: Ready
    work: Work
    recorder: Recorder
    made: Made


class UnitMaker:
    """Makes units of an audit in any process that sees its files; they are opened where it is first called."""

    def __init__(self, order: Order, work: str) -> None:
        """Remember what is asked, and the identity of the work."""
        self._order, self._work = order, work
        self._open: _Open | None = None
        self._held = contextlib.ExitStack()

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: nothing that is open."""
        return {"_order": self._order, "_work": self._work}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it in; files are opened when they are needed."""
        self.__dict__.update(state, _open=None, _held=contextlib.ExitStack())

    def check(self) -> None:
        """Look whether this process sees the folder of the parts, and that it is of this work.

        Raises:
            OnnxmintError: it does not.
        """
        order = self._order
        if not Path(order.here).is_dir():
            raise OnnxmintError(f"has no folder {order.here}: all nodes need the files under the same paths")
        os.chdir(order.here)
        if not (Path(order.folder) / NAME).is_file():
            raise OnnxmintError(
                f"does not see {order.folder} in {order.here}: the parts need a folder that all nodes share"
            )
        if read_work(Path(order.folder)).identity != self._work:
            raise OnnxmintError(f"sees another {order.folder}: the parts need a folder that all nodes share")

    def __call__(self, unit: int, *, device: DeviceKind, cores: int, reason: str) -> None:
        """Make a unit on a device, with so many cores, unless its part is there and whole.

        Raises:
            OnnxmintError: it cannot be made here.
        """
        if self._open is None:
            self.check()
            self._open = self._opened(device, cores, reason)
        found = self._open
        # A process can end between writing a part and telling so: then it is asked for once more, and stands.
        if is_whole(Path(self._order.folder), found.work, unit):
            return
        made = replace(found.made, unit=unit)
        make_unit(found.ready, found.work, found.recorder, Path(self._order.folder), made)

    def _opened(self, device: DeviceKind, cores: int, reason: str) -> _Open:
        order, folder = self._order, Path(self._order.folder)
        settings = replace(order.settings, device=device)
        model = self._held.enter_context(brought(order.model))
        ready = open_parts(model, order.images, load_auditor(Path(order.auditor)), settings)
        work = _described(ready, order)
        require_same_work(read_work(folder), work, folder)
        limit_tables(cores)
        workers, threads = share_cores(ready.target.device, cores=cores)
        made = Made(
            work=work.identity, unit=0, shares=1, host=processor(), device=device,
            provider=ready.target.device.provider, reason=reason,
        )  # fmt: skip
        recorder = recorder_for(ready, work, settings, workers=workers, threads=threads)
        return _Open(ready=ready, work=work, recorder=recorder, made=made)


def _described(ready: Ready, order: Order) -> Work:
    asked = asked_of(order.model, order.images, order.auditor, order.settings)
    with brought_settings(order.settings) as here:
        return plan_work(ready, here, asked=asked, unit=order.unit, images=order.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What became of the units that a cluster was given.

    Attributes:
        units: of the work.
        before: of them that were there already.
        again: how often one was tried again.
    """

    units: int
    before: int
    again: int


def audit_on_cluster(order: Order, cluster: Cluster, *, stage: Stage = quiet, tell: Tell = lambda _: None) -> Spread:
    """Have the parts of an audit made by a cluster, into a folder that all its nodes have; `merge_parts` judges them.

    Args:
        order: what is asked.
        cluster: to be joined.
        stage: told of the progress.
        tell: told in one line what does not go as it should.

    Raises:
        OnnxmintError: one of its kinds, for files, options and clusters that do not serve; what was made until then
            stays, and the same call goes on.
    """
    auditor, folder, settings = Path(order.auditor), Path(order.folder), order.settings
    with brought(order.model) as here:  # the graph is read, nothing is run: this machine may have no GPU
        ready = open_parts(here, order.images, load_auditor(auditor), replace(settings, device="cpu"))
        work = _described(ready, order)
        memory = memory_for(here, auditor)
    del ready
    begin(work, folder)
    todo = tuple(one for one in range(len(work.units)) if not is_whole(folder, work, one))
    task = pickle.dumps(UnitMaker(order, work.identity))
    request = Request(cluster=cluster, task=task, units=todo, device=settings.device, memory=memory)
    again = _made(request, work, folder, stage, tell) if todo else 0
    return Spread(units=len(work.units), before=len(work.units) - len(todo), again=again)


def _made(request: Request, work: Work, folder: Path, stage: Stage, tell: Tell) -> int:
    """Have units made, and return how often one was tried again.

    Raises:
        OnnxmintError: the cluster was lost, or could not make some.
    """
    again, failed = 0, list[Event]()
    try:
        with stage("units on the cluster", sum(work.units[one].images for one in request.units)) as advance:
            for event in spread(request):
                if event.kind == "made" and event.unit is not None:
                    advance(work.units[event.unit].images)
                elif event.kind == "failed":
                    failed.append(event)
                else:
                    again += event.kind == "again"
                    tell(_words(event))
    except LostError as problem:
        raise OnnxmintError(f"{problem}. {_there(folder, work)}; {_AGAIN}") from None
    except KeyboardInterrupt as problem:
        problem.add_note(f"{_there(folder, work)}; {_AGAIN}")
        raise
    if failed or missing_units(folder, work):
        raise OnnxmintError(_words_of_failed(folder, work, failed))
    return again


def _words(event: Event) -> str:
    """Return the line for what is neither made nor given up."""
    if event.kind == "joined":
        return f"joined the cluster: {event.words}"
    return event.words if event.unit is None else f"{part_name(event.unit)} is tried again: {event.words}"


def _there(folder: Path, work: Work) -> str:
    every = len(work.units)
    return f"{every - len(missing_units(folder, work)):,} of {every:,} parts are in {folder}"


def _words_of_failed(folder: Path, work: Work, failed: Sequence[Event]) -> str:
    """Say in one line what could not be made and why."""
    said = [f"{part_name(one.unit)}: {one.words}" for one in failed[:_NAMED] if one.unit is not None]
    more = [f"{len(failed) - _NAMED:,} more"] * (len(failed) > _NAMED)
    why = "; ".join([*said, *more]) or "their files are not in the folder, which all nodes have to share"
    return (
        f"incomplete: {_there(folder, work)}, and some could not be made in several tries ({why}). Mend that, then "
        f"{_AGAIN}"
    )
