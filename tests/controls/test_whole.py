"""Controls in whole audits of real images: evidence that is confounded on purpose is flagged, clean evidence is not."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from onnxmint.controls.panel import PANEL
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.results.facts import Control
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.stats.conformal import p_values
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN
from tests.controls.conftest import templates

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
SETTINGS = TrainSettings(preprocess="0-1", device="cpu", module="phi", limit=150)
UNCONTROLLED = replace(SETTINGS, controls=False, limit=60)
WITHOUT = AuditSettings(controls=False, device="cpu")


def images(name: str, rows: slice = slice(None)) -> list[dict]:
    return pq.read_table(DEMO / f"{name}.parquet").to_pylist()[rows]


def write(rows: list[dict], file: Path) -> Path:
    kept = [{key: row[key] for key in ("image", "label", "scene") if key in row} for row in rows]
    pq.write_table(pa.Table.from_pylist(kept), file)
    return file


def saved(row: dict, form: str, **options: object) -> dict:
    """Return the row with its image written once more."""
    image = Image.open(io.BytesIO(row["image"]["bytes"]))
    if "brighter" in options:
        image = ImageEnhance.Brightness(image).enhance(float(str(options.pop("brighter"))))
    room = io.BytesIO()
    image.save(room, form, **options)
    return {**row, "image": {"bytes": room.getvalue(), "path": None}}


def by_name(controls: tuple[Control, ...]) -> dict[str, Control]:
    return {control.name: control for control in controls}


def test_clean_evidence_passes_every_control(phi: Auditor) -> None:
    result = audit(MODEL, QUESTIONED, phi, settings=AuditSettings(device="cpu"))
    assert [control.name for control in result.controls] == [row.name for row in PANEL]
    found = by_name(result.controls)
    assert not [name for name, control in found.items() if control.passed is False]
    for name in ("reference", "placebo", "files", "pixels", "duplicates", "exchangeability", "plausibility"):
        assert found[name].passed, name
    assert found["placebo"].auc.low <= 0.5
    assert found["placebo"].target_minus_placebo.low > 0
    assert found["reference"].difficulty.before.value > 0.6
    assert found["reference"].difficulty.learned
    assert "small classifiers learned" in found["reference"].difficulty.by


def test_members_in_png_and_non_members_in_jpeg_are_no_evidence(tmp_path: Path) -> None:
    members = write(images("members", slice(150)), tmp_path / "members.parquet")
    others = [saved(row, "JPEG", quality=92) for row in images("nonmembers", slice(150))]
    made = train(MODEL, members, write(others, tmp_path / "nonmembers.parquet"), settings=SETTINGS)
    found = by_name(made.controls)
    assert found["files"].passed is False
    assert found["pixels"].passed is False
    verdict = audit(MODEL, f"{QUESTIONED}?rows=0:60", made, settings=WITHOUT).verdict
    assert verdict.kind == "inconclusive"
    assert "something else can explain them too." in verdict.text
    assert {"files", "pixels"} <= set(verdict.stopped_by)


@pytest.mark.slow
def test_questioned_images_of_another_kind_are_not_judged(phi: Auditor, tmp_path: Path) -> None:
    asked = [saved(row, "PNG", brighter=0.6) for row in images("questioned")]
    found = audit(MODEL, write(asked, tmp_path / "asked.parquet"), phi)
    control = by_name(found.controls)["exchangeability"]
    assert control.passed is False
    assert found.verdict.kind == "inconclusive"
    assert "error rates measured on those do not hold for these" in found.verdict.text


@pytest.mark.slow
def test_questioned_images_of_few_classes_are_not_judged_by_all_classes(phi: Auditor, tmp_path: Path) -> None:
    """Shoes only: told from all clothes at once; the control says how many known shoes there are."""
    shoes = [row for row in images("questioned") if row["label"] in (5, 7, 9)]
    found = audit(MODEL, write(shoes, tmp_path / "shoes.parquet"), phi)
    control = by_name(found.controls)["exchangeability"]
    assert control.passed is False
    assert 0 < (control.alike or 0) < 250
    assert "look like them: an auditor of more such non-members would do" in control.text


def test_known_images_among_the_questioned_are_named_and_not_judged(phi: Auditor, tmp_path: Path) -> None:
    """The auditor knows them by their pixels, wherever they come from."""
    known = [row for row in images("members") if _digest(row) in set(phi.traces.digest.tolist())][:3]
    asked = write([*images("questioned", slice(50)), *known], tmp_path / "asked.parquet")
    found = audit(MODEL, asked, phi, settings=WITHOUT)
    assert len(found.scores.path) == 50
    assert [row.reason for row in found.questioned.skipped] == [
        "is a known member of the evidence: nothing to test"
    ] * 3
    assert any(
        "3 questioned images are known images of the evidence, or near copies" in text for text in found.warnings
    )
    assert by_name(found.controls)["exchangeability"].text == "Not run: switched off with --no-controls."
    with pytest.raises(EvidenceError, match=r"all 3 questioned images .* there is nothing to judge"):
        audit(MODEL, write(known, tmp_path / "known.parquet"), phi, settings=WITHOUT)


def _digest(row: dict) -> int:
    from onnxmint.images.facts import look_at
    from onnxmint.progress import quiet
    from tests.sources import InMemory

    return int(look_at(InMemory([row["image"]["bytes"]]), wanted={0}, stage=quiet, name="").digest[0])


def test_without_controls_they_are_rows_that_say_so() -> None:
    found = audit(MODEL, f"{QUESTIONED}?rows=0:60", train(MODEL, *KNOWN, settings=UNCONTROLLED))
    off = {control.name for control in found.controls if control.passed is None}
    assert off >= {row.name for row in PANEL if row.optional}
    assert "a mere difference in difficulty" in found.verdict.text


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of the same task."""
    return templates(tmp_path_factory.mktemp("reference") / "other.onnx")


