"""Controls on real images: evidence that is confounded on purpose is flagged, clean evidence is not."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from onnxmint.errors import EvidenceError, ModelError, UsageError
from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from onnxmint.mint.auditor import Auditor, load_auditor
from onnxmint.results.audit import AuditResult
from onnxmint.results.facts import Control
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.training import train
from tests.conftest import DEMO
from tests.controls.conftest import templates

MODEL = DEMO / "target.onnx"
SETTINGS = TrainSettings(preprocess="0-1", device="cpu", module="phi", limit=300)


def images(name: str, rows: slice = slice(None)) -> list[dict]:
    return pq.read_table(DEMO / f"{name}.parquet").to_pylist()[rows]


def write(rows: list[dict], file: Path) -> Path:
    pq.write_table(pa.Table.from_pylist([{"image": row["image"], "label": row["label"]} for row in rows]), file)
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


@pytest.fixture(scope="module")
def auditor() -> Auditor:
    return train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=replace(SETTINGS, limit=None))


@pytest.fixture(scope="module")
def result(auditor: Auditor) -> AuditResult:
    return audit(MODEL, DEMO / "questioned.parquet", auditor, settings=AuditSettings(device="cpu"))


def test_clean_evidence_passes_every_control(result: AuditResult) -> None:
    assert [control.name for control in result.controls] == [
        "reference", "placebo", "files", "pixels", "duplicates", "exchangeability", "plausibility",
    ]  # fmt: skip
    assert all(control.passed for control in result.controls)
    found = by_name(result.controls)
    assert found["placebo"].auc.low <= 0.5
    assert found["placebo"].target_minus_placebo.low > 0
    assert found["reference"].difficulty.before.value > 0.6
    assert found["reference"].difficulty.learned
    assert "small classifiers learned" in found["reference"].difficulty.by


def test_members_in_png_and_non_members_in_jpeg_are_no_evidence(tmp_path: Path) -> None:
    members = write(images("members", slice(300)), tmp_path / "members.parquet")
    others = [saved(row, "JPEG", quality=92) for row in images("nonmembers", slice(300))]
    made = train(MODEL, members, write(others, tmp_path / "nonmembers.parquet"), settings=SETTINGS)
    found = by_name(made.controls)
    assert found["files"].passed is False
    assert "Most telling: " in found["files"].text
    assert found["pixels"].passed is False
    verdict = audit(MODEL, DEMO / "questioned.parquet", made).verdict
    assert verdict.kind == "inconclusive"
    assert "something else can explain them too." in verdict.text
    assert {"files", "pixels"} <= set(verdict.stopped_by)


def test_brighter_non_members_are_seen_in_their_pixels(tmp_path: Path) -> None:
    members = write(images("members", slice(300)), tmp_path / "members.parquet")
    others = [saved(row, "PNG", brighter=1.15) for row in images("nonmembers", slice(300))]
    made = train(MODEL, members, write(others, tmp_path / "nonmembers.parquet"), settings=SETTINGS)
    assert by_name(made.controls)["pixels"].passed is False


def test_questioned_images_of_another_kind_are_not_judged(auditor: Auditor, tmp_path: Path) -> None:
    asked = [saved(row, "PNG", brighter=0.6) for row in images("questioned")]
    found = audit(MODEL, write(asked, tmp_path / "asked.parquet"), auditor)
    control = by_name(found.controls)["exchangeability"]
    assert control.passed is False
    assert found.verdict.kind == "inconclusive"
    assert "error rates measured on those do not hold for these" in found.verdict.text


def test_questioned_images_of_few_classes_are_not_judged_by_all_classes(auditor: Auditor, tmp_path: Path) -> None:
    """Shoes only: told from all clothes at once; the control says how many known shoes there are."""
    shoes = [row for row in images("questioned") if row["label"] in (5, 7, 9)]
    found = audit(MODEL, write(shoes, tmp_path / "shoes.parquet"), auditor)
    control = by_name(found.controls)["exchangeability"]
    assert control.passed is False
    assert 0 < (control.alike or 0) < 500
    assert "look like them: an auditor of more such non-members would do" in control.text


def test_a_twin_that_detects_membership_makes_the_verdict_inconclusive(auditor: Auditor) -> None:
    controls = tuple(
        replace(control, passed=False, text="The twin tells.") if control.name == "placebo" else control
        for control in auditor.controls
    )
    found = audit(MODEL, DEMO / "questioned.parquet", replace(auditor, controls=controls))
    assert found.verdict.kind == "inconclusive"
    assert "The twin tells." in found.verdict.text


def test_copies_are_counted_and_settled(tmp_path: Path) -> None:
    members, others = images("members", slice(120)), images("nonmembers", slice(120))
    members = write([*members, members[0], others[0]], tmp_path / "members.parquet")
    made = train(MODEL, members, write(others, tmp_path / "nonmembers.parquet"), settings=SETTINGS)
    control = by_name(made.controls)["duplicates"]
    assert control.passed is False
    assert control.copies.on_both_sides == 1
    assert control.copies.left_out >= 1
    assert "1 given both as member and as non-member" in control.text
    assert len(control.copies.left_out_images) >= 3
    assert made.evidence.members == 120


def test_many_copies_become_groups(tmp_path: Path) -> None:
    """Each image in three qualities: near copies, which a split by image would put on both sides."""
    sides = []
    for name in ("members", "nonmembers"):
        rows = [saved(row, "JPEG", quality=q) for row in images(name, slice(80)) for q in (95, 90, 85)]
        sides.append(write(rows, tmp_path / f"{name}.parquet"))
    made = train(MODEL, *sides, settings=SETTINGS)
    assert made.evidence.groups is not None
    assert made.evidence.groups <= 170
    assert by_name(made.controls)["duplicates"].copies.grouped > 200
    with pytest.raises(EvidenceError, match="there is nothing to judge"):
        audit(MODEL, sides[0], made)


def test_known_images_among_the_questioned_are_named_and_not_judged(auditor: Auditor, tmp_path: Path) -> None:
    asked = write([*images("questioned", slice(50)), *images("members", slice(3))], tmp_path / "asked.parquet")
    found = audit(MODEL, asked, auditor)
    assert len(found.scores.path) == 50
    assert [row.reason for row in found.questioned.skipped] == [
        "is a known member of the evidence: nothing to test"
    ] * 3
    assert any("3 questioned images are known images of the evidence" in text for text in found.warnings)


def test_without_controls_they_are_rows_that_say_so(auditor: Auditor, tmp_path: Path) -> None:
    made = train(
        MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=replace(SETTINGS, controls=False)
    )
    found = audit(MODEL, DEMO / "questioned.parquet", made)
    off = {control.name for control in found.controls if control.passed is None}
    assert off == {"reference", "placebo", "files", "pixels", "exchangeability"}
    assert "a mere difference in difficulty" in found.verdict.text
    again = audit(MODEL, DEMO / "questioned.parquet", auditor, settings=AuditSettings(controls=False))
    assert by_name(again.controls)["exchangeability"].text == "Not run: switched off with --no-controls."


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of the same task."""
    return templates(tmp_path_factory.mktemp("reference") / "other.onnx")


