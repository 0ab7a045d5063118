"""Pixels are those of the library that a declaration comes from, bit for bit: compared with what it made of them.

`python -m tools.fixtures.preprocessing` recorded it, with the versions that stand in the file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxmint.preprocess.declared.finding import load_spec
from onnxmint.preprocess.declared.huggingface import PROCESSORS
from onnxmint.preprocess.declared.torchvision import torchvision_weights
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.resampling import resize_like_torch, resize_without_antialias
from onnxmint.preprocess.spec import PreprocessSpec
from tests.graph.texts import cnn
from tests.images.pictures import PICTURES, png

RECORDED = Path(__file__).parent / "recorded"
FACTS: dict[str, Any] = json.loads((RECORDED / "preprocessing.json").read_text())
KEPT = np.load(RECORDED / "preprocessing.npz")


def _declared(case: dict[str, Any], folder: Path) -> PreprocessSpec:
    """Read a declaration as a user would give it."""
    facts = case["declared"]
    if "name" in facts:
        return load_spec(f"torchvision:{facts['name']}")
    if "metadata" in facts:
        model = onnx.load(cnn(folder / "model.onnx"))
        onnx.helper.set_model_props(model, facts["metadata"])
        onnx.save(model, folder / "model.onnx")
        return load_spec(str(folder / "model.onnx"))
    name = "config.json" if "pretrained_cfg" in facts else "preprocessor_config.json"
    (folder / name).write_text(json.dumps(facts))
    return load_spec(str(folder))


def _digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


def _read_by_model(pixels: np.ndarray, spec: PreprocessSpec) -> np.ndarray:
    """Return what the graph makes of pixels, in float32 as there."""
    shown = pixels[..., ::-1] if spec.channels == "bgr" else pixels
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    return (shown.astype(np.float32) * np.float32(spec.scale) - mean) / std


@pytest.mark.parametrize("name", FACTS["cases"])
def test_pixels_and_input_are_the_librarys(tmp_path: Path, name: str) -> None:
    case = FACTS["cases"][name]
    spec = _declared(case, tmp_path)
    for picture, values in zip(case["digest"], KEPT[f"{name}/values"], strict=True):
        pixels = decode(png(PICTURES[picture]), spec)
        if f"{name}/pixels" in KEPT and picture == next(iter(case["digest"])):
            np.testing.assert_array_equal(pixels, KEPT[f"{name}/pixels"])
        assert _digest(pixels) == case["digest"][picture], picture
        corner = _read_by_model(pixels, spec)[:3, -3:]
        closest = 1e-6 * max(1, float(np.abs(values).max()))  # of what float32 holds of the largest
        np.testing.assert_allclose(corner, values, rtol=1e-6, atol=closest, err_msg=picture)


def test_every_processor_that_is_known_was_compared() -> None:
    compared = {case["declared"].get("image_processor_type", "") for case in FACTS["cases"].values()}
    assert compared - {""} == {f"{name}{way}" for name in PROCESSORS for way in ("", "Fast")}


def test_all_weights_of_torchvision_have_its_transforms() -> None:
    found = {
        name: [spec.size[0], spec.crop[0], spec.filter, list(spec.mean), list(spec.std)]
        for name, spec in torchvision_weights().items()
        if spec.size and spec.crop
    }
    assert found == FACTS["torchvision"]
    assert {spec.resize for spec in torchvision_weights().values()} == {"shortest"}


@pytest.mark.parametrize("name", FACTS["torch"])
def test_resizing_like_torch_is_torchs(name: str) -> None:
    mode, picture, height, width = name.split()
    pixels = np.asarray(PICTURES[picture].convert("RGB"))
    assert _digest(resize_like_torch(pixels, (int(height), int(width)), mode)) == FACTS["torch"][name]


@pytest.mark.parametrize("size", [(30, 31), (97, 20), (224, 224), (1, 1)])
@pytest.mark.parametrize("picture", ["tall", "wide", "square"])
def test_resizing_without_antialias_is_torchs(size: tuple[int, int], picture: str) -> None:
    """Interpolation in float32, rounded: half a level of rounding, and what float32 leaves open at a half."""
    import torch

    pixels = np.asarray(PICTURES[picture])
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.interpolate(tensor, size, mode="bilinear", antialias=False)[0].permute(1, 2, 0)
    found = resize_without_antialias(pixels, size)
    assert np.abs(found - expected.numpy()).max() <= 0.505


@pytest.mark.parametrize("mode", FACTS["keras"])
def test_modes_of_keras_are_kerass(mode: str) -> None:
    pixels = np.array([[[0, 128, 255]], [[17, 3, 90]]], np.uint8)
    found = _read_by_model(pixels, load_spec(f"keras:{mode}"))
    np.testing.assert_allclose(found, np.array(FACTS["keras"][mode]), rtol=1e-6, atol=1e-6)
