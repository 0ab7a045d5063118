"""The command for a CUDA device works before there is one: the same lines by IO binding on a CPU."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from onnxmint.engine.probe import ANSWER, Probe, expose
from onnxmint.engine.session import cuda_failure
from onnxmint.engine.target import Target
from onnxmint.engine.worker import Worker
from tests.conftest import DEMO, ROOT

BENCH = ROOT / "tools" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("bound")


@pytest.fixture
def probe(target: Target) -> Probe:
    exposed = expose(target, [], views=0, labels=False)
    return exposed.probe(batch_size=4, columns={ANSWER: exposed.columns[ANSWER]})


def batches() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (4, 28, 28, 1), np.uint8) for _ in range(7)]


def test_bound_sessions_and_two_streams_give_what_a_worker_gives(bench: ModuleType, probe: Probe) -> None:
    worker = Worker(probe)
    expected = [worker.show(batch, None)[ANSWER] for batch in batches()]
    one = bench.Bound(probe)
    for batch, wanted in zip(batches(), expected, strict=True):
        np.testing.assert_array_equal(one.run(one.upload(batch)).numpy(), wanted)
    found = bench.in_two_streams([bench.Bound(probe), bench.Bound(probe)], batches())
    np.testing.assert_array_equal(np.stack(found), np.stack(expected))


def test_a_profile_tells_where_operators_ran(bench: ModuleType, probe: Probe, tmp_path: Path) -> None:
    ran = bench.Bound(probe, profile=tmp_path).providers_of(batches()[0])
    assert set(ran) == {"CPUExecutionProvider"}
    assert not list(tmp_path.iterdir())


def test_a_stream_that_breaks_ends_all_and_says_why(bench: ModuleType, probe: Probe) -> None:
    broken = [*batches(), np.zeros((4, 28), np.uint8)]
    with pytest.raises(Exception, match="rank") as caught:
        bench.in_two_streams([bench.Bound(probe), bench.Bound(probe)], broken)
    assert "image" in str(caught.value) or caught.value.args


@pytest.mark.slow
def test_the_whole_command_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu-cpu.json"
    words = ["--device", "cpu", "--network", f"{DEMO}/target.onnx", "--size", "28", "--images", "64", "--rounds", "1"]
    more = ["--known", "60", "--questioned", "30", "--no-controls", "-o", str(out)]
    environment = {
        "PYTHONPATH": f"{ROOT}",
        "ONNXMINT_BENCH": str(tmp_path / "work"),
        "PATH": "",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, str(BENCH / "gpu.py"), *words, *more], check=True, env=environment, timeout=300)
    rows = {row["step"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["provider", "speed", "audit", "memory"]
    assert all(row["device"] == "cpu" for row in rows.values())
    assert rows["provider"]["found"] == 1
    assert set(rows["speed"]["images per second"]) == {"ours", "two streams", "bare"}
    assert rows["speed"]["largest difference between the ways"] == 0
    assert rows["audit"]["found"] <= 1e-5


@pytest.mark.gpu
@pytest.mark.slow
def test_the_whole_command_runs_on_a_device(tmp_path: Path) -> None:
    if cuda_failure() is not None:
        pytest.skip(f"no CUDA: {cuda_failure()}")
    out = tmp_path / "gpu-cuda.json"
    subprocess.run([sys.executable, str(BENCH / "gpu.py"), "-o", str(out)], check=True, timeout=540)
    assert all(row["reached"] for row in json.loads(out.read_text())["rows"])
