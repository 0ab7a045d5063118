"""Every form of image set: order, labels, groups, filters, broken parts, and the messages."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.errors import ImagesError, OnnxmintError, UsageError
from onnxmint.images.sources import open_source, parse_location


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
    assert images[1].error == "has no bytes (only a path was stored)"


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


def test_messages_of_parquet(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", label=["x"] * 10)
    assert "label 'x' is not a class number" in _message(ImagesError, path)
    assert "has no column 'split'; its columns: image, label" in _message(UsageError, f"{path}?split=train")
    assert "has no column 'who'" in _message(UsageError, path, group="who")
    assert "leaves no row" in _message(ImagesError, f"{path}?label=y")
    assert "'rows' is not column=value" in _message(UsageError, f"{path}?rows")
    assert "rows=1-4 is no slice" in _message(UsageError, f"{path}?rows=1-4")
    (tmp_path / "bad.parquet").write_bytes(path.read_bytes()[:50])
    assert "is no readable Parquet file" in _message(ImagesError, tmp_path / "bad.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    assert "has no image column (columns: x)" in _message(ImagesError, tmp_path / "x.parquet")


def test_messages_of_csv_and_tar(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,label\na.png,1\n")
    assert "has no column 'path'" in _message(ImagesError, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("path,label\na.png,cat\n")
    assert "row 1: label 'cat' is no class number" in _message(ImagesError, tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("path,label\n")
    assert "leaves no row" in _message(ImagesError, tmp_path / "c.csv")
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    assert "is no readable tar file" in _message(ImagesError, tmp_path / "a.tar")
    assert "holds no images" in _message(ImagesError, _tar(tmp_path / "b.tar", {"a.txt": b"x"}))
    bad = _tar(tmp_path / "c.tar", {"a.png": _png(1), "a.cls": b"cat"})
    assert "does not hold a class number" in _message(ImagesError, bad)


def test_the_shared_data_reads(shared: Path) -> None:
    source = open_source(f"{shared}/data/gtsrb.parquet?competition_train=True&rows=0:50", group="track")
    assert len(source.entries()) == 50
    assert all(entry.group is not None for entry in source.entries())
    assert len(list(source.read({0, 49}))) == 2
