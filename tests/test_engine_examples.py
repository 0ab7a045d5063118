"""The scripts for engines run as they stand, on a Ray cluster that the test starts; bytes are those of one process."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from onnxmint.mint.auditor import Auditor
from onnxmint.mint.scorer import Scorer
from onnxmint.results.audit import AUDIT
from onnxmint.results.score_file import write_scores
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.merging import merge_parts
from tests.conftest import DEMO, ROOT

pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[data]' to run the scripts for it")
ENGINES = ROOT / "examples" / "engines"
MODEL, IMAGES = DEMO / "target.onnx", DEMO / "questioned.parquet"
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
room = {"num_cpus": 1, "object_store_memory": 80 << 20}
cluster = Cluster(initialize_head=True, head_node_args=room)
nodes = [cluster.add_node(**room) for _ in range(int(sys.argv[1]) - 1)]
print("address", cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes.pop(), allow_graceful=False)  # SIGKILL
    print("gone", flush=True)
cluster.shutdown()
"""
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What Ray is told: a token of this test, no statistics, this checkout, and no lower priority for its workers."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef" * 4)
    token.chmod(0o600)
    given = {
        "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **given}


def _command(words: list[Any]) -> list[str]:
    script, *rest = words
    return [sys.executable, str(ENGINES / script), *map(str, rest)]


def _run(words: list[Any], place: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = _command(words)
    return subprocess.run(command, env=variables, cwd=place, capture_output=True, text=True, check=False, timeout=240)


@contextmanager
def _cluster(nodes: int, variables: dict[str, str]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Start a cluster in a process of its own, as Ray reads its token once; yield its address and what kills a node."""
    command = [sys.executable, "-c", CLUSTER, str(nodes)]
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = iter(process.stdout.readline, "")
            address = next(line for line in said if line.startswith("address ")).split()[1]

            def kill() -> None:
                print("kill", file=process.stdin, flush=True)
                assert any(line.startswith("gone") for line in said)

            yield address, kill
        finally:
            process.stdin.close()
            process.wait(60)


@pytest.mark.parametrize("nodes", [1, 3])
def test_an_audit_on_a_cluster_has_the_bytes_of_one_process(
    nodes: int, phi: Auditor, phi_file: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    with _cluster(nodes, variables) as (address, _):
        words = [address, MODEL, phi_file, IMAGES, tmp_path / "run.parts", "4", "50"]
        done = _run(["ray_tasks.py", *words], tmp_path, variables)
        assert done.returncode == 0, done.stderr
        assert "4 of 4 parts are there, 8 files were made now" in done.stdout
    _require_as_alone(tmp_path / "run.parts", phi)


def test_a_killed_node_and_a_killed_driver_lose_and_double_nothing(
    phi: Auditor, phi_file: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    with _cluster(3, variables) as (address, kill_node):
        words = ["ray_tasks.py", address, MODEL, phi_file, IMAGES, tmp_path / "run.parts", "8", "50"]
        with subprocess.Popen(
            _command(words), env=variables, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as driver:
            assert driver.stdout is not None
            said = iter(driver.stdout.readline, "")
            assert next(said).startswith("1 of 8 parts are there, 1 files")
            kill_node()
            assert any(line.startswith("2 of 8 parts are there, 2 files") for line in said)  # Ray has much to say
            driver.kill()
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run.parts").glob("part-*")}
        done = _run(words, tmp_path, variables)
        assert done.returncode == 0, done.stderr
        (made,) = re.findall(r"^8 of 8 parts are there, (\d) files were made now$", done.stdout, flags=re.MULTILINE)
        assert int(made) <= 8 - len(before)
        assert {path: path.stat().st_mtime_ns for path in before} == before
    _require_as_alone(tmp_path / "run.parts", phi)


def _require_as_alone(parts: Path, phi: Auditor) -> None:
    alone = audit(MODEL, str(IMAGES), phi, settings=AuditSettings(device="cpu"))
    both = [replace(one, created="then") for one in (alone, merge_parts(parts, device="cpu").result)]
    assert AUDIT.write(both[0]) == AUDIT.write(both[1])
    assert write_scores(both[0]) == write_scores(both[1])


def test_without_a_token_no_cluster_is_joined(tmp_path: Path, variables: dict[str, str]) -> None:
    words = ["127.0.0.1:1", MODEL, "auditor.onnx", IMAGES, tmp_path / "run.parts"]
    given = {name: value for name, value in variables.items() if name != "RAY_AUTH_MODE"}
    done = _run(["ray_tasks.py", *words], tmp_path, given)
    assert done.returncode == 1
    assert done.stderr.startswith("set RAY_AUTH_MODE=token, here and where the cluster is started")


def test_ray_data_takes_the_scorer_as_it_is(phi_file: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    pytest.importorskip("ray.data", reason="Ray Data is not installed: pip install 'ray[data]'")
    pq.write_table(pq.read_table(IMAGES).slice(0, 200), tmp_path / "images.parquet")
    command = [sys.executable, ENGINES / "ray_data.py", str(phi_file), "images.parquet", "scores"]
    done = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "200 images scored" in done.stdout
    whole = Scorer(phi_file, device="cpu")(pq.read_table(tmp_path / "images.parquet"))
    found = ds.dataset(tmp_path / "scores").to_table()
    assert sorted(map(repr, found.select(whole.column_names).to_pylist())) == sorted(map(repr, whole.to_pylist()))
