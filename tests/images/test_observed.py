"""An observation takes the place of an image's bytes: it comes back as it was, and a damaged one is refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from onnxmint.errors import ImagesError
from onnxmint.images.observed import Observation, is_observation, read_observation

ARRAYS = of_numpy.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint64, np.uint8]), of_numpy.array_shapes(min_dims=0)
)
NAMES = st.text(st.characters(exclude_characters="\t"), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(NAMES, ARRAYS, max_size=3),
    st.dictionaries(st.tuples(NAMES, NAMES), ARRAYS, max_size=3),
    st.none() | st.integers(0, 9),
    st.none() | st.text(max_size=9),
)
def test_it_comes_back_as_it_was(looks: dict, answers: dict, label: int | None, error: str | None) -> None:
    data = Observation(looks=looks, answers=answers, label=label, error=error).write()
    assert is_observation(data)
    found = read_observation(data)
    assert (found.label, found.error) == (label, error)
    for mine, theirs in ((looks, found.looks), (answers, found.answers)):
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            np.testing.assert_array_equal(theirs[key], value)
            assert theirs[key].dtype == value.dtype


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_damaged_one_is_refused_or_read_and_never_anything_else(data: st.DataObject) -> None:
    whole = Observation(looks={"a": np.arange(4.0)}, label=3).write()
    start = data.draw(st.integers(24, len(whole) - 1))
    broken = whole[:start] + data.draw(st.binary(max_size=8)) + whole[data.draw(st.integers(start, len(whole))) :]
    with contextlib.suppress(ImagesError):
        read_observation(broken)


@pytest.mark.parametrize("data", [None, b"", b"\x89PNG"])
def test_an_image_is_none(data: bytes | None) -> None:
    assert not is_observation(data)
