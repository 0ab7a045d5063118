"""A cluster that makes units: what is asked of it, what its nodes have room for, and what it tells of the work."""

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from onnxmint.errors import DeviceError, OnnxmintError, UsageError
from onnxmint.settings import DeviceChoice, DeviceKind

PORT = 6379
"""On which the head of a cluster listens unless it is told otherwise."""
BESIDE_GPU = 6
"""CPUs of a process that has a GPU: so many decode for one."""
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")
_DASHBOARD, _CLIENT = 8265, 10001
_MEMORY = 1 << 29  # bytes that a process takes beside its model
_TIMES = 4  # of the model's file, as graph, session and batches
START = (
    "Start one with RAY_AUTH_MODE=token and a token on all nodes (ray get-auth-token --generate): ray start --head, "
    f"then ray start --address=HOST:{PORT} on the others"
)
_INSECURE = f"{START}; or say --insecure-cluster"
LISTENS = "it listens on all interfaces, and whoever reaches a port of one without a token runs code there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that stands already.

    Attributes:
        address: HOST:PORT of its head.
        cores: CPUs of a process; None takes one, beside a GPU BESIDE_GPU.
        insecure: whether one without a token is joined.
    """

    address: str
    cores: int | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        """Refuse words that are no address, above all those by which Ray would start a cluster.

        Raises:
            UsageError: saying what an address is.
        """
        found = _ADDRESS.fullmatch(self.address)
        if found is None or not 0 < int(found["port"]) < 1 << 16:
            raise UsageError(
                f"{self.address!r} is no address of a cluster: give HOST:PORT of its head, as ray start --head prints "
                f"it, such as 10.0.0.1:{PORT} (not ray://, auto or local)"
            )
        if int(found["port"]) in (_DASHBOARD, _CLIENT):
            raise UsageError(
                f"{self.address}: {_DASHBOARD} is the port of a dashboard and {_CLIENT} that of clients; give the "
                f"head's own, {PORT} unless ray start was told another"
            )

    @property
    def head(self) -> tuple[str, int]:
        """Return host and port of the head."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    def answers(self, seconds: float) -> bool:
        """Return whether something listens there."""
        try:
            with socket.create_connection(self.head, timeout=seconds):
                return True
        except OSError:
            return False


def require_token(cluster: Cluster) -> None:
    """Refuse to join without a token, before anything is opened; the cluster itself is asked when it is joined.

    Raises:
        UsageError: saying how tokens are made.
    """
    if cluster.insecure:
        return
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode not in (None, "token"):
        raise UsageError(
            f"RAY_AUTH_MODE={mode} switches the token of Ray off: {LISTENS}. Set it to token here and where the "
            "cluster is started, or say --insecure-cluster"
        )
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if not os.environ.get("RAY_AUTH_TOKEN") and not file.is_file():
        raise UsageError(
            f"no token of a Ray cluster is here (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or {file}): {LISTENS}. {_INSECURE}"
        )


def refuse_open_cluster(address: str) -> UsageError:
    """Return why a cluster that asks nobody for a token is not used."""
    return UsageError(
        f"the cluster at {address} asks nobody for a token: {LISTENS}. {START}; or say --insecure-cluster"
    )


class Task(Protocol):
    """Makes units in a process of a node: plain data that travels by pickle, and opens what it needs where it runs."""

    def check(self) -> None:
        """Look whether its files are there, in little time.

        Raises:
            OnnxmintError: naming what is not.
        """

    def __call__(self, unit: int, *, device: DeviceKind, cores: int, reason: str) -> None:
        """Make a unit on a device, with so many cores; the reason is why it was taken.

        Raises:
            OnnxmintError: it cannot be made here.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a cluster, by what it declares.

    Attributes:
        name: unlike all others.
        host: its address.
        cpus: for tasks.
        gpus: for tasks.
        memory: bytes for tasks.
    """

    name: str
    host: str
    cpus: float
    gpus: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a process is given, and why.

    Attributes:
        device: that it runs on.
        cores: of the node's CPUs.
        memory: bytes that are set aside for it.
        reason: why the device was taken.
    """

    device: DeviceKind
    cores: int
    memory: int
    reason: str

    def on(self, nodes: Sequence[Node]) -> int:
        """Return how many processes the nodes have room for."""
        return sum(map(self._on, nodes))

    def _on(self, node: Node) -> int:
        room = [node.cpus // self.cores, node.memory // self.memory, *([node.gpus] if self.device == "cuda" else ())]
        return int(min(room))


def memory_for(*models: Path) -> int:
    """Return the bytes that a process with these models is given."""
    return _MEMORY + _TIMES * sum(path.stat().st_size for path in models if path.is_file())


def seat_for(device: DeviceChoice, nodes: Sequence[Node], *, cores: int | None, memory: int) -> Seat:
    """Say where processes run: on GPUs where some are declared, unless the CPU was asked for.

    Args:
        device: as asked for.
        nodes: of the cluster.
        cores: CPUs of a process, None for what suits the device.
        memory: bytes of a process.

    Raises:
        DeviceError: GPUs are asked for, and none is declared.
        OnnxmintError: no node has room for a process.
    """
    gpus = sum(int(node.gpus) for node in nodes)
    if device == "cuda" and not gpus:
        raise DeviceError(
            "--device cuda: no node of the cluster declares a GPU; start those that have one with ray start "
            "--num-gpus=N, or use --device cpu"
        )
    if gpus and device != "cpu":
        reason = "--device cuda" if device == "cuda" else f"the cluster declares {gpus} GPUs"
        seat = Seat(device="cuda", cores=cores or BESIDE_GPU, memory=memory, reason=reason)
    else:
        reason = "--device cpu" if device == "cpu" else "no CUDA: no node of the cluster declares a GPU"
        seat = Seat(device="cpu", cores=cores or 1, memory=memory, reason=reason)
    if not seat.on(nodes):
        gpu = "a GPU, " if seat.device == "cuda" else ""
        raise OnnxmintError(
            f"no node of the cluster has room for a process ({gpu}{seat.cores} CPUs, {_gb(memory)} GB of memory); they "
            f"declare {_declared(nodes)}. Take fewer CPUs with --cpus-per-task, or add a larger node"
        )
    return seat


def _declared(nodes: Sequence[Node]) -> str:
    found = sorted({(node.cpus, node.gpus, _gb(node.memory)) for node in nodes}, reverse=True)
    return "; ".join(f"{cpus:g} CPUs, {gpus:g} GPUs, {memory} GB" for cpus, gpus, memory in found[:3]) or "nothing"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the process that joins the cluster is told.

    Attributes:
        cluster: to be joined.
        task: as pickle, which only the nodes open.
        units: to be made.
        device: as asked for.
        memory: bytes of a process.
        patience: seconds without a unit that begins, after which it is said what is waited for.
    """

    cluster: Cluster
    task: bytes
    units: tuple[int, ...]
    device: DeviceChoice
    memory: int
    patience: float = 20.0


EventKind = Literal["joined", "made", "again", "failed", "notice", "refused", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a cluster tells: it was joined, a unit was made, is tried again or given up, or something about all.

    Attributes:
        kind: of it.
        unit: its number, where it is about one.
        words: for the user; what is refused is an error.
        usage: whether what is refused is wrong usage.
    """

    kind: EventKind
    unit: int | None = None
    words: str = ""
    usage: bool = False