def test_a_reference_that_does_not_know_its_task_is_refused(tmp_path: Path) -> None:
    """Shown other pixels than it was trained on, it would find nothing easy and pass the control."""
    twin = tmp_path / "twin.onnx"
    twin.write_bytes(serialize(placebo_twin(load_target(MODEL).model, seed=5)))
    settings = replace(SETTINGS, reference=(twin,))
    with pytest.raises(ModelError, match=r"right on \d+\.\d% of known images, hardly more than by chance \(10\.0%\)"):
        train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)


def test_a_given_reference_sees_known_and_questioned_images(reference: Path) -> None:
    settings = replace(SETTINGS, reference=(reference,))
    made = train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    control = by_name(made.controls)["reference"]
    assert control.difficulty.by == "other.onnx"
    reference.with_name("other.members.txt").write_text("of/others.png\n")  # its training images, known or not
    found = audit(MODEL, DEMO / "questioned.parquet", made, settings=AuditSettings(reference=(reference,)))
    reference.with_name("other.members.txt").unlink()
    asked = by_name(found.controls)["reference"]
    assert asked.difficulty.questioned.low <= 0.5
    assert "Nor are questioned images easier" in asked.text
    unseen = by_name(audit(MODEL, DEMO / "questioned.parquet", made).controls)["reference"]
    assert "Questioned images were not shown to them (--reference)" in unseen.text
    with pytest.raises(UsageError, match="give the same files"):
        audit(MODEL, DEMO / "questioned.parquet", made, settings=AuditSettings(reference=(MODEL,)))


