"""Columns of strangers' Parquet files are asked for their types, pages for their sizes, before anything is read."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import ImagesError
from onnxmint.images.pages import chunks_of, pages_of, rows_at_once, walk
from onnxmint.images.sources import open_source
from tests.images.places import message, png

BYTES = [png(1), png(2)]
KINDS = (pa.binary(), pa.large_binary(), pa.binary(len(BYTES[0])), pa.dictionary(pa.int8(), pa.binary()))
NAMES_OF_NUMBER = '{"info": {"features": {"label": {"names": 7}}}}'


def _write(place: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), place)
    return place


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (pa.array([7, 8]), ["7", "8"]),
        (pa.array([b"caf\xe9.png", b"b.png"]), ["caf\\xe9.png", "b.png"]),
        (pa.array([1.5, None]), ["1.5", "t.parquet:1"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([[1], [2]]), ["t.parquet:0", "t.parquet:1"]),
        (pa.array(["", "y" * 9000]), ["t.parquet:0", "y" * 4096]),
    ],
)
def test_a_name_of_any_type_is_text(tmp_path: Path, paths: pa.Array, names: list[str]) -> None:
    image = pa.StructArray.from_arrays([pa.array(BYTES), paths], ["bytes", "path"])
    source = open_source(_write(tmp_path / "t.parquet", image=image))
    assert [entry.path for entry in source.entries()] == names
    assert [image.data for image in source.read()] == BYTES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", [True, False])
def test_bytes_of_any_kind_are_read(tmp_path: Path, kind: pa.DataType, inside: bool) -> None:
    values = [BYTES[0]] * 3
    data = pa.array(values).dictionary_encode().cast(kind) if "dict" in str(kind) else pa.array(values, kind)
    image = pa.StructArray.from_arrays([data], ["bytes"]) if inside else data
    assert [image.data for image in open_source(_write(tmp_path / "t.parquet", image=image)).read()] == values


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array(["https://example.org/a.png"]), "columns: image; image of string); expected `image` with encoded"),
        (pa.array([{"bytes": "text"}]), "image of struct<bytes: string>)"),
        (pa.array([{"path": "a.png"}]), "image of struct<path: string>)"),
        (pa.array([[BYTES[0]]]), "image of list<"),
        (pa.array([3]), "image of int64)"),
    ],
)
def test_a_column_that_holds_no_bytes_is_refused_with_its_type(tmp_path: Path, column: pa.Array, said: str) -> None:
    assert said in message(ImagesError, _write(tmp_path / "t.parquet", image=column))


def test_the_only_column_of_hugging_faces_form_needs_no_usual_name(tmp_path: Path) -> None:
    photo = pa.array([{"bytes": png(3), "path": "a"}])
    source = open_source(_write(tmp_path / "t.parquet", raw=pa.array([b"x"]), photo=photo))
    assert [image.data for image in source.read()] == [png(3)]


@pytest.mark.parametrize("column", [pa.array([[1], [2]]), pa.array([{"a": 1}] * 2), pa.array([True, False])])
def test_a_label_column_of_another_type_is_refused_when_it_is_opened(tmp_path: Path, column: pa.Array) -> None:
    place = _write(tmp_path / "t.parquet", image=BYTES, label=column)
    said = message(ImagesError, place)
    assert f"the label column 'label' is of type {str(column.type)[:4]}" in said
    assert "name another column with ?labels=COLUMN" in said
    assert len(open_source(place, labels=False).entries()) == 2


@pytest.mark.parametrize("text", ["[" * 200_000, '{"info": 3}', "3", "null", NAMES_OF_NUMBER])
def test_odd_metadata_name_no_classes_and_break_nothing(tmp_path: Path, text: str) -> None:
    table = pa.table({"image": BYTES, "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": text}), tmp_path / "t.parquet")
    found = open_source(tmp_path / "t.parquet")
    assert found.classes is None
    deep = ["Of t.parquet, these were passed over: 1 metadata that may name classes"] * text.startswith("[[")
    assert [note.split(" (")[0].replace(f"{tmp_path}/", "") for note in found.notes] == deep
    pq.write_table(table.replace_schema_metadata({"classes": text}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet").classes is None


def test_names_that_come_twice_are_left_out_of_the_numbering(tmp_path: Path) -> None:
    table = pa.table({"image": BYTES, "label": [0, 1]})
    names = json.dumps(["crane", "tench", "crane"])
    pq.write_table(table.replace_schema_metadata({"classes": names}), tmp_path / "t.parquet")
    found = open_source(tmp_path / "t.parquet").numbering
    assert found is not None
    assert found.by_name() == {"tench": 1}


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=60), dictionary=st.booleans(),
    compression=st.sampled_from(["none", "snappy", "zstd"]), version=st.sampled_from(["1.0", "2.0"]),
    page=st.integers(1, 100_000),
)  # fmt: skip
def test_the_pages_of_a_column_are_found(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    dictionary: bool,
    compression: str,
    version: str,
    page: int,
) -> None:
    """By their own headers they must end exactly where the footer says, and hold all that was written."""
    values = [bytes([k % 251]) * size for k, size in enumerate(sizes)]
    file = tmp_path_factory.mktemp("pages") / "t.parquet"
    pq.write_table(
        pa.table({"image": values}), file, use_dictionary=dictionary, compression=compression, data_page_size=page,
        data_page_version=version, write_batch_size=3, write_page_checksum=True,
    )  # fmt: skip
    ((chunk,),) = chunks_of(file, [0])
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    starts = [at for at in (column.dictionary_page_offset, column.data_page_offset) if at is not None]
    assert (chunk.path, chunk.start, chunk.values, chunk.dictionary) == (
        "image", min(starts), len(values), len(starts) > 1,
    )  # fmt: skip
    assert (chunk.size, chunk.stored) == (column.total_uncompressed_size, column.total_compressed_size)
    with file.open("rb") as handle:
        found = walk(handle, min(starts), min(starts) + chunk.stored)
    assert 0 < found.largest <= chunk.size
    assert found.largest >= max(len(value) for value in values)
    assert bool(found.dictionary) == chunk.dictionary
    assert pages_of(file, chunk).largest >= found.largest


def test_few_rows_are_read_at_once_where_they_are_large(tmp_path: Path) -> None:
    small = _write(tmp_path / "s.parquet", image=[b"x" * 100] * 500)
    large = _write(tmp_path / "l.parquet", image=[bytes([k]) * (9 << 20) for k in range(8)])
    assert [rows_at_once(file, *chunks_of(file, [0])) for file in (small, large)] == [256, 1]


@pytest.mark.slow
def test_a_page_that_would_fill_the_memory_is_a_reason(tmp_path: Path) -> None:
    """A few kB of file that hold 600 MB a page; the others of the file are read, in little memory."""
    schema = pa.schema([("image", pa.large_binary())])
    with pq.ParquetWriter(tmp_path / "t.parquet", schema, compression="zstd", use_dictionary=False) as writer:
        writer.write_table(pa.table({"image": [bytes(100 << 20)] * 6}, schema=schema))
        writer.write_table(pa.table({"image": BYTES}, schema=schema))
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    code = (
        "import resource, sys\nfrom onnxmint.images.sources import open_source\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for image in open_source(sys.argv[1]).read(): print(image.error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.parquet"], capture_output=True, text=True, check=True
    )
    *reasons, grown = done.stdout.splitlines()
    assert reasons == [
        "is in a part of the Parquet file that takes 600 MiB at once (allowed 320): write it again in row groups of "
        "100 rows"
    ] * 6 + ["None"] * 2  # fmt: skip
    assert int(grown) < 200 << 10  # kB


def test_more_rows_than_can_be_kept_are_refused_at_once(tmp_path: Path) -> None:
    empty = pa.table({"image": pa.nulls(21_000_000, pa.binary())})
    pq.write_table(empty, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 16
    assert "lists more than 20,000,000 images" in message(ImagesError, tmp_path / "t.parquet")


EDITED = """
import pathlib, sys
from onnxmint.errors import OnnxmintError
from onnxmint.images.sources import open_source
whole, file = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
length = int.from_bytes(whole[-8:-4], "little")
lost = 0
for place in range(len(whole) - 8 - length, len(whole)):
    for value in (whole[place] - 16 & 255, whole[place] + 16 & 255):  # another field, or one more in a list
        file.write_bytes(whole[:place] + bytes([value]) + whole[place + 1:])
        try:
            source = open_source(file, group="who")
            lost += [image.index for image in source.read()] != [entry.index for entry in source.entries()]
        except OnnxmintError:
            pass
print(lost)
"""


@pytest.mark.slow
def test_no_byte_of_a_footer_ends_the_process_or_loses_an_image(tmp_path: Path) -> None:
    """pyarrow does end it (std::terminate) where it is asked for a column whose statistics contradict themselves."""
    images = [{"bytes": png(k), "path": f"{k}.png"} for k in range(4)]
    _write(tmp_path / "t.parquet", image=images, label=[0, 1, 2, 3], who=["a", "b"] * 2)
    arguments = [sys.executable, "-c", EDITED, str(tmp_path / "t.parquet"), str(tmp_path / "edited.parquet")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr[-500:]
