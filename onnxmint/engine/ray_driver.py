"""The process that joins a Ray cluster, hands out units, and tells the process above what became of them.

It is one of its own, `python -m onnxmint.engine.ray_driver`, because Ray ends a driver whose node is lost, takes over
its signals and writes on its streams. A request comes in by stdin, events go out by stdout, both as pickle; when stdin
ends, so does this. Only names and numbers go through the cluster: nodes read images and write parts themselves.
"""

import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable

from onnxmint.engine import ray_remote
from onnxmint.engine.cluster import Event, Node, Request, Seat, refuse_open_cluster, seat_for
from onnxmint.engine.ray_units import Units
from onnxmint.errors import OnnxmintError

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would send the current folder to all nodes
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_py_gcs_connect_timeout_s": "15",  # after ten that it waits for the connection alone
}
"""What Ray is told before it is imported: no statistics, nothing sent along, no words of its own, no long waits."""
_PATIENCE = 120.0  # seconds in which a node starts a process

Tell = Callable[[Event], None]


def main() -> None:
    """Serve one request."""
    tell = _teller()
    request = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_who_asked, daemon=True).start()
    os.environ.update(QUIET)
    if not request.cluster.insecure:
        os.environ["RAY_AUTH_MODE"] = "token"
    try:
        _serve(request, tell)
    except OnnxmintError as problem:
        tell(Event(kind="refused", words=str(problem), usage=problem.exit_code == 2))  # noqa: PLR2004
        return
    tell(Event(kind="ended"))


def _teller() -> Tell:
    """Return what writes events to stdout, where nothing else may write from now on."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: Event) -> None:
        pickle.dump(event, out)
        out.flush()

    return tell


def _end_with_who_asked() -> None:
    """End this process when the one above has ended or wants no more; the cluster then ends what it runs for it."""
    sys.stdin.buffer.read()
    os._exit(1)


def _serve(request: Request, tell: Tell) -> None:
    """Join, look at the nodes, and see the units through."""
    import ray

    _join(request)
    ray.cloudpickle.register_pickle_by_value(ray_remote)
    nodes = nodes_now()
    seat = seat_for(request.device, nodes, cores=request.cluster.cores, memory=request.memory)
    fit = [node for node in nodes if seat.on([node])]
    barred = _look_at(fit, request, seat, tell)
    use = [node for node in fit if node.name not in barred]
    tell(Event(kind="joined", words=f"{len(use)} of {len(nodes)} nodes, {seat.on(use)} at once"))
    Units(request, seat, barred, tell, nodes_now).see_through()
    ray.shutdown()


def _join(request: Request) -> None:
    """Join the cluster.

    Raises:
        OnnxmintError: why that cannot be, in one line.
    """
    import ray
    from ray._raylet import GcsClient

    address = request.cluster.address
    try:
        GcsClient(address=address)  # is refused at once for what `init` tries again for minutes, such as another token
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as problem:
        raise OnnxmintError(why_not_joined(address, str(problem))) from None


def why_not_joined(address: str, problem: str) -> str:
    """Return in one line why a cluster was not joined."""
    said = " ".join(problem.split())
    if "Version mismatch" in said:
        versions = said.partition("Version mismatch: ")[2][:300]
        return f"Ray or Python is another one here than on the cluster: {versions}. Install its versions here"
    if any(word in said for word in ("node_ip_address", "raylet", "Can't find")):
        return (
            f"this machine is no node of the cluster at {address}, and only from one its work is directed: run on one, "
            f"or make it one with ray start --address={address} --num-cpus=0 ({said[:200]})"
        )
    if any(word in said for word in ("Failed to connect", "uthenticat", "Timed out")):
        return (
            f"the cluster at {address} lets nobody in, though something answers there: see that the token here is its "
            "own (that which ray get-auth-token prints on its head, in the file that RAY_AUTH_TOKEN_PATH names), that "
            "this is the port of its head, and that it is not too busy to answer"
        )
    return f"cannot join the cluster at {address}: {said[:300]}"


def nodes_now() -> list[Node]:
    """Return the nodes that are there."""
    import ray

    return [
        Node(
            name=one["NodeID"],
            host=one["NodeManagerAddress"],
            cpus=one["Resources"].get("CPU", 0.0),
            gpus=one["Resources"].get("GPU", 0.0),
            memory=one["Resources"].get("memory", 0.0),
        )
        for one in ray.nodes()
        if one["Alive"]
    ]


def _look_at(nodes: list[Node], request: Request, seat: Seat, tell: Tell) -> frozenset[str]:
    """Have a process on each node look whether it can work, and return the names of nodes that cannot.

    Raises:
        OnnxmintError: none can, or the cluster asks nobody for a token.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(ray_remote.look)
    asked = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.name, soft=False)).remote(
            request.task
        ): node
        for node in nodes
    }
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE)
    why = {asked[one]: f"gives no answer in {_PATIENCE:.0f} s" for one in late}
    niceness = os.nice(0)
    for one in done:
        try:
            found = ray.get(one)
        except ray.exceptions.RayError as problem:
            why[asked[one]] = " ".join(str(problem).split())[-300:]
            continue
        if not found["token"] and not request.cluster.insecure:
            raise refuse_open_cluster(request.cluster.address)
        niceness = max(niceness, found["niceness"])
        if found["why"]:
            why[asked[one]] = found["why"]
    for node, words in why.items():
        tell(Event(kind="notice", words=f"node {node.host} is left out: it {words}"))
    if len(why) == len(nodes):
        node, words = next(iter(why.items()))
        raise OnnxmintError(f"no node of the cluster can work: {node.host} {words}")
    if niceness > os.nice(0):
        tell(Event(kind="notice", words=_of_niceness(niceness)))
    return frozenset(node.name for node in why)


def _of_niceness(niceness: int) -> str:
    return (
        f"processes of the cluster run at niceness {niceness}, behind all else on their machines; nodes started with "
        "RAY_worker_niceness=0 do not"
    )


if __name__ == "__main__":
    main()
