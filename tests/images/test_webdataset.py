"""Samples of shards: names as WebDataset defines them, clashes named, no picture joined to another's label."""

import io
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import ImagesError
from onnxmint.images.samples import split_name
from onnxmint.images.sources import open_source
from tests.images.places import labelled, message, png, shard


@given(name=st.text(alphabet="ab./", max_size=12))
def test_a_name_is_split_as_webdataset_does(name: str) -> None:
    found = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", name)  # webdataset.tariterators.base_plus_ext
    assert split_name(name, "first-dot") == (found.groups() if found else None)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("a/b.png", ("a/b", "png"), ("a/b", "png")),
        ("22.05.2019_1.png", ("22", "05.2019_1.png"), ("22.05.2019_1", "png")),
        ("a.b/c.left.png", ("a.b/c", "left.png"), ("a.b/c.left", "png")),
        ("a.b/c", None, None),
        ("none", None, None),
    ],
)
def test_a_name_ends_at_its_first_or_at_its_last_dot(name: str, first: object, last: object) -> None:
    assert (split_name(name, "first-dot"), split_name(name, "last-dot")) == (first, last)


def test_pictures_with_dots_in_their_names_keep_their_own_labels(tmp_path: Path) -> None:
    members = {}
    for number in range(12):
        members |= {f"day07.{number}.png": png(number), f"day07.{number}.cls": str(number % 5).encode()}
    source = open_source(shard(tmp_path / "0.tar", members))
    assert labelled(source) == {f"0.tar/day07.{number}.png": number % 5 for number in range(12)}
    assert [image.data for image in source.read()] == [png(number) for number in range(12)]
    assert source.passed_over == ()


def test_names_that_end_too_early_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """Kaggle's cat.0.jpg: 480 pictures must not become one without a word."""
    place = shard(tmp_path / "0.tar", {f"cat.{number}.jpg": png(number) for number in range(48)})
    said = message(ImagesError, place)
    assert "holds 48 pictures of which only 1 have a name of their own: WebDataset's ends at the first dot" in said
    assert "as in 0.tar/cat.1.jpg" in said
    assert "?key=last-dot" in said
    source = open_source(f"{place}?key=last-dot&rows=0:40")
    assert [entry.path for entry in source.entries()] == [f"0.tar/cat.{number}.jpg" for number in range(40)]


def test_second_pictures_of_a_sample_are_counted(tmp_path: Path) -> None:
    members = {}
    for number in range(5):
        members |= {f"{number}.mask.png": png(100), f"{number}.png": png(number), f"{number}.cls": b"3"}
        members |= {f"{number}.txt": b"a caption"}
    source = open_source(shard(tmp_path / "0.tar", members))
    assert labelled(source) == {f"0.tar/{number}.png": 3 for number in range(5)}  # the one of the bare name
    assert [(one.reason, one.count, one.examples[0]) for one in source.passed_over] == [
        ("files with the suffix .txt", 5, "0.tar/0.txt"),
        ("further pictures of a WebDataset sample (its name ends at the first dot)", 5, "0.tar/0.mask.png"),
    ]
    assert len(source.notes) == 1


def test_of_two_pictures_with_a_word_between_the_first_is_taken(tmp_path: Path) -> None:
    members = {}
    for number in range(3):
        members |= {f"{number}.left.png": png(number), f"{number}.right.png": png(9), f"{number}.cls": b"1"}
    source = open_source(shard(tmp_path / "0.tar", members))
    assert labelled(source) == {f"0.tar/{number}.left.png": 1 for number in range(3)}
    assert source.passed_over[0].count == 3


def test_names_that_come_twice_links_and_hidden_pictures_are_counted(tmp_path: Path) -> None:
    place = shard(tmp_path / "0.tar", {"a.png": png(1), "._a.png": b"x", ".DS_Store": b"x", "b": b"x"})
    with tarfile.open(place, "a") as archive:
        again = tarfile.TarInfo("a.png")
        again.size = 3
        archive.addfile(again, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("l.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.addfile(_folder_named("d"))
    source = open_source(place)
    assert [image.data for image in source.read()] == [png(1)]
    assert {one.reason: one.count for one in source.passed_over} == {
        "hidden files with the suffix of an image": 1, "files without a suffix": 1, "names that a shard holds twice": 1,
        "links and other members that are no files": 1,
    }  # fmt: skip


def _folder_named(name: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = tarfile.DIRTYPE
    return found


def test_a_key_of_the_json_can_be_the_label_and_the_group(tmp_path: Path) -> None:
    members = {"a.png": png(1), "a.json": b'{"label": 9, "fine": 3.0, "who": 7}', "b.png": png(2), "b.json": b"[]"}
    place = shard(tmp_path / "0.tar", members)
    source = open_source(f"{place}?labels=fine", group="who")
    assert [(entry.label, entry.group) for entry in source.entries()] == [(3, "7"), (None, None)]
    assert [entry.label for entry in open_source(place, labels=False).entries()] == [None, None]


def test_one_bad_member_of_many_costs_its_own_label(tmp_path: Path) -> None:
    members = {}
    for number in range(40):
        members |= {f"{number}.png": png(number), f"{number}.json": b'{"label": 1}'}
    members |= {"7.json": b"[" * 200_000}
    source = open_source(shard(tmp_path / "0.tar", members))
    assert [entry.label for entry in source.entries()].count(None) == 1
    assert [(one.reason, one.count) for one in source.passed_over] == [("members that are no JSON", 1)]
    few = shard(tmp_path / "1.tar", {"a.png": png(1), "a.json": b"[" * 200_000})
    assert "1.tar/a.json does not hold JSON: no readable JSON: it is nested more than" in message(ImagesError, few)


def test_a_name_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    with (tmp_path / "0.tar").open("wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.truncate(4 << 30)  # sparse: takes no room
    assert "is no readable tar file: a name of 3,221,225,472 bytes" in message(ImagesError, tmp_path / "0.tar")
