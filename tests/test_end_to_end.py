"""A whole audit on the bundled real data: train, save, load, audit, report; scores that mean something."""

import json
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import EvidenceError, ModelError, UsageError
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.mint.scorer import Scorer
from onnxmint.report.files import load_run, run_files, write_run
from onnxmint.results.audit import AUDIT, AuditResult
from onnxmint.results.auditor import AUDITOR_FACTS
from onnxmint.settings import AuditSettings, EvaluateSettings, TrainSettings
from onnxmint.stats.conformal import p_values
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.metrics import auc
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
SETTINGS = TrainSettings(preprocess="0-1", device="cpu")
SMALL = replace(SETTINGS, limit=60, controls=False)
WITHOUT = AuditSettings(device="cpu", controls=False)


@pytest.fixture(scope="module")
def result(views: Auditor) -> AuditResult:
    return audit(MODEL, QUESTIONED, views, settings=AuditSettings(device="cpu"))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.array(pq.read_table(QUESTIONED, columns=["member"])["member"].to_pylist())


def _sides(found: AuditResult) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of members and of the others; copies of known images were not judged."""
    table = pq.read_table(QUESTIONED, columns=["image", "member"]).to_pylist()
    truth = {row["image"]["path"]: row["member"] for row in table}
    member = np.array([truth[path] for path in found.scores.path])
    return found.scores.score[member], found.scores.score[~member]


def test_known_members_score_above_known_nonmembers(result: AuditResult) -> None:
    inside, outside = _sides(result)
    assert inside.mean() > outside.mean()
    assert auc(inside, outside) > 0.6


def test_the_module_beats_chance_on_images_it_never_saw(views: Auditor) -> None:
    assert views.performance.auc.low > 0.5
    left_out = views.controls[4].copies.left_out
    assert views.evidence.fit + views.evidence.calibrate + views.evidence.test == 1000 - left_out


def test_the_verdict_finds_the_members(result: AuditResult) -> None:
    assert result.verdict.kind == "members-found"
    assert result.verdict.p_value is not None
    assert result.verdict.p_value < 0.05
    assert "no test after the fact can prove that" in result.verdict.text


def test_questioned_nonmembers_are_not_called_members(views: Auditor, truth: np.ndarray, tmp_path: Path) -> None:
    table = pq.read_table(QUESTIONED).filter(~truth)
    pq.write_table(table, tmp_path / "innocent.parquet")
    found = audit(MODEL, tmp_path / "innocent.parquet", views)
    assert found.verdict.kind != "members-found"


def test_every_baseline_is_measured_on_the_same_test_part(result: AuditResult) -> None:
    counts = {(row.performance.members, row.performance.nonmembers) for row in result.baselines if row.performance}
    assert counts == {(result.performance.members, result.performance.nonmembers)}
    assert {"max_probability", "loss"} <= {row.name for row in result.baselines}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_auditor_of_all_views() -> None:
    first, again = (train(MODEL, *KNOWN, settings=replace(SETTINGS, limit=150)) for _ in range(2))
    np.testing.assert_array_equal(again.yardstick.score, first.yardstick.score)
    assert again.controls == first.controls
    assert again.performance.auc == first.performance.auc
    evidence = first.evidence
    assert 285 <= evidence.fit + evidence.calibrate + evidence.test <= 300  # copies are left out


def test_the_batch_size_does_not_change_the_scores(views: Auditor, result: AuditResult) -> None:
    small = audit(MODEL, f"{QUESTIONED}?rows=0:100", views, settings=replace(WITHOUT, batch_size=7))
    assert small.scores.path == result.scores.path[: len(small.scores.path)]
    np.testing.assert_allclose(small.scores.score, result.scores.score[: len(small.scores.score)], atol=1e-5)


def test_the_auditor_file_runs_in_plain_onnxruntime(views: Auditor, result: AuditResult, tmp_path: Path) -> None:
    """Raw pixels in, score and p-value out, the same as the audit reports."""
    import io

    from PIL import Image

    file = tmp_path / "auditor.onnx"
    file.write_bytes(views.model)
    session = onnxruntime.InferenceSession(file)
    table = pq.read_table(QUESTIONED)[:50]
    pixels = np.stack(
        [np.asarray(Image.open(io.BytesIO(row["bytes"])))[:, :, None] for row in table["image"].to_pylist()]
    )
    feeds = {"image": pixels, "label": table["label"].to_numpy().astype(np.int64)}
    score, p_value, answer = session.run(["score", "p_value", "answer"], feeds)
    np.testing.assert_allclose(score, result.scores.score[:50], atol=1e-5)
    np.testing.assert_allclose(p_value, p_values(score.astype(np.float64), views.yardstick.nonmembers.score), atol=1e-6)
    np.testing.assert_array_equal(answer.argmax(1), result.scores.predicted[:50])


def test_an_auditor_survives_being_saved(views: Auditor, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(views.model)
    loaded = load_auditor(tmp_path / "a.onnx")
    assert AUDITOR_FACTS.facts(loaded) == AUDITOR_FACTS.facts(views)
    for kept in ("yardstick", "traces"):
        first, second = getattr(loaded, kept), getattr(views, kept)
        for field in fields(first):
            np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert loaded.controls == views.controls


def test_an_auditor_of_another_model_is_refused(views: Auditor, tmp_path: Path) -> None:
    import onnx

    other = onnx.load(MODEL)
    other.producer_name = "somebody else"
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="trained for another model"):
        audit(tmp_path / "other.onnx", QUESTIONED, views)


def test_a_run_holds_all_files_and_reads_back(views: Auditor, result: AuditResult, tmp_path: Path) -> None:
    files = write_run(result, tmp_path / "run", run_settings={"seed": 0}, auditor=views.model)
    assert [file.name for file in files] == [
        "report.html", "answer.txt", "report.json", "scores.parquet", "scores.csv", "auditor.onnx", "run.toml",
        "manifest.json",
    ]  # fmt: skip
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == sorted(file.name for file in files)
    again = load_run(tmp_path / "run")
    base = replace(result, target=replace(result.target, path="target.onnx"))  # what is shared names no folders
    assert AUDIT.facts(again) == AUDIT.facts(base)
    assert AUDIT.facts(again)["schema"] == "onnxmint.audit/6"
    assert again.scores.path == result.scores.path
    np.testing.assert_array_equal(again.scores.score, result.scores.score)
    facts = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert facts["target"]["sha256"] == views.target_sha256


def test_broken_images_are_skipped_counted_and_named(views: Auditor, tmp_path: Path) -> None:
    column = pq.read_table(QUESTIONED)["image"].to_pylist()
    folder = tmp_path / "Trouser"
    folder.mkdir()
    for number, row in enumerate(column[:30]):
        (folder / f"{number:02d}.png").write_bytes(row["bytes"])
    (folder / "03.png").write_bytes(column[3]["bytes"][:100])
    (folder / "04.png").write_bytes(b"not an image")
    found = audit(MODEL, tmp_path, views, settings=WITHOUT)
    assert len(found.scores.path) == 28
    assert [row.path for row in found.questioned.skipped] == ["Trouser/03.png", "Trouser/04.png"]
    assert any("2 of 30 questioned images were skipped" in warning for warning in found.warnings)
    assert found.questioned.skipped[1].reason.startswith("is not an image")


def test_flags_of_an_audit_that_sees_nothing_come_with_a_warning(views: Auditor) -> None:
    """Near copies in one group are flagged together; on GTSRB a whole track was, at an AUC of chance."""
    count = len(views.yardstick.score)
    low = np.where(views.yardstick.is_member, views.yardstick.score, -99).astype(np.float32)
    blind = replace(
        views,
        performance=replace(views.performance, auc=Estimate(value=0.5, low=0.4, high=0.6)),
        yardstick=replace(views.yardstick, score=low, group=np.arange(count, dtype=np.int32)),
    )
    found = audit(MODEL, QUESTIONED, blind)
    assert found.verdict.kind == "inconclusive"
    count = len(found.scores.path)
    assert any(f"{count} images are flagged although this audit could not tell" in text for text in found.warnings)
    assert any(f"the {count} flagged images are {count - 1} groups" in text for text in found.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "layer"), [("cnn", "auto"), ("auto", "relu")])
def test_maps_are_read_by_the_cnn_module(module: str, layer: str) -> None:
    made = train(MODEL, *KNOWN, settings=replace(SMALL, module=module, layers=(layer,)))
    assert made.method.name == "cnn"
    assert made.evidence.members == 60
    assert any("Only 60 known images" in warning for warning in made.warnings)


@pytest.mark.slow
def test_several_layers_are_read_as_one_and_audited() -> None:
    """Maps beside the vector before the logits: averaged, side by side, in one file."""
    made = train(MODEL, *KNOWN, settings=replace(SMALL, layers=("relu", "penultimate", "logits")))
    assert (made.method.name, len(made.method.tensors)) == ("vanilla", 3)
    assert made.method.title == f"vanilla on {made.method.layer}"
    assert made.method.layer.count(" + ") == 2
    found = audit(MODEL, f"{QUESTIONED}?rows=0:60", made, settings=WITHOUT)
    assert found.target.layers == made.method.tensors
    assert np.isfinite(found.scores.score).all()


def test_maps_of_different_size_are_no_map() -> None:
    settings = replace(SMALL, module="cnn", layers=("relu", "logits"))
    with pytest.raises(UsageError, match=r"--module cnn needs maps of one size, these layers differ: 'relu' \("):
        train(MODEL, *KNOWN, settings=settings)


def test_views_tell_members_apart(views: Auditor, result: AuditResult) -> None:
    """How the answer changes over views says more than any one answer; labels add to it."""
    assert (views.method.name, views.method.views, views.method.labels) == ("views", 2, True)
    assert (views.method.activation_shape, views.method.title) == ((2,), "views on 2 views")
    assert auc(*_sides(result)) > 0.62
    with pytest.raises(EvidenceError, match="was calibrated with labels, but "):
        audit(MODEL, QUESTIONED, views, settings=AuditSettings(labels=False))


@pytest.mark.slow
def test_views_tell_members_apart_without_labels() -> None:
    settings = replace(SETTINGS, module="views", views=2, labels=False, limit=400, controls=False)
    made = train(MODEL, *KNOWN, settings=settings)
    assert made.method.labels is False
    found = audit(MODEL, QUESTIONED, made, settings=replace(WITHOUT, labels=False))
    assert auc(*_sides(found)) > 0.62


@pytest.mark.slow
@pytest.mark.parametrize("labels", [True, False])
def test_all_views_tell_members_apart(labels: bool) -> None:
    made = train(MODEL, *KNOWN, settings=replace(SETTINGS, module="views", labels=labels, limit=400))
    found = audit(MODEL, QUESTIONED, made, settings=AuditSettings(labels=labels, device="cpu"))
    assert auc(*_sides(found)) > 0.62
    cut = [
        audit(MODEL, f"{QUESTIONED}?rows=0:80", made, settings=replace(WITHOUT, labels=labels, batch_size=size))
        for size in (3, 16)
    ]
    np.testing.assert_array_equal(cut[0].basis.networks, cut[1].basis.networks)  # to the last bit, wherever in a batch


@pytest.mark.slow
def test_more_views_are_an_option_and_recorded() -> None:
    made = train(MODEL, *KNOWN, settings=replace(SMALL, module="views", views=14))
    assert made.method.views == 14
    assert made.method.activation_shape == (14,)
    assert made.method.title == "views on 14 views"


@pytest.mark.slow
def test_phi_is_taken_where_views_add_nothing(tmp_path: Path) -> None:
    """Two halves of the same non-members: nothing to find, so the simple module is taken; views say how sure it is."""
    members, others = (f"{KNOWN[1]}?rows={rows}" for rows in ("0:500", "500:1000"))
    made = train(MODEL, members, others, settings=replace(SETTINGS, views=2, seed=1, controls=False))
    assert made.method.name == "phi"
    assert made.method.views == 2
    phi = next(row for row in made.baselines if row.name == "phi")
    assert phi.performance is not None
    assert made.performance.auc.value == pytest.approx(phi.performance.auc.value, abs=1e-6)
    found = audit(MODEL, f"{QUESTIONED}?rows=0:100", made, settings=WITHOUT)
    assert found.verdict.kind == "inconclusive"


def test_views_read_no_layer_but_the_answer() -> None:
    settings = TrainSettings(preprocess="0-1", module="views", layers=("relu",))
    with pytest.raises(UsageError, match="--module views reads what the model says"):
        train(MODEL, *KNOWN, settings=settings)


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    """Kill an audit while it works: no file may stand under a final name."""
    command = [sys.executable, "-m", "onnxmint", "demo", "-o", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()  # the first stage is done
    process.kill()
    process.wait()
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()
    assert list((tmp_path / "run").glob("[!.]*")) == []


@pytest.mark.slow
def test_a_stated_augmentation_is_kept_shown_and_checked(tmp_path: Path) -> None:
    stated = replace(SMALL, augmentation="crop1-black+mirror", module="views")
    made = train(MODEL, *KNOWN, settings=stated)
    (tmp_path / "a.onnx").write_bytes(made.model)
    loaded = load_auditor(tmp_path / "a.onnx")
    assert (loaded.method.views, loaded.method.augmentation) == (18, "crop1-black+mirror")
    images = f"{QUESTIONED}?rows=0:60"
    found = audit(MODEL, images, loaded, settings=WITHOUT)
    words = {"folder": str(DEMO), "model": "target.onnx", "images": [images]}
    files = run_files(found, run_settings=words, auditor=loaded.model, paths=True)
    assert b"views on 18 views of crop1-black+mirror" in files["report.html"]
    assert json.loads(json.loads(files["manifest.json"])["settings"]["augmentation"]) == "crop1-black+mirror"
    scored = Scorer(tmp_path / "a.onnx", device="cpu")(pq.read_table(QUESTIONED)[:60])
    of = dict(zip(scored["path"].to_pylist(), scored["score"].to_pylist(), strict=True))  # copies were not judged
    np.testing.assert_allclose([of[path] for path in found.scores.path], found.scores.score, atol=1e-5)


@pytest.mark.slow
def test_a_stated_augmentation_is_what_an_evaluation_compares() -> None:
    asked = EvaluateSettings(
        preprocess="0-1", device="cpu", limit=60, modules=("views",), augmentation="crop1-black+mirror"
    )
    found = evaluate(MODEL, *KNOWN, settings=asked)
    views = next(method for method in found.methods if method.name == "views")
    assert views.title == "views on 18 views of crop1-black+mirror"
    assert found.settings.augmentation == "crop1-black+mirror"
    with pytest.raises(UsageError, match="no augmentation 'flip'; there are crop4"):
        evaluate(MODEL, *KNOWN, settings=replace(asked, augmentation="flip"))
