"""Units handed out to a Ray cluster: what was lost is tried again elsewhere, and what always fails is given up.

Ray itself repeats nothing (`max_retries=0`): it would repeat without end what kills its process, and where.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onnxmint.engine.cluster import Event, Node, Request, Seat
from onnxmint.engine.ray_remote import Maker, make

TRIES = 3
"""Times that a unit may fail, each on another node where there is one."""
_LOST = 20  # times that a unit may be lost with its node, or before it began
_AHEAD = 2  # units that are handed out for each process
_LOOK = 1.0  # seconds
_COUNT = 10.0  # seconds between two looks at the nodes

Tell = Callable[[Event], None]


@dataclass(slots=True, kw_only=True)
class _Running:
    """A unit that was handed out."""

    unit: int
    actor: Any = None
    node: str | None = None  # where it has begun


class Units:
    """Units that are still to be made, and those that are being made."""

    def __init__(
        self, request: Request, seat: Seat, barred: frozenset[str], tell: Tell, nodes: Callable[[], list[Node]]
    ) -> None:
        """Begin with all units to be made.

        Args:
            request: what is to be done.
            seat: what each process is given.
            barred: names of nodes that cannot work.
            tell: takes what becomes of units.
            nodes: returns those that are there.
        """
        import ray

        # Once: a function that is made remote again is another one, and what it has opened is opened again.
        self._make, self._maker = ray.remote(make), ray.remote(Maker)
        self._task, self._seat, self._barred, self._tell, self._nodes = request.task, seat, barred, tell, nodes
        self._patience = request.patience
        self._given = {"device": seat.device, "cores": seat.cores, "reason": seat.reason}
        self._left = deque(request.units)
        self._running: dict[Any, _Running] = {}
        self._actors: list[Any] = []
        self._failures, self._lost = defaultdict[int, list[str]](list), Counter[int]()
        self._shunned = defaultdict[int, set[str]](set)
        self._made = self._given_up = 0
        self._moved = self._counted = time.monotonic()
        self._there: list[Node] = nodes()

    def see_through(self) -> None:
        """Hand out units until all are made or given up, or none could be made at all."""
        import ray

        while (self._left or self._running) and (self._made or self._given_up < TRIES):
            self._count()
            self._hand_out()
            ready, _ = ray.wait(list(self._running), timeout=_LOOK) if self._running else ([], [])
            for stream in ready:
                self._settle(stream)
            self._say_when_nothing_moves(bool(ready))

    def _count(self) -> None:
        """Look at the nodes from time to time: they come and go."""
        if time.monotonic() - self._counted > _COUNT:
            self._there, self._counted = self._nodes(), time.monotonic()

    def _hand_out(self) -> None:
        """Keep every process busy, and a little more at hand."""
        room = max(1, self._seat.on([node for node in self._there if node.name not in self._barred]))
        if self._seat.device == "cuda":
            while len(self._actors) < min(room, len(self._left) + len(self._running)):
                self._actors.append(self._new_actor())
        while self._left and len(self._running) < _AHEAD * room:
            unit = self._left.popleft()
            stream, actor = self._begun(unit)
            self._running[stream] = _Running(unit=unit, actor=actor)

    def _begun(self, unit: int) -> tuple[Any, Any]:
        """Hand out a unit: to the actor that has least to do, or as a task."""
        words = (self._task, unit, self._given)
        if self._seat.device == "cuda":
            busy = Counter(id(run.actor) for run in self._running.values())
            actor = min(self._actors, key=lambda one: busy[id(one)])
            return actor.make.options(num_returns="streaming").remote(*words), actor
        room = {"num_cpus": self._seat.cores, "memory": self._seat.memory, "max_retries": 0}
        options = {**room, "num_returns": "streaming", **self._away_from(self._shunned[unit])}
        return self._make.options(**options).remote(*words), None

    def _new_actor(self) -> Any:
        room = {"num_cpus": self._seat.cores, "num_gpus": 1, "memory": self._seat.memory}
        return self._maker.options(**room, max_restarts=0, **self._away_from(set())).remote()

    def _away_from(self, shunned: set[str]) -> dict[str, Any]:
        """Return what keeps a process off nodes that cannot work and, where there are others, off some more."""
        there = {node.name for node in self._there if self._seat.on([node])} - self._barred
        names = sorted(self._barred | (shunned if there - shunned else set()))
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(names)})"}} if names else {}

    def _settle(self, stream: Any) -> None:
        """Take in what a unit says: where it has begun, or how it ended."""
        import ray

        run = self._running[stream]
        try:
            said = ray.get(next(stream))
        except ray.exceptions.RayTaskError as problem:
            self._fail(stream, f"unexpected {_last_line(problem)}")
            return
        except (ray.exceptions.RayError, StopIteration) as problem:
            self._lose(stream, problem)
            return
        self._moved = time.monotonic()
        if run.node is None:
            run.node = said
            return
        if said:
            self._fail(stream, said)
            return
        del self._running[stream]
        self._made += 1
        self._tell(Event(kind="made", unit=run.unit))

    def _lose(self, stream: Any, problem: Exception) -> None:
        """A process ended in the midst of a unit: with its node, which says nothing of the unit, or by itself."""
        import ray

        run = self._running[stream]
        if run.actor is not None and run.actor in self._actors:
            self._actors.remove(run.actor)
        if isinstance(problem, ray.exceptions.OutOfMemoryError):
            self._fail(stream, "its node ran out of memory, and Ray ended its process")
        elif run.node is None or run.node not in {node.name for node in self._nodes()}:
            self._lost[run.unit] += 1
            words = "its node was lost" if run.node else "it was lost before it began"
            self._again(stream, words, given_up=self._lost[run.unit] >= _LOST)
        else:
            self._fail(stream, "the process that made it ended")

    def _fail(self, stream: Any, why: str) -> None:
        """Try a unit again on another node, or give it up."""
        run = self._running[stream]
        self._failures[run.unit].append(why)
        if run.node is not None:
            self._shunned[run.unit].add(run.node)
        self._again(stream, why, given_up=len(self._failures[run.unit]) >= TRIES)

    def _again(self, stream: Any, why: str, *, given_up: bool) -> None:
        run = self._running.pop(stream)
        where = next((f" (on {node.host})" for node in self._there if node.name == run.node), "")
        if given_up:
            self._given_up += 1
        else:
            self._left.append(run.unit)
        self._tell(Event(kind="failed" if given_up else "again", unit=run.unit, words=f"{why}{where}"))

    def _say_when_nothing_moves(self, moves: bool) -> None:
        """Say what a cluster is waited for in which nothing has begun for a while; once, until something has."""
        if moves:
            self._moved = time.monotonic()
        if any(run.node for run in self._running.values()) or time.monotonic() - self._moved < self._patience:
            return
        self._moved = float("inf")
        self._tell(Event(kind="notice", words=f"waiting for the cluster: {free(self._seat, self._there)}"))


def free(seat: Seat, nodes: Sequence[Node]) -> str:
    """Return in words what of a cluster is free."""
    import ray

    now = ray.available_resources()
    every = {"CPU": sum(node.cpus for node in nodes), "GPU": sum(node.gpus for node in nodes)}
    names = ("CPU", "GPU") if seat.device == "cuda" else ("CPU",)
    return ", ".join(f"{now.get(name, 0.0):g} of {every[name]:g} {name}s are free" for name in names)


def _last_line(problem: BaseException) -> str:
    lines = [line for line in str(problem).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(problem).__name__
