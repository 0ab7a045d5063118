"""Every form of image set: order, labels, groups, filters, broken parts, and the messages."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.errors import ImagesError, OnnxmintError, UsageError
from onnxmint.images.entries import LARGEST_FILE
from onnxmint.images.folders import refuse_folder
from onnxmint.images.sources import open_source, parse_location
from tests.images.places import labelled, message


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _folder(root: Path, names: dict[str, int]) -> Path:
    for name, value in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(_png(value))
    return root


def _parquet(path: Path, count: int = 10, **columns: list[object]) -> Path:
    images = [{"bytes": _png(k), "path": f"{k}.png"} for k in range(count)]
    pq.write_table(pa.table({"image": images, **columns}), path, row_group_size=4)
    return path


def _tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_class_folders_are_numbered_in_alphabetical_order(tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path, {"dog/b.png": 1, "cat/a.png": 2, "dog/a.jpg": 3, "top.png": 4}))
    assert source.classes == ("cat", "dog")
    assert [(entry.path, entry.label) for entry in source.entries()] == [
        ("cat/a.png", 0), ("dog/a.jpg", 1), ("dog/b.png", 1), ("top.png", None),
    ]  # fmt: skip
    assert [image.data for image in source.read()] == [_png(2), _png(3), _png(1), _png(4)]


def test_numbered_class_folders_keep_their_numbers(tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path, {"10/a.png": 1, "2/a.png": 2}))
    assert source.classes == ("2", "10")
    assert sorted((entry.path, entry.label) for entry in source.entries()) == [("10/a.png", 10), ("2/a.png", 2)]


def test_hidden_and_foreign_files_are_left_out(tmp_path: Path) -> None:
    _folder(tmp_path, {"a.png": 1, ".b.png": 2, ".hidden/c.png": 3})
    (tmp_path / "notes.txt").write_text("x")
    assert [entry.path for entry in open_source(tmp_path).entries()] == ["a.png"]


def test_a_folder_can_be_grouped_by_a_pattern(tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path, {"t1_f1.png": 1, "t1_f2.png": 2, "t2_f1.png": 3}), group=r"(t\d+)_")
    assert [entry.group for entry in source.entries()] == ["t1", "t1", "t2"]


def test_a_file_that_vanished_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    source = open_source(_folder(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3}))
    (tmp_path / "b.png").unlink()
    images = list(source.read())
    assert [image.data is None for image in images] == [False, True, False]
    assert images[1].error is not None
    assert "cannot be read" in images[1].error


def test_parquet_gives_labels_groups_and_paths(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", label=[k % 3 for k in range(10)], track=[k // 2 for k in range(10)])
    source = open_source(path, group="track")
    assert [entry.label for entry in source.entries()][:4] == [0, 1, 2, 0]
    assert [entry.group for entry in source.entries()][:4] == ["0", "0", "1", "1"]
    assert source.entries()[3].path == "3.png"
    assert [image.data for image in source.read({1, 7})] == [_png(1), _png(7)]
    assert all(entry.label is None for entry in open_source(path, labels=False).entries())


def test_a_filter_and_a_slice_pick_rows(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", split=["train", "test"] * 5)
    source = open_source(f"{path}?split=train&rows=1:4")
    assert [entry.path for entry in source.entries()] == ["2.png", "4.png", "6.png"]
    assert [image.data for image in source.read()] == [_png(2), _png(4), _png(6)]
    assert [image.index for image in source.read({2})] == [2]


def test_a_folder_of_parquet_files_is_one_source(tmp_path: Path) -> None:
    _parquet(tmp_path / "0.parquet", 3)
    _parquet(tmp_path / "1.parquet", 2)
    source = open_source(tmp_path)
    assert len(source.entries()) == 5
    assert [image.data for image in source.read()] == [_png(k) for k in (0, 1, 2, 0, 1)]


def test_plain_bytes_and_missing_bytes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [_png(1), None]}), tmp_path / "a.parquet")
    images = list(open_source(tmp_path / "a.parquet").read())
    assert images[0].data == _png(1)
    assert images[1].error == "has no bytes (only a path was stored): give a CSV of path,label"


@pytest.mark.parametrize(
    "metadata",
    [
        {"classes": json.dumps(["cat", "dog"])},
        {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"]}}}})},
    ],
)
def test_class_names_come_from_the_metadata(tmp_path: Path, metadata: dict[str, str]) -> None:
    table = pa.table({"image": [_png(1)], "label": [1]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").classes == ("cat", "dog")


def test_csv_paths_are_relative_to_the_table(tmp_path: Path) -> None:
    _folder(tmp_path / "sub", {"a.png": 1, "b.png": 2})
    (tmp_path / "t.csv").write_text("path,label,who\nsub/a.png,3,x\nsub/b.png,,y\n")
    source = open_source(tmp_path / "t.csv", group="who")
    assert [(entry.label, entry.group) for entry in source.entries()] == [(3, "x"), (None, "y")]
    assert [image.data for image in source.read()] == [_png(1), _png(2)]
    assert [entry.path for entry in open_source(f"{tmp_path}/t.csv?who=y").entries()] == ["sub/b.png"]


def test_webdataset_shards(tmp_path: Path) -> None:
    _tar(tmp_path / "0.tar", {"a.png": _png(1), "a.cls": b"7", "b.jpg": _png(2), "b.json": b'{"label": 3, "who": "x"}'})
    _tar(tmp_path / "1.tar", {"c.seg.png": _png(3), "note.txt": b"x"})
    source = open_source(tmp_path)
    assert [(entry.path, entry.label) for entry in source.entries()] == [
        ("0.tar/a.png", 7), ("0.tar/b.jpg", 3), ("1.tar/c.seg.png", None),
    ]  # fmt: skip
    assert [image.data for image in source.read({0, 2})] == [_png(1), _png(3)]
    assert open_source(tmp_path, group="who").entries()[1].group == "x"


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    source = open_source(_parquet(tmp_path / "a.parquet"))
    assert list(source.read()) == list(source.read())


def test_a_path_with_a_question_mark_is_a_path(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "what?x=1", {"a.png": 1})
    assert parse_location(str(folder)).path == folder


def _message(kind: type[OnnxmintError], place: object, **options: object) -> str:
    with pytest.raises(kind) as caught:
        open_source(str(place), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_booleans_are_picked_however_they_are_written(tmp_path: Path, word: str) -> None:
    path = _parquet(tmp_path / "a.parquet", kept=[True, False] * 5)
    assert [entry.path for entry in open_source(f"{path}?kept={word}&rows=0:2").entries()] == ["0.png", "2.png"]
    (tmp_path / "t.csv").write_text("path,kept\na.png,false\nb.png,true\nc.png,True\n")
    assert [entry.path for entry in open_source(f"{tmp_path}/t.csv?kept={word}").entries()] == ["b.png", "c.png"]


def test_words_other_than_booleans_are_picked_as_written(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", split=["Train", "train"] * 5)
    assert len(open_source(f"{path}?split=train").entries()) == 5


def test_the_filter_that_leaves_nothing_is_named_with_what_there_is(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", split=["train", "test"] * 5, label=list(range(10)))
    said = _message(ImagesError, f"{path}?split=trian")
    assert said.endswith("?split=trian leaves no row: no split is 'trian'; the values there: 'train', 'test'")
    said = _message(ImagesError, f"{path}?split=train&label=12")
    assert said.endswith("no label is '12'; the values there: '0', '2', '4', '6', '8'")
    assert _message(ImagesError, f"{path}?label=12").endswith("there: '0', '1', '2', '3', '4' and others")
    assert _message(ImagesError, f"{path}?split=train&rows=9:").endswith(
        "leaves no row; check the filter behind '?', or whether there are rows"
    )
    (tmp_path / "t.csv").write_text("path,who\na.png,x\nb.png,y\n")
    assert _message(ImagesError, f"{tmp_path}/t.csv?who=z").endswith("no who is 'z'; the values there: 'x', 'y'")


def test_messages(tmp_path: Path) -> None:
    assert "does not exist; give a folder of images" in _message(ImagesError, tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "holds no images" in _message(ImagesError, tmp_path / "empty")
    (tmp_path / "a.txt").write_text("x")
    assert "is no set of images" in _message(ImagesError, tmp_path / "a.txt")
    folder = _folder(tmp_path / "f", {"a.png": 1})
    assert "only Parquet and CSV have" in _message(UsageError, f"{folder}?split=train")
    assert "must be a regular expression" in _message(UsageError, folder, group="(")
    assert "matches no image" in _message(UsageError, folder, group="zzz")
    assert "leaves no image; check the filter" in _message(ImagesError, f"{folder}?rows=5:")
    assert "does not exist" in _message(ImagesError, "a" * 5000)
    with pytest.raises(ImagesError, match="cannot list sub: Permission denied; make it readable"):
        refuse_folder(PermissionError(13, "Permission denied", "sub"))


def test_messages_of_parquet(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", label=["x"] * 10)
    assert "a.parquet, row 0: label 'x' is no class number; number the classes" in _message(ImagesError, path)
    assert "has no column 'split'; its columns: image, label" in _message(UsageError, f"{path}?split=train")
    assert "has no column 'who'" in _message(UsageError, path, group="who")
    assert "leaves no row" in _message(ImagesError, f"{path}?label=y")
    assert "'rows' is not column=value" in _message(UsageError, f"{path}?rows")
    assert "rows=1-4 is no slice" in _message(UsageError, f"{path}?rows=1-4")
    (tmp_path / "bad.parquet").write_bytes(path.read_bytes()[:50])
    assert "is no readable Parquet file" in _message(ImagesError, tmp_path / "bad.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    assert "has no image column (columns: x)" in _message(ImagesError, tmp_path / "x.parquet")
    twice = pa.Table.from_arrays([pa.array([b"x"]), pa.array([1]), pa.array([2])], ["image", "label", "label"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert "has two columns 'label'; rename or drop one" in _message(ImagesError, tmp_path / "twice.parquet")


def test_messages_of_csv_and_tar(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("photo,label\na.png,1\n")
    assert "has no column 'path'" in _message(ImagesError, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("path,label\na.png,cat\n")
    assert "line 2: label 'cat' is no class number" in _message(ImagesError, tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("path,label\n")
    assert "leaves no row" in _message(ImagesError, tmp_path / "c.csv")
    (tmp_path / "d.csv").write_text("label,path\n1,a.png\n2\n")
    assert "d.csv, line 3: no path; write one image a line" in _message(ImagesError, tmp_path / "d.csv")
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    assert "is no readable tar file" in _message(ImagesError, tmp_path / "a.tar")
    assert "holds no images" in _message(ImagesError, _tar(tmp_path / "b.tar", {"a.txt": b"x"}))
    bad = _tar(tmp_path / "c.tar", {"a.png": _png(1), "a.cls": b"cat"})
    assert "c.tar/a.cls: label 'cat' is no class number" in _message(ImagesError, bad)


def test_a_slice_of_a_folder_keeps_the_class_numbers(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"ant/a.png": 1, "bee/b.png": 2, "cow/c.png": 3})
    source = open_source(f"{folder}?rows=2:")
    assert source.classes == ("ant", "bee", "cow")
    assert [(entry.index, entry.path, entry.label) for entry in source.entries()] == [(0, "cow/c.png", 2)]
    assert [image.data for image in source.read()] == [_png(3)]


def test_a_table_of_one_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(1 << 40)
    assert message(ImagesError, tmp_path / "t.csv") == (
        f"cannot read {tmp_path / 't.csv'}: a line has more than 1,048,576 letters"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"b.png": 2})
    os.mkfifo(folder / "a.png")
    assert [(image.data, image.error) for image in open_source(folder).read()] == [
        (None, "is no regular file"), (_png(2), None),
    ]  # fmt: skip


def test_a_file_that_claims_terabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(LARGEST_FILE + (1 << 20))  # sparse: takes no room
    assert [image.error for image in open_source(tmp_path).read()] == ["is absurdly large: 257 MiB (allowed 256)"]


def test_a_path_that_no_file_can_have_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    _folder(tmp_path, {"a.png": 1})
    (tmp_path / "t.csv").write_text("path, label\nx\0y.png, 1\na.png, 3\n")
    source = open_source(tmp_path / "t.csv")
    assert [entry.label for entry in source.entries()] == [1, 3]  # blanks behind commas mean nothing
    bad, good = source.read()
    assert "cannot be read" in (bad.error or "")
    assert good.data == _png(1)


def test_tar_images_come_in_the_order_of_their_index(tmp_path: Path) -> None:
    """Labels may stand before the images in another order, a name twice, and macOS adds ._ files."""
    shard = _tar(tmp_path / "0.tar", {"a.cls": b"7", "b.png": _png(1), "._a.png": b"x", "a.png": _png(2)})
    with tarfile.open(shard, "a") as archive:
        entry = tarfile.TarInfo("b.png")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    source = open_source(shard)
    assert [(entry.path, entry.label) for entry in source.entries()] == [("0.tar/b.png", None), ("0.tar/a.png", 7)]
    assert [(image.index, image.data) for image in source.read()] == [(0, _png(1)), (1, _png(2))]


def test_a_damaged_tar_header_never_hides_the_images_behind_it(tmp_path: Path) -> None:
    shard = _tar(tmp_path / "0.tar", {f"{k}.png": _png(k) for k in range(6)})
    with tarfile.open(shard) as archive:
        start = archive.getmembers()[3].offset
    data = bytearray(shard.read_bytes())
    data[start : start + 512] = b"\x55" * 512
    shard.write_bytes(data)
    assert f"is damaged at byte {start:,}" in _message(ImagesError, shard)


def test_a_shard_cut_short_while_in_use_gives_reasons(tmp_path: Path) -> None:
    shard = _tar(tmp_path / "0.tar", {"a.png": _png(1), "b.png": _png(2)})
    with tarfile.open(shard) as archive:
        start = archive.getmembers()[1].offset_data
    source = open_source(shard)
    shard.write_bytes(shard.read_bytes()[: start + 9])
    good, cut = source.read()
    assert good.data == _png(1)
    assert cut.error == f"is cut short: 9 of {len(_png(2))} bytes"
    shard.unlink()
    assert ["cannot be read" in (image.error or "") for image in source.read()] == [True, True]


def test_shards_come_before_the_parquet_beside_them(tmp_path: Path) -> None:
    """img2dataset writes 00000.tar and 00000.parquet, the latter without pixels."""
    _tar(tmp_path / "0.tar", {"a.png": _png(1)})
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "0.parquet")
    assert [image.data for image in open_source(tmp_path).read()] == [_png(1)]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_damaged_row_group_costs_its_own_images_only(tmp_path: Path, compression: str) -> None:
    noise = np.random.default_rng(0)  # what zstd stores as it is, so that it can be found in the file
    stored = [{"bytes": noise.bytes(3000), "path": f"{k}"} for k in range(40)]
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"image": stored}), path, row_group_size=10, write_page_checksum=True, compression=compression
    )
    data = bytearray(path.read_bytes())
    data[data.index(stored[13]["bytes"][100:120])] ^= 255
    path.write_bytes(data)
    images = list(open_source(path).read())
    assert [image.index for image in images] == list(range(40))
    broken = [image for image in images if image.data is None]
    assert [image.index for image in broken] == list(range(10, 20))
    assert all((image.error or "").startswith("is in a damaged part of the Parquet file: ") for image in broken)
    assert images[25].data == stored[25]["bytes"]


def test_a_parquet_file_that_vanished_gives_reasons(tmp_path: Path) -> None:
    _parquet(tmp_path / "0.parquet", 3)
    _parquet(tmp_path / "1.parquet", 2)
    source = open_source(tmp_path)
    (tmp_path / "0.parquet").unlink()
    images = list(source.read({1, 2, 3}))
    assert [(image.index, image.data is None) for image in images] == [(1, True), (2, True), (3, False)]
    assert "cannot be read" in (images[0].error or "")


def test_class_names_must_agree_over_files(tmp_path: Path) -> None:
    table = pa.table({"image": [_png(1)], "label": [1]})
    pq.write_table(table.replace_schema_metadata({"classes": '["cat", "dog"]'}), tmp_path / "0.parquet")
    pq.write_table(table, tmp_path / "1.parquet")
    assert open_source(tmp_path).classes == ("cat", "dog")
    pq.write_table(table.replace_schema_metadata({"classes": '["dog", "cat"]'}), tmp_path / "2.parquet")
    assert "names other classes than the files before it" in _message(ImagesError, tmp_path)
    assert len(open_source(tmp_path, labels=False).entries()) == 3


def test_the_shared_data_reads(shared: Path) -> None:
    source = open_source(f"{shared}/data/gtsrb.parquet?competition_train=True&rows=0:50", group="track")
    assert len(source.entries()) == 50
    assert all(entry.group is not None for entry in source.entries())
    assert len(list(source.read({0, 49}))) == 2


@pytest.mark.parametrize(
    "head",
    [
        "path,label",
        "Path,Label",
        "file_name,label",
        "image,label",
        "filename,LABEL",
        "\n\n path , label",
        "img,label,x",
    ],
)
def test_a_table_may_call_its_columns_otherwise_where_only_one_can_be_meant(tmp_path: Path, head: str) -> None:
    (tmp_path / "t.csv").write_text(f"{head}\na.png,3\nb.png,4\n")
    assert labelled(open_source(tmp_path / "t.csv")) == {"a.png": 3, "b.png": 4}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty; write a line path,label and then one image a line"),
        ("\n\n", "is empty; write a line path,label and then one image a line"),
        ("a/1.png,3\nb.png,4\n", "the first line names the columns: path,label"),
        ("path,label,label\na.png,3,4\n", "has two columns 'label'; rename or drop one"),
        ("file,image,label\na.png,b.png,4\n", "label); call the column of image paths 'path'"),
        ("PATH,Path,label\na.png,b.png,4\n", "has no column 'path' (columns: PATH, Path, label)"),
        ("path,label\n", "leaves no row; check the filter behind '?', or whether there are rows"),
    ],
)
def test_a_table_that_cannot_be_read_says_what_is_wrong_with_it(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert said in message(ImagesError, tmp_path / "t.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.tar"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_pipe_in_the_place_of_a_table_is_not_waited_for(tmp_path: Path, name: str, inside: bool) -> None:
    if inside and name == "t.csv":
        return  # a folder of tables is none of the forms
    os.mkfifo(tmp_path / name)
    place = tmp_path if inside else tmp_path / name
    assert message(ImagesError, place) == f"{tmp_path / name} is no regular file; give a file that is stored on a disk"
