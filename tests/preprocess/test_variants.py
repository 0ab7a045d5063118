"""The preparations that are tried: what they are called, and that their files declare them."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.preprocess.declared.finding import load_spec
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.preprocess.variants import variants_of_orientation, variants_of_pixels, variants_of_resizing


def test_every_preset_is_tried_in_both_channel_orders() -> None:
    names = {variant.name for variant in variants_of_pixels(PreprocessSpec(name=""), 3)}
    assert names == {*PRESETS, *(f"{name} with bgr" for name in PRESETS), "keras:caffe"}


def test_gray_has_no_channel_order_and_no_mean_of_colours() -> None:
    names = [variant.name for variant in variants_of_pixels(PreprocessSpec(name=""), 1)]
    assert names == ["0-1", "-1-1", "0-255"]


def test_blue_first_takes_mean_and_deviation_along() -> None:
    variants = {variant.name: variant.spec for variant in variants_of_pixels(PreprocessSpec(name=""), 3)}
    assert variants["imagenet with bgr"].mean == (0.406, 0.456, 0.485)
    assert variants["imagenet with bgr"].std == (0.225, 0.224, 0.229)


@pytest.mark.parametrize("declared", [PreprocessSpec(name=""), PreprocessSpec(name="", size=(40, 48), crop=(32, 32))])
def test_a_file_declares_its_variant(tmp_path: Path, declared: PreprocessSpec) -> None:
    for variant in variants_of_pixels(declared, 3):
        others = variants_of_resizing(variant, (32, 32))
        for one in (variant, *others, *variants_of_orientation(variant)):
            if one.toml is None:
                assert replace(load_spec(one.name), layout=one.spec.layout) == one.spec
                continue
            file = tmp_path / "p.toml"
            file.write_text(one.toml)
            assert replace(load_spec(str(file)), name=one.name) == one.spec


def test_the_declared_way_to_resize_is_not_tried_again() -> None:
    (plain, *_) = variants_of_pixels(PreprocessSpec(name=""), 1)
    assert [tomllib.loads(one.toml or "")["size"] for one in variants_of_resizing(plain, (224, 224))] == [
        [224, 224],
        [256, 256],
    ]
    shortest = PreprocessSpec(name="", size=(256, 256), resize="shortest", crop=(224, 224))
    (cropped, *_) = variants_of_pixels(shortest, 1)
    names = [one.name for one in variants_of_resizing(cropped, (224, 224))]
    assert names == ["0-1, squashed", "0-1, shortest side 224, crop 224x224"]


def test_images_are_tried_turned_and_as_stored_and_the_geometry_tells_them_apart() -> None:
    (plain, *_) = variants_of_pixels(PreprocessSpec(name=""), 1)
    (turned,) = variants_of_orientation(plain)
    assert (turned.name, turned.spec.orientation) == ("0-1, turned by EXIF", "apply")
    assert tomllib.loads(turned.toml or "")["orientation"] == "apply"
    assert not turned.same_geometry(plain)
    (back,) = variants_of_orientation(turned)
    assert back.spec.orientation == "ignore"
    assert back.same_geometry(plain)
    (scaled, *_) = variants_of_pixels(turned.spec, 1)
    assert scaled.spec.orientation == "apply"  # what was declared of the geometry is kept
