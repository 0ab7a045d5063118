"""A class name means one number in every set of images of an audit, whatever part of the classes is there."""

import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.classes import (
    Numbering,
    in_order,
    matched,
    names_file,
    names_said,
    number_by,
    numbered_as_folders,
    numbering_of,
    orders,
    read_names,
    settled,
)
from onnxmint.images.sources import open_source
from onnxmint.images.together import open_together
from tests.images.places import folder, labelled, message, parquet, png, shard

NAN = float("nan")
NAMES = st.lists(st.text(alphabet="abc019-é", min_size=1, max_size=3), min_size=1, max_size=12, unique=True)


def _by_name(numbering: Numbering | None) -> dict[str, int]:
    assert numbering is not None
    return numbering.by_name()


def test_a_questioned_folder_is_numbered_by_the_known_one(tmp_path: Path) -> None:
    """Half of the classes, as questions usually come: each keeps the number that the known folder gave it."""
    names = [f"{letter}-class" for letter in "abcdefghijkl"]
    known = open_source(folder(tmp_path / "known", {f"{name}/0.png": 1 for name in names}))
    root = folder(tmp_path / "asked", {f"{name}/0.png": 1 for name in names[5::2]})
    asked = open_source(root, classes=known.numbering)
    assert labelled(asked) == {f"{name}/0.png": names.index(name) for name in names[5::2]}
    assert (asked.classes, asked.numbering) == (known.classes, known.numbering)
    assert labelled(open_source(root)) == {f"{name}/0.png": k for k, name in enumerate(names[5::2])}  # alone: as before


def test_a_name_that_is_not_known_is_refused_with_the_nearest(tmp_path: Path) -> None:
    root = folder(tmp_path / "asked", {"cat/0.png": 1, "dgo/0.png": 2})
    said = message(ImagesError, root, classes=("bird", "cat", "dog"))
    assert said == (
        f"{root} has the class 'dgo', which the known classes lack (closest: 'dog'): rename it, or give the classes in "
        "order with --classes FILE when an auditor is trained"
    )
    odd = folder(tmp_path / "odd", {"n01440764/0.png": 1})
    assert "lack (they are: 'bird', 'cat', 'dog' ...)" in message(
        ImagesError, odd, classes=("bird", "cat", "dog", "eel")
    )
    assert set(labelled(open_source(root, labels=False, classes=("cat",))).values()) == {None}


def test_names_of_thousands_of_letters_make_no_long_message() -> None:
    with pytest.raises(ImagesError) as caught:
        number_by(["x" * 100_000], in_order(["y" * 100_000, "z"]), "place")
    assert len(str(caught.value)) < 400


@given(names=NAMES, part=st.integers(1, 12))
def test_whatever_part_is_there_keeps_its_numbers(names: list[str], part: int) -> None:
    known = numbered_as_folders(names)
    assert number_by(names[:part], known, "place") == {name: known.by_name()[name] for name in names[:part]}


def test_numbers_of_folders_may_have_leading_zeros() -> None:
    assert number_by(["07", "1"], numbered_as_folders(["1", "7"]), "p") == {"07": 7, "1": 1}
    both = numbered_as_folders(["07", "7", "8"])  # two folders, two classes: no number of their own
    assert (both.order, both.by_name()) == ("alphabet", {"07": 0, "7": 1, "8": 2})


@pytest.mark.parametrize(
    ("names", "outputs", "numbers"),
    [
        ([str(k) for k in range(1, 13)], 12, {str(k): k - 1 for k in range(1, 13)}),
        (["1", "5", "12"], 12, {"1": 0, "5": 4, "12": 11}),  # 12 has no output unless they count from one
        ([str(k) for k in range(12)], 12, {str(k): k for k in range(12)}),
        (["1", "5", "11"], 12, {"1": 1, "5": 5, "11": 11}),  # nothing says that they do
        (["0", "12"], 12, {"0": 0, "12": 12}),  # no reading: left for the range message
        (["cat", "dog"], 2, {"cat": 0, "dog": 1}),
    ],
)
def test_folders_from_one_to_the_number_of_outputs_count_from_one(
    names: list[str], outputs: int, numbers: dict[str, int]
) -> None:
    assert settled(numbered_as_folders(names), outputs).by_name() == numbers


