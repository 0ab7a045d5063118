"""A single image, and several places as one set: every image has its own name, every class one number."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.sources import open_source
from tests.images.places import folder, labelled, message, parquet, png, shard


def _declared(path: Path, names: str) -> Path:
    table = pa.table({"image": [png(7), png(8)], "label": [0, 1]}).replace_schema_metadata({"classes": names})
    pq.write_table(table, path)
    return path


def test_a_single_image_is_a_set_of_one(tmp_path: Path) -> None:
    file = folder(tmp_path, {"a.png": 1}) / "a.png"
    source = open_source(file)
    assert labelled(source) == {str(file): None}
    assert [image.data for image in source.read()] == [png(1)]
    (tmp_path / "a.txt").write_text("x")
    assert "is no set of images; give a folder of images, an image file" in message(ImagesError, tmp_path / "a.txt")


def test_several_places_are_one_set_with_names_of_their_own(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "f", {"a.png": 1, "b.png": 2}), folder(tmp_path / "g", {"a.png": 3})
    single, table = folder(tmp_path, {"x.png": 4}) / "x.png", parquet(tmp_path / "t.parquet", 3)
    source = open_source((first, str(second), single, f"{table}?rows=1:3"))
    assert [entry.path for entry in source.entries()] == [
        f"{first}/a.png", f"{first}/b.png", f"{second}/a.png", str(single), f"{table}?rows=1:3/1.png",
        f"{table}?rows=1:3/2.png",
    ]  # fmt: skip
    assert [entry.index for entry in source.entries()] == list(range(6))
    assert [(image.index, image.data) for image in source.read({1, 2, 5})] == [(1, png(2)), (2, png(3)), (5, png(2))]
    assert [image.path for image in source.read()] == [entry.path for entry in source.entries()]
    assert source.location == f"{first} + {second} + {single} + {table}?rows=1:3"


def test_classes_of_several_folders_are_numbered_as_if_they_were_one(tmp_path: Path) -> None:
    first = folder(tmp_path / "f", {"ant/0.png": 1, "cow/0.png": 2})
    second = folder(tmp_path / "g", {"bee/0.png": 3, "cow/0.png": 4})
    source = open_source([first, second])
    assert source.classes == ("ant", "bee", "cow")
    assert labelled(source) == {
        f"{first}/ant/0.png": 0, f"{first}/cow/0.png": 2, f"{second}/bee/0.png": 1, f"{second}/cow/0.png": 2,
    }  # fmt: skip
    assert list(labelled(open_source([first, second], classes=("cow", "bee", "ant"))).values()) == [2, 0, 1, 0]


def test_folders_are_numbered_by_the_place_that_declares_an_order(tmp_path: Path) -> None:
    table = _declared(tmp_path / "t.parquet", '["zebra", "ant"]')
    root = folder(tmp_path / "f", {"ant/0.png": 1})
    assert list(labelled(open_source([root, table])).values()) == [1, 0, 1]
    other = folder(tmp_path / "g", {"bee/0.png": 1})
    assert "has the class 'bee', which the known classes lack" in message(ImagesError, [other, table])
    again = _declared(tmp_path / "u.parquet", '["ant", "zebra"]')
    assert "number their classes in different ways" in message(ImagesError, [table, again])
    numbers = folder(tmp_path / "h", {"3/0.png": 1})
    assert "number their classes in different ways" in message(ImagesError, [root, numbers])


def test_notes_and_what_was_passed_over_are_those_of_all_places(tmp_path: Path) -> None:
    places = [folder(tmp_path / name, {"a.png": 1}) for name in "fg"]
    for place in places:
        (place / "x.psd").write_text("x")
    source = open_source(places)
    assert len(source.notes) == len(source.passed_over) == 2


def test_what_makes_no_set_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"a.png": 1})
    assert "is given twice" in message(UsageError, [root, str(root)])
    assert "no images were given" in message(UsageError, [])
    with pytest.raises(ImagesError, match="does not exist"):
        open_source([root, tmp_path / "gone"])


def test_groups_of_several_places_are_read_in_each(tmp_path: Path) -> None:
    places = [folder(tmp_path / name, {"t1_a.png": 1, "t2_a.png": 2}) for name in "fg"]
    assert [entry.group for entry in open_source(places, group=r"(t\d)_").entries()] == ["t1", "t2", "t1", "t2"]


def test_an_image_that_two_places_hold_is_taken_once_and_said(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"ant/0.png": 1, "bee/0.png": 2, "bee/1.png": 3})
    single, link = root / "bee" / "1.png", tmp_path / "link"
    link.symlink_to(root / "ant")
    (tmp_path / "list.csv").write_text("path\nf/bee/0.png\n")
    source = open_source([single, root, link, tmp_path / "list.csv"])
    assert labelled(source) == {f"{root}/ant/0.png": 0, f"{root}/bee/0.png": 1, f"{root}/bee/1.png": 1}
    assert [(image.index, image.data) for image in source.read()] == [(0, png(1)), (1, png(2)), (2, png(3))]
    assert [image.path for image in source.read({2})] == [f"{root}/bee/1.png"]
    assert len(source.origins()) == 3
    assert source.notes == (
        f"Of {single} + {root} + {link} + {tmp_path}/list.csv, these were passed over: 3 images that are given twice, "
        f"and were taken once (for example {single}).",
    )


def test_rows_and_members_that_two_places_hold_are_taken_once(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    table = parquet(tmp_path / "d" / "t.parquet", 6)
    source = open_source([f"{table}?rows=0:4", f"{table}?rows=2:6", tmp_path / "d"])
    assert [image.data for image in source.read()] == [png(value) for value in range(6)]
    assert [one.count for one in source.passed_over] == [8]
    packed = shard(tmp_path / "s.tar", {f"{k}.png": png(k) for k in range(3)})
    twice = open_source([packed, f"{packed}?rows=1:3", f"{tmp_path}/./s.tar"])
    assert [image.data for image in twice.read()] == [png(value) for value in range(3)]
    assert [one.count for one in twice.passed_over] == [5]


def test_many_places_are_one_short_name(tmp_path: Path) -> None:
    root = folder(tmp_path, {f"{k}.png": k for k in range(9)})
    places = [root / f"{k}.png" for k in range(9)]
    assert open_source(places).location == f"{places[0]} + {places[1]} + {places[2]} + 6 more"
    assert open_source(places[:4]).location == " + ".join(map(str, places[:4]))


def test_a_single_file_has_the_group_that_its_path_names(tmp_path: Path) -> None:
    root = folder(tmp_path, {"anna/1.png": 1, "ben/2.png": 2})
    found = open_source([root / "anna" / "1.png", root / "ben" / "2.png"], group=r"(\w+)/\d+\.png$")
    assert [entry.group for entry in found.entries()] == ["anna", "ben"]
    assert open_source(root / "anna" / "1.png").entries()[0].group is None
