"""Columns on disk are the columns that were put there; nothing is left of them."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import OnnxmintError
from onnxmint.images.duplicates import Chosen, Stacked
from onnxmint.images.entries import ImageEntry
from onnxmint.images.listing import Listed, Listing, Span, Texts, has_label
from onnxmint.results.listed import Hashes, list_facts
from onnxmint.writing import scratch

TEXTS = st.lists(st.text(st.characters(), max_size=6) | st.sampled_from(["", "a\udcff", "\0"]), max_size=40)
LISTED = st.lists(
    st.builds(
        Listed,
        st.text(st.characters(), max_size=5),
        st.none() | st.integers(-(2**40), 2**40),
        st.none() | st.text(max_size=3),
    ),
    max_size=30,
)


@pytest.fixture(params=[1, 1 << 30])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(scratch, "LARGE", request.param)
    return int(request.param)


def test_a_column_is_the_same_in_memory_and_on_disk(
    large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    values = np.random.default_rng(0).normal(size=(1000, 3))
    held = scratch.kept(values)
    room = scratch.empty((4, 2), np.int32)
    room[...] = 7
    scratch.release()
    np.testing.assert_array_equal(held, values, strict=True)
    assert (room == 7).all()
    assert (held is values) == (large > values.nbytes)
    assert scratch.kept(held) is held
    assert scratch.kept(held[3:]).base is not None
    assert list(tmp_path.iterdir()) == []  # a file on disk has no name


@given(st.lists(st.binary(max_size=9)), st.sampled_from([1, 8, 1 << 20]))
def test_bytes_that_come_one_after_the_other_are_all_there(parts: list[bytes], large: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "LARGE", large)
        spools = scratch.Spool(), scratch.Spool()
        for part in parts:
            for spool in spools:
                spool.add(part)
        content, whole = spools[0].content(), b"".join(parts)
        assert b"".join(scratch.blocks(content)) == whole
        assert len(content) == len(whole)
        assert spools[1].array().tobytes() == whole
        assert scratch.sha256(content) == scratch.sha256(whole)


def test_rows_are_fetched_from_the_disk_one_by_one_or_together() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, (50, 192), np.uint8)
    shelf = scratch.Shelf(60, 192)
    for start in range(0, 50, 20):
        shelf.add(values[start : start + 20])
    assert len(shelf.done()) == 50
    for rows in (np.arange(10, 20), np.array([3, 3, 49, 0]), np.array([], np.int64), slice(5), rng.random(50) < 0.5):
        np.testing.assert_array_equal(shelf[rows], values[rows], strict=True)
    both = Stacked(Chosen(shelf, np.array([4, 2])), values)
    np.testing.assert_array_equal(both[np.array([1, 2, 0])], values[[2, 0, 4]])
    assert (both.shape, len(both)) == ((52, 192), 52)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        OnnxmintError, match=r"^cannot keep .* GB in .*GB free\); name a folder with more room by TMPDIR$"
    ):
        scratch.empty((1 << 60,), np.uint8)
    with pytest.raises(OnnxmintError, match="name a folder with more room by TMPDIR"):
        scratch.Shelf(1 << 52, 192)


@settings(deadline=None, max_examples=25)
@given(TEXTS, st.sampled_from([1, 1 << 20]), st.data())
def test_texts_come_back_whatever_is_in_them(texts: list[str], large: int, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "LARGE", large)
        held = Texts.of(texts)
    assert held == texts
    assert tuple(held) == tuple(texts)
    assert hash(held) == hash(tuple(texts))
    rows = data.draw(st.lists(st.integers(0, max(len(texts) - 1, 0)), max_size=9)) if texts else []
    taken = held.take(np.array(rows, np.int64))
    assert list(taken) == [texts[row] for row in rows]
    assert taken[1:3] == tuple(texts[row] for row in rows)[1:3]
    assert [held[place] for place in range(-len(texts), len(texts))] == texts * 2
    with pytest.raises(IndexError):
        held[len(texts)]


@settings(deadline=None, max_examples=25)
@given(LISTED, st.sampled_from([1, 1 << 20]))
def test_a_listing_is_the_entries_that_it_was_made_of(listed: list[Listed], large: int) -> None:
    entries = tuple(
        ImageEntry(index=row, path=one.path, label=one.label, group=one.group) for row, one in enumerate(listed)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "LARGE", large)
        held = Listing(listed)
    assert held == entries
    assert hash(held) == hash(entries)
    assert held[1:4] == entries[1:4]
    assert held[::-1] == entries[::-1]
    assert has_label(held).tolist() == has_label(entries).tolist()
    if listed:
        assert held[-1] == entries[-1]


def test_all_positions_are_a_set_that_takes_no_room() -> None:
    every = Span(5)
    assert every == set(range(5))
    assert every & {3, 4, 9} == {3, 4}
    assert {3, 9} & every == {3}
    assert -1 not in every
    assert len(Span(10**12)) == 10**12


@pytest.mark.parametrize("few", [0, 1 << 16])
def test_the_hash_of_a_set_of_files_does_not_depend_on_how_it_is_sorted(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hashlib import sha256

    from onnxmint.results import listed

    monkeypatch.setattr(listed, "_FEW", few)
    rng = np.random.default_rng(2)
    encoded, size = rng.integers(0, 256, (300, 32), np.uint8), rng.integers(0, 3, 300)
    lines = sorted(f"{one.tobytes().hex()}\n" for one in encoded[size > 0])
    whole = list_facts(encoded, size)
    assert (whole.images, whole.bytes) == (len(lines), int(size.sum()))
    assert whole.sha256 == sha256("".join(lines).encode()).hexdigest()
    assert list_facts(encoded[:90], size[:90], encoded[90:], size[90:]) == whole
    held = Hashes(encoded, np.array([2, 0]))
    assert held == (encoded[2].tobytes().hex(), encoded[0].tobytes().hex())
    assert held[0] == held[:1][0]
    assert hash(held) == hash(tuple(held))