def test_the_orders_that_a_model_may_have_learned() -> None:
    found = orders([str(k) for k in range(12)], 12)
    assert [one.order for one in found] == ["numbers", "as text"]
    assert found[1].by_name() | {} == {
        "0": 0, "1": 1, "10": 2, "11": 3, "2": 4, "3": 5, "4": 6, "5": 7, "6": 8, "7": 9, "8": 10, "9": 11,
    }  # fmt: skip
    assert [one.order for one in orders(["ant", "bee"], 3)] == ["alphabet", "background first"]
    assert orders(["ant", "bee"], 3)[1].by_name() == {"ant": 1, "bee": 2}
    assert [one.order for one in orders([str(k) for k in range(1, 13)], 12)] == ["from one", "as text"]
    assert orders(["ant", "bee"], 1) == ()


@given(names=NAMES, outputs=st.integers(1, 30))
def test_every_order_gives_each_class_an_output_of_its_own(names: list[str], outputs: int) -> None:
    for one in orders(names, outputs):
        assert sorted(one.names) == sorted(names)
        assert len(set(one.numbers)) == len(names)
        assert 0 <= min(one.numbers) <= max(one.numbers) < outputs


@given(names=NAMES, more=st.integers(0, 3), shift=st.integers(0, 2))
def test_an_order_that_was_written_can_be_given(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], more: int, shift: int
) -> None:
    numbering = numbering_of({name: number + shift for number, name in enumerate(names)}, "alphabet")
    file = tmp_path_factory.mktemp("classes") / "classes.txt"
    file.write_text(names_file(numbering, len(names) + shift + more), encoding="utf-8")
    again = read_names(file).by_name()
    assert {name: again[name] for name in names} == numbering.by_name()
    assert len(again) == len(names) + shift + more


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; write one class name a line"),
        (b"cat\n\ndog\n", "line 2 is empty"),
        (b"cat\ndog\ncat\n", "'cat' stands in lines 1 and 3"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_a_file_of_names_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "c.txt").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_names(tmp_path / "c.txt")
    assert str(caught.value).startswith(f"--classes {tmp_path / 'c.txt'}:")
    assert said in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_names(tmp_path / "gone.txt")


def test_a_file_of_names_may_be_hugging_faces_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "dog", "0": "cat"}}))
    found = read_names(tmp_path / "config.json")
    assert (found.names, found.numbers, found.order) == (("cat", "dog"), (0, 1), "given")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="names no classes; expected a list of names, id2label or label2id"):
        read_names(tmp_path / "config.json")


@pytest.mark.parametrize("value", [["tench", "crane", "a", "crane"], {"names": ["b", "crane", "c", "crane"]}])
def test_a_name_that_comes_twice_in_a_list_is_refused(tmp_path: Path, value: object) -> None:
    (tmp_path / "names.json").write_text(json.dumps(value))
    with pytest.raises(UsageError, match=r"names\.json: 'crane' is the name of outputs 1 and 3; give each a name"):
        read_names(tmp_path / "names.json")


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (["cat", "dog"], {"cat": 0, "dog": 1}),
        ({"names": {0: "cat", 1: "dog"}}, {"cat": 0, "dog": 1}),  # Ultralytics
        ({"label2id": {"dog": 1, "cat": 0}}, {"cat": 0, "dog": 1}),
        (["crane", "tench", "crane"], {"tench": 1}),  # as ImageNet has two of them
        ({"a": "b"}, None),
        ({"0": 1}, {"0": 1}),
        ([1, 2], None),
        ([], None),
        (3, None),
        ({"id2label": {"9" * 400: "x"}}, None),
        ({"label2id": {"x": 1 << 80}}, None),
        ({"label2id": {"x": -1}}, None),
    ],
)
def test_names_are_read_as_models_say_them(value: object, numbers: dict[str, int] | None) -> None:
    found = names_said(value)
    assert (None if found is None else found.by_name()) == numbers


