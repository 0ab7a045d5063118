"""What a cluster is asked before it is joined, and what its nodes have room for; Ray itself is not needed for that."""

import subprocess
import sys
from pathlib import Path

import pytest

from onnxmint.engine.cluster import Cluster, Event, Node, Request, memory_for, require_token, seat_for
from onnxmint.engine.ray_driver import why_not_joined
from onnxmint.engine.supervision import LostError, require_cluster, spread
from onnxmint.errors import DeviceError, OnnxmintError, UsageError
from onnxmint.settings import DeviceChoice

GB = 1 << 30


def _node(cpus: float = 8, gpus: float = 0, memory: float = 16 * GB, name: str = "a") -> Node:
    return Node(name=name, host="10.0.0.1", cpus=cpus, gpus=gpus, memory=memory)


@pytest.mark.parametrize(
    "address", ["auto", "local", "", "ray://head:10001", "http://head:8265", "head", "head:", "head:0", "head:70000"]
)
def test_words_by_which_ray_would_start_a_cluster_or_guess_one_are_no_address(address: str) -> None:
    with pytest.raises(UsageError, match=r"is no address of a cluster: give HOST:PORT of its head, as ray start"):
        Cluster(address=address)


@pytest.mark.parametrize("port", [8265, 10001])
def test_ports_that_are_often_confused_with_the_heads_are_named(port: int) -> None:
    with pytest.raises(UsageError, match="8265 is the port of a dashboard and 10001 that of clients; give the head's"):
        Cluster(address=f"head:{port}")


@pytest.mark.parametrize(
    ("address", "head"),
    [("10.0.0.1:6379", ("10.0.0.1", 6379)), ("[::1]:7000", ("::1", 7000)), ("n-1.x:1", ("n-1.x", 1))],
)
def test_an_address_is_a_host_and_a_port(address: str, head: tuple[str, int]) -> None:
    assert Cluster(address=address).head == head


def test_without_an_address_no_cluster_is_started() -> None:
    with pytest.raises(UsageError) as problem:
        require_cluster(None, cores=None, insecure=False)
    assert problem.value.exit_code == 2
    assert "--engine ray joins a cluster, and starts none: give its --address HOST:PORT (or RAY_ADDRESS). Start" in str(
        problem.value
    )
    assert "it listens on all interfaces" in str(problem.value)


def test_where_ray_is_missing_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OnnxmintError, match=r'needs Ray, which is not installed; install it with: pip install "onnxm'):
        require_cluster("10.0.0.1:6379", cores=None, insecure=False)


def test_without_a_token_no_cluster_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    cluster = Cluster(address="10.0.0.1:6379")
    with pytest.raises(UsageError, match=r"no token of a Ray cluster is here .*token.: it listens on all interfaces"):
        require_token(cluster)
    require_token(Cluster(address="10.0.0.1:6379", insecure=True))
    (tmp_path / "token").write_text("0123")
    require_token(cluster)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UsageError, match="RAY_AUTH_MODE=disabled switches the token of Ray off"):
        require_token(cluster)


def test_processes_are_seated_on_cpus_unless_gpus_are_declared() -> None:
    nodes = [_node(), _node(cpus=3, name="b"), _node(cpus=0, name="head")]
    seat = seat_for("auto", nodes, cores=None, memory=GB)
    assert (seat.device, seat.cores, seat.on(nodes)) == ("cpu", 1, 11)
    assert seat.reason == "no CUDA: no node of the cluster declares a GPU"
    assert seat_for("cpu", nodes, cores=2, memory=GB).on(nodes) == 5
    assert seat_for("cpu", nodes, cores=1, memory=5 * GB).on(nodes) == 6  # a node holds three of these
    with pytest.raises(DeviceError, match="--device cuda: no node of the cluster declares a GPU; start those that"):
        seat_for("cuda", nodes, cores=None, memory=GB)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_process_on_a_gpu_has_the_cpus_that_decode_for_it(device: DeviceChoice) -> None:
    nodes = [_node(cpus=16, gpus=4), _node(name="b")]
    seat = seat_for(device, nodes, cores=None, memory=GB)
    assert (seat.device, seat.cores, seat.on(nodes)) == ("cuda", 6, 2)  # 16 CPUs feed two GPUs
    assert seat_for(device, nodes, cores=4, memory=GB).on(nodes) == 4
    assert seat_for("cpu", nodes, cores=None, memory=GB).on(nodes) == 24


def test_a_cluster_without_room_is_refused_with_what_it_has_instead_of_a_wait_without_end() -> None:
    with pytest.raises(OnnxmintError, match=r"room for a process \(64 CPUs, 1.1 GB of memory\); they declare 8"):
        seat_for("cpu", [_node()], cores=64, memory=GB)
    with pytest.raises(OnnxmintError, match=r"\(a GPU, 6 CPUs, .* 2 CPUs, 1 GPUs, 17.2 GB. Take fewer CPUs with"):
        seat_for("auto", [_node(cpus=2, gpus=1)], cores=None, memory=GB)
    with pytest.raises(OnnxmintError, match="declare nothing"):
        seat_for("auto", [], cores=None, memory=GB)


def test_memory_is_asked_for_by_the_size_of_the_models(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"0" * 1000)
    assert memory_for(tmp_path / "model.onnx", tmp_path / "missing") == (1 << 29) + 4000


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            "Version mismatch: The cluster was started with:\n    Ray: 2.55.0\n    Python: 3.12.1\nThis process on "
            "node 10.0.0.2 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n",
            "Ray or Python is another one here than on the cluster: The cluster was started with: Ray: 2.55.0 Python: "
            "3.12.1 This process on node 10.0.0.2 was started with: Ray: 2.60.0 Python: 3.11.7. Install its versions",
        ),
        (
            "Can't find a `node_ip_address.json` file from /tmp/ray",
            "this machine is no node of the cluster at 10.0.0.1:6379, and only from one its work is directed: run on",
        ),
        (
            "Failed to connect to Ray cluster at 10.0.0.1:6379",
            "the cluster at 10.0.0.1:6379 lets nobody in, though something answers there: see that the token here is",
        ),
        (
            "Timed out while waiting for GCS to become available.",
            "the cluster at 10.0.0.1:6379 lets nobody in, though something answers there: see that the token here is",
        ),
        ("something\nelse", "cannot join the cluster at 10.0.0.1:6379: something else"),
    ],
)
def test_why_a_cluster_was_not_joined_is_one_line(problem: str, words: str) -> None:
    assert why_not_joined("10.0.0.1:6379", problem).startswith(words)
    assert "\n" not in why_not_joined("10.0.0.1:6379", problem)


@pytest.mark.slow
def test_what_joins_the_cluster_is_a_process_of_its_own_whose_end_is_one_line() -> None:
    """Without Ray it ends at once; with it, because nothing listens there."""
    request = Request(cluster=Cluster(address="127.0.0.1:1"), task=b"", units=(0,), device="cpu", memory=GB)
    with pytest.raises(OnnxmintError) as problem:
        list(spread(request))
    assert "\n" not in str(problem.value)
    assert isinstance(problem.value, LostError) or "the cluster at 127.0.0.1:1" in str(problem.value)


def test_what_directs_a_cluster_and_its_events_import_nothing_heavy() -> None:
    words = (
        "import sys, onnxmint.engine.ray_driver, onnxmint.engine.supervision\n"
        "print([one for one in ('ray', 'torch', 'onnxruntime', 'numpy', 'pyarrow', 'onnx') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert Event(kind="ended").unit is None
