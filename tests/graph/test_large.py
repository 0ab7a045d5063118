"""Models above protobuf's 2 GB: looked at, cut and run without their weights being read, or refused with the size."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from onnxmint.errors import ModelError
from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import Limits, require_one_file, serialize, session_source
from tests.conftest import ROOT
from tests.graph.texts import cnn

_ALLOWED = 400  # MB; the weights are 3,000


@pytest.mark.skipif(sys.platform != "linux", reason="holes in files and shared memory are counted by Linux's ways")
@pytest.mark.slow
def test_three_gigabytes_are_cut_and_run_without_being_held(tmp_path: Path) -> None:
    """In a process of its own: load, list layers, cut, tap, save, instrument and run."""
    command = [sys.executable, "-m", "tests.graph.large", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < _ALLOWED
    assert (tmp_path / "wide.bin").stat().st_blocks == 0


def _external(folder: Path) -> Path:
    model = onnx.load(cnn(folder / "m.onnx"))
    onnx.save(model, folder / "e.onnx", save_as_external_data=True, location="e.bin", size_threshold=0)
    return folder / "e.onnx"


@pytest.mark.parametrize("linked", [True, False])
def test_large_models_run_from_files(tmp_path: Path, linked: bool) -> None:
    """With links to the weights where the file system has them, else with copies; nothing is left behind."""
    target = load_target(_external(tmp_path))
    images = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    expected = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"image": images})[0]
    with session_source(target.model, limits=Limits(held=100, links=linked)) as source:
        assert isinstance(source, Path)
        session = onnxruntime.InferenceSession(source)
        found = session.run(None, {"image": images})[0]
        names = sorted(path.name for path in source.parent.iterdir())
        assert names == (["model.onnx", "weights-0.bin"] if linked else ["model.onnx", "weights.bin"])
    assert not source.parent.exists()
    np.testing.assert_array_equal(found, expected)


def test_a_large_twin_runs_from_files(tmp_path: Path) -> None:
    """Its weights are shuffled as they are written, tensor by tensor."""
    target = load_target(_external(tmp_path))
    twin = placebo_twin(target.model)
    images = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    expected = onnxruntime.InferenceSession(serialize(twin)).run(None, {"image": images})[0]
    with session_source(twin, limits=Limits(one_file=100)) as source:
        assert isinstance(source, Path)
        np.testing.assert_array_equal(onnxruntime.InferenceSession(source).run(None, {"image": images})[0], expected)


def test_a_copy_that_does_not_fit_on_the_disk_is_refused(tmp_path: Path) -> None:
    model = load_target(cnn(tmp_path / "m.onnx")).model.clone()
    huge = ir.LazyTensor(lambda: ir.tensor(np.zeros(1)), dtype=ir.DataType.FLOAT, shape=ir.Shape([10**15]))
    model.graph.initializers["w3"].const_value = huge
    with (
        pytest.raises(ModelError, match=r"needs a copy of the model's 4000000.0 GB .* GB free: set TMPDIR"),
        session_source(model),
    ):
        pass


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Found out while writing, as a quota is."""
    code = (
        "import resource, signal, sys; from onnxmint.errors import ModelError\n"
        "from onnxmint.graph.load import load_target; from onnxmint.graph.serial import Limits, session_source\n"
        "model, limits = load_target(sys.argv[1]).model, Limits(held=100, links=False)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: session_source(model, limits=limits).__enter__()\n"
        "except ModelError as problem: print(problem)"
    )
    command = [sys.executable, "-c", code, _external(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"cannot write the model into \S+, for .*: File too large; set TMPDIR to .*\n", done.stdout)


def test_what_does_not_fit_into_one_file_is_refused(tmp_path: Path) -> None:
    model = load_target(cnn(tmp_path / "m.onnx")).model.clone()
    huge = ir.LazyTensor(lambda: ir.tensor(np.zeros(1)), dtype=ir.DataType.FLOAT, shape=ir.Shape([500_000_000]))
    model.graph.initializers["w3"].const_value = huge
    with pytest.raises(ModelError, match=r"the graph holds 2\.0 GB of weights; one ONNX file can hold 1\.8 GB"):
        serialize(model)
    with pytest.raises(ModelError, match=r"m\.onnx has 2\.0 GB of weights, and an auditor.* float16"):
        require_one_file(model, tmp_path / "m.onnx")


def test_weights_beside_the_model_are_part_of_its_identity(tmp_path: Path) -> None:
    before = load_target(_external(tmp_path)).sha256
    weights = bytearray((tmp_path / "e.bin").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "e.bin").write_bytes(weights)
    assert load_target(tmp_path / "e.onnx").sha256 != before
