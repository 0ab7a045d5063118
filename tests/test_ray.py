"""Audits on a Ray cluster that the test starts: bytes of one process, whatever ends, and traps of Ray as one line."""

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onnxmint.engine.cluster import Cluster, Request
from onnxmint.engine.supervision import spread
from onnxmint.errors import OnnxmintError
from onnxmint.mint.auditor import Auditor
from onnxmint.report.files import load_run
from onnxmint.results.audit import AUDIT, AuditResult
from onnxmint.results.score_file import write_scores
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from tests.clusters import Running, cluster, variables_for
from tests.conftest import DEMO
from tests.engine.tasks import Files

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray to try audits on a cluster")
MODEL, IMAGES = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:200"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A cluster of two nodes, of which one declares a GPU that is not there."""
    with cluster(variables_for(tmp_path_factory.mktemp("two")), "1/0", "1/1") as running:
        yield running


def _audit(
    running: Running, phi_file: Path, place: Path, *words: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = _command(running, phi_file, *words)
    given = {**running.variables, "ONNXMINT_STATE": str(place / "state"), **variables}
    return subprocess.run(command, cwd=place, env=given, capture_output=True, text=True, check=False, timeout=240)


def _command(running: Running, phi_file: Path, *words: object) -> list[str]:
    given = ["audit", MODEL, IMAGES, "--auditor", phi_file, "-o", "run", "--unit", 25, "--no-controls", "--no-record"]
    device = [] if "--device" in words else ["--device", "cpu"]
    ours = ["--engine", "ray", "--address", running.address, *device]
    return [sys.executable, "-m", "onnxmint", *map(str, (*given, *ours, *words))]


def _request(running: Running, task: Files, units: int, **given: Any) -> Request:
    room = {"device": "cpu", "memory": 1 << 28, **given}
    return Request(cluster=Cluster(address=running.address), task=pickle.dumps(task), units=tuple(range(units)), **room)


def _require_as_alone(run: Path, phi: Auditor) -> None:
    alone = audit(MODEL, IMAGES, phi, settings=AuditSettings(device="cpu", controls=False))
    assert _bytes(load_run(run)) == _bytes(alone)


def _bytes(result: AuditResult) -> list[bytes]:
    """Return report.json without what a run adds to an audit, and scores.parquet."""
    found = replace(result, created="then", warnings=(), tries=None, target=replace(result.target, path="model"))
    return [AUDIT.write(found).encode(), write_scores(found)]


def test_an_audit_on_two_nodes_has_the_bytes_of_one_process(
    two: Running, phi: Auditor, phi_file: Path, tmp_path: Path
) -> None:
    done = _audit(two, phi_file, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "joined the cluster: 2 of 2 nodes, 2 at once" in done.stderr
    assert "8 parts are in run.parts (0 from before, 0 tries were repeated)" in done.stderr
    _require_as_alone(tmp_path / "run", phi)
    parts = sorted((tmp_path / "run.parts").glob("part-*"))
    stamps = [part.stat().st_mtime_ns for part in parts]
    parts[3].unlink()
    done = _audit(two, phi_file, tmp_path, "--overwrite")
    assert "8 parts are in run.parts (7 from before, 0 tries were repeated)" in done.stderr
    kept = [part.stat().st_mtime_ns for part in parts]
    assert kept[:3] + kept[4:] == stamps[:3] + stamps[4:]
    _require_as_alone(tmp_path / "run", phi)
    assert not [path for path in (tmp_path / "run.parts").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("nodes", [1, 3])
def test_other_numbers_of_nodes_make_the_same_bytes(nodes: int, phi: Auditor, phi_file: Path, tmp_path: Path) -> None:
    with cluster(variables_for(tmp_path), *["1/0"] * nodes) as running:
        done = _audit(running, phi_file, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"joined the cluster: {nodes} of {nodes} nodes, {nodes} at once" in done.stderr
    assert "8 parts are in run.parts (0 from before, 0 tries were repeated)" in done.stderr
    _require_as_alone(tmp_path / "run", phi)


def test_what_cannot_run_on_a_cluster_is_one_line_and_no_hang(two: Running, phi_file: Path, tmp_path: Path) -> None:
    done = _audit(two, phi_file, tmp_path, "--device", "auto", "--cpus-per-task", 1, "-q")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "incomplete: 0 of 8 parts are in run.parts, and some could not be made in several tries" in done.stderr
    assert "--device cuda: " in done.stderr
    done = _audit(two, phi_file, tmp_path, "--cpus-per-task", 64, "-q")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "no node of the cluster has room for a process (64 CPUs" in done.stderr


def test_another_token_is_refused(two: Running, phi_file: Path, tmp_path: Path) -> None:
    token = tmp_path / "another"
    token.write_text("f" * 64)
    begun = time.monotonic()
    done = _audit(two, phi_file, tmp_path, "-q", RAY_AUTH_TOKEN_PATH=str(token))
    assert time.monotonic() - begun < 60  # Ray itself would try for two minutes
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "lets nobody in, though something answers there: see that the token here is its" in done.stderr


def test_what_is_no_head_of_a_cluster_is_no_hang(tmp_path: Path, phi_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        running = Running(address=address, variables=variables_for(tmp_path), do=lambda _: None)
        begun = time.monotonic()
        done = _audit(running, phi_file, tmp_path, "-q")
    assert time.monotonic() - begun < 60
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert f"the cluster at {address} lets nobody in, though something answers there" in done.stderr


def test_another_version_is_refused_with_both(two: Running, phi_file: Path, tmp_path: Path) -> None:
    two.do("2.9.3")
    done = _audit(two, phi_file, tmp_path, "-q")
    two.do(ray.__version__)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "Error: Ray or Python is another one here than on the cluster: The cluster was started with: Ray: 2.9.3" in (
        done.stderr
    )


def test_a_unit_that_always_ends_its_process_is_named_and_the_others_are_made(
    two: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take(two, monkeypatch)
    task = Files(folder=str(tmp_path), crash=(2,), refuse=(4,))
    events = list(spread(_request(two, task, 6)))
    assert sorted(event.unit for event in events if event.kind == "made" and event.unit is not None) == [0, 1, 3, 5]
    failed = {event.unit: event.words for event in events if event.kind == "failed"}
    assert set(failed) == {2, 4}
    assert failed[2].startswith("the process that made it ended (on ")
    assert failed[4].startswith("unit 4 cannot be made (on ")
    assert [len((tmp_path / f"{unit}.tries").read_text().splitlines()) for unit in (1, 2, 4)] == [1, 3, 3]
    assert (tmp_path / "0").read_text() == "cpu 1 --device cpu"
    opened = (tmp_path / "opened").read_text().split()
    assert len(opened) == len(set(opened))  # what a process has opened serves all its units


def test_a_cluster_that_is_busy_is_said_to_be(two: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _take(two, monkeypatch)
    first = spread(_request(two, Files(folder=str(tmp_path), seconds=60), 2))
    assert next(first).kind == "joined"
    holding = threading.Thread(target=lambda: next(first, None), daemon=True)
    holding.start()
    while len(list(tmp_path.glob("*.tries"))) < 2:
        time.sleep(0.1)
    second = spread(_request(two, Files(folder=str(tmp_path)), 1, patience=1.0))
    assert next(second).kind == "joined"
    assert next(second).words == "waiting for the cluster: 0 of 2 CPUs are free"
    second.close()


def _take(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in running.variables.items():
        monkeypatch.setenv(name, value)


def test_a_cluster_that_asks_nobody_for_a_token_is_refused_unless_told(
    phi: Auditor, phi_file: Path, tmp_path: Path
) -> None:
    with cluster(variables_for(tmp_path, token=False), "1/0") as running:
        done = _audit(running, phi_file, tmp_path, "-q", RAY_AUTH_TOKEN="0" * 64)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "asks nobody for a token: it listens on all interfaces" in done.stderr
        done = _audit(running, phi_file, tmp_path, "-q", "--insecure-cluster")
        assert done.returncode == 0, done.stderr
    _require_as_alone(tmp_path / "run", phi)


def test_a_lost_head_ends_in_a_line_that_says_how_to_go_on(phi: Auditor, phi_file: Path, tmp_path: Path) -> None:
    variables, small = variables_for(tmp_path), ("--unit", 2)  # so many that some are left when the head is killed
    with cluster(variables, "1/0", "1/0", "1/0") as running:
        given = {**variables, "ONNXMINT_STATE": str(tmp_path / "state")}
        words = _command(running, phi_file, *small)
        with subprocess.Popen(words, cwd=tmp_path, env=given, stderr=subprocess.PIPE, text=True) as process:
            _wait_for_parts(tmp_path, 1)
            running.do("node")
            _wait_for_parts(tmp_path, 3)
            running.do("head")
            begun = time.monotonic()
            said = process.communicate(timeout=90)[1]
        assert time.monotonic() - begun < 60
        assert process.returncode == 1, said
        last = said.splitlines()[-1]
        assert last.startswith("Error: ")
        assert " of 100 parts are in run.parts; resume with: the same command, which makes only what is missing" in last
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run.parts").glob("part-*")}
    with cluster(variables, "1/0", "1/0") as running:
        done = _audit(running, phi_file, tmp_path, *small)
        assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    _require_as_alone(tmp_path / "run", phi)


def _wait_for_parts(place: Path, count: int) -> None:
    end = time.monotonic() + 120
    while len(list((place / "run.parts").glob("part-*"))) < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_nothing_of_ray_starts_where_nothing_listens(
    tmp_path: Path, phi_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(address="127.0.0.1:1", variables=variables_for(tmp_path), do=lambda _: None)
    done = _audit(running, phi_file, tmp_path)
    assert done.returncode == 1
    assert "Error: nothing answers at 127.0.0.1:1: see that the head of the cluster runs" in done.stderr
    _take(running, monkeypatch)
    with pytest.raises(OnnxmintError, match=r"at 127.0.0.1:1 (lets nobody in|was not joined)|no longer"):
        list(spread(_request(running, Files(folder=os.devnull), 1)))