@pytest.mark.parametrize("declared", ["keras:tf", "scale = 0.00392156862745098", 'scale = 0.5\nresize = "squash"'])
def test_a_reference_that_takes_another_size_is_prepared_as_in_training(tmp_path: Path, declared: str) -> None:
    """What was declared without a size fits both models; what was settled for the target fits the target only."""
    small = templates(tmp_path / "small.onnx", size=14)
    if "=" in declared:
        (tmp_path / "p.toml").write_text(declared)
        declared = str(tmp_path / "p.toml")
    settings = replace(SETTINGS, preprocess=declared, reference=(small,), limit=100)
    made = train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    (known,) = made.method.references
    assert (known.preprocess.name, known.preprocess.size, made.preprocess.size) == (declared, (14, 14), (28, 28))
    (tmp_path / "auditor.onnx").write_bytes(made.model)
    (tmp_path / "p.toml").unlink(missing_ok=True)  # the auditor's file is enough
    renamed = small.rename(tmp_path / "renamed.onnx")
    settings = AuditSettings(reference=(renamed,))
    found = audit(MODEL, DEMO / "questioned.parquet", load_auditor(tmp_path / "auditor.onnx"), settings=settings)
    assert by_name(found.controls)["reference"].difficulty.questioned is not None


def test_questioned_images_that_are_easier_for_a_reference_are_not_judged(tmp_path: Path) -> None:
    """A good classifier as reference, and questioned images that it finds easy: its own training images."""
    made = train(
        MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet",
        settings=replace(SETTINGS, reference=(_copy_of_the_target(tmp_path),), limit=None),
    )  # fmt: skip
    control = by_name(made.controls)["reference"]
    assert control.passed is False
    assert "part of the difference is difficulty" in control.text
    found = audit(MODEL, DEMO / "questioned.parquet", made, settings=AuditSettings(reference=(tmp_path / "twin.onnx",)))
    assert "Questioned images are easier than known non-members" in by_name(found.controls)["reference"].text
    assert found.verdict.kind == "inconclusive"


def _copy_of_the_target(folder: Path) -> Path:
    """Write the same classifier under another hash."""
    import onnx

    model = onnx.load(MODEL)
    model.producer_name = "another"
    onnx.save(model, folder / "twin.onnx")
    return folder / "twin.onnx"


def test_the_target_is_no_reference() -> None:
    with pytest.raises(ModelError, match="is the target itself"):
        train(
            MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=replace(SETTINGS, reference=(MODEL,))
        )


def test_wrong_preparation_is_implausible_and_the_right_one_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("scale = 0.00392156862745098\nmean = [4.0]\nstd = [1.0]\nchannels = 'gray'\n")
    settings = replace(SETTINGS, preprocess=str(wrong), controls=False)
    made = train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    control = by_name(made.controls)["plausibility"]
    assert control.passed is False
    assert "too little for a trained model" in control.text
    assert "0-1" in control.text


def test_cross_fitting_tests_every_image(tmp_path: Path) -> None:
    settings = replace(SETTINGS, module="views", views=2, folds=3, limit=150)
    made = train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    assert made.evidence.folds == 3
    assert made.performance.members == made.evidence.members
    assert made.yardstick.images().networks == 3
    found = audit(MODEL, DEMO / "questioned.parquet", made)
    assert np.isfinite(found.scores.score).all()
    assert "cross-conformal" in found.statistics.p_values
    assert found.evidence.folds == 3


