"""Preprocessing that others declare: where it is found, and that what cannot be reproduced is refused by its key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxmint.errors import UsageError
from onnxmint.preprocess.declared.finding import declared_beside, load_spec
from onnxmint.preprocess.declared.huggingface import PROCESSORS
from onnxmint.preprocess.declared.metadata import read_metadata
from onnxmint.preprocess.declared.toml import spec_toml
from onnxmint.preprocess.decoding import PRESETS, resolve
from onnxmint.preprocess.spec import PreprocessSpec
from tests.graph.texts import cnn

VIT = {"image_processor_type": "ViTImageProcessor"}
TIMM = {"input_size": [3, 24, 24], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
EVERY = (
    VIT,
    {"image_processor_type": "CLIPImageProcessorFast"},
    {"image_processor_type": "MobileViTImageProcessor"},
    {"pretrained_cfg": {**TIMM, "crop_mode": "border"}},
    {**TIMM, "input_size": [3, 24, 31]},
)


def _write(folder: Path, facts: Any, name: str = "preprocessor_config.json") -> Path:
    file = folder / name
    file.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    return file


def _with_metadata(place: Path, **props: str) -> Path:
    model = onnx.load(cnn(place))
    onnx.helper.set_model_props(model, props)
    onnx.save(model, place)
    return place


@pytest.mark.parametrize("facts", EVERY)
def test_toml_and_json_repeat_every_declaration(tmp_path: Path, facts: dict[str, Any]) -> None:
    spec = load_spec(str(_write(tmp_path, facts)))
    (tmp_path / "p.toml").write_text(spec_toml(spec))
    assert replace(load_spec(str(tmp_path / "p.toml")), name=spec.name) == spec
    height, width = spec.crop or spec.size or (0, 0)
    settled = resolve(spec, height=height, width=width, channels=3, layout="NCHW")
    assert msgspec.json.decode(msgspec.json.encode(settled), type=PreprocessSpec) == settled


def test_what_was_saved_as_a_feature_extractor_is_read_as_an_image_processor(tmp_path: Path) -> None:
    old = load_spec(str(_write(tmp_path, {"feature_extractor_type": "ViTFeatureExtractor", "size": 30})))
    new = load_spec(str(_write(tmp_path, {"image_processor": VIT | {"size": 30}}, "processor_config.json")))
    assert replace(old, name="") == replace(new, name="")
    assert old.size == (30, 30)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("[1]", "holds no JSON object"),
        ("{", "no readable JSON"),
        ("[" * 200_000, "no readable JSON: it is nested more than 64 levels deep"),
        ({"size": 224}, "image_processor_type is missing"),
        ({"image_processor_type": "SamImageProcessor"}, 'image_processor_type = "SamImageProcessor"; onnxmint reprod'),
        ({"feature_extractor_type": "Wav2Vec2FeatureExtractor"}, "feature_extractor_type = "),
        (VIT | {"do_thumbnail": True}, "do_thumbnail = true; onnxmint does not know what this does"),
        (VIT | {"auto_map": {"AutoImageProcessor": "own.py"}}, "auto_map = "),
        (VIT | {"do_pad": True}, "do_pad = true; onnxmint does not pad"),
        (VIT | {"do_resize": "yes"}, 'do_resize = "yes"; expected true or false'),
        (VIT | {"size": {"longest_edge": 224}}, "size = "),
        (VIT | {"size": {"shortest_edge": 224, "longest_edge": 300}}, "onnxmint reproduces a number, height with"),
        (VIT | {"size": {"shortest_edge": 224}}, "without do_center_crop images of all sizes come out"),
        (VIT | {"size": {"height": "a", "width": 3}}, "expected height and width in pixels"),
        (VIT | {"size": 100000}, "expected at least 1 and at most 50,000,000 pixels"),
        (VIT | {"size": -1}, "expected at least 1"),
        (VIT | {"do_center_crop": True, "crop_size": {"shortest_edge": 3}}, "crop_size = "),
        (VIT | {"resample": 9}, "resample = 9; onnxmint reproduces 0, 1, 2, 3, 4, 5"),
        (VIT | {"resample": "bicubic"}, 'resample = "bicubic"; onnxmint reproduces'),
        ({"image_processor_type": "ViTImageProcessorFast", "resample": 4}, "a fast processor has no such filter"),
        (VIT | {"image_std": [1, 0, 1]}, "image_std = [1, 0, 1]; every number must be above 0"),
        (VIT | {"image_mean": [1, 2]}, "image_mean = [1, 2]; expected one number, or three"),
        (VIT | {"rescale_factor": 0}, "rescale_factor = 0; expected a number above 0"),
        ({"image_processor_type": "ConvNextImageProcessor", "size": [3, 3]}, "this processor takes a shortest_edge"),
        ({"image_processor_type": "ConvNextImageProcessor", "do_center_crop": True}, "do_center_crop = true; this"),
        ({"image_processor_type": "ConvNextImageProcessor", "size": 224, "crop_pct": 2}, "crop_pct = 2; expected"),
        ({"image_processor_type": "MobileViTImageProcessor", "do_normalize": True}, "do_normalize = true; this"),
    ],
)
def test_an_image_processor_that_cannot_be_reproduced_is_refused(tmp_path: Path, facts: Any, message: str) -> None:
    file = _write(tmp_path, facts)
    with pytest.raises(UsageError) as caught:
        load_spec(str(file))
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"pretrained_cfg": 3}, "pretrained_cfg = 3; expected an object"),
        ({**TIMM, "input_size": [24, 24]}, "input_size = [24, 24]; expected [channels, height, width]"),
        ({**TIMM, "input_size": [4, 24, 24]}, "expected [channels, height, width]"),
        ({**TIMM, "crop_pct": 0}, "crop_pct = 0; expected a number above 0.01 and at most 1"),
        ({**TIMM, "crop_mode": "corner"}, 'crop_mode = "corner"; onnxmint reproduces center, squash, border'),
        ({**TIMM, "interpolation": "random"}, 'interpolation = "random"; onnxmint reproduces nearest, bilinear'),
        ({**TIMM, "std": [0, 1, 1]}, "std = [0, 1, 1]; every number must be above 0"),
    ],
)
def test_a_timm_config_that_cannot_be_reproduced_is_refused(tmp_path: Path, facts: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_spec(str(_write(tmp_path, facts, "config.json")))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("keras:pytorch", "no such mode; expected keras:tf, keras:caffe, keras:torch"),
        ("torchvision:ResNet50", "closest: ResNet50_Weights.DEFAULT"),
        ("torchvision:zzz", "expected a name such as ResNet50_Weights.IMAGENET1K_V2"),
        ("imagnet", "is neither a preset (imagenet, cifar10"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_those_that_are_there(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_spec(word)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("props", "preset"),
    [
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, "0-255"),
        ({"Image.NominalPixelRange": "Normalized_0_1", "Image.BitmapPixelFormat": "Rgb8"}, "0-1"),
        ({"mean": "[0.485, 0.456, 0.406]", "std": "(0.229, 0.224, 0.225)"}, "imagenet"),
    ],
)
def test_metadata_say_what_a_preset_says(props: dict[str, str], preset: str) -> None:
    spec = read_metadata(props, "m.onnx")
    assert spec == replace(PRESETS[preset], name="m.onnx")


def test_metadata_of_levels_to_255_and_of_blue_first() -> None:
    spec = read_metadata({"mean": "[123.7, 116.3, 103.5]", "std": "[58.4, 57.1, 57.4]"}, "m.onnx")
    assert spec is not None
    assert (spec.scale, spec.mean) == (1.0, (123.7, 116.3, 103.5))
    keys = {"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"}
    spec = read_metadata(keys, "m.onnx")
    assert spec is not None
    assert (spec.scale, spec.mean, spec.channels) == (1 / 127.5, (1.0,), "bgr")


@pytest.mark.parametrize("props", [{}, {"mean": "3"}, {"names": "{0: 'a'}"}, {"task": "classify"}])
def test_other_metadata_declare_nothing(props: dict[str, str]) -> None:
    assert read_metadata(props, "m.onnx") is None


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"imgsz": "[64, 64]", "task": "detect"}, 'm.onnx: task = "detect"; onnxmint reproduces Ultralytics\''),
        ({"imgsz": "[64, 64]", "names": "{0: 'a'}"}, "task = null"),
        ({"imgsz": "large", "task": "classify"}, 'imgsz = "large"; expected height and width'),
        ({"Image.NominalPixelRange": "NominalRange_16_235"}, "image.nominalpixelrange = "),
        ({"Image.NominalPixelRange": "Normalized_0_1", "Image.BitmapPixelFormat": "Yuv8"}, "image.bitmappixelformat"),
        ({"Image.NominalPixelRange": "Normalized_0_1", "Image.ColorSpaceGamma": "Linear"}, "reproduces SRGB"),
        ({"mean": "[0, 0, 0]", "std": "[1, 1, 1]"}, "do not tell whether pixels are 0-1 or 0-255"),
        ({"mean": "{(1, 2): 3}", "std": "[1, 1, 1]"}, "mean = {(1, 2): 3}; expected one number, or three"),
        ({"mean": "[" * 100_000, "std": "[1, 1, 1]"}, 'mean = "[[[[['),
        ({"mean": "none", "std": "[1, 1, 1]"}, 'mean = "none"; expected one number, or three'),
    ],
)
def test_metadata_that_cannot_be_reproduced_are_refused(props: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_metadata(props, "m.onnx")
    assert message in str(caught.value)


def test_a_folder_is_searched(tmp_path: Path) -> None:
    _write(tmp_path, {"architectures": ["ViTForImageClassification"]}, "config.json")
    _write(tmp_path, VIT)
    assert load_spec(str(tmp_path)).name == str(tmp_path / "preprocessor_config.json")


def test_a_folder_says_one_thing_or_is_refused(tmp_path: Path) -> None:
    cnn(tmp_path / "plain.onnx")
    with pytest.raises(UsageError, match="the folder declares no preprocessing; expected preprocessor_config"):
        load_spec(str(tmp_path))
    with pytest.raises(UsageError, match="its metadata_props declare no preprocessing"):
        load_spec(str(tmp_path / "plain.onnx"))
    _with_metadata(tmp_path / "plain.onnx", mean="[0.5, 0.5, 0.5]", std="[0.5, 0.5, 0.5]")
    assert load_spec(str(tmp_path)).mean == (0.5, 0.5, 0.5)
    _write(tmp_path, TIMM, "config.json")
    with pytest.raises(UsageError, match=r"config.json and plain.onnx declare different things; name one"):
        load_spec(str(tmp_path))


def test_a_processor_config_of_a_tokenizer_alone_declares_nothing(tmp_path: Path) -> None:
    _write(tmp_path, VIT)
    _write(tmp_path, {"processor_class": "CLIPProcessor"}, "processor_config.json")
    (found,) = declared_beside(tmp_path / "m.onnx", {})
    assert (found.place, found.problem) == (str(tmp_path / "preprocessor_config.json"), None)
    assert load_spec(str(tmp_path)).name == found.place
    _write(tmp_path, {"image_processor": VIT | {"size": 30}}, "processor_config.json")
    assert len(declared_beside(tmp_path / "m.onnx", {})) == 2


def test_a_folder_of_what_cannot_be_reproduced_says_why(tmp_path: Path) -> None:
    _write(tmp_path, VIT | {"do_pad": True})
    with pytest.raises(UsageError, match="do_pad = true"):
        load_spec(str(tmp_path))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing at all")
    with pytest.raises(UsageError, match="no readable ONNX file"):
        load_spec(str(tmp_path / "m.onnx"))


def test_what_lies_beside_a_model_is_found_once(tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    folder.mkdir()
    model = folder / "model.onnx"
    assert declared_beside(model, {}) == ()
    _write(tmp_path, VIT)  # a repository keeps its models in onnx/ and its configuration above
    (one,) = declared_beside(model, {})
    assert (one.place, one.problem) == (str(tmp_path / "preprocessor_config.json"), None)
    _write(folder, VIT)
    assert len(declared_beside(model, {})) == 1
    _write(folder, "size = 3", "model.toml")
    _write(folder, "no JSON", "config.json")
    found = declared_beside(model, {"imgsz": "[3, 3]", "task": "pose"})
    assert [Path(one.place).name for one in found] == ["model.toml", "preprocessor_config.json", "model.onnx"]
    assert found[2].spec is None
    assert "task" in (found[2].problem or "")


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(), st.text(max_size=3), st.lists(st.floats(), max_size=4),
    st.dictionaries(st.sampled_from(["height", "width", "shortest_edge", "longest_edge"]), st.integers(-1, 300)),
)  # fmt: skip
_KEYS = (
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std", "do_convert_rgb", "do_pad", "crop_pct", "rescale_offset", "include_top", "input_size",
    "interpolation", "crop_mode", "mean", "std",
)  # fmt: skip


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(PROCESSORS)), way=st.sampled_from(["", "Fast"]),
    facts=st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=5),
)  # fmt: skip
def test_whatever_a_file_says_is_a_preprocessing_or_refused_in_one_line(
    tmp_path: Path, kind: str, way: str, facts: dict[str, Any]
) -> None:
    refused, spec = "", PRESETS["0-1"]
    try:
        spec = load_spec(str(_write(tmp_path, {"image_processor_type": kind + way, **facts})))
    except UsageError as problem:
        refused = str(problem)
    assert "\n" not in refused
    assert min(spec.std) > 0
    assert len(spec.mean) in (1, 3)


def test_metadata_beside_texts_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    file = _with_metadata(tmp_path / "m.onnx", mean="[0.5]", std="[0.5]", author="odd--name")
    expected = load_spec(str(file))
    file.write_bytes(file.read_bytes().replace(b"odd--name", b"odd\xff\xfename"))
    assert load_spec(str(file)) == expected
