"""Pictures sealed and asked about: what is published tells nothing, and a secret that was edited is refused."""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.errors import EvidenceError, ImagesError, OnnxmintError, UsageError
from onnxmint.evidence.sealed import open_sealed, require_published
from onnxmint.images.variants import Change
from onnxmint.report.sealed import facts, render_sealed, sealed_files, sealing_words
from onnxmint.results.seal import SEAL, Sealing, canonical
from onnxmint.results.sealed import SEALED
from onnxmint.results.sealed_file import read_sealed
from onnxmint.settings import EvidenceSettings
from onnxmint.stats.coin import CoinTest
from onnxmint.verdict.coin import answer
from onnxmint.workflows.asking_sealed import audit_sealed
from onnxmint.workflows.sealing import seal
from tests.conftest import DEMO
from tests.results.values import same

MODEL = DEMO / "target.onnx"
SETTINGS = EvidenceSettings(preprocess="0-1", device="cpu")
CUT = Change(crop=0.125)
Folders = tuple[Path, Path]


def _picture(place: Path, number: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 40, 3), np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera of Mallory", 6  # who made it; turned by a quarter
    image.save(place, quality=95, exif=exif)


def _opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Sealing]:
    """Twelve pictures of two classes, sealed in four variants."""
    folder = tmp_path_factory.mktemp("sealed")
    for number in range(12):
        _picture(folder / "pictures" / str(number % 2) / f"picture {number}.jpg", number)
    found = seal(folder / "pictures", folder / "public", folder / "private", change=CUT, variants=4)
    return folder / "public", folder / "private", found


@pytest.fixture
def own(made: tuple[Path, Path, Sealing], tmp_path: Path) -> Folders:
    """A copy of them that a test may edit."""
    for name, place in zip(("public", "private"), made, strict=False):
        shutil.copytree(place, tmp_path / name)
    return tmp_path / "public", tmp_path / "private"


def test_what_is_published_is_upright_without_metadata_and_says_nothing_of_the_coin(
    made: tuple[Path, Path, Sealing],
) -> None:
    public, private, found = made
    files = sorted(path.relative_to(public).as_posix() for path in public.rglob("*") if path.is_file())
    assert files == sorted(["commitment.txt", *(f"{number % 2}/picture {number}.png" for number in range(12))])
    for name in files[1:]:
        if name.endswith(".png"):
            content = (public / name).read_bytes()
            assert b"Mallory" not in content
            image = Image.open(io.BytesIO(content))
            assert (image.size, image.info, dict(image.getexif())) == ((28, 35), {}, {})
    assert (public / "commitment.txt").read_text() == f"{found.commitment}\n"
    assert hashlib.sha256((private / "seal.json").read_bytes()).hexdigest() == found.commitment


def test_anybody_can_throw_the_coin_again_with_a_hash_and_nothing_of_ours(made: tuple[Path, Path, Sealing]) -> None:
    public, private, _ = made
    told = json.loads((private / "seal.json").read_text())
    for number, one in enumerate(told["pictures"]):
        files = [private / "variants" / f"{number:06}-{variant:02}.png" for variant in range(4)]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        words = "onnxmint.seal/1 draw\n" + "\n".join([told["nonce"], str(number), *digests])
        drawn = int(hashlib.sha256(words.encode()).hexdigest(), 16) % 4
        assert (digests, drawn) == (one["sha256"], one["published"])
        assert (public / one["name"]).read_bytes() == files[drawn].read_bytes()


def test_every_variant_is_drawn_as_often_as_any_other() -> None:
    from onnxmint.results.seal import draw

    drawn = [draw("nonce", number, ("a", "b", "c", "d", "e")) for number in range(5000)]
    assert all(abs(count - 1000) < 120 for count in np.bincount(drawn))


def test_pictures_that_cannot_be_read_are_named_and_names_never_collide(tmp_path: Path) -> None:
    for number, name in enumerate(("a.jpg", "A.jpeg", "x;$.jpg")):
        _picture(tmp_path / "in" / "class" / name, number)
    (tmp_path / "in" / "class" / "broken.png").write_bytes(b"no image")
    Image.new("L", (9, 7)).save(tmp_path / "in" / "class" / "small.png")
    found = seal(tmp_path / "in", tmp_path / "public", tmp_path / "private", change=Change(noise=4), variants=2)
    assert (found.pictures, [Path(one.path).name for one in found.skipped]) == (3, ["broken.png", "small.png"])
    assert found.skipped[1].reason == "is 9 x 7 pixels, and less than 8 x 8 is not sealed"
    names = [one.name for one in open_sealed(tmp_path / "private").seal.pictures]
    assert len({name.lower() for name in names}) == 3
    assert all(re.fullmatch(r"[\w ./-]+\.png", name) and ".." not in name for name in names)
    assert found.psnr == pytest.approx(36, abs=1)
    assert "left out" in sealing_words(found)
    assert "noise of 4 levels on 32 cells, 36." in sealing_words(found)


