"""The folder of references: nothing of a user is lost in it, and nothing in it is taken for what it is not."""

import os
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir
import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.methods.references import OTHERS
from onnxmint.results.references import MadeReference
from onnxmint.workflows.reference_files import ReferenceFolder, listed
from onnxmint.writing.inputs import Input
from tests.graph.texts import cnn

NAMES = ("a.png", "b.png")
FACTS = MadeReference(file="one.onnx", images=2, right=1.0, unseen=0, right_unseen=None)


@pytest.fixture
def folder(tmp_path: Path) -> ReferenceFolder:
    """An empty folder, for references whose images are prepared in their own way."""
    recipe = {"way": "features", "seed": 0}
    place = tmp_path / "refs"
    place.mkdir()
    return ReferenceFolder(place=place, recipe=recipe, images=NAMES, overwrite=False, toml="size = [8, 8]\n")


def _write(folder: ReferenceFolder, name: str = "one") -> None:
    model = ir.load(cnn(folder.place.parent / "small.onnx"))
    folder.write(name, model, listed(NAMES, OTHERS), FACTS)


@pytest.mark.parametrize("name", ["one.members.txt", "one.toml"])
def test_a_list_or_a_preparation_of_a_user_is_not_written_over_unasked(folder: ReferenceFolder, name: str) -> None:
    (folder.place / name).write_text("mine\n")
    with pytest.raises(UsageError, match=f"{name} is there already and was not made by onnxmint references"):
        folder.require_free(["one"], tuple)
    replace(folder, overwrite=True).require_free(["one"], tuple)


def test_what_a_killed_run_left_does_not_stop_the_next(folder: ReferenceFolder) -> None:
    _write(folder)
    folder.file("one").unlink()
    folder.require_free(["one"], tuple)
    assert folder.there("one") is None
    with pytest.raises(UsageError, match=r"one\.toml is there already"):
        replace(folder, toml=None).require_free(["one"], tuple)


def test_a_reference_whose_list_was_changed_is_refused_and_one_without_its_list_is_made_again(
    folder: ReferenceFolder,
) -> None:
    _write(folder)
    folder.require_free(["one"], tuple)
    assert folder.there("one") == replace(FACTS, kept=True)
    listing = folder.place / "one.members.txt"
    with listing.open("a") as file:
        file.write("c.png\n")
    with pytest.raises(UsageError, match=r"one\.members\.txt was changed since one\.onnx was made: choose another"):
        folder.require_free(["one"], tuple)
    listing.unlink()
    folder.require_free(["one"], tuple)
    assert folder.there("one") is None


def test_references_of_another_count_that_are_left_are_not_mixed_with_new_ones(folder: ReferenceFolder) -> None:
    _write(folder, "two")
    other = replace(folder, recipe={**folder.recipe, "seed": 1})
    with pytest.raises(UsageError, match=r"two\.onnx was made otherwise \(seed: 0, now 1\): choose another folder"):
        other.require_free(["one"], tuple)
    replace(other, overwrite=True).require_free(["one"], tuple)
    assert not list(folder.place.iterdir())


def test_a_list_never_lies_beside_another_model(folder: ReferenceFolder) -> None:
    _write(folder)
    (folder.place / "one.members.txt").unlink()
    (folder.place / "one.members.txt").mkdir()  # where the new list cannot be put
    with pytest.raises(OnnxmintError, match=r"cannot write .*one\.members\.txt"):
        _write(folder)
    assert {path.name for path in folder.place.iterdir()} == {"one.members.txt"}


def test_what_is_no_file_is_said_before_anything_long_begins(folder: ReferenceFolder) -> None:
    (folder.place / "one.members.txt").mkdir()
    with pytest.raises(UsageError, match=r"one\.members\.txt is no regular file, and is not replaced by one; choose"):
        folder.require_free(["one"], tuple)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_the_folder_is_not_waited_for(folder: ReferenceFolder) -> None:
    os.mkfifo(folder.place / "other.onnx")
    folder.require_free(["one"], tuple)
    os.mkfifo(folder.file("one"))
    with pytest.raises(UsageError, match=r"one\.onnx is no regular file"):
        folder.require_free(["one"], tuple)


def test_the_model_and_the_images_are_not_in_the_folder(folder: ReferenceFolder) -> None:
    model = cnn(folder.place / "target.onnx")
    with pytest.raises(UsageError, match=r"holds the model \(.*target\.onnx\), which --reference would take for a ref"):
        folder.require_free(["one"], lambda: [Input(name="the model", path=model)])
    model.unlink()
    for place in (folder.place, folder.place.parent):
        with pytest.raises(UsageError, match="lies in the images"):
            folder.require_free(["one"], lambda place=place: [Input(name="the images", path=place)])
