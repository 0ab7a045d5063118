"""onnxmint seal, and audit --sealed: from pictures to an answer, and every word that cannot be meant."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.conftest import DEMO

MODEL = str(DEMO / "target.onnx")
WAY = ("--preprocess", "0-1", "--device", "cpu", "-q")


@pytest.fixture
def sealed(call: Run, tmp_path: Path) -> dict[str, object]:
    """Eight pictures sealed in the current folder."""
    (tmp_path / "pictures").mkdir()
    for number in range(8):
        Image.linear_gradient("L").rotate(40 * number).resize((28, 28)).save(tmp_path / "pictures" / f"{number}.png")
    code, out, err = call("seal", "pictures", "-o", "public", "--keep", "private", "--variants", "3", "--json", "-q")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


def test_sealing_says_what_to_publish_what_to_keep_and_what_to_give_away(call: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((DEMO / "README.md").read_bytes())
    Image.new("RGB", (40, 40), "red").save(tmp_path / "b.png")
    code, out, _ = call("seal", ".", "-o", "../public-b", "--keep", "../private-b", "--noise", "6")
    assert code == 0
    commitment = (tmp_path.parent / "private-b" / "commitment.txt").read_text().strip()
    assert f"\n{commitment}\n" in out
    assert "1 picture sealed, 8 variants of each (noise of 6 levels on 32 cells, cut by 0.0625 of the sides)" in out
    assert "publish   ../public-b: nothing else, and never the pictures themselves or other variants" in out
    assert "keep      ../private-b: secret" in out
    assert "left out  " in out


def test_an_audit_of_sealed_pictures_needs_no_known_images(call: Run, sealed: dict[str, object]) -> None:
    words = ("audit", MODEL, "public", "--sealed", "private", *WAY)
    code, out, err = call(*words, "--commitment", sealed["commitment"], "-o", "run")
    assert (code, err) == (0, "")
    assert "8 published files are the drawn variants" in " ".join(out.split())
    assert "the same as the one that was given" in " ".join(out.split())
    assert max(len(line) for line in out.splitlines()) <= 80
    names = ["manifest.json", "sealed.html", "sealed.json", "sealed.parquet"]
    assert sorted(path.name for path in Path("run").iterdir()) == names
    code, out, _ = call(*words, "--json", "--gate", "-o", "run", "--overwrite")
    found = json.loads(out)
    assert found["schema"] == "onnxmint.sealed/1"
    assert code == {"members-found": 3, "inconclusive": 4}[found["kind"]]
    assert call("audit", MODEL, "--sealed", "private", *WAY, "-o", "run2")[0] == 0  # without the published folder
    code, out, err = call("verify", "run", "--model", MODEL, "--sealed", "private", "--images", "public", "-q",
                          "--step", "integrity", "--step", "derivation", "--step", "inputs",
                          "--sample", "3", "--device", "cpu")  # fmt: skip
    assert (code, err, out.count("passed  ")) == (0, "", 4)
    assert "3 of 8 pictures, drawn with seed" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sealed", "private", "--members", "a"), "--members means nothing with --sealed, which needs no"),
        (("--sealed", "private", "--module", "phi"), "--module means nothing with --sealed"),
        (("public", "--commitment", "abc"), "--commitment belongs to --sealed DIR, the folder that onnxmint seal"),
        (("public", "pictures", "--sealed", "private"), "one folder of published pictures as IMAGES, or none; got 2"),
        (("--sealed", "public"), "seal.json does not exist: give the folder that onnxmint seal wrote with --keep"),
        ((), "Missing argument 'IMAGES...'"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(
    call: Run, sealed: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    code, _, err = call("audit", MODEL, *words, "-q")
    assert code == 2
    assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--crop", "0"), "a change must change something: noise, crop, colour or mirror; see onnxmint seal --help"),
        (("--noise", "300"), "noise must be from 0 to 128, got 300.0; see onnxmint seal --help"),
        (("--variants", "40"), "--variants must be from 2 to 16, got 40"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(call: Run, words: tuple[str, ...], said: str) -> None:
    code, _, err = call("seal", "pictures", "-o", "public", "--keep", "private", *words)
    assert (code, said in " ".join(err.split())) == (2, True)


def test_an_edited_secret_is_no_usage_error_but_a_failure(call: Run, sealed: dict[str, object]) -> None:
    variant = Path("private/variants/000004-01.png")
    variant.write_bytes(variant.read_bytes() + b"!")
    code, out, err = call("audit", MODEL, "--sealed", "private", *WAY, "-o", "run")
    assert (code, out) == (1, "")
    assert "000004-01.png was edited: it is not the variant that was sealed; take the folder as it was kept" in err
    assert not Path("run").exists()
