"""The export examples: what they write, onnxmint reads as the framework does, preprocessing included."""

import io
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.target import make_ready
from onnxmint.images.chosen import Images, Part
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings
from tests.conftest import ROOT

COUNT = 4


def _pictures(folder: Path) -> list[Image.Image]:
    """Write pictures that are no square, and return them."""
    folder.mkdir()
    found = []
    for number in range(COUNT):
        noise = np.random.default_rng(number).integers(0, 256, (6, 9 + number, 3), np.uint8)
        picture = Image.fromarray(noise).resize((90 + 7 * number, 60), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        (folder / f"{number}.png").write_bytes(buffer.getvalue())
        found.append(picture)
    return found


def _seen_by_onnxmint(model: Path, pictures: Path) -> np.ndarray:
    """Return (n, classes): the answers of the model to the pictures, prepared as the TOML beside it says."""
    settings = EvidenceSettings(preprocess=str(model.with_name("preprocess.toml")), device="cpu")
    target, rows = make_ready(model, settings), np.arange(COUNT)
    exposed = expose(target, [], views=0, labels=False)
    probe = exposed.probe(batch_size=COUNT, columns={ANSWER: exposed.graph.answer})
    part = Part(name="pictures", source=open_source(pictures, labels=False), index=rows, row=rows, label=None)
    seen = Local(quiet).observe(probe, Images(parts=(part,), count=COUNT), name="pictures")
    found: np.ndarray = seen.columns[ANSWER]
    return found


def _by_pytorch(example: dict[str, Any], pictures: list[Image.Image]) -> np.ndarray:
    import torch

    with torch.inference_mode():
        found: np.ndarray = example["NETWORK"](torch.stack([example["prepared"](one) for one in pictures])).numpy()
    return found


def _by_keras(example: dict[str, Any], pictures: list[Image.Image]) -> np.ndarray:
    found: np.ndarray = example["NETWORK"].predict(np.stack([example["prepared"](one) for one in pictures]), verbose=0)
    return found


def _by_sklearn(example: dict[str, Any], pictures: list[Image.Image]) -> np.ndarray:
    found: np.ndarray = example["trained"]().predict_proba(np.stack([example["prepared"](one) for one in pictures]))
    return found


@pytest.mark.parametrize(
    ("name", "needs", "by"),
    [
        pytest.param("pytorch", "torch", _by_pytorch, marks=pytest.mark.slow),
        pytest.param("keras", "keras", _by_keras, marks=pytest.mark.slow),
        pytest.param("sklearn", "skl2onnx", _by_sklearn, marks=pytest.mark.slow),
    ],
)
def test_what_an_example_exports_is_seen_as_the_framework_sees_it(
    name: str,
    needs: str,
    by: Callable[[dict[str, Any], list[Image.Image]], np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters, about themselves
        pytest.importorskip(needs, reason=f"{needs} is not installed: examples/export_{name}.py was run by hand")
        example = runpy.run_path(str(ROOT / "examples" / f"export_{name}.py"))
        network = example["trained"]() if "trained" in example else example["NETWORK"]
        example["export"](network, tmp_path / "out")
        pictures = _pictures(tmp_path / "pictures")
        expected = by(example, pictures)
    seen = _seen_by_onnxmint(tmp_path / "out" / "model.onnx", tmp_path / "pictures")
    if np.allclose(expected.sum(axis=1), 1):  # probabilities, of which onnxmint reads the logits where there are some
        seen = np.exp(seen - seen.max(axis=1, keepdims=True))
        seen /= seen.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(seen, expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the pictures are not all one to it
