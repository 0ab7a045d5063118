"""Trial runs in a child process: what they give, what they may take, and that they leave nothing behind."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.graph import isolation
from onnxmint.graph.isolation import MORE_MEMORY, MORE_SECONDS, TrialTimeout
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.running import limited, patience, run_once
from onnxmint.graph.wire import receive, send
from tests.conftest import ROOT
from tests.graph.texts import CNN, cnn, save

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

NUMBERS = ",".join(["0.1"] * 768)
GRAPH = f"""
<ir_version: 8, opset_import: ["" : 20]>
bomb (float[N,3,8,8] image) => (float[N,4] logits)
<float[192,4] w = {{{NUMBERS}}}, float one = {{1}}, float none = {{0}}, bool yes = {{1}}, int64[1] ax = {{0}},
 int64[1] long = {{1500000000}}, int64[2] square = {{50000,50000}}, int64 start = {{0}}, int64 step = {{1}},
 int64 end = {{1500000000}}>
{{ BODY  f = Flatten (image)  l = MatMul (f, w)  logits = Add (l, r) }}
"""
LOOP = """
q = Loop (, yes, none) <body = b (int64 i, bool c, float a) => (bool c2, float a2)
  { c2 = Identity (c)  a2 = Add (a, one) }>
r = Identity (q)
"""
BOMBS = {
    "a constant": "c = ConstantOfShape (long)  r = ReduceSum <keepdims=0> (c)",
    "an expanded number": "c = Expand (one, square)  r = ReduceSum <keepdims=0> (c)",
    "a range": "c = Range (start, end, step)  s = ReduceSum <keepdims=0> (c)  r = Cast <to=1> (s)",
    "what nobody reads": "c = ConstantOfShape (long)  r = Identity (none)",
    "a loop that doubles": """
        q = Loop (, yes, ax) <body = b (int64 i, bool c, int64[M] a) => (bool c2, int64[K] a2)
          { c2 = Identity (c)  a2 = Concat <axis=0> (a, a) }>
        s = ReduceSum <keepdims=0> (q)  r = Cast <to=1> (s)""",
    "a text that doubles": 'a0 = Constant <value_strings = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]> () '
    + " ".join(f"a{n + 1} = StringConcat (a{n}, a{n})" for n in range(30))
    + " r = Identity (none)",
}


def _graph(path: Path, body: str) -> Path:
    return save(GRAPH.replace("BODY", body), path)


def test_a_trial_run_gives_what_onnxruntime_gives(tmp_path: Path) -> None:
    path = cnn(tmp_path / "m.onnx")
    images = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    expected = onnxruntime.InferenceSession(path).run(None, {"image": images})[0]
    for model in (path, path.read_bytes()):
        found = run_once(model, {"image": images}, ["logits"], "m", optimise=True)
        np.testing.assert_array_equal(found["logits"], expected)


@on_linux
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_a_small_file_does_not_take_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setenv(MORE_MEMORY, "0.2")
    with pytest.raises(ModelError, match=r"m\.onnx: it takes more than 0\.2 GB to run it; export it with a smaller"):
        load_target(_graph(tmp_path / "m.onnx", body))


@on_linux
def test_constants_in_a_branch_that_is_not_taken_do_not_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made when a graph is optimised; those that find no memory are left alone without a word."""
    monkeypatch.setenv(MORE_MEMORY, "0.4")
    made = " ".join(
        f"c{n} = ConstantOfShape <value = float[1] {{{n}}}> (n)  m{n} = Mul (c{n}, m{n - 1})" for n in range(1, 6)
    )
    body = f"""
        s = ReduceSum <keepdims=0> (image)  far = Constant <value_float = 1e9> ()  more = Greater (s, far)
        r = If (more) <
          then_branch = t () => (float a) {{ n = Constant <value_ints=[40000000]> ()  m0 = Identity (s)
                                             {made}  a = ReduceSum <keepdims=0> (m5) }},
          else_branch = e () => (float d) {{ d = Constant <value_float = 0.0> () }}>"""
    path = _graph(tmp_path / "m.onnx", body)
    assert load_target(path).answer.classes == 4
    with pytest.raises(ModelError, match=r"it takes more than 0\.4 GB"):
        run_once(path, {"image": np.zeros((1, 3, 8, 8), np.float32)}, ["logits"], "m", optimise=True)