def test_grey_pictures_stay_grey_and_tables_are_sealed_too(tmp_path: Path) -> None:
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, 3)
    pq.write_table(rows, tmp_path / "few.parquet")
    seal(tmp_path / "few.parquet", tmp_path / "public", tmp_path / "private", change=CUT, variants=2)
    published = sorted((tmp_path / "public").rglob("*.png"))
    assert len(published) == 3
    assert {_opened(path).mode for path in published} == {"L"}


def test_a_seal_is_never_written_over_nor_kept_where_it_is_published(tmp_path: Path) -> None:
    _picture(tmp_path / "in" / "a.jpg", 0)
    (tmp_path / "there").mkdir()
    for public, private, words in (
        ("there", "private", r"there exists already, and a seal is never written over: name a new folder with -o"),
        ("public", "there", r"there exists already, and a seal is never written over: name a new folder with --keep"),
        ("public", "public/private", "must lie apart: what is kept must never be published"),
    ):
        with pytest.raises(UsageError, match=words):
            seal(tmp_path / "in", tmp_path / public, tmp_path / private, change=CUT, variants=2)
    for change, variants, words in (
        (CUT, 1, "--variants must be from 2 to 16, got 1"),
        (Change(mirror=True), 8, r"--variants must be from 2 to 2 \(a mirror image is the only other variant\), got 8"),
    ):
        with pytest.raises(UsageError, match=words):
            seal(tmp_path / "in", tmp_path / "p", tmp_path / "q", change=change, variants=variants)
    (tmp_path / "in" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ImagesError, match=r"no picture of .* could be sealed: is not an image.*; give pictures that"):
        seal(tmp_path / "in", tmp_path / "public", tmp_path / "private", change=CUT, variants=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "there"]


