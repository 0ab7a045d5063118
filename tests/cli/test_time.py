"""A model that never answers some image: no command waits for ever, and each says so in one line."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxmint.graph.isolation import MORE_SECONDS
from tests.cli.conftest import Run
from tests.graph.texts import CNN, cnn

ENDLESS = CNN.replace(
    "logits = MatMul (flat, w3)",
    """l = MatMul (flat, w3)  none = Constant <value = float {0}> ()  bright = Constant <value = float {1}> ()
       most = ReduceMax <keepdims=0> (image)  go = GreaterOrEqual (most, bright)
       q = Loop (, go, none) <body = b (int64 i, bool c, float a) => (bool c2, float a2)
         { c2 = Identity (c)  a2 = Neg (a) }>
       logits = Add (l, q)""",
)
LATE = re.compile(r"the model did not answer a batch of 1 in \d+ s; it may never end on some image")  # 3 s or more


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Folders of pictures that are never white, and of one that is."""
    rng = np.random.default_rng(0)
    for side in ("in", "out", "asked"):
        (tmp_path / side).mkdir()
        for number in range(45):
            levels = rng.integers(0, 200, (8, 8, 3), np.uint8)
            Image.fromarray(levels).save(tmp_path / side / f"{number}.png")
    (tmp_path / "white").mkdir()
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(tmp_path / "white" / "w.png")
    return tmp_path


@pytest.mark.slow
def test_check_ends_where_the_model_does_not(call: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MORE_SECONDS, "3")
    code, _, err = call("check", cnn(pictures / "m.onnx", ENDLESS), "white", "-q")
    assert (code, err.count("\n")) == (1, 1)
    assert LATE.search(err)


@pytest.mark.slow
def test_audits_end_where_the_model_or_the_auditor_does_not(
    call: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MORE_SECONDS, "3")
    model = cnn(pictures / "m.onnx", ENDLESS)
    known = ["--members", "in", "--nonmembers", "out", "--preprocess", "0-1", "--module", "phi", "--no-controls", "-q"]
    code, _, err = call("audit", model, "white", *known, "-o", "run")
    assert code == 1
    assert LATE.search(err)
    code, _, err = call("audit", model, "white", "--auditor", "run.unfinished/auditor.onnx", "-q")
    assert (code, err.count("\n")) == (1, 1)
    assert LATE.search(err)
    assert call("audit", model, "asked", "--auditor", "run.unfinished/auditor.onnx", "-q")[0] == 0
