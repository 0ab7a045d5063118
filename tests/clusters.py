"""Ray clusters that tests start on this machine: a head and further nodes, each with a raylet of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

_CLUSTER = """
import json, sys
import psutil
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
nodes = [dict(zip(("num_cpus", "num_gpus"), map(int, one.split("/")))) for one in sys.argv[1:]]
room = {"object_store_memory": 80 << 20, "memory": 2 << 30, "include_dashboard": False}
def below():
    return set(psutil.Process().children())
def begun(node):
    before = below()
    for left in range(5, -1, -1):  # a busy machine does not start a node in the time that Ray gives it
        try:
            return cluster.add_node(**room, **node)
        except Exception:
            for one in below() - before:  # of other nodes nothing
                for inner in [*one.children(recursive=True), one]:
                    inner.kill()
            if not left:
                raise
cluster = Cluster()
begun(nodes[0])
more = [begun(one) for one in nodes[1:]]
def claim(version):
    gcs, key, space = GcsClient(address=cluster.address), b"CLUSTER_METADATA", b"cluster"
    found = json.loads(gcs.internal_kv_get(key, namespace=space))
    gcs.internal_kv_put(key, json.dumps(found | {"ray_version": version}).encode(), True, namespace=space)
print("address", cluster.address, flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "node":
        cluster.remove_node(more.pop(0), allow_graceful=False)  # SIGKILL
    elif word == "head":
        for kind in cluster.head_node.all_processes.values():
            for one in kind:
                one.process.kill()
    elif word == "add":
        more.append(begun(nodes[-1]))
    elif word:
        claim(word)
    print("done", word, flush=True)
cluster.shutdown()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A cluster that runs: its address, the variables of its users, and what does something to it."""

    address: str
    variables: Mapping[str, str]
    do: Callable[[str], None]  # "node", "head": kill it; "add" a node; a version of Ray: claim to be that


def variables_for(place: Path, *, token: bool = True) -> dict[str, str]:
    """Return what Ray is told: a token of this test, no statistics, this checkout, and no lower priority."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    given |= {
        "RAY_worker_niceness": "0", "RAY_agent_register_timeout_ms": "240000", "RAY_gcs_server_port_wait_time_s": "120",
        "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    if token:
        file = place / "token"
        file.write_text("0123456789abcdef" * 4)
        file.chmod(0o600)
        given |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file)}
    return given


@contextmanager
def cluster(variables: Mapping[str, str], *nodes: str) -> Iterator[Running]:
    """Start a cluster in a process of its own, as Ray reads its token once, and end all of it.

    Args:
        variables: of its processes.
        nodes: CPUs/GPUs of each, as declared; the first is the head.
    """
    words = [sys.executable, "-c", _CLUSTER, *nodes]
    with subprocess.Popen(
        words, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = iter(process.stdout.readline, "")

        def do(word: str) -> None:
            print(word, file=process.stdin, flush=True)
            assert any(line.startswith("done") for line in said)

        try:
            address = next(line for line in said if line.startswith("address ")).split()[1]
            yield Running(address=address, variables=variables, do=do)
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
