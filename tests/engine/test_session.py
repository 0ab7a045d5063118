"""The choice of a device is honest."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxmint.engine import session
from onnxmint.errors import DeviceError, ModelError
from onnxmint.graph.isolation import MORE_SECONDS

DOUBLE = """
<ir_version: 8, opset_import: ["" : 17]>
double (uint8[N,2,2,1] image) => (uint8[N,2,2,1] twice) { twice = Add(image, image) }
"""

needs_cuda = pytest.mark.skipif(session.cuda_failure() is not None, reason=f"no CUDA: {session.cuda_failure()}")
without_cuda = pytest.mark.skipif(session.cuda_failure() is None, reason="CUDA works here")


def _model() -> bytes:
    return onnx.parser.parse_model(DOUBLE).SerializeToString()


def test_the_cpu_is_there_when_asked_for() -> None:
    device = session.choose_device("cpu")
    opened = session.open_session(_model(), device)
    assert opened.get_providers() == ["CPUExecutionProvider"]


@without_cuda
def test_cuda_that_cannot_be_had_fails_with_reason_and_mend(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match=r"--device cuda: .*(driver|install)"):
        session.choose_device("cuda")
    assert capfd.readouterr().out == ""


@without_cuda
def test_auto_says_why_it_took_the_cpu() -> None:
    device = session.choose_device("auto")
    assert device.kind == "cpu"
    assert device.reason.startswith("no CUDA: ")


def test_a_missing_library_is_named() -> None:
    text = "Failed to load library libonnxruntime_providers_cuda.so with error: libcurand.so.10: cannot open"
    assert 'pip install "onnxmint[cuda]"' in session._explain_cuda(text)


def test_a_model_onnxruntime_cannot_load_is_one_line() -> None:
    with pytest.raises(ModelError, match="onnxruntime cannot load the prepared model") as caught:
        session.open_session(b"not a model", session.choose_device("cpu"))
    assert "\n" not in str(caught.value)


@needs_cuda
@pytest.mark.gpu
def test_on_cuda_outputs_stay_on_the_gpu_and_agree_with_the_cpu() -> None:
    from onnxmint.engine.probe import Probe
    from onnxmint.engine.worker import Worker
    from onnxmint.preprocess.spec import PreprocessSpec

    spec = PreprocessSpec(name="as they are", size=(2, 2), channels="gray")
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    found = {}
    for kind in ("cpu", "cuda"):
        device = session.choose_device(kind)
        probe = Probe(model=_model(), columns=(("twice", "twice"),), spec=spec, device=device, batch_size=3)
        found[kind] = Worker(probe).show(pixels, None)["twice"]
    assert found["cuda"].is_cuda
    np.testing.assert_array_equal(found["cuda"].cpu().numpy(), found["cpu"])


@needs_cuda
@pytest.mark.gpu
def test_on_cuda_a_batch_that_is_not_answered_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxmint.engine.probe import Probe
    from onnxmint.engine.worker import Worker
    from onnxmint.preprocess.spec import PreprocessSpec

    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    endless (uint8[N,2,2,1] image) => (float[N,2,2,1] value)
    <float none = {0}, float bright = {255}>
    { value = Cast <to=1> (image)  most = ReduceMax <keepdims=0> (value)  go = Equal (most, bright)
      turned = Loop (, go, none) <body = b (int64 i, bool c, float a) => (bool c2, float a2)
        { c2 = Identity (c)  a2 = Neg (a) }> }
    """
    monkeypatch.setenv(MORE_SECONDS, "2")
    probe = Probe(
        model=onnx.parser.parse_model(text).SerializeToString(),
        columns=(("value", "value"), ("turned", "turned")),
        spec=PreprocessSpec(name="as they are", size=(2, 2), channels="gray"),
        device=session.choose_device("cuda"),
        batch_size=3,
        seconds=1e-4,
    )
    with pytest.raises(ModelError, match="did not answer a batch of 3 in 2 s"):
        Worker(probe).show(np.full((3, 2, 2, 1), 255, np.uint8), None)


def test_onnxruntime_reports_to_nobody(tmp_path: Path, demo: Path) -> None:
    """Its telemetry leaves a session file in the temporary folder as soon as it is set up."""
    kept = {key: value for key, value in os.environ.items() if key not in ("ORT_DISABLE_TELEMETRY", "CI")}
    words = [sys.executable, "-m", "onnxmint", "layers", str(demo / "target.onnx")]
    subprocess.run(words, env=kept | {"TMPDIR": str(tmp_path)}, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (8, 8, 1), (12, 6, 2), (16, 8, 2), (64, 8, 8)]
)
def test_all_cores_are_shared_out(cores: int, workers: int, threads: int) -> None:
    assert session.share_cores(session.choose_device("cpu"), cores=cores) == (workers, threads)


def test_onnxruntime_writes_nothing_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    """Its default logger has a severity of its own, beside that of a session."""
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    large (uint8[N,2,2,1] image) => (float[A] much)
    <int64[1] size = {4611686018427387904}, float[1] unused = {0}>
    { much = ConstantOfShape (size)  nothing = Identity (image) }
    """
    opened = session.open_session(onnx.parser.parse_model(text).SerializeToString(), session.choose_device("cpu"))
    with pytest.raises(Exception, match=r".") as caught:
        opened.run(None, {"image": np.zeros((1, 2, 2, 1), np.uint8)})
    assert type(caught.value).__module__.startswith("onnxruntime")
    assert capfd.readouterr() == ("", "")
