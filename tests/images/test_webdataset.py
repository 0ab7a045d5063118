"""Samples of shards: names as WebDataset defines them, clashes named, no picture joined to another's label."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import ImagesError, UsageError
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


def test_a_label_that_lies_beside_the_only_picture_is_its_own(tmp_path: Path) -> None:
    """As `k.input.png` with `k.output.cls`: one sample, one picture, one label."""
    names = {f"k{k}.input.png": png(k) for k in range(4)} | {f"k{k}.output.cls": b"%d" % k for k in range(4)}
    found = open_source(shard(tmp_path / "s.tar", names))
    assert labelled(found) == {f"s.tar/k{k}.input.png": k for k in range(4)}
    assert not found.passed_over


def test_labels_that_belong_to_no_picture_are_counted(tmp_path: Path) -> None:
    names = {"a.png": png(1), "a.cls": b"3", "b.cls": b"4", "c.png": png(2), "c.left.cls": b"5", "c.right.cls": b"6"}
    found = open_source(shard(tmp_path / "s.tar", names))
    assert labelled(found) == {"s.tar/a.png": 3, "s.tar/c.png": None}
    assert [(one.reason, one.count, one.examples) for one in found.passed_over] == [
        ("labels that belong to no picture", 3, ("s.tar/b.cls", "s.tar/c.left.cls", "s.tar/c.right.cls"))
    ]


def test_a_key_of_another_name_that_may_be_the_label_is_said(tmp_path: Path) -> None:
    names = {f"{k}.png": png(k) for k in range(4)} | {f"{k}.json": b'{"class": %d, "url": "x"}' % k for k in range(4)}
    place = shard(tmp_path / "s.tar", names)
    assert open_source(place).notes == (
        f"{place} has no key 'label', so its images have no labels; class may be meant: name it behind the place, with "
        "?labels=class.",
    )
    assert list(labelled(open_source(f"{place}?labels=class")).values()) == [0, 1, 2, 3]
    assert not open_source(place, labels=False).notes
    assert message(UsageError, f"{place}?labels=klass") == (
        f"{place}?labels=klass: no JSON in the shards has the key 'klass'; their keys: class, url"
    )
    bare = shard(tmp_path / "bare.tar", {"a.png": png(1)})
    assert message(UsageError, f"{bare}?labels=klass").endswith("their keys: there is none")


def test_folders_in_a_shard_without_labels_are_said(tmp_path: Path) -> None:
    place = shard(tmp_path / "s.tar", {"cat/0.png": png(0), "dog/1.png": png(1)})
    assert open_source(place).notes == (
        f"The images of {place} have no labels: folders in shards are not taken for classes (for example 'cat'); "
        "unpack the shards into a folder if they are, or put a .cls beside each image.",
    )
    assert not open_source(shard(tmp_path / "t.tar", {"all/0.png": png(0), "all/1.png": png(1)})).notes


@pytest.mark.parametrize(("pack", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")])
def test_a_compressed_shard_is_named_so(tmp_path: Path, pack: Callable[[bytes], bytes], kind: str) -> None:
    place = shard(tmp_path / "s.tar", {"a.png": png(1)})
    place.write_bytes(pack(place.read_bytes()))
    assert message(ImagesError, place) == (
        f"{place} is no readable tar file: it is compressed ({kind}); unpack it first, and give the .tar file"
    )


def test_two_shards_in_one_file_are_refused_since_the_second_would_be_lost(tmp_path: Path) -> None:
    one, two = (shard(tmp_path / f"{k}.tar", {f"{k}.png": png(k)}) for k in range(2))
    size = one.stat().st_size
    one.write_bytes(one.read_bytes() + two.read_bytes())
    assert message(ImagesError, one) == (
        f"{one} goes on behind its end, at byte {size:,}, as two shards in one file do; give each as a file of its own"
    )
    two.write_bytes(two.read_bytes() + bytes(100_000))
    assert len(open_source(two).entries()) == 1
