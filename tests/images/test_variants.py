"""Variants differ as they were asked to, and survive what happens to published pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onnxmint.images.variants import Change, variants_of

GRAY = np.full((64, 96, 3), 128, np.uint8)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_variants_of_any_picture_have_one_size_and_come_again_from_their_seed(
    height: int, width: int, channels: int, count: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    change = Change(noise=3, colour=0.1, crop=0.1 if min(height, width) > 4 else 0, mirror=True)
    one, two = (list(variants_of(pixels, change, count, np.random.default_rng(seed))) for _ in range(2))
    assert len(one) == count
    assert {made.shape for made in one} == {one[0].shape}
    assert all(made.dtype == np.uint8 and (made == again).all() for made, again in zip(one, two, strict=True))


def test_noise_has_the_strength_that_was_asked_for() -> None:
    for made in variants_of(GRAY, Change(noise=8), 3, _rng()):
        assert (made.astype(float) - 128).std() == pytest.approx(8, rel=0.03)


def test_noise_on_few_cells_survives_a_smaller_copy_and_noise_on_many_does_not() -> None:
    left = {}
    for cells in (16, 96):
        made = next(variants_of(GRAY, Change(noise=8, cells=cells), 1, _rng()))
        small = np.asarray(Image.fromarray(made).resize((24, 16), Image.Resampling.BOX))
        left[cells] = small.astype(float).std()
    assert left[16] > 6
    assert left[96] < 3


def test_a_cut_picture_is_a_part_of_the_picture_at_another_place_each_time() -> None:
    pixels = np.arange(64 * 96 * 3, dtype=np.uint32).view(np.uint8)[: 64 * 96 * 3].reshape(64, 96, 3)
    made = list(variants_of(pixels, Change(crop=1 / 8), 8, _rng()))
    assert {one.shape for one in made} == {(56, 84, 3)}
    assert len({one.tobytes() for one in made}) == 8
    parts = np.lib.stride_tricks.sliding_window_view(pixels, (56, 84, 3))[:, :, 0]
    assert all((parts == one).all(axis=(2, 3, 4)).any() for one in made)


def test_mirrored_variants_are_the_picture_and_its_mirror_image() -> None:
    pixels = _rng().integers(0, 256, (8, 8, 3), np.uint8)
    plain, mirrored = variants_of(pixels, Change(mirror=True), 2, _rng())
    assert (plain == pixels).all()
    assert (mirrored == pixels[:, ::-1]).all()


def test_colours_change_no_more_than_they_may() -> None:
    for made in variants_of(GRAY, Change(colour=0.1), 8, _rng()):
        assert 0 < np.abs(made.astype(float) - 128).max() <= 128 * (1.1 * 1.1 / 0.9 - 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "a change must change something: noise, crop, colour or mirror"),
        ({"noise": 200.0}, "noise must be from 0 to 128, got 200.0"),
        ({"crop": 0.6}, "crop must be from 0 to 0.5, got 0.6"),
        ({"colour": -0.1}, "colour must be from 0 to 0.5, got -0.1"),
        ({"noise": 1.0, "cells": 0}, "cells must be 1 or more, got 0"),
    ],
)
def test_a_change_that_is_none_is_refused(words: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        Change(**words)  # type: ignore[arg-type]