def test_folders_are_matched_with_what_a_model_declares() -> None:
    declared = in_order(["tench, Tinca tinca", "golden_retriever", "Cat"], "declared")
    assert _by_name(matched(["cat", "Golden Retriever", "tench"], declared)) == {
        "tench": 0, "Golden Retriever": 1, "cat": 2,
    }  # fmt: skip
    assert matched(["cat", "n01440764"], declared) is None
    assert matched(["cat", "Cat"], declared) is None
    assert matched([], declared) is None


def test_names_in_tables_and_shards_are_numbered_by_known_ones(tmp_path: Path) -> None:
    known = ("bird", "cat", "dog")
    (tmp_path / "t.csv").write_text("path,label\na.png,dog\nb.png, bird\nc.png,2\n")
    assert [entry.label for entry in open_source(tmp_path / "t.csv", classes=known).entries()] == [2, 0, 2]
    pq.write_table(pa.table({"image": [png(1)] * 2, "label": ["cat", "dog"]}), tmp_path / "t.parquet")
    assert [entry.label for entry in open_source(tmp_path / "t.parquet", classes=known).entries()] == [1, 2]
    place = shard(tmp_path / "0.tar", {"a.png": png(1), "a.cls": b"dog\n"})
    assert [entry.label for entry in open_source(place, classes=known).entries()] == [2]
    (tmp_path / "u.csv").write_text("path,label\na.png,horse\n")
    assert "label 'horse' is no class number" in message(ImagesError, tmp_path / "u.csv", classes=known)


def test_a_table_that_numbers_its_names_otherwise_is_moved_to_the_known_numbers(tmp_path: Path) -> None:
    table = pa.table({"image": [png(1)] * 3, "label": [0, 1, 1]}).replace_schema_metadata({"classes": '["dog", "cat"]'})
    pq.write_table(table, tmp_path / "t.parquet")
    found = open_source(tmp_path / "t.parquet", classes=("bird", "cat", "dog"))
    assert [entry.label for entry in found.entries()] == [2, 1, 1]
    assert "has the class 'dog', which the known" in message(
        ImagesError, tmp_path / "t.parquet", classes=("cat", "eel")
    )


def test_class_numbers_above_64_bits_are_out_of_range_and_no_defect(tmp_path: Path) -> None:
    large = "99999999999999999999999"
    said = "label 99999999999999999999999, and no target has so many outputs: renumber the labels"
    assert said in message(ImagesError, folder(tmp_path / "f", {f"{large}/a.png": 1}))
    (tmp_path / "t.csv").write_text(f"path,label\na.png,{large}\n")
    assert said in message(ImagesError, tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text(f"path,label\na.png,{'9' * 5000}\n")
    assert "is no class number" in message(ImagesError, tmp_path / "u.csv")
    assert said in message(ImagesError, shard(tmp_path / "c.tar", {"a.png": png(1), "a.cls": large.encode()}))
    facts = json.dumps({"label": int(large)}).encode()
    assert said in message(ImagesError, shard(tmp_path / "j.tar", {"a.png": png(1), "a.json": facts}))
    unsigned = pa.array([2**64 - 1] * 10, pa.uint64())
    assert "label 18446744073709551615, and no" in message(ImagesError, parquet(tmp_path / "p.parquet", label=unsigned))


@pytest.mark.parametrize("values", [[3.0, None, NAN], ["3", "3.0", " "], ["3.", "", "+3"]])
def test_a_whole_number_is_one_however_it_is_written(tmp_path: Path, values: list[object]) -> None:
    expected = [None if value is NAN or not str(value or "").strip() else 3 for value in values]
    pq.write_table(pa.table({"image": [png(1)] * 3, "label": values}), tmp_path / "t.parquet")
    assert [entry.label for entry in open_source(tmp_path / "t.parquet").entries()] == expected
    rows = "".join(f"a.png,{'' if value is None or value is NAN else value}\n" for value in values)
    (tmp_path / "t.csv").write_text(f"path,label\n{rows}")
    assert [entry.label for entry in open_source(tmp_path / "t.csv").entries()] == expected


@pytest.mark.parametrize("value", [3.5, "3.5", "three", "1e3", "0x3"])
def test_what_is_no_whole_number_is_refused(tmp_path: Path, value: object) -> None:
    assert "is no class number" in message(ImagesError, parquet(tmp_path / "t.parquet", 1, label=[value]))


def test_a_label_column_of_another_name_is_listed_and_can_be_named(tmp_path: Path) -> None:
    columns = {"fine_label": [k % 7 for k in range(10)], "coarse_label": [0.0] * 10, "split": ["a"] * 10}
    place = parquet(tmp_path / "t.parquet", **columns)
    source = open_source(place)
    assert source.notes == (
        f"{place} has no column 'label', so its images have no labels; fine_label, coarse_label may be meant: name it "
        "behind the place, with ?labels=fine_label.",
    )
    assert [entry.label for entry in open_source(f"{place}?labels=fine_label&split=a").entries()] == columns[
        "fine_label"
    ]
    assert open_source(place, labels=False).notes == ()
    assert "has no column 'nope'; its columns: image, fine_label" in message(UsageError, f"{place}?labels=nope")
    (tmp_path / "t.csv").write_text("path,target\na.png,4\n")
    assert "with ?labels=target." in open_source(tmp_path / "t.csv").notes[0]
    assert open_source(f"{tmp_path}/t.csv?labels=target").entries()[0].label == 4


def test_a_column_called_labels_can_still_be_filtered(tmp_path: Path) -> None:
    place = parquet(tmp_path / "t.parquet", labels=[k % 2 for k in range(10)])
    assert [entry.label for entry in open_source(f"{place}?labels=labels").entries()][:3] == [0, 1, 0]
    assert len(open_source(f"{place}?labels=1").entries()) == 5


def test_class_names_of_another_label_column_are_hugging_faces_for_it(tmp_path: Path) -> None:
    features = {"info": {"features": {"fine": {"names": ["a", "b"]}, "label": {"names": ["x"]}}}}
    table = pa.table({"image": [png(1)], "fine": [1]}).replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, tmp_path / "t.parquet")
    found = open_source(f"{tmp_path}/t.parquet?labels=fine")
    assert (found.classes, found.numbering and found.numbering.order) == (("a", "b"), "declared")


