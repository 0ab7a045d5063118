"""A declaration is one plain value: checked when it is made, the same after travelling, equal by what it does."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onnxmint.errors import UsageError
from onnxmint.preprocess.declared.finding import load_spec
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.preprocess.spec import PreprocessSpec, layout_named
from onnxmint.preprocess.variants import variants_of_pixels, variants_of_resizing

FULL = PreprocessSpec(
    name="t",
    origin="timm",
    size=(30, 40),
    resize="cover",
    filter="lanczos",
    crop=(20, 20),
    pad=(1, 2, 3),
    layout="NHWC",
)


def test_a_declaration_travels_between_processes_and_through_json() -> None:
    for copy in (pickle.loads(pickle.dumps(FULL)), msgspec.json.decode(msgspec.json.encode(FULL), type=PreprocessSpec)):
        assert (copy, copy.origin) == (FULL, "timm")


def test_equal_is_what_does_the_same_whoever_declared_it() -> None:
    assert replace(FULL, origin="huggingface") == FULL
    assert replace(FULL, pad=(1,)) != FULL


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"resize": "stretch"}, "resize must be one of fit-when-needed, squash"),
        ({"layout": "CHW"}, "layout must be one of NCHW"),
        ({"origin": "me"}, "origin must be one of preset"),
        ({"size": (0, 8)}, "size must be of at least 1"),
        ({"crop": (100_000, 100_000)}, "crop must be of at least 1 and at most 50,000,000 pixels"),
        ({"crop_fraction": 0.0}, "crop_fraction must be from 0.01 to 1"),
        ({"pad": ()}, "pad must be one or three levels"),
        ({"pad": (256,)}, "pad must be one or three levels from 0 to 255"),
        ({"scale": 0.0}, "scale must be a number, not 0"),
        ({"scale": float("nan")}, "scale must be a number, not 0"),
        ({"mean": (float("inf"),)}, "mean must be one or three numbers"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be one or three numbers above 0"),
        ({"std": (1.0, 2.0)}, "std must be one or three numbers above 0"),
    ],
)
def test_a_value_that_nothing_can_mean_is_refused_where_it_is_made(facts: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        PreprocessSpec(name="t", **facts)


def test_a_layout_is_one_of_those_that_are_known() -> None:
    assert layout_named("flat-chw") == "flat-chw"
    with pytest.raises(ValueError, match="layout must be one of NCHW"):
        layout_named("CHW")


def test_who_declared_it_is_kept_and_not_read_off_the_name(tmp_path: Path) -> None:
    """A folder called x.json, or a TOML file of a preset's name, decides nothing."""
    odd = tmp_path / "imagenet.json"
    odd.mkdir()
    (odd / "p.toml").write_text("scale = 2")
    spec = load_spec(str(odd))
    assert (spec.origin, spec.of_library) == ("toml", False)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "ViTImageProcessor"}))
    assert load_spec(str(tmp_path / "preprocessor_config.json")).of_library
    assert load_spec("torchvision:ResNet50_Weights.DEFAULT").of_library
    assert load_spec("keras:tf").origin == "keras"
    assert {spec.origin for spec in PRESETS.values()} == {"preset"}


def test_what_is_tried_is_onnxmints_own_unless_nothing_was_changed() -> None:
    plain = variants_of_pixels(PreprocessSpec(name="as it is"), channels=3)
    assert {one.spec.origin for one in plain if one.toml is None} == {"preset", "keras"}
    assert {one.spec.origin for one in plain if one.toml is not None} == {"made"}
    squashed = variants_of_pixels(PreprocessSpec(name="p", size=(8, 8), resize="squash"), channels=3)
    assert {one.spec.origin for one in squashed} == {"made"}
    assert all(one.toml for one in variants_of_resizing(plain[0], (8, 8)))


def test_numbers_that_make_no_preprocessing_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "preprocessor_config.json"
    facts = {"image_processor_type": "EfficientNetImageProcessor", "image_std": 1e-200}  # squared, as it does: 0
    file.write_text(json.dumps(facts))
    with pytest.raises(UsageError) as caught:
        load_spec(str(file))
    assert str(caught.value).startswith(f"{file}: std must be one or three numbers above 0")
