"""Known members, known non-members and questioned images: a class name has one number in all, however it was found."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import ImagesError
from onnxmint.images.classes import in_order
from onnxmint.images.sources import open_source
from onnxmint.images.together import Declared, open_together
from tests.images.places import folder, labelled, message, parquet, png


def test_sets_with_some_of_the_classes_each_are_numbered_as_one(tmp_path: Path) -> None:
    first = folder(tmp_path / "f", {"ant/0.png": 1, "cow/0.png": 2})
    second = folder(tmp_path / "g", {"bee/0.png": 3, "cow/0.png": 4})
    both = open_together([first, second], outputs=3)
    assert [labelled(source) for source in both.sources] == [
        {"ant/0.png": 0, "cow/0.png": 2}, {"bee/0.png": 1, "cow/0.png": 2},
    ]  # fmt: skip
    assert both.notes == (
        f"{first} lacks 1 of the 3 classes (for example 'bee').",
        f"{second} lacks 1 of the 3 classes (for example 'ant').",
    )
    asked = open_source(folder(tmp_path / "h", {"cow/9.png": 5}), classes=both.numbering)
    assert labelled(asked) == {"cow/9.png": 2}


def test_folders_from_one_on_are_moved_and_told(tmp_path: Path) -> None:
    known = [folder(tmp_path / name, {f"{k}/0.png": k for k in range(1, 13)}) for name in "fg"]
    both = open_together(known, outputs=12)
    assert labelled(both.sources[0])["12/0.png"] == 11
    assert both.notes == ("Class folders count from 1 to 12, and the target has 12 outputs: folder 1 is output 0.",)
    asked = folder(tmp_path / "asked", {"1/0.png": 1, "5/0.png": 2})
    assert labelled(open_source(asked, classes=both.numbering)) == {"1/0.png": 0, "5/0.png": 4}
    assert open_together(known, outputs=20).notes == open_together(known).notes == ()


def test_names_that_the_model_declares_number_the_folders(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"ant/0.png": 1, "bee/0.png": 2})
    said = (
        Declared(place="other.json", numbering=in_order(["x", "y"], "declared")),
        Declared(place="m.onnx, metadata names", numbering=in_order(["zebra", "Bee", "ant"], "declared")),
    )
    both = open_together([root], declared=said, outputs=3)
    assert labelled(both.sources[0]) == {"ant/0.png": 2, "bee/0.png": 1}
    assert both.notes == ("Class folders are numbered as m.onnx, metadata names names the target's outputs.",)


def test_what_the_model_declares_otherwise_than_a_table_is_told(tmp_path: Path) -> None:
    table = pa.table({"image": [png(7)], "label": [0]}).replace_schema_metadata({"classes": '["cat", "dog"]'})
    pq.write_table(table, tmp_path / "t.parquet")
    said = (Declared(place="config.json", numbering=in_order(["dog", "cat"], "declared")),)
    both = open_together([tmp_path / "t.parquet"], declared=said, outputs=2)
    assert labelled(both.sources[0]) == {"t.parquet:0": 0}
    assert both.notes == (
        "config.json says that 'dog' is output 0, but the images' classes number it 1: give the classes in order with "
        "--classes FILE.",
    )


def test_what_the_model_declares_otherwise_than_the_order_given_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"cat/0.png": 1, "dog/0.png": 2})
    said = (
        Declared(place="config.json", numbering=in_order(["dog", "cat"], "declared")),
        Declared(place="m.onnx", numbering=in_order(["cat", "dog"], "declared")),
    )
    both = open_together([root], classes=in_order(["cat", "dog"]), declared=said, outputs=2)
    assert labelled(both.sources[0]) == {"cat/0.png": 0, "dog/0.png": 1}
    assert both.notes == ("config.json says that 'dog' is output 0, but --classes numbers it 1, which was taken.",)
    bare = folder(tmp_path / "g", {"a.png": 1})
    assert open_together([bare], classes=in_order(["cat", "dog"]), declared=said, outputs=2).notes == ()


def test_an_order_that_is_given_is_taken_for_all(tmp_path: Path) -> None:
    root, table = folder(tmp_path / "f", {"ant/0.png": 1}), parquet(tmp_path / "t.parquet", 2, label=["bee", "ant"])
    both = open_together([root, table], classes=in_order(["bee", "ant"]))
    assert [list(labelled(source).values()) for source in both.sources] == [[1], [0, 1]]
    assert both.notes == ()
    assert "label 'bee' is no class number" in message(ImagesError, table)


def test_sets_without_names_have_no_numbering(tmp_path: Path) -> None:
    table, root = parquet(tmp_path / "t.parquet", 2, label=[1, 0]), folder(tmp_path / "f", {"a.png": 1})
    for options in ({}, {"classes": in_order(["x"])}, {"labels": False}):
        assert open_together([root, root / "a.png"], **options).numbering is None  # type: ignore[arg-type]
    assert list(labelled(open_together([table, root]).sources[0]).values()) == [1, 0]


def test_sets_that_number_their_classes_in_different_ways_are_refused(tmp_path: Path) -> None:
    names, numbers = folder(tmp_path / "f", {"ant/0.png": 1}), folder(tmp_path / "g", {"3/0.png": 1})
    with pytest.raises(ImagesError, match="number their classes in different ways, so a label means two things"):
        open_together([names, numbers], outputs=4)