def test_a_numbering_has_a_name_and_a_number_once() -> None:
    with pytest.raises(ValueError, match="every class needs a name of its own"):
        Numbering(names=("a", "a"), numbers=(0, 1), order="given")
    with pytest.raises(ValueError, match="numbers of classes must ascend"):
        Numbering(names=("a", "b"), numbers=(1, 1), order="given")
    with pytest.raises(ValueError, match="every class needs a name of its own"):
        open_source(".", classes=("a", "a"))


def test_a_number_in_a_table_is_the_class_of_that_name_where_names_are_numbers(tmp_path: Path) -> None:
    """Folders 1 to 3 and a table with labels 1 to 3 mean the same classes, whichever of them are there."""
    (tmp_path / "t.csv").write_text("path,label\na.png,1\nb.png,2.0\n")
    table = parquet(tmp_path / "t.parquet", 2, label=[1, 2])
    packed = shard(tmp_path / "0.tar", {"a.png": png(1), "a.cls": b"1", "b.png": png(2), "b.cls": b"2"})
    known = settled(numbered_as_folders(["1", "2", "3"]), 3)
    assert known.order == "from one"
    for place in (tmp_path / "t.csv", table, packed):
        assert [entry.label for entry in open_source(place, classes=known).entries()] == [0, 1]
        assert [
            entry.label
            for entry in open_source(
                place,
                classes=("2", "1"),
            ).entries()
        ] == [1, 0]
        same = numbered_as_folders(["0", "1", "2"])
        assert [entry.label for entry in open_source(place, classes=same).entries()] == [1, 2]
    from_zero = parquet(tmp_path / "z.parquet", 3, label=[0, 1, 2])
    assert "label 0 is no class: they are called 1 to 3" in message(ImagesError, from_zero, classes=known)