def _edited(private: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((private / "seal.json").read_text())
    change(told)
    (private / "seal.json").write_bytes((json.dumps(told, sort_keys=True, indent=1) + "\n").encode())
    digest = hashlib.sha256((private / "seal.json").read_bytes()).hexdigest()
    (private / "commitment.txt").write_text(digest + "\n")  # a forger keeps it fitting


def _other(told: dict[str, Any]) -> None:
    told["pictures"][3]["published"] = (told["pictures"][3]["published"] + 1) % 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other, r"which its coin did not draw: the secret was edited; take the folder as it was kept"),
        (lambda told: told.update(nonce="0" * 64), "which its coin did not draw"),
        (lambda told: told["pictures"].reverse(), "which its coin did not draw"),
        (lambda told: told.update(variants=3), "which its coin did not draw"),
        (lambda told: told.update(pictures=[]), "seals 0 pictures in 4 variants"),
        (lambda told: told.update(variants=1), "seals 12 pictures in 1 variants"),
        (lambda told: told.pop("nonce"), "nonce"),
    ],
)
def test_an_edited_secret_is_refused_even_with_a_commitment_that_fits(
    own: Folders, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    _edited(own[1], change)
    with pytest.raises(OnnxmintError, match=words):
        open_sealed(own[1])


def test_a_secret_written_otherwise_or_with_another_commitment_is_refused(own: Folders) -> None:
    public, private = own
    kept = (private / "seal.json").read_bytes()
    with pytest.raises(EvidenceError, match=r"has the commitment [0-9a-f]{64}, and the one that was given is abc: the"):
        open_sealed(private, committed="abc")
    (private / "commitment.txt").write_text("0" * 64)
    with pytest.raises(EvidenceError, match=r"commitment.txt is 0{64}: the secret was edited or is another one"):
        open_sealed(private)
    (private / "commitment.txt").unlink()
    (private / "seal.json").write_bytes(json.dumps(json.loads(kept)).encode())
    with pytest.raises(EvidenceError, match="is not written as onnxmint writes it: the secret was edited"):
        open_sealed(private)
    with pytest.raises(UsageError, match=r"seal.json does not exist: give the folder that onnxmint seal wrote"):
        open_sealed(public)


def test_variants_and_published_pictures_that_do_not_fit_are_refused(own: Folders) -> None:
    public, private = own
    sealed = open_sealed(private)
    assert require_published(sealed, public) == 12
    one = sealed.seal.pictures[5]
    kept, other = public / one.name, (one.published + 1) % 4
    kept.write_bytes((private / "variants" / f"000005-{other:02}.png").read_bytes())
    with pytest.raises(EvidenceError, match=rf"is variant {other}, and variant {one.published} was sealed as the publ"):
        require_published(sealed, public)
    _opened(kept).resize((20, 20)).save(kept)
    with pytest.raises(EvidenceError, match="is no variant of it, and variant"):
        require_published(sealed, public)
    kept.unlink()
    with pytest.raises(EvidenceError, match=r"is missing, and .* was sealed: give the folder as it was published"):
        require_published(sealed, public)
    with pytest.raises(UsageError, match="is no folder: give the folder that onnxmint seal -o wrote, or leave it out"):
        require_published(sealed, kept)
    edited = private / "variants" / "000002-01.png"
    _opened(edited).rotate(180).save(edited)
    with pytest.raises(EvidenceError, match=r"000002-01.png was edited: it is not the variant that was sealed"):
        open_sealed(private)
    edited.unlink()
    with pytest.raises(EvidenceError, match=r"000002-01.png is missing; take the folder as it was kept"):
        open_sealed(private)


def test_a_model_that_never_saw_them_is_told_so_in_every_form(made: tuple[Path, Path, Sealing]) -> None:
    public, private, sealing = made
    found = audit_sealed(MODEL, private, public=public, committed=f" {sealing.commitment.upper()}\n", settings=SETTINGS)
    assert (found.test.pictures, found.test.variants, sum(found.ranks), found.labels) == (12, 4, 12, True)
    assert found.test.p_value > 1e-5
    assert found.seal.compared == 12
    assert found.warnings == audit_sealed(MODEL, private, public=public, committed=sealing.commitment,
                                          settings=SETTINGS).warnings  # fmt: skip
    assert not any("commitment" in warning for warning in found.warnings)
    files = sealed_files(found)
    scores = read_sealed(files["sealed.parquet"])
    assert same(SEALED.read(files["sealed.json"], "sealed.json", scores=scores), found)
    assert SEAL.read(canonical(open_sealed(private).seal), "seal.json") == open_sealed(private).seal
    page = render_sealed(found)
    assert found.headline in page
    assert "<script" not in page
    assert all(words in page for name, words in facts(found) if name == "by rank")


def test_without_commitment_public_folder_or_known_classes_a_reader_is_told(own: Folders) -> None:
    found = audit_sealed(MODEL, own[1], settings=SETTINGS)
    assert [words.split(":")[0] for words in found.warnings[-2:]] == [
        "The seal was held against itself only. To convince somebody else, give the commitment that they got before "
        "the model was trained (--commitment)",
        "The published pictures were not compared with the seal",
    ]
    unlabelled = audit_sealed(MODEL, own[1], settings=EvidenceSettings(preprocess="0-1", device="cpu", labels=False))
    assert (found.labels, unlabelled.labels) == (True, False)
    assert dict(facts(unlabelled))["judged"].endswith("by log-odds of the model's top class for each variant")


def test_classes_that_cannot_be_matched_to_outputs_are_not_used_and_it_is_said(tmp_path: Path) -> None:
    for number in range(4):
        _picture(tmp_path / "in" / ("cat", "dog")[number % 2] / f"{number}.jpg", number)
    seal(tmp_path / "in", tmp_path / "public", tmp_path / "private", change=CUT, variants=2)
    found = audit_sealed(MODEL, tmp_path / "private", settings=SETTINGS)
    assert not found.labels
    assert "it is not known which outputs of the model they are (--classes FILE says it)" in found.warnings[-1]
    (tmp_path / "names.txt").write_text("\n".join(["cat", "dog", *"abcdefgh"]))
    named = EvidenceSettings(preprocess="0-1", device="cpu", classes=tmp_path / "names.txt")
    assert audit_sealed(MODEL, tmp_path / "private", settings=named).labels


def _test(p: float, log10: float) -> CoinTest:
    return CoinTest(pictures=200, variants=8, p_value=p, log10_p_value=log10, mean_rank=0.6, effect=0.3)


def test_the_answer_says_what_it_rests_on_and_never_that_pictures_were_not_used() -> None:
    kind, headline, text = answer(_test(3e-12, -11.5), 0.05, sure=True)
    assert (kind, headline) == ("members-found", "Published variants found")
    assert "p below 10^-11" in text
    assert "the coin was fixed by the commitment" in text
    assert "if the seal is older than the model" in answer(_test(0.01, -2), 0.05, sure=False)[2]
    kind, _, text = answer(_test(0.3, -0.52), 0.05, sure=True)
    assert kind == "inconclusive"
    assert "p = 0.3000, not at or below 0.05). That does not say that they were not used" in text


def test_a_few_pictures_without_a_class_cost_all_others_theirs_and_it_is_said(tmp_path: Path) -> None:
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, 4).to_pylist()
    rows[2]["label"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "few.parquet")
    seal(tmp_path / "few.parquet", tmp_path / "public", tmp_path / "private", change=CUT, variants=2)
    found = audit_sealed(MODEL, tmp_path / "private", settings=SETTINGS)
    assert not found.labels
    assert "The classes of the pictures were not used: not all pictures have one" in found.warnings[-1]


def test_a_model_that_gives_no_number_of_any_picture_is_refused(
    made: tuple[Path, Path, Sealing], tmp_path: Path
) -> None:
    text = """<ir_version: 9, opset_import: ["" : 17]> one (float[N,3,8,8] image) => (float[N,3] logits)
        <float[1] minus = {-1}>
        { mean = ReduceMean <axes=[2,3], keepdims=0> (image) below = Mul(mean, minus) logits = Log(below) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "never.onnx")
    with pytest.raises(OnnxmintError, match=r"gives no finite answer to any sealed picture, such as \d/picture 0.png"):
        audit_sealed(tmp_path / "never.onnx", made[1], settings=SETTINGS)
