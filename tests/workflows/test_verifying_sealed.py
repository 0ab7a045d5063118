"""A run of sealed pictures checked by somebody else: its answer follows, its seal holds, its scores come again."""

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnxmint.images.variants import Change
from onnxmint.report.again import readable_files
from onnxmint.report.sealed import sealed_files
from onnxmint.results.sealed import SealedAudit, SealedScores
from onnxmint.results.sealed_file import read_sealed, write_sealed
from onnxmint.results.verification import Step, StepName
from onnxmint.settings import EvidenceSettings
from onnxmint.workflows.asking_sealed import audit_sealed
from onnxmint.workflows.rehashing import Places
from onnxmint.workflows.sealing import seal
from onnxmint.workflows.signing import sign
from onnxmint.workflows.verifying import Checking, verify
from tests.conftest import DEMO

MODEL = DEMO / "target.onnx"
SETTINGS = EvidenceSettings(preprocess="0-1", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures, sealed in three variants each."""
    made = tmp_path_factory.mktemp("sealed")
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)
        place = made / "pictures" / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    seal(made / "pictures", made / "public", made / "private", change=Change(noise=16), variants=3)
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> SealedAudit:
    commitment = (folder / "private" / "commitment.txt").read_text().strip()
    return audit_sealed(MODEL, folder / "private", public=folder / "public", committed=commitment, settings=SETTINGS)


def _written(run: Path, result: SealedAudit) -> Path:
    run.mkdir()
    for name, content in sealed_files(result, {"model": "target.onnx"}).items():
        (run / name).write_bytes(content)
    return run


def _step(run: Path, name: StepName, **options: Any) -> Step:
    steps = () if name == "recomputation" else (name,)
    checking = Checking(steps=steps, device="cpu", sample=5 if name == "recomputation" else None, **options)
    found = verify(run, checking=checking, rendered=readable_files)
    return next(step for step in found.steps if step.name == name)


def test_a_run_follows_from_its_scores_and_is_signed(result: SealedAudit, tmp_path: Path) -> None:
    run = _written(tmp_path / "run", result)
    assert read_sealed(write_sealed(result)).label is not None
    step = _step(run, "derivation")
    assert step.outcome == "passed", step
    assert "ranks and answer follow from the scores of 12 pictures, to the last bit" in step.text
    assert _step(run, "integrity").text == "all 3 files are those that manifest.json names"
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "public.pem"], check=True)
    sign(run, key)
    assert _step(run, "authenticity", key=tmp_path / "public.pem").outcome == "passed"
    assert _step(run, "integrity").outcome == "passed"


def _higher(found: SealedAudit) -> SealedAudit:
    """Return it with every published variant ranked highest."""
    score = found.scores.score.copy()
    score[np.arange(len(score)), found.scores.drawn] += 100 * np.arange(1, len(score) + 1)
    return replace(found, scores=replace(found.scores, score=score))


_OTHER = {"members-found": "inconclusive", "inconclusive": "members-found"}  # the coin is tossed anew in every run
EDITS: dict[str, Callable[[SealedAudit], SealedAudit]] = {
    "test.p_value: 1e-09 is written": lambda found: replace(found, test=replace(found.test, p_value=1e-9)),
    "kind: ": lambda found: replace(found, kind=_OTHER[found.kind]),
    "ranks[0]: 12 is written": lambda found: replace(found, ranks=(12, 0, 0)),
    "seal.pictures: 50 is written, 12 follows": lambda found: replace(found, seal=replace(found.seal, pictures=50)),
    "test.effect: ": _higher,
    "labels: False is written, True follows": lambda found: replace(found, labels=False),
}


@pytest.mark.parametrize("words", EDITS)
def test_an_edit_is_named(result: SealedAudit, tmp_path: Path, words: str) -> None:
    step = _step(_written(tmp_path / "run", EDITS[words](result)), "derivation")
    assert step.outcome == "failed"
    assert words in " ".join(step.differences)


def test_inputs_are_the_model_the_seal_and_what_was_published(
    result: SealedAudit, folder: Path, tmp_path: Path
) -> None:
    run = _written(tmp_path / "run", result)
    places = Places(model=MODEL, sealed=folder / "private", images=(str(folder / "public"),))
    step = _step(run, "inputs", places=places)
    assert step.outcome == "passed", step
    assert "its coin drew what the run says of 12; 12 published files are the drawn variants" in step.text
    lacking = _step(run, "inputs", places=replace(places, sealed=None, images=()))
    assert (lacking.outcome, "(--sealed)" in lacking.text) == ("not done", True)
    other = result.scores.drawn.copy()
    other[4] = (other[4] + 1) % 3
    forged = _written(tmp_path / "forged", replace(result, scores=replace(result.scores, drawn=other)))
    (line,) = _step(forged, "inputs", places=places).differences
    assert f"says that variant {other[4]} of " in line
    more = replace(result.scores, picture=result.scores.picture + 1)
    beyond = _step(_written(tmp_path / "more", replace(result, scores=more)), "inputs", places=places)
    assert beyond.differences == ("sealed.parquet holds picture 12, of 12 that are sealed",)


def test_pictures_that_are_drawn_give_the_scores_again(result: SealedAudit, folder: Path, tmp_path: Path) -> None:
    run = _written(tmp_path / "run", result)
    places = Places(model=MODEL, sealed=folder / "private")
    assert _step(run, "recomputation").text.startswith("cannot check: the model is not there")
    assert "(--sealed)" in _step(run, "recomputation", places=Places(model=MODEL)).text
    step = _step(run, "recomputation", places=places, seed=1)
    assert step.outcome == "passed", step
    assert step.text.startswith("5 of 12 pictures, drawn with seed 1, give the scores of the run")
    moved = replace(result.scores, score=result.scores.score + 1)
    step = _step(_written(tmp_path / "forged", replace(result, scores=moved)), "recomputation", places=places, seed=1)
    assert (step.outcome, len(step.differences)) == ("failed", 5)
    told = (folder / "private" / "seal.json").read_bytes()
    assert hashlib.sha256(told).hexdigest() == result.seal.commitment


def test_a_table_that_cannot_be_is_refused(result: SealedAudit) -> None:
    scores = result.scores
    for change, words in (
        ({"picture": scores.picture[::-1]}, "do not ascend"),
        ({"drawn": scores.drawn[:-1]}, "several lengths"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(scores, **change)
    odd = SealedScores(picture=scores.picture, drawn=scores.drawn, label=None, score=scores.score * np.inf)
    with pytest.raises(ValueError, match="NaN or infinity"):
        read_sealed(write_sealed(replace(result, scores=odd)))
    assert read_sealed(write_sealed(replace(result, scores=replace(scores, label=None)))).label is None
