"""The same file becomes the same pixels with every Pillow, so that an image scores the same on every machine.

It needs nothing but NumPy, Pillow and pytest: CI runs it with the oldest Pillow that is allowed and with the newest.
"""

import json
import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import PIL
import pytest

from onnxmint.images.perceptual import perceptual_hash
from onnxmint.images.pillow import decoded, in_mode
from onnxmint.images.resizing import resized
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.spec import Filter, PreprocessSpec
from tests.preprocess.digests import digest

RECORDED = Path(__file__).parent / "recorded"
FACTS: dict[str, Any] = json.loads((RECORDED / "pixels.json").read_text())
FILES = np.load(RECORDED / "pixels.npz")


def _spec(way: str) -> PreprocessSpec:
    """Return the preprocessing of a record: "rgb", "gray", or a filter with height and width."""
    if way == "gray":
        return PreprocessSpec(name=way, channels="gray")
    if way == "rgb":
        return PreprocessSpec(name=way)
    name, height, width = way.split()
    chosen = next(one for one in get_args(Filter) if one == name)
    return PreprocessSpec(name=way, size=(int(height), int(width)), resize="squash", filter=chosen)


@pytest.mark.parametrize("name", FACTS["made"])
def test_a_file_becomes_the_recorded_pixels(name: str) -> None:
    data = FILES[name].tobytes()
    odd = [way for way, expected in FACTS["made"][name].items() if digest(decode(data, _spec(way))) != expected]
    assert odd == []


@pytest.mark.parametrize("name", FACTS["hashes"])
def test_hash_and_thumbnail_are_the_recorded_ones(name: str) -> None:
    """Which images are copies must not depend on the machine either."""
    with decoded(FILES[name].tobytes(), lambda image: in_mode(image, "RGB")) as rgb:
        thumb = digest(np.asarray(resized(rgb, (8, 8), "box")))
        assert [f"{perceptual_hash(rgb):016x}", thumb] == FACTS["hashes"][name]


def test_a_flat_image_has_the_same_hash_everywhere() -> None:
    """All its frequencies but the lowest are nothing, exactly: no machine's rounding decides."""
    from PIL import Image

    assert {perceptual_hash(Image.new("RGB", (64, 40), (level,) * 3)) for level in range(1, 256, 7)} == {1 << 63}


def test_this_is_the_pillow_that_was_asked_for() -> None:
    asked = os.environ.get("PILLOW_ASKED")
    if asked is None:
        pytest.skip("PILLOW_ASKED names no release: this is whatever is installed")
    assert PIL.__version__ == asked
