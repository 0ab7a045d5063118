"""What an audit is asked about, by the names of places; judged before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from onnxmint.cli.places import Parts, parts_in, settle
from onnxmint.errors import UsageError
from tests.cli.conftest import Run
from tests.conftest import DEMO

MODEL = DEMO / "target.onnx"
HEAVY = ("torch", "onnx", "onnxruntime", "scipy", "pyarrow", "numpy", "PIL", "rich", "sklearn")


def _folder(root: Path, *names: str) -> str:
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("L", (28, 28), 90).save(root / name / "a.png")
    return str(root)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("members", "nonmembers", "questioned"), (0, 1, 2)),
        (("Train", "held_out", "suspects"), (0, 1, 2)),
        (("training-set", "Non-Members", "unknown"), (0, 1, 2)),
        (("train", "val"), (0, 1, None)),
        (("heldout", "questioned"), (None, 0, 1)),
        (("questioned",), (None, None, 0)),
    ],
)
def test_parts_are_known_by_their_usual_names(
    tmp_path: Path, names: tuple[str, ...], roles: tuple[int | None, ...]
) -> None:
    place = _folder(tmp_path / "images", *names)
    members, nonmembers, questioned = (None if one is None else f"{place}/{names[one]}" for one in roles)
    assert parts_in(place) == Parts(members=members, nonmembers=nonmembers, questioned=questioned)


@pytest.mark.parametrize("names", [("train",), ("bus", "car", "train"), ("cat", "dog"), ("test",)])
def test_classes_and_single_folders_are_a_set_of_images(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert parts_in(_folder(tmp_path / "images", *names)) is None


def test_tables_are_parts_too() -> None:
    place = str(DEMO)
    members, nonmembers, questioned = (f"{place}/{name}.parquet" for name in ("members", "nonmembers", "questioned"))
    assert parts_in(place) == Parts(members=members, nonmembers=nonmembers, questioned=questioned)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train", "val", "test", "questioned"), "known non-members: test/, val/; say which with --nonmembers"),
        (("train", "val", "photos"), "holds train/ and val/, and also photos/, of which the name does not say"),
        (("train", "val", "suspects", "questions"), "questioned images: questions/, suspects/; give the right one as"),
    ],
)
def test_names_that_are_not_clear_are_refused_with_the_candidates(
    tmp_path: Path, call: Run, names: tuple[str, ...], words: str
) -> None:
    code, out, err = call("audit", MODEL, _folder(tmp_path / "images", *names))
    assert (code, out) == (2, "")
    assert words in err


def test_what_is_given_wins_over_what_is_found(tmp_path: Path) -> None:
    place = _folder(tmp_path / "images", "train", "val", "suspects")
    asked = settle((place,), "mine", None, complete=False)
    assert (asked.members, asked.nonmembers, asked.images) == ("mine", f"{place}/val", (f"{place}/suspects",))
    assert asked.found == (
        f"found in {place}: val/ 1 image as known non-members; suspects/ 1 image as questioned images; not used: train/"
    )
    asked = settle((place,), "mine", "others", complete=True)
    assert (asked.members, asked.nonmembers, asked.images) == ("mine", "others", (f"{place}/suspects",))
    plain = settle((_folder(tmp_path / "data", "train", "val"),), "mine", "others", complete=True)
    assert plain.images == (str(tmp_path / "data"),)
    with pytest.raises(UsageError, match="test/, val/"):
        settle((_folder(tmp_path / "all", "train", "val", "test"),), None, None, complete=False)


def test_what_was_said_to_be_a_part_settles_which_of_several_is_it(tmp_path: Path) -> None:
    """The refusal of two places that may be the non-members says: say which with --nonmembers."""
    place = _folder(tmp_path / "images", "train", "val", "test", "suspects")
    (tmp_path / "link").symlink_to(f"{place}/val")
    for said in (f"{place}/val", str(tmp_path / "link"), f"{place}/val?rows=0:1"):
        asked = settle((place,), None, said, complete=False)
        assert (asked.members, asked.nonmembers, asked.images) == (f"{place}/train", said, (f"{place}/suspects",))
        assert asked.found is not None
        assert asked.found.endswith("suspects/ 1 image as questioned images; not used: test/")
    both = settle((place,), f"{place}/train", f"{place}/val", complete=True)
    assert both.images == (f"{place}/suspects",)


def test_known_images_alone_are_no_question(tmp_path: Path, call: Run) -> None:
    code, _, err = call("audit", MODEL, _folder(tmp_path / "images", "train", "val"))
    assert code == 2
    assert "and nothing questioned: put the images that you ask about into" in err
    assert f"onnxmint evaluate {MODEL} --members {tmp_path}/images/train --nonmembers {tmp_path}/images/val" in err


def test_questioned_images_alone_end_in_three_ways_on(tmp_path: Path, call: Run) -> None:
    _folder(tmp_path, "train", "heldout")
    code, out, err = call("audit", MODEL, _folder(tmp_path / "mine", "art"))
    assert (code, out) == (2, "")
    assert "Error: --members and --nonmembers missing (or --auditor): a score means something only" in err
    assert "reads grey images of 28 x 28 pixels and tells 10 classes apart." in err
    assert "Beside the images lie train/ and heldout/." in err
    assert [line[:5] for line in err.splitlines() if line[:4] in ("  1.", "  2.", "  3.")] == [
        "  1. ",
        "  2. ",
        "  3. ",
    ]
    assert "the names, or copies, of 1,000 images drawn at random from its" in err
    assert max(len(line) for line in err.splitlines()[2:] if str(tmp_path) not in line) <= 88


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["images", str(MODEL)], 2, f"images and {MODEL} are swapped: the model comes first, then the images"),
        (["no.onnx", "images"], 1, "no.onnx does not exist"),
        (["images", "images"], 1, "images is a folder; expected an ONNX file"),
        ([str(MODEL), "nowhere"], 1, "nowhere does not exist (IMAGES); give a folder"),
        ([str(MODEL), "images", "--members", "no", "--nonmembers", "images"], 1, "no does not exist (known images)"),
        ([str(MODEL), "images", "--members", "a", "--nonmembers", "b", "--auditor", "c"], 2, "give either --auditor"),
    ],
)
def test_wrong_places_are_refused_in_one_line(
    tmp_path: Path, call: Run, words: list[str], code: int, message: str
) -> None:
    _folder(tmp_path / "images", "a")
    found, out, err = call("audit", *words)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_refusal_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from onnxmint.cli.main import run; code = run(sys.argv[1:]); "
        f"print(code, [name for name in {HEAVY} if name in sys.modules])"
    )
    place = _folder(tmp_path / "images", "train", "val", "test")
    for words in (["audit", place, str(MODEL)], ["audit", str(MODEL), "no"], ["audit", str(MODEL), place]):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
        assert done.stdout.split(maxsplit=1)[1] == "[]\n", done