def test_numbers_of_a_table_that_names_them_are_places_in_its_names(tmp_path: Path) -> None:
    table = pa.table({"image": [png(1)] * 3, "label": [0, 1, 2]}).replace_schema_metadata(
        {"classes": '["3", "1", "2"]'}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    known = settled(numbered_as_folders(["1", "2", "3"]), 3)
    assert [entry.label for entry in open_source(tmp_path / "t.parquet", classes=known).entries()] == [2, 0, 1]
    said = open_source(tmp_path / "t.parquet").numbering
    plain = parquet(tmp_path / "u.parquet", 3, label=[0, 1, 2])
    assert [entry.label for entry in open_source(plain, classes=said).entries()] == [0, 1, 2]


ACCENTS = ("Ankle", "Bäg", "Café", "Ünit")


def test_a_name_is_one_however_its_accents_are_stored(tmp_path: Path) -> None:
    """macOS hands out archives in which a letter and its accent are two characters; nobody sees the difference."""
    apart = {unicodedata.normalize("NFD", name): name for name in ACCENTS}
    assert set(apart) != set(ACCENTS)
    one = open_source(folder(tmp_path / "one", {f"{name}/0.png": k for k, name in enumerate(ACCENTS)}))
    two = folder(tmp_path / "two", {f"{name}/0.png": 9 + k for k, name in enumerate(apart)})
    right = {f"{name}/0.png": ACCENTS.index(whole) for name, whole in apart.items()}
    assert labelled(open_source(two)) == right
    assert labelled(open_source(two, classes=one.numbering)) == right
    both = open_together([tmp_path / "one", two])
    assert both.numbering == in_order(ACCENTS, "alphabet")
    assert not both.notes
    (tmp_path / "names.txt").write_text("\n".join(apart))
    assert read_names(tmp_path / "names.txt").names == ACCENTS
    assert names_said(list(apart)) == in_order(ACCENTS, "declared")
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"two/{name}/0.png,{name}\n" for name in apart))
    assert list(labelled(open_source(tmp_path / "t.csv", classes=ACCENTS)).values()) == [0, 1, 2, 3]


def test_numbers_are_one_class_with_and_without_zeros_before_them(tmp_path: Path) -> None:
    folder(tmp_path / "one", {f"{k}/0.png": k for k in range(12)})
    folder(tmp_path / "two", {f"{k:02d}/1.png": 20 + k for k in range(12)})
    both = open_together([tmp_path / "one", tmp_path / "two"], outputs=12)
    assert both.numbering is not None
    assert both.numbering.numbers == tuple(range(12))
    for source in both.sources:
        assert {int(path.split("/")[0]): label for path, label in labelled(source).items()} == {k: k for k in range(12)}
    joined = open_source([tmp_path / "one", tmp_path / "two"])
    assert set(labelled(joined).values()) == set(range(12))
    folder(tmp_path / "from", {f"{k + 1}/0.png": 40 + k for k in range(12)})
    folder(tmp_path / "from0", {f"{k + 1:02d}/0.png": 60 + k for k in range(12)})
    counted = open_together([tmp_path / "from", tmp_path / "from0"], outputs=12)
    assert counted.numbering is not None
    assert (counted.numbering.order, counted.numbering.numbers) == ("from one", tuple(range(12)))


@pytest.mark.parametrize(("name", "other"), [("dog", "Dog"), ("sea_lion", "sea lion"), ("tee", "tee ")])
def test_a_class_that_two_places_spell_differently_is_refused_with_both(tmp_path: Path, name: str, other: str) -> None:
    one = folder(tmp_path / "one", {"cat/0.png": 1, f"{name}/0.png": 2})
    two = folder(tmp_path / "two", {"cat/0.png": 3, f"{other}/0.png": 4})
    said = (
        f"{one} has the class {name!r} and {two} {other!r}: rename one if they are one class, else give the classes in "
        "order with --classes FILE"
    )
    with pytest.raises(ImagesError) as caught:
        open_together([one, two])
    assert str(caught.value) == said
    assert message(ImagesError, [one, two]) == said
    names = in_order(["cat", name, other])
    assert labelled(open_together([one, two], classes=names).sources[1]) == {"cat/0.png": 0, f"{other}/0.png": 2}


def test_letters_that_are_small_and_large_are_two_classes_of_a_place_that_has_both(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"A/0.png": 1, "a/0.png": 2})
    two = folder(tmp_path / "two", {"a/0.png": 3})
    both = open_together([one, two])
    assert labelled(both.sources[1]) == {"a/0.png": 1}
