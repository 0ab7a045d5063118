"""A few images without a label are left out and named; where many lack one, no label is used, and that is said."""

from pathlib import Path

import pytest

from onnxmint.images.labelled import labels_not_used, lacking_labels, only_labelled
from onnxmint.images.sources import open_source
from onnxmint.images.together import open_together
from tests.images.places import folder, labelled, parquet, png


def _classes(root: Path, count: int, lone: int = 0) -> Path:
    """Write images into class folders, and some beside these."""
    names = {f"{number % 3}/{number:02}.png": number for number in range(count)}
    return folder(root, names | {f"lone{number}.png": 100 + number for number in range(lone)})


@pytest.mark.parametrize(("count", "lone"), [(40, 1), (40, 2), (3, 1)])
def test_a_few_images_without_a_label_are_left_out_and_counted(tmp_path: Path, count: int, lone: int) -> None:
    source = open_source(_classes(tmp_path, count, lone))
    (found,) = only_labelled([source])
    assert len(found.entries()) == count
    assert None not in labelled(found).values()
    assert [entry.index for entry in found.entries()] == list(range(count))
    assert [image.data for image in found.read({0, count - 1})] == [
        png(int(Path(found.entries()[row].path).stem)) for row in (0, count - 1)
    ]
    assert [image.index for image in found.read()] == list(range(count))
    assert [(one.reason, one.count) for one in found.passed_over] == [
        ("images without a label among labelled ones", lone)
    ]
    assert f"{lone} images without a label among labelled ones (for example lone0.png)" in found.notes[-1]
    assert len(found.origins()) == count


@pytest.mark.parametrize(("count", "lone"), [(40, 0), (40, 3), (0, 5)])
def test_where_all_none_or_many_lack_a_label_the_source_is_as_it_was(tmp_path: Path, count: int, lone: int) -> None:
    source = open_source(_classes(tmp_path, count, lone))
    assert only_labelled([source]) == (source,)


def test_how_many_lack_a_label_is_said(tmp_path: Path) -> None:
    some, none = open_source(_classes(tmp_path / "s", 40, 3)), open_source(_classes(tmp_path / "n", 0, 5))
    every = open_source(_classes(tmp_path / "e", 40))
    assert lacking_labels(some) == f"3 of 43 images in {tmp_path}/s have no label, for example lone0.png"
    assert lacking_labels(none) == f"no image in {tmp_path}/n has a label"
    assert lacking_labels(every) is None
    assert labels_not_used([every, none]) == (f"Labels are not used: no image in {tmp_path}/n has a label.",)
    assert labels_not_used([none]) == labels_not_used([every]) == ()


def test_known_sets_lose_their_few_only_where_both_have_labels(tmp_path: Path) -> None:
    one, all_of, none = _classes(tmp_path / "o", 40, 1), _classes(tmp_path / "a", 40), _classes(tmp_path / "n", 0, 5)
    both = open_together([one, all_of])
    assert [len(source.entries()) for source in both.sources] == [40, 40]
    assert [len(source.entries()) for source in both.whole] == [41, 40]
    assert any("1 images without a label" in note for note in both.notes)
    apart = open_together([one, none])
    assert [len(source.entries()) for source in apart.sources] == [41, 5]
    assert any(note.startswith("Labels are not used: 1 of 41 images in") for note in apart.notes)
    unasked = open_together([one, none], labels=False)
    assert (len(unasked.sources[0].entries()), unasked.notes) == (41, ())


def test_a_row_of_a_table_without_a_label_is_one_of_the_few(tmp_path: Path) -> None:
    table = parquet(tmp_path / "t.parquet", 30, label=[None, *range(29)])
    (found,) = only_labelled([open_source(table)])
    assert list(labelled(found).values()) == list(range(29))
    assert [image.data for image in found.read({28})] == [png(29)]


def test_a_label_below_0_is_none(tmp_path: Path) -> None:
    """Hugging Face's datasets give -1 where a test set tells no labels."""
    table = parquet(tmp_path / "t.parquet", 30, label=[-1, *range(29)])
    source = open_source(table)
    assert labelled(source)["0.png"] is None
    assert [(one.reason, one.count) for one in source.passed_over] == [
        ("labels below 0, which say that there is none", 1)
    ]
    assert len(only_labelled([source])[0].entries()) == 29
    (tmp_path / "u.csv").write_text("path,label\na.png,-1\nb.png,-100\n")
    assert lacking_labels(open_source(tmp_path / "u.csv")) == f"no image in {tmp_path}/u.csv has a label"
