"""Files and pixels: evidence that differs in how its images were stored or made is told, clean evidence is not."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from onnxmint.controls.seen import Seen
from onnxmint.controls.shift import files_control, pixels_control
from onnxmint.images.facts import FILE_FACTS, PIXEL_FACTS, ImageFacts, look_at
from onnxmint.progress import quiet
from tests.conftest import DEMO
from tests.controls.conftest import seen
from tests.known import few_columns, known
from tests.sources import InMemory

RNG = np.random.default_rng


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    room = io.BytesIO()
    image.save(room, "JPEG", quality=quality)
    return room.getvalue()


def png(image: Image.Image, brighter: float = 1.0) -> bytes:
    room = io.BytesIO()
    ImageEnhance.Brightness(image).enhance(brighter).save(room, "PNG")
    return room.getvalue()


def _looked(member: Callable[[Image.Image], bytes], other: Callable[[Image.Image], bytes], count: int = 150) -> Seen:
    """Return what is known of real images, those of each side stored in a way of its own."""
    sides = []
    for name, stored in (("members", member), ("nonmembers", other)):
        rows = pq.read_table(DEMO / f"{name}.parquet")["image"].to_pylist()[:count]
        source = InMemory([stored(Image.open(io.BytesIO(row["bytes"]))) for row in rows])
        sides.append(look_at(source, wanted=set(range(count)), stage=quiet, name=""))
    evidence = known(count)
    return seen(replace(evidence, facts=ImageFacts.joined(sides)))


def test_real_evidence_that_was_stored_alike_passes() -> None:
    clean = _looked(png, png)
    assert files_control(clean, RNG(0)).passed is True
    assert pixels_control(clean, RNG(0)).passed is True


def test_members_in_png_and_non_members_in_jpeg_are_told_by_files_and_by_pixels() -> None:
    stored = _looked(png, jpeg)
    files, pixels = files_control(stored, RNG(0)), pixels_control(stored, RNG(0))
    assert files.passed is False
    assert "Most telling: format JPEG." in files.text or "Most telling: format PNG." in files.text
    assert pixels.passed is False


def test_brighter_non_members_are_told_by_their_pixels() -> None:
    stored = _looked(png, lambda image: png(image, 1.15), count=200)
    assert pixels_control(stored, RNG(0)).passed is False


def test_clean_facts_pass_and_say_what_would_have_been_seen() -> None:
    for control in (files_control, pixels_control):
        found = control(seen(known()), RNG(0))
        assert found.passed is True
        assert "on it would have been seen" in found.text


def test_images_that_cannot_be_decoded_say_nothing() -> None:
    """Their facts are NaN: were they compared, a side with more of them would be told by it."""
    file = few_columns(RNG(0), 400, len(FILE_FACTS))
    file[:90] = np.nan
    assert files_control(seen(known(file=file)), RNG(0)).passed is True


def test_groups_are_one_vote() -> None:
    """Ten scenes of a side, each of its own light."""
    groups = np.repeat(np.arange(100), 4)
    light = RNG(3).normal(size=(100, 1))[groups] + 0.5 * (np.arange(400) < 200)[:, None]
    pixel = light * (np.arange(len(PIXEL_FACTS)) < 2) + few_columns(RNG(4), 400, len(PIXEL_FACTS)) / 100
    alone = pixels_control(seen(known(pixel=pixel)), RNG(0))
    grouped = pixels_control(seen(known(pixel=pixel, groups=groups)), RNG(0))
    assert alone.auc is not None
    assert grouped.auc is not None
    assert grouped.auc.high - grouped.auc.low > alone.auc.high - alone.auc.low


@pytest.mark.parametrize("control", [files_control, pixels_control])
def test_too_few_images_are_not_compared(control: Callable[..., object]) -> None:
    found = control(seen(known(50).take(np.array([0, 1, 2, 60, 61, 62]))), RNG(0))
    assert found.passed is None
    assert found.text == "Not run: too few known images for five folds."