@pytest.mark.slow
def test_a_loop_without_end_is_one_line_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the size is free many are tried: the time is for all of them."""
    monkeypatch.setenv(MORE_SECONDS, "1")
    text = GRAPH.replace("[N,3,8,8]", "[N,3,H,W]").replace("BODY", LOOP)
    began = time.monotonic()
    with pytest.raises(TrialTimeout, match=r"m\.onnx: the model did not answer a batch of 2 in 1 s; it may never end"):
        load_target(save(text, tmp_path / "m.onnx"))
    assert time.monotonic() - began < 10


def test_a_loop_that_ends_for_noise_only_is_found_by_the_list_of_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"s = ReduceSum <keepdims=0> (image)  on = Greater (s, none)  go = Not (on) {LOOP.replace('yes', 'go')}"
    target = load_target(_graph(tmp_path / "m.onnx", body))
    monkeypatch.setenv(MORE_SECONDS, "1")
    with pytest.raises(TrialTimeout, match="did not answer a batch of 2 in 1 s"):
        list_layers(target)


@pytest.mark.parametrize("value", ["fast", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(MORE_SECONDS, value)
    with pytest.raises(OnnxmintError, match=f"{MORE_SECONDS}={value!r} is not a number above 0"):
        load_target(cnn(tmp_path / "m.onnx"))


@on_posix
@pytest.mark.parametrize(
    ("python", "reason"), [("/bin/false", "exit code 1"), ("/nowhere", "No such file or directory")]
)
def test_a_python_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str, reason: str
) -> None:
    path = cnn(tmp_path / "m.onnx")
    for child in isolation._children:
        child.stop()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", python)
        with pytest.raises(
            OnnxmintError, match=f"cannot start '{python}', where models are tried first: {reason}; see"
        ):
            load_target(path)
    assert load_target(path).answer.classes == 4


@on_posix
def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for child in isolation._children:
        child.stop()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "path", [place for place in sys.path if "site-packages" not in place])
        isolation.start()
    with pytest.raises(OnnxmintError, match="ModuleNotFoundError: No module named 'numpy'; see that it imports onnx"):
        load_target(cnn(tmp_path / "m.onnx"))
    assert load_target(cnn(tmp_path / "m.onnx")).answer.classes == 4


@on_posix
def test_a_crash_is_one_line_and_the_next_file_is_read(tmp_path: Path) -> None:
    isolation.start()
    process = isolation._children[0]._process
    timer = threading.Timer(1.0, process.send_signal, [signal.SIGSEGV])
    timer.start()
    with pytest.raises(ModelError, match=r"onnxruntime crashed on it \(signal 11\); update onnxruntime"):
        load_target(_graph(tmp_path / "m.onnx", LOOP))
    assert load_target(cnn(tmp_path / "good.onnx")).answer.classes == 4


@on_posix
def test_ctrl_c_ends_a_trial_and_the_next_answer_is_not_the_old_one(tmp_path: Path) -> None:
    path = _graph(tmp_path / "m.onnx", LOOP)
    isolation.start()
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        load_target(path)
    assert load_target(cnn(tmp_path / "good.onnx")).answer.classes == 4


@pytest.mark.slow
@on_posix
@pytest.mark.parametrize("busy", [False, True])
def test_no_process_outlives_a_killed_one(tmp_path: Path, busy: bool) -> None:
    path = _graph(tmp_path / "m.onnx", LOOP) if busy else cnn(tmp_path / "m.onnx")
    code = (
        "import sys, time; from pathlib import Path; from onnxmint.graph import isolation\n"
        "from onnxmint.graph.load import load_target\n"
        "isolation.start(); print(isolation._children[0]._process.pid, flush=True)\n"
        "load_target(Path(sys.argv[1])); print('read', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {MORE_SECONDS: "2"}
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if busy:
            time.sleep(1.5)
        else:
            assert parent.stdout.readline() == "read\n"
        parent.kill()
    until = time.monotonic() + 20
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_session_of_ours_is_stopped_when_it_does_not_answer(tmp_path: Path) -> None:
    """On one image only, which no trial could know."""
    body = f"s = ReduceMax <keepdims=0> (image)  go = Equal (s, one) {LOOP.replace('yes', 'go')}"
    session = onnxruntime.InferenceSession(_graph(tmp_path / "m.onnx", body))
    images = np.zeros((2, 3, 8, 8), np.float32)

    def run(feed: np.ndarray, seconds: float) -> list[np.ndarray]:
        with limited(seconds, len(feed)) as options:
            return session.run(["logits"], {"image": feed}, options)

    assert run(images, 10)[0].shape == (2, 4)
    with pytest.raises(ModelError, match="the model did not answer a batch of 2 in 1 s; it may never end on some"):
        run(images + 1, 1)
    assert run(images, 10)[0].shape == (2, 4)
    binding = session.io_binding()
    binding.bind_cpu_input("image", images + 1)
    binding.bind_output("logits")
    with pytest.raises(ModelError, match="batch of 2 in 1 s"), limited(1, 2) as options:  # as CUDA sessions are run
        session.run_with_iobinding(binding, options)


def test_a_batch_may_take_a_multiple_of_its_trial_and_what_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert patience(0.01, 64) == 15 + 64
    monkeypatch.setenv(MORE_SECONDS, "600")
    assert patience(0.01, 64) == 600 + 64


def test_other_failures_of_a_session_stay_what_they_are(tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(cnn(tmp_path / "m.onnx", CNN))
    with pytest.raises(Exception, match="Got invalid dimensions"), limited(10, 1) as options:
        session.run(["logits"], {"image": np.zeros((1, 3, 9, 9), np.float32)}, options)


ARRAYS = hnp.arrays(
    st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
TEXTS = hnp.arrays(object, hnp.array_shapes(max_dims=2, max_side=3), elements=st.text())


@given(st.dictionaries(st.text(), ARRAYS | TEXTS, max_size=4), st.binary())
def test_messages_arrive_as_they_were_sent(arrays: dict[str, np.ndarray], raw: bytes) -> None:
    pipe = io.BytesIO()
    send(pipe, {"do": "run"}, arrays, raw)
    send(pipe, {"do": "close"}, {})
    pipe.seek(0)
    first, second = receive(pipe), receive(pipe)
    assert first is not None
    assert second is not None
    assert (first[0], first[2], second[0]) == ({"do": "run"}, raw, {"do": "close"})
    for name, array in arrays.items():
        np.testing.assert_array_equal(first[1][name], array)
        assert first[1][name].dtype == array.dtype
    assert receive(pipe) is None


@given(st.binary(max_size=200))
def test_what_a_child_gone_wrong_says_is_no_answer(content: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        assert receive(io.BytesIO(content)) is None


def test_an_answer_that_is_too_large_is_not_read() -> None:
    pipe = io.BytesIO()
    send(pipe, {}, {"a": np.zeros(1000, np.float32)})
    pipe.seek(0)
    with pytest.raises(ValueError, match="is too large"):
        receive(pipe, 1000)


def test_an_output_that_no_classifier_gives_is_refused(tmp_path: Path) -> None:
    text = CNN.replace("float[N,4] logits)", "float[N,4] logits, float[N] much)").replace(
        "logits = MatMul (flat, w3)",
        "logits = MatMul (flat, w3)  size = Constant <value_ints=[120000000]> ()\nmuch = ConstantOfShape (size)",
    )
    with pytest.raises(ModelError, match=r"its output 'much' has shape \[120000000\], more than an output of a class"):
        load_target(cnn(tmp_path / "m.onnx", text))


def test_texts_and_numbers_of_a_model_arrive(tmp_path: Path) -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
    named (float[N,2] x) => (string[N] word, int64[N] best)
    { best = ArgMax <axis=1, keepdims=0> (x)
      word = ai.onnx.ml.LabelEncoder <keys_int64s=[0, 1], values_strings=["a", "Ä\u202e"]> (best) }
    """
    model = onnx.parser.parse_model(text).SerializeToString()
    found = run_once(model, {"x": np.eye(2, dtype=np.float32)}, ["word", "best"], "m")
    assert found["word"].tolist() == ["a", "Ä\u202e"]
    assert found["best"].tolist() == [0, 1]