def test_the_file_gives_the_cross_fitted_p_values_of_single_images() -> None:
    import onnxruntime

    from onnxmint.stats.conformal import p_values

    settings = replace(SETTINGS, module="views", views=2, folds=2, limit=100)
    made = train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    session = onnxruntime.InferenceSession(made.model)
    rows = images("questioned", slice(20))
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))[:, :, None] for row in rows])
    feeds = {"image": pixels, "label": np.array([row["label"] for row in rows], np.int64)}
    scores, score, p = session.run(["scores", "score", "p_value"], feeds)
    outside = made.yardstick.nonmembers
    np.testing.assert_allclose(score, scores.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(p, p_values(scores.astype(np.float64), outside.score, outside.fold), atol=1e-5)


def test_frames_of_one_scene_are_one_vote_in_every_control(tmp_path: Path) -> None:
    """Evidence and questioned images in scenes of five near copies: groups are counted, and clean ones pass."""
    places = []
    for name, count in (("members", 60), ("nonmembers", 60), ("questioned", 40)):
        rows = [
            {**saved(row, "PNG", brighter=1 + step / 200), "scene": f"{name}{number}"}
            for number, row in enumerate(images(name, slice(count)))
            for step in range(5)
        ]
        table = pa.Table.from_pylist([{key: row[key] for key in ("image", "label", "scene")} for row in rows])
        pq.write_table(table, tmp_path / f"{name}.parquet")
        places.append(tmp_path / f"{name}.parquet")
    made = train(MODEL, places[0], places[1], settings=replace(SETTINGS, group="scene"))
    assert made.evidence.groups == 120
    found = audit(MODEL, places[2], made, settings=AuditSettings(group="scene"))
    assert found.verdict.units == "groups"
    with pytest.raises(UsageError, match="--per-class judges single images, but these come in groups"):
        audit(MODEL, places[2], made, settings=AuditSettings(group="scene", per_class=True, controls=False))
    assert "(40 when near copies and groups count once)" in found.verdict.text
    assert by_name(found.controls)["exchangeability"].passed
    assert len({(p, q) for p, q in zip(found.scores.p_value, found.scores.q_value, strict=True)}) <= 40


def test_the_same_images_on_both_sides_are_no_evidence(tmp_path: Path) -> None:
    places = [write(images("members", slice(100)), tmp_path / f"{name}.parquet") for name in ("first", "second")]
    with pytest.raises(EvidenceError, match="100 of the known members are given as non-members too"):
        train(MODEL, *places, settings=SETTINGS)


def test_a_reference_without_controls_is_a_contradiction(reference: Path) -> None:
    settings = replace(SETTINGS, reference=(reference,), controls=False)
    with pytest.raises(UsageError, match="--reference is a control"):
        train(MODEL, DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)


def test_questioned_groups_are_measured_alike(auditor: Auditor, tmp_path: Path) -> None:
    """Groups among the questioned only: one image of each is taken, as the known ones stand for themselves."""
    rows = [{**row, "scene": str(number // 4)} for number, row in enumerate(images("questioned", slice(200)))]
    table = pa.Table.from_pylist([{key: row[key] for key in ("image", "label", "scene")} for row in rows])
    pq.write_table(table, tmp_path / "asked.parquet")
    found = audit(MODEL, tmp_path / "asked.parquet", auditor, settings=AuditSettings(group="scene"))
    assert "(50 when near copies and groups count once)" in found.verdict.text
    assert any("one image of each group was taken" in text for text in found.warnings)
    by_class = AuditSettings(group="scene", per_class=True)
    assert len(audit(MODEL, tmp_path / "asked.parquet", auditor, settings=by_class).scores.path) == 200


def test_a_model_without_weights_has_no_twin(tmp_path: Path) -> None:
    """The means of four quarters as scores: nothing can be shuffled, and that is said, not judged."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> quarters (float[N,1,28,28] image) => (float[N,4] scores) '
        "{ means = AveragePool <kernel_shape=[14,14], strides=[14,14]> (image)  scores = Flatten (means) }"
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    settings = TrainSettings(preprocess="0-1", module="phi", labels=False, limit=60, device="cpu")
    made = train(tmp_path / "m.onnx", DEMO / "members.parquet", DEMO / "nonmembers.parquet", settings=settings)
    placebo = by_name(made.controls)["placebo"]
    assert placebo.passed is None
    assert placebo.text.startswith("Not run: shuffling the model's weights changes nothing that it says")
