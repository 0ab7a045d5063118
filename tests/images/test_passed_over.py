"""Nothing that was given is passed over in silence: it is an image, or it is counted by its reason with an example."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.facts import Unreadable
from onnxmint.images.passed import Tally, in_words, why_fewer
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.sources import open_source, require_readable
from tests.images.places import folder, labelled, message, parquet, png, shard


def _passed(source: object) -> dict[str, int]:
    return {one.reason: one.count for one in source.passed_over}  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_of_an_image_is_listed_in_small_and_large_letters(tmp_path: Path, suffix: str) -> None:
    folder(tmp_path, {f"a{suffix}": 1, f"B{suffix.upper()}": 2})
    assert [entry.path for entry in open_source(tmp_path).entries()] == [f"B{suffix.upper()}", f"a{suffix}"]


def test_files_of_other_suffixes_are_counted_by_them(tmp_path: Path) -> None:
    folder(tmp_path, {"cat/a.png": 1})
    for name in ("cat/x.psd", "cat/y.PSD", "README", "cat/notes.txt"):
        (tmp_path / name).write_text("x")
    source = open_source(tmp_path)
    assert _passed(source) == {
        "files with the suffix .psd": 2, "files without a suffix": 1, "files with the suffix .txt": 1,
    }  # fmt: skip
    assert source.notes == (
        f"Of {tmp_path}, these were passed over: 2 files with the suffix .psd (for example cat/x.psd); 1 files without "
        "a suffix (for example README); 1 files with the suffix .txt (for example cat/notes.txt).",
    )


def test_hidden_images_and_folders_are_counted_other_hidden_files_are_the_systems(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": 1, "._a.png": 2, ".ipynb_checkpoints/a-checkpoint.png": 3})
    (tmp_path / ".DS_Store").write_text("x")
    source = open_source(tmp_path)
    assert [entry.path for entry in source.entries()] == ["a.png"]
    assert _passed(source) == {"hidden folders": 1, "hidden files with the suffix of an image": 1}


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/train.parquet", "sub/test.parquet"):
        (tmp_path / name).write_text("x")
    said = message(ImagesError, tmp_path)
    assert said.endswith(
        "; what is there: 2 files with the suffix .parquet (for example sub/test.parquet); give the folder "
        f"that holds them, {tmp_path}/sub"
    )


def test_a_class_folder_that_is_a_link_is_followed(tmp_path: Path) -> None:
    """Everything must be as if the folder were there: all classes, and the numbers of the later ones."""
    root = folder(tmp_path / "data", {"ant/a.png": 1, "cow/c.png": 3})
    folder(tmp_path / "disk", {"b.png": 2, "deep/d.png": 4})
    (root / "bee").symlink_to(tmp_path / "disk", target_is_directory=True)
    source = open_source(root)
    assert labelled(source) == {"ant/a.png": 0, "bee/b.png": 1, "bee/deep/d.png": 1, "cow/c.png": 2}
    assert [image.data for image in source.read()] == [png(1), png(2), png(4), png(3)]
    assert source.passed_over == ()


def test_links_that_would_read_a_folder_twice_or_for_ever_are_counted(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", {"ant/a.png": 1, "bee/b.png": 2})
    outside = folder(tmp_path / "disk", {"o.png": 3})
    (outside / "back").symlink_to(root, target_is_directory=True)
    for name, target in (("0copy", root / "ant"), ("loop", root), ("up", tmp_path), ("x1", outside), ("x2", outside)):
        (root / name).symlink_to(target, target_is_directory=True)
    (root / "gone").symlink_to(tmp_path / "nowhere")
    source = open_source(root)
    assert list(labelled(source)) == ["ant/a.png", "bee/b.png", "x1/o.png"]
    assert _passed(source) == {
        "links to a folder that holds this one": 3, "links to folders that are read already": 2,
        "links that lead nowhere": 1,
    }  # fmt: skip


def test_what_lies_inside_is_read_under_its_own_path_whichever_comes_first(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", {"zebra/z.png": 1})
    (root / "ape").symlink_to(root / "zebra", target_is_directory=True)
    assert list(labelled(open_source(root))) == ["zebra/z.png"]


def test_a_part_that_two_links_share_is_read_once(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", {"a.png": 1})
    folder(tmp_path / "disk", {"shared/s.png": 2, "t.png": 3})
    (root / "one").symlink_to(tmp_path / "disk" / "shared", target_is_directory=True)
    (root / "two").symlink_to(tmp_path / "disk", target_is_directory=True)
    source = open_source(root)
    assert list(labelled(source)) == ["a.png", "one/s.png", "two/t.png"]
    assert _passed(source) == {"folders that are read already under another path": 1}


def test_a_link_to_an_image_is_read_and_a_broken_one_carries_its_reason(tmp_path: Path) -> None:
    folder(tmp_path / "disk", {"a.png": 1})
    root = folder(tmp_path / "data", {"b.png": 2})
    (root / "a.png").symlink_to(tmp_path / "disk" / "a.png")
    (root / "c.png").symlink_to(tmp_path / "nowhere.png")
    images = list(open_source(root).read())
    assert [image.data for image in images] == [png(1), png(2), None]
    assert "cannot be read: No such file" in (images[2].error or "")


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="this system has no kernel log as a file")
def test_a_file_of_the_kernel_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", {"b.png": 2})
    (root / "a.png").symlink_to("/proc/kmsg")
    assert [image.error for image in open_source(root).read()] == ["is empty", None]


def test_images_beside_tables_and_shards_are_counted(tmp_path: Path) -> None:
    for name, suffix in (("p", ".parquet"), ("t", ".tar")):
        root = folder(tmp_path / name, {"left/a.jpg": 1, "b.png": 2})
        for place in (root / f"0{suffix}", root / "more" / f"1{suffix}"):
            place.parent.mkdir(exist_ok=True)
            parquet(place, 2) if suffix == ".parquet" else shard(place, {"a.png": png(1)})
        (root / "LICENSE").write_text("x")
        assert _passed(open_source(root)) == {
            f"images beside the {suffix} files, which were taken": 2, f"{suffix} files in sub-folders": 1,
        }  # fmt: skip


def test_rows_that_make_no_sense_are_counted_while_they_are_few(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": 1})
    lines = ["path,label"] + ["a.png,1"] * 50
    lines[7], lines[9] = "a.png,cat", ",1"
    (tmp_path / "t.csv").write_text("\n".join(lines))
    source = open_source(tmp_path / "t.csv")
    assert [entry.label for entry in source.entries()].count(None) == 1
    assert len(source.entries()) == 49
    assert _passed(source) == {
        "rows without a path": 1, "labels that are no class number (these images count as unlabelled)": 1,
    }  # fmt: skip
    lines[20:23] = ["a.png,dog"] * 3
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert "t.csv, line 10: no path; write one image a line" in message(ImagesError, tmp_path / "t.csv")


def test_one_row_of_a_table_without_bytes_is_a_reason_and_no_more(tmp_path: Path) -> None:
    images = [{"bytes": png(1), "path": "a.png"}, {"bytes": None, "path": "b.png"}, {"bytes": png(3), "path": None}]
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet")
    found = list(open_source(tmp_path / "t.parquet").read())
    assert [(image.path, image.data is None) for image in found] == [
        ("a.png", False), ("b.png", True), ("t.parquet:2", False),
    ]  # fmt: skip


@pytest.mark.skipif(os.sep == "\\", reason="here such paths are right")
def test_paths_of_windows_are_named_as_such(tmp_path: Path) -> None:
    folder(tmp_path, {"c04/a.png": 1})
    (tmp_path / "t.csv").write_text("path,label\nc04\\a.png,1\n")
    (image,) = open_source(tmp_path / "t.csv").read()
    assert image.error == (
        "cannot be read: No such file or directory (its folders are separated by \\, which only Windows reads so: "
        "write /)"
    )


@given(names=st.lists(st.text(max_size=6), max_size=300))
def test_a_tally_counts_everything_in_few_words(names: list[str]) -> None:
    tally = Tally()
    for name in names:
        tally.add_file(f"x.{name}", name)
    found = tally.found()
    assert sum(one.count for one in found) == len(names)
    assert len(found) <= 13
    assert all(1 <= len(one.examples) <= 3 for one in found)
    assert bool(in_words(found)) == bool(names)


def test_a_refusal_tells_the_frequent_reasons_and_what_was_passed_over(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": 1})
    (tmp_path / "x.psd").write_text("x")
    source = open_source(tmp_path)
    unread = [
        Unreadable(index=k, path=f"{k}.png", reason=("is empty", "is broken: x", "is odd")[min(k, 2)]) for k in range(9)
    ]
    passed = "passed over: 1 files with the suffix .psd (for example x.psd)"
    assert why_fewer(source) == f"; {passed}"
    assert why_fewer(source, unread[:1]) == f"; 1 cannot be read: 0.png is empty; {passed}"
    assert why_fewer(source, unread, none=True) == (
        f"; 2.png is odd (7 like it); 0.png is empty; 1 for other reasons; {passed}"
    )
    (tmp_path / "x.psd").unlink()
    assert why_fewer(open_source(tmp_path)) == ""


def test_a_place_of_which_nothing_can_be_read_is_refused_with_all_of_that(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "x.psd").write_text("x")
    with pytest.raises(
        ImagesError, match=r"could be read; a.png is not an image .*; passed over: 1 files with the suffix"
    ):
        require_readable(open_source(tmp_path))


def test_what_is_no_set_of_images_says_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = parquet(tmp_path / "data" / "t.parquet", 2)
    assert f"give the folder that holds them, {tmp_path}/data" in message(ImagesError, tmp_path)
    assert len(open_source(tmp_path / "data").entries()) == 2
    table.unlink()
    (tmp_path / "data" / "t.csv").write_text("path;label\na.png;1\n")
    assert f"give the table, {tmp_path}/data/t.csv" in message(ImagesError, tmp_path)
    assert "separate them by commas, not by ';'" in message(ImagesError, tmp_path / "data" / "t.csv")
    (tmp_path / "data" / "t.csv").write_bytes("path,label\n".encode("utf-16"))
    assert "t.csv is no text in UTF-8; save it as UTF-8" in message(ImagesError, tmp_path / "data" / "t.csv")
    (tmp_path / "a.tar.gz").write_bytes(b"x")
    assert "unpack it, and give the folder or .tar file" in message(ImagesError, tmp_path / "a.tar.gz")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.tar.gz", "what is there: 1 files with the suffix .gz (for example a.tar.gz); unpack what is packed"),
        ("a", "1 files without a suffix (for example a); files are taken for images by their suffix: rename them if"),
    ],
)
def test_a_folder_without_images_says_what_to_do_with_what_is_there(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(png(1))
    assert said in message(ImagesError, tmp_path)


@pytest.mark.parametrize("words", ["{place}?labels=x", "{place}?key=last-dot", "{place}/a.png?labels=x"])
def test_what_is_said_behind_a_place_that_cannot_be_meant_there_is_refused(tmp_path: Path, words: str) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    place = words.format(place=tmp_path)
    assert message(UsageError, place) == f"{place}: ?labels= is of tables and shards, ?key= of shards; leave it out"


@pytest.mark.parametrize("name", ["s-{000..009}.tar", "*.png", "{a,b}.png"])
def test_a_pattern_is_not_taken_for_one(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    assert message(ImagesError, place) == (
        f"{place} does not exist; it is taken for a name and not for a pattern: give the folder, or the "
        "files one by one"
    )


def test_further_columns_of_images_are_counted(tmp_path: Path) -> None:
    pictures = [{"bytes": png(k), "path": None} for k in range(3)]
    found = open_source(parquet(tmp_path / "t.parquet", 3, mask=pictures, label=[0, 1, 2]))
    assert [(one.reason, one.count, one.examples) for one in found.passed_over] == [
        ("further columns of images", 1, ("mask of t.parquet",))
    ]


def test_a_column_of_labels_that_holds_none_is_said(tmp_path: Path) -> None:
    place = parquet(tmp_path / "t.parquet", 3, label=pa.nulls(3))
    assert open_source(place).notes == (f"No image of {place} has a label: the column 'label' holds none.",)
    assert not open_source(place, labels=False).notes
    table = tmp_path / "t.csv"
    table.write_text("path,label\na.png,\nb.png,\n")
    assert open_source(table).notes == (f"No image of {table} has a label: the column 'label' holds none.",)
