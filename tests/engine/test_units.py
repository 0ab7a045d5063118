"""Units cut a listing without a rest; what was found out about one comes back from its file as it was, or not."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.engine.joining import joined
from onnxmint.engine.part_file import Made, PartError, part_name, read_part, write_part
from onnxmint.engine.session import choose_device
from onnxmint.engine.units import Recorded, Recorder, cut
from onnxmint.images.facts import look_at
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.scoring import PREDICTED, scoring_probe
from onnxmint.progress import quiet
from tests.conftest import DEMO

MADE = Made(work="a" * 64, unit=3, shares=7, host="some processor", device="cpu", provider="CPU", reason="asked for")
FIELDS = ("index", "file", "digest", "phash", "thumb", "encoded", "size", "unreadable")


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 20))
def test_units_hold_every_image_once_and_no_part_of_a_shard_with_another_shard(sizes: list[int], most: int) -> None:
    origins = [((7, shard), row) for shard, size in enumerate(sizes) for row in range(size)]
    units = cut(origins, most)
    assert [row for unit in units for row in unit] == list(range(len(origins)))
    assert max(map(len, units)) <= most
    for unit in units:
        shards = {origins[row][0][1] for row in unit}
        whole = all(sum(origins[row][0][1] == shard for row in unit) == sizes[shard] for shard in shards)
        assert len(shards) == 1 or whole


@settings(max_examples=20)
@given(st.integers(1, 100), st.integers(1, 20))
def test_files_that_are_one_image_each_are_cut_by_number_only(count: int, most: int) -> None:
    assert [len(unit) for unit in cut([(5, inode) for inode in range(count)], most)][:-1] == [most] * (
        (count - 1) // most
    )


def _recorded(phi: Auditor, rows: str = "0:24") -> tuple[Recorded, list[str]]:
    source = open_source(f"{DEMO / 'questioned.parquet'}?rows={rows}")
    recorder = Recorder(scoring_probe(phi, choose_device("cpu"), 4), workers=2, threads=1)
    recorder = pickle.loads(pickle.dumps(recorder))
    labels = np.array([entry.label for entry in source.entries()])
    found = recorder(source, range(len(labels)), labels)
    assert pickle.loads(pickle.dumps(recorder))._worker is None  # the open session does not travel
    return found, [entry.path for entry in source.entries()]


def test_one_pass_sees_what_looking_sees(phi: Auditor) -> None:
    found, _ = _recorded(phi)
    source = open_source(f"{DEMO / 'questioned.parquet'}?rows=0:24")
    looked = look_at(source, wanted=set(range(24)), stage=quiet, name="", pixel_facts=set())
    for name in FIELDS[:-1]:
        np.testing.assert_array_equal(getattr(found.facts, name), getattr(looked, name))
    assert found.row.tolist() == found.index.tolist() == list(range(24))
    assert not found.skipped


def test_a_part_comes_back_as_it_was_with_images_that_nobody_can_read(phi: Auditor, tmp_path: Path) -> None:
    whole, paths = _recorded(phi)
    facts = whole.facts.take(np.arange(24) != 5)
    broken = look_at(_Broken(), wanted={5}, stage=quiet, name="", pixel_facts=set()).unreadable
    kept = np.arange(24) != 9
    found = Recorded(
        index=whole.index,
        facts=type(facts)(**{name: getattr(facts, name) for name in facts.__slots__} | {"unreadable": broken}),
        row=whole.row[kept],
        columns={name: values[kept] for name, values in whole.columns.items()},
        skipped={9: "is broken"},
    )
    write_part(tmp_path / part_name(3), found, ["a\udcff.png", *paths[1:]], MADE)
    made, back = read_part(tmp_path / part_name(3))
    assert made == MADE
    assert back.skipped == {9: "is broken"}
    for name in FIELDS[:-1]:
        np.testing.assert_array_equal(getattr(back.facts, name), getattr(found.facts, name), strict=True)
    (one,) = back.facts.unreadable
    assert (one.index, one.reason, one.encoded, one.size) == (5, broken[0].reason, broken[0].encoded, broken[0].size)
    assert back.row.tolist() == found.row.tolist()
    for name, values in found.columns.items():
        np.testing.assert_array_equal(back.columns[name], values, strict=True)
    assert pq.read_table(tmp_path / part_name(3))["path"][0].as_py() == "a\\udcff.png"
    both = joined([back, back], 2 * len(back.index))
    assert len(both.facts.digest) == 46
    assert both.columns[PREDICTED].tolist() == [*back.columns[PREDICTED].tolist()] * 2


class _Broken:
    """A source of one image that is none."""

    def read(self, wanted: object) -> object:
        from onnxmint.images.entries import EncodedImage

        yield EncodedImage(index=5, path="five.png", data=b"no image")


def test_a_flipped_bit_of_a_part_is_noticed(phi: Auditor, tmp_path: Path) -> None:
    found, paths = _recorded(phi)
    path = tmp_path / part_name(3)
    write_part(path, found, paths, MADE)
    content = path.read_bytes()
    for place in range(4, len(content) - 4, len(content) // 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            made, back = read_part(path)
        except PartError:
            continue
        assert made.work == MADE.work or place > len(content) * 0.6  # of the footer only words may be others
        np.testing.assert_array_equal(back.facts.digest, found.facts.digest)
        np.testing.assert_array_equal(back.columns["score"], found.columns["score"])
    path.write_bytes(content)
    table = pq.read_table(path)
    named = table.rename_columns([name.replace("score", "scor") for name in table.column_names])
    pq.write_table(named.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(PartError, match="is damaged: its columns are not those that were written"):
        read_part(path)
    path.write_bytes(content[:-20])
    with pytest.raises(PartError, match="is damaged: "):
        read_part(path)
    pq.write_table(pq.read_table(DEMO / "questioned.parquet"), path)
    with pytest.raises(PartError, match="is no part of an audit"):
        read_part(path)