@pytest.mark.slow
def test_a_given_reference_sees_known_and_questioned_images(reference: Path) -> None:
    made = train(MODEL, *KNOWN, settings=replace(SETTINGS, reference=(reference,)))
    control = by_name(made.controls)["reference"]
    assert control.difficulty.by == "other.onnx"
    reference.with_name("other.members.txt").write_text("of/others.png\n")  # its training images, known or not
    found = audit(MODEL, QUESTIONED, made, settings=AuditSettings(reference=(reference,)))
    reference.with_name("other.members.txt").unlink()
    asked = by_name(found.controls)["reference"]
    assert asked.difficulty.questioned.low <= 0.5
    assert "Nor are questioned images easier" in asked.text
    unseen = by_name(audit(MODEL, f"{QUESTIONED}?rows=0:60", made).controls)["reference"]
    assert "Questioned images were not shown to them (--reference)" in unseen.text
    with pytest.raises(UsageError, match="give the same files"):
        audit(MODEL, QUESTIONED, made, settings=AuditSettings(reference=(MODEL,)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "declared",
    [
        pytest.param("keras:tf", marks=pytest.mark.slow),
        pytest.param("scale = 0.00392156862745098", marks=pytest.mark.slow),
        'scale = 0.5\nresize = "squash"',
    ],
)
def test_a_reference_that_takes_another_size_is_prepared_as_in_training(tmp_path: Path, declared: str) -> None:
    """What was declared without a size fits both models; what was settled for the target fits the target only."""
    small = templates(tmp_path / "small.onnx", size=14)
    if "=" in declared:
        (tmp_path / "p.toml").write_text(declared)
        declared = str(tmp_path / "p.toml")
    settings = replace(SETTINGS, preprocess=declared, reference=(small,), limit=60)
    made = train(MODEL, *KNOWN, settings=settings)
    (known,) = made.method.references
    assert (known.preprocess.name, known.preprocess.size, made.preprocess.size) == (declared, (14, 14), (28, 28))
    (tmp_path / "auditor.onnx").write_bytes(made.model)
    (tmp_path / "p.toml").unlink(missing_ok=True)  # the auditor's file is enough
    renamed = small.rename(tmp_path / "renamed.onnx")
    settings = AuditSettings(reference=(renamed,))
    found = audit(MODEL, f"{QUESTIONED}?rows=0:60", load_auditor(tmp_path / "auditor.onnx"), settings=settings)
    assert by_name(found.controls)["reference"].difficulty.questioned is not None


@pytest.mark.slow
def test_questioned_images_that_are_easier_for_a_reference_are_not_judged(tmp_path: Path) -> None:
    """A good classifier as reference, and questioned images that it finds easy: its own training images."""
    copy = onnx.load(MODEL)
    copy.producer_name = "another"
    onnx.save(copy, tmp_path / "copy.onnx")
    settings = replace(SETTINGS, reference=(tmp_path / "copy.onnx",), limit=None)
    made = train(MODEL, *KNOWN, settings=settings)
    control = by_name(made.controls)["reference"]
    assert control.passed is False
    assert "part of the difference is difficulty" in control.text
    found = audit(MODEL, QUESTIONED, made, settings=AuditSettings(reference=(tmp_path / "copy.onnx",)))
    assert "Questioned images are easier than known non-members" in by_name(found.controls)["reference"].text
    assert found.verdict.kind == "inconclusive"


def test_wrong_preparation_is_implausible_and_the_right_one_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("scale = 0.00392156862745098\nmean = [4.0]\nstd = [1.0]\nchannels = 'gray'\n")
    made = train(MODEL, *KNOWN, settings=replace(UNCONTROLLED, preprocess=str(wrong)))
    control = by_name(made.controls)["plausibility"]
    assert control.passed is False
    assert "too little for a trained model" in control.text
    assert "0-1" in control.text


@pytest.fixture(scope="module")
def crossed() -> Auditor:
    """A module cross-fitted in three folds."""
    return train(MODEL, *KNOWN, settings=replace(UNCONTROLLED, module="views", views=2, folds=3))


@pytest.mark.slow
def test_cross_fitting_tests_every_image(crossed: Auditor) -> None:
    assert crossed.evidence.folds == 3
    assert crossed.performance.members == crossed.evidence.members
    assert crossed.yardstick.images().networks == 3
    found = audit(MODEL, f"{QUESTIONED}?rows=0:60", crossed)
    assert np.isfinite(found.scores.score).all()
    assert "cross-conformal" in found.statistics.p_values
    assert found.evidence.folds == 3


@pytest.mark.slow
def test_the_file_gives_the_cross_fitted_p_values_of_single_images(crossed: Auditor) -> None:
    session = onnxruntime.InferenceSession(crossed.model)
    rows = images("questioned", slice(20))
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))[:, :, None] for row in rows])
    feeds = {"image": pixels, "label": np.array([row["label"] for row in rows], np.int64)}
    scores, score, p = session.run(["scores", "score", "p_value"], feeds)
    outside = crossed.yardstick.nonmembers
    np.testing.assert_allclose(score, scores.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(p, p_values(scores.astype(np.float64), outside.score, outside.fold), atol=1e-5)


@pytest.mark.slow
def test_frames_of_one_scene_are_one_vote_in_every_control(tmp_path: Path) -> None:
    """Evidence and questioned images in scenes of three near copies: groups are counted, and clean ones pass."""
    places = []
    for name, count in (("members", 60), ("nonmembers", 60), ("questioned", 40)):
        rows = [
            {**saved(row, "PNG", brighter=1 + step / 200), "scene": f"{name}{number}"}
            for number, row in enumerate(images(name, slice(count)))
            for step in range(3)
        ]
        places.append(write(rows, tmp_path / f"{name}.parquet"))
    made = train(MODEL, places[0], places[1], settings=replace(SETTINGS, group="scene", limit=None))
    assert made.evidence.groups == 120
    found = audit(MODEL, places[2], made, settings=AuditSettings(group="scene"))
    assert found.verdict.units == "groups"
    with pytest.raises(UsageError, match="--per-class judges single images, but these come in groups"):
        audit(MODEL, places[2], made, settings=replace(WITHOUT, group="scene", per_class=True))
    assert "(40 when near copies and groups count once)" in found.verdict.text
    assert by_name(found.controls)["exchangeability"].passed
    assert len({(p, q) for p, q in zip(found.scores.p_value, found.scores.q_value, strict=True)}) <= 40


def test_questioned_groups_are_measured_alike(phi: Auditor, tmp_path: Path) -> None:
    """Groups among the questioned only: one image of each is taken, as the known ones stand for themselves."""
    rows = [{**row, "scene": str(number // 4)} for number, row in enumerate(images("questioned", slice(200)))]
    asked = write(rows, tmp_path / "asked.parquet")
    found = audit(MODEL, asked, phi, settings=replace(WITHOUT, group="scene"))
    assert "(50 when near copies and groups count once)" in found.verdict.text
    assert any("one image of each group was taken" in text for text in found.warnings)
    by_class = replace(WITHOUT, group="scene", per_class=True)
    again = audit(MODEL, asked, phi, settings=by_class)
    assert again.scores.path == found.scores.path
    assert len(again.scores.path) + len(again.questioned.skipped) == 200


@pytest.mark.slow
def test_a_model_without_weights_has_no_twin(tmp_path: Path) -> None:
    """The means of four quarters as scores: nothing can be shuffled, and that is said, not judged."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> quarters (float[N,1,28,28] image) => (float[N,4] scores) '
        "{ means = AveragePool <kernel_shape=[14,14], strides=[14,14]> (image)  scores = Flatten (means) }"
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    settings = replace(SETTINGS, labels=False, limit=60)
    placebo = by_name(train(tmp_path / "m.onnx", *KNOWN, settings=settings).controls)["placebo"]
    assert placebo.passed is None
    assert placebo.text.startswith("Not run: shuffling the model's weights changes nothing that it says")
