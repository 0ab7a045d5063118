"""Trying preparations: the right one is found, and a wrong class order is told from a wrong preparation."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.controls.advice import advised, measure, ranked, with_leads
from onnxmint.controls.preparations import check_source
from onnxmint.engine.local import Local
from onnxmint.errors import ImagesError, UsageError
from onnxmint.graph.load import load_target
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.preprocess.variants import Variant
from onnxmint.results.check import CheckResult
from onnxmint.settings import EvidenceSettings
from onnxmint.workflows.checking import check
from tests.graph.texts import save

REAL = (
    ("cifar10-resnet20", "cifar10", "imagenet"),
    ("cifar10-resnet8", "cifar10", "0-255"),
    ("cifar10-resnet4b-batch1", "cifar10", "cifar10"),
    ("cifar10-large-nhwc", "cifar10", "0-1"),
    ("gtsrb-cnn-batch1", "gtsrb", "0-1"),
)
FREE = """
    <ir_version: 8, opset_import: ["" : 17]>
    free (float[N,1,H,W] image) => (float[N,2] logits)
    <float[2,1,1,1] w = {1, -1}>
    { maps = Conv (image, w)  active = Relu (maps)  mean = GlobalAveragePool (active)  logits = Flatten (mean) }
"""
RAW = """
    <ir_version: 8, opset_import: ["" : 17]>
    raw (uint8[N,28,28,1] pixels) => (float[N,10] logits)
    <int64[2] shape = {-1, 784}, int64[2] first = {0, 10}, int64[1] start = {390}, int64[1] end = {400},
     int64[1] axis = {1}>
    { real = Cast <to=1> (pixels)  flat = Reshape (real, shape)  logits = Slice (flat, start, end, axis) }
"""
NAN = """
    <ir_version: 8, opset_import: ["" : 17]>
    broken (float[N,1,28,28] image) => (float[N,784] logits)
    <int64[2] shape = {-1, 784}, float zero = {0.0}>
    { flat = Reshape(image, shape)  odd = Div(flat, zero)  huge = Log(odd)  logits = Relu(huge) }
"""


ROWS = """
    <ir_version: 8, opset_import: ["" : 17]>
    rows ({kind}[N,192] row) => (float[N,3] logits)
    <int64[3] shape = {{-1, 3, 64}}>
    {{ real = Cast <to=1> (row)  planes = Reshape (real, shape)  logits = ReduceMean <axes=[2], keepdims=0> (planes) }}
"""


def _declaring(preprocess: str | None, *, labels: bool = True) -> EvidenceSettings:
    return EvidenceSettings(preprocess=preprocess, labels=labels, device="cpu")


def _changed(demo: Path, place: Path, *, count: int = 300, label: Callable[[int], int] | None = None) -> Path:
    """Write known members of the demo with their labels renumbered."""
    table = pq.read_table(demo / "members.parquet").slice(0, count)
    number = table.schema.get_field_index("label")
    labels = [(label or int)(value) for value in table["label"].to_pylist()]
    pq.write_table(table.set_column(number, "label", pa.array(labels, pa.int64())), place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data", "right"), REAL)
def test_the_right_preset_of_real_models_ranks_first(shared: Path, name: str, data: str, right: str) -> None:
    images = f"{shared / 'data' / data}.parquet?split=test&rows=0:256"
    found = check(shared / "models" / f"{name}.onnx", images, settings=_declaring(right))
    assert (found.ranked_by, found.images) == ("accuracy", 256)
    assert found.variants[0].name == right
    assert found.declared_row is found.best
    assert f"The declared {right} is plausible" in found.advice


@pytest.mark.parametrize(
    ("name", "data", "right"),
    [pytest.param(*real, marks=pytest.mark.slow if real in REAL[:3] else []) for real in REAL],
)
def test_without_labels_the_right_preset_is_not_contradicted(shared: Path, name: str, data: str, right: str) -> None:
    images = f"{shared / 'data' / data}.parquet?split=test&rows=0:256"
    found = check(shared / "models" / f"{name}.onnx", images, settings=_declaring(right, labels=False))
    assert found.ranked_by == "score"
    assert all(row.accuracy is row.best_permutation_accuracy is row.loss is None for row in found.variants)
    assert f"The declared {right} is not contradicted" in found.advice
    assert "This can mislead" in found.advice


def test_the_wrong_preset_is_told(demo: Path) -> None:
    found = check(demo / "target.onnx", demo / "members.parquet", settings=_declaring("-1-1"))
    assert found.variants[0].name == "0-1"
    assert len(found.variants) == 3
    assert "0-1 fits best: right on 100.0% of 256 images" in found.advice
    assert "The declared -1-1 is right on" in found.advice
    assert "probably wrong" in found.advice


def test_without_labels_a_saturated_preset_is_doubtful(demo: Path) -> None:
    found = check(demo / "target.onnx", demo / "members.parquet", settings=_declaring("0-255", labels=False))
    assert [row.name for row in found.variants] == ["0-1", "-1-1", "0-255"]
    assert found.declared_row is not None
    assert found.declared_row.score == 0
    assert "The declared 0-255 is doubtful" in found.advice


def test_a_declared_file_is_a_row_once(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(f"scale = {1 / 255}\n")
    found = check(demo / "target.onnx", demo / "members.parquet", settings=_declaring(str(file)), sample=64)
    assert [row.name for row in found.variants].count("0-1") == 0
    assert found.declared_row is found.best
    assert found.declared == str(file)
    file.write_text("scale = 0.02\nmean = 7\n")
    found = check(demo / "target.onnx", demo / "members.parquet", settings=_declaring(str(file)), sample=64)
    assert len(found.variants) == 4


def test_another_class_order_is_named(demo: Path, tmp_path: Path) -> None:
    images = _changed(demo, tmp_path / "m.parquet", label=lambda label: (3 * label + 1) % 10)
    found = check(demo / "target.onnx", images, settings=_declaring("0-1"))
    assert found.ranked_by == "best_permutation_accuracy"
    assert found.renumbering is not None
    assert found.renumbering.pairs == tuple(sorted(((3 * output + 1) % 10, output) for output in range(10)))
    assert "The labels are numbered differently from the model's outputs: 100.0% are right" in found.advice
    assert "(label is output): 0 is 3, 1 is 0" in found.advice
    assert "The declared 0-1 is plausible" in found.advice
    assert found.renumbering.pairs[0] == (0, 3)


def test_labels_that_start_at_one_are_named(demo: Path, tmp_path: Path) -> None:
    images = _changed(demo, tmp_path / "m.parquet", label=lambda label: label + 1)
    found = check(demo / "target.onnx", images, settings=_declaring("0-1"))
    assert "with 1 taken from every label" in found.advice
    assert found.outside == 10
    assert found.variants[0].loss is None


def test_labels_of_noise_fit_nothing(demo: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = _changed(demo, tmp_path / "m.parquet", label=lambda label: int(rng.integers(0, 12)))
    found = check(demo / "target.onnx", images, settings=_declaring("0-1"))
    assert (found.ranked_by, found.renumbering) == ("accuracy", None)
    assert "None of the known preparations fits (the best, " in found.advice
    assert "has no output: the model has 0 to 9." in found.advice
    assert "--sample" not in found.advice


def test_too_few_images_to_learn_the_numbering_are_told(demo: Path, tmp_path: Path) -> None:
    images = _changed(demo, tmp_path / "m.parquet", label=lambda label: (3 * label + 1) % 10)
    found = check(demo / "target.onnx", images, settings=_declaring("0-1"), sample=20)
    assert "To test the numbering too: onnxmint check --sample 50." in found.advice


def _widened(demo: Path, folder: Path, *, count: int = 80) -> Path:
    """Write known members of the demo between borders of noise, in folders of their class."""
    rng = np.random.default_rng(0)
    for row in pq.read_table(demo / "members.parquet").slice(0, count).to_pylist():
        pixels = rng.integers(0, 256, (28, 48), np.uint8)
        pixels[:, 10:38] = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("L"))
        place = folder / str(row["label"])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{len(list(place.iterdir()))}.png")
    return folder


def test_images_of_another_shape_are_resized_in_other_ways(demo: Path, tmp_path: Path) -> None:
    found = check(demo / "target.onnx", _widened(demo, tmp_path / "wide"), settings=_declaring("0-1"))
    best = found.variants[0]
    assert best.name == "0-1, shortest side 28, crop 28x28"
    assert best.accuracy == 1
    assert best.toml is not None
    file = tmp_path / "p.toml"
    file.write_text(best.toml)
    again = check(demo / "target.onnx", tmp_path / "wide", settings=_declaring(str(file)))
    assert again.declared == again.best.name
    assert again.best.accuracy == 1


def test_a_target_of_raw_pixels_is_tried_with_ways_to_resize_only(demo: Path, tmp_path: Path) -> None:
    model = save(RAW, tmp_path / "raw.onnx")
    found = check(model, demo / "members.parquet", settings=_declaring(None))
    assert [row.name for row in found.variants] == ["pixels as they are"]
    assert "only ways to resize can differ" in found.advice
    found = check(model, _widened(demo, tmp_path / "wide"), settings=_declaring(None))
    assert len(found.variants) == 6  # as they are, squashed or cropped, then other filters
    with pytest.raises(UsageError, match="takes raw uint8 pixels and prepares them itself"):
        check(model, demo / "members.parquet", settings=_declaring("0-1"))


@pytest.mark.parametrize("kind", ["float", "uint8"])
@pytest.mark.parametrize("declared", [None, "layout = 'flat-hwc'", "layout = 'flat-chw'"])
def test_rows_in_colour_are_tried_with_channels_last_and_first(tmp_path: Path, kind: str, declared: str | None) -> None:
    """The model names the channel that is brightest, with channels first; a coloured pixel's numbers lie together."""
    rng = np.random.default_rng(0)
    for label in range(3):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 100, (8, 8, 3), np.uint8)
            pixels[:, :, label] += 100
            Image.fromarray(pixels).save(tmp_path / "images" / str(label) / f"{number}.png")
    model = save(ROWS.format(kind=kind), tmp_path / "rows.onnx")
    file = tmp_path / "p.toml"
    file.write_text(declared or "")
    found = check(model, tmp_path / "images", settings=_declaring(declared and str(file)))
    best = found.variants[0]
    assert (best.spec.layout, best.accuracy) == ("flat-chw", 1)
    assert len(found.variants) == (2 if kind == "uint8" else 22)
    assert (found.declared is None) == (declared is None)
    assert "flat-chw" in (best.toml or file.read_text())
    assert ("only ways to resize, and to lay out rows, can differ" in found.advice) == (kind == "uint8")
    if kind == "uint8" and declared is None:
        assert "pixels as they are, flat-chw fits best" in found.advice


def test_answers_that_are_not_numbers_are_rows_with_their_reason(demo: Path, tmp_path: Path) -> None:
    found = check(save(NAN, tmp_path / "nan.onnx"), demo / "members.parquet", settings=_declaring("0-1"))
    assert {row.skipped for row in found.variants} == {"the answer holds NaN or infinity"}
    assert found.advice == "No preparation gave an answer: the answer holds NaN or infinity."


def test_a_target_of_any_size_wants_one(demo: Path, tmp_path: Path) -> None:
    model = save(FREE, tmp_path / "free.onnx")
    for declared in (None, "0-1"):
        with pytest.raises(UsageError, match="takes images of any size"):
            check(model, demo / "members.parquet", settings=_declaring(declared, labels=False))
    (tmp_path / "p.toml").write_text("size = 20\n")
    settings = _declaring(str(tmp_path / "p.toml"), labels=False)
    found = check(model, demo / "members.parquet", settings=settings, sample=40)
    assert {row.name for row in found.variants} >= {"0-1", "-1-1"}
    assert all("[20, 20]" in (row.toml or "[20, 20]") for row in found.variants)


class _Nothing:
    """A source without images."""

    location = "nowhere"
    classes = None

    def entries(self) -> tuple[ImageEntry, ...]:
        return ()

    def read(self, wanted: object = None) -> list[EncodedImage]:
        return []


def test_a_source_without_images_and_a_sample_of_none_are_refused(demo: Path) -> None:
    target = load_target(demo / "target.onnx")
    with pytest.raises(ImagesError, match="nowhere holds no images"):
        check_source(target, _Nothing(), _declaring("0-1"), Local())
    with pytest.raises(ValueError, match="sample must be at least 1, got 0"):
        check_source(target, _Nothing(), _declaring("0-1"), Local(), sample=0)


def test_the_same_seed_draws_the_same_images(demo: Path) -> None:
    def once(seed: int) -> CheckResult:
        settings = EvidenceSettings(preprocess="0-1", device="cpu", seed=seed)
        return check(demo / "target.onnx", demo / "nonmembers.parquet", settings=settings, sample=50)

    assert once(1) == once(1)
    assert once(1) != once(2)


def _held_upright(demo: Path, place: Path) -> Path:
    """Write known members of the demo as a camera held upright stores them: on their side, with a tag that says so."""
    table = pq.read_table(demo / "members.parquet").slice(0, 200)
    exif, stored = Image.Exif(), []
    exif[0x0112] = 6
    for image in table["image"].to_pylist():
        buffer = io.BytesIO()
        upright = Image.open(io.BytesIO(image["bytes"] if isinstance(image, dict) else image))
        upright.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
        stored.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({"image": stored, "label": table["label"]}), place)
    return place


def test_images_that_say_they_are_turned_are_tried_both_ways(demo: Path, tmp_path: Path) -> None:
    found = check(demo / "target.onnx", _held_upright(demo, tmp_path / "m.parquet"), settings=_declaring("0-1"))
    assert found.best.name == "0-1, turned by EXIF"
    assert 'orientation = "apply"' in (found.best.toml or "")
    accuracy = {row.name: row.accuracy or 0 for row in found.variants}
    assert accuracy["0-1, turned by EXIF"] > accuracy["0-1"] + 0.3
    plain = check(demo / "target.onnx", demo / "members.parquet", settings=_declaring("0-1"), sample=64)
    assert not [row for row in plain.variants if "EXIF" in row.name]


def test_one_image_without_an_answer_is_left_out_of_the_row_and_named(demo: Path, tmp_path: Path) -> None:
    """As of a graph that divides by each image's deviation, and a black image."""
    text = """
        <ir_version: 8, opset_import: ["" : 18]>
        relative (float[N,1,28,28] image) => (float[N,10] logits)
        <int64[3] axes = {1, 2, 3}, int64[2] shape = {-1, 784}, int64[2] from = {0, 390}, int64[2] to = {9999, 400}>
        { mean = ReduceMean (image, axes)  most = ReduceMax (image, axes)  part = Div (image, most)
          twice = Add (part, part)  flat = Reshape (twice, shape)  logits = Slice (flat, from, to) }
    """
    rows = pq.read_table(demo / "members.parquet").slice(0, 60).to_pylist()
    room = io.BytesIO()
    Image.new("L", (28, 28)).save(room, "PNG")
    rows.append({**rows[0], "image": {"bytes": room.getvalue(), "path": "black.png"}})
    pq.write_table(
        pa.Table.from_pylist([{key: row[key] for key in ("image", "label")} for row in rows]), tmp_path / "t.parquet"
    )
    found = check(save(text, tmp_path / "m.onnx"), tmp_path / "t.parquet", settings=_declaring("0-1"))
    row = found.declared_row
    assert row is not None
    assert (row.skipped, row.images) == (None, 60)
    assert any("1 of the images were left out of some rows" in note and "black.png" in note for note in found.notes)


def _tells(rates: tuple[int, int], of: int, *, available: int = 1000) -> tuple[bool, str]:
    """Return whether the better of two preparations is told from the other, and what `check` says of it.

    The labels make so many of the images right under each.
    """
    rng = np.random.default_rng(0)
    answers, labels = [], np.zeros(of, np.int64)
    for right in rates:
        answer = rng.normal(0, 0.1, (of, 2))
        answer[np.arange(of), (np.arange(of) >= right).astype(int)] += 5
        answers.append(answer)
    names = ("0-1", "-1-1")
    variants = [Variant(name=name, spec=PRESETS[name], toml=None) for name in names]
    rows = [
        measure(one, answer, "logits", labels, np.arange(of)) for one, answer in zip(variants, answers, strict=True)
    ]
    rows, by = ranked(rows, 2, rng)
    found = CheckResult(
        model="m.onnx", source="train", images=of, available=available, unreadable=0, classes=2, ranked_by=by,
        declared="-1-1", fits=False, rivals=(), advice="", variants=with_leads(rows, by, 2), renumbering=None,
        order=None, raw=False, outside=None, enough=True, notes=(),
    )  # fmt: skip
    found = advised(found)
    return not found.rivals, found.advice


def test_a_lead_beyond_noise_is_one() -> None:
    told, advice = _tells((95, 75), 100)
    assert told
    assert advice == (
        "0-1 fits best: right on 95.0% of 100 images, 20.0 points ahead of -1-1. The declared -1-1 is right on 75.0% "
        "only, 20.0 points fewer: probably wrong."
    )


def test_a_lead_within_noise_is_said_as_such_with_what_would_settle_it() -> None:
    told, advice = _tells((18, 16), 20)
    assert not told
    assert advice == (
        "None is best beyond noise: 0-1 is right on 90.0% of 20 images. It cannot be told from -1-1 (80.0%, behind by "
        "-5.9 to 24.0 points). About 45 images would settle a lead of this size (--sample 45); or ask whoever trained "
        "the model. The declared -1-1 is not contradicted: these images do not tell it from what fits best."
    )
    for available, said in (
        (20, "A lead of this size takes about 45 labelled images to settle, and 20 are there: ask whoever"),
        (45, "About 45 images would settle a lead of this size (--sample 45); or ask whoever"),
    ):
        assert said in _tells((18, 16), 20, available=available)[1]
    assert "As long as they are right equally often no images tell them apart" in _tells((18, 18), 20)[1]


def test_a_small_lead_that_is_settled_is_one_that_hardly_matters() -> None:
    told, advice = _tells((3960, 3900), 4000, available=5000)
    assert not told
    assert "-1-1 (97.5%, behind by" in advice
    assert "is so near that little depends on the choice." in advice
    assert "The declared -1-1 is plausible." in advice


def test_without_labels_a_lead_of_little_is_none(shared: Path) -> None:
    """As of a model that was trained with ImageNet's numbers or with CIFAR's, which hardly differ."""
    images = f"{shared / 'data' / 'cifar10'}.parquet?split=test&rows=0:64"
    found = check(shared / "models" / "cifar10-resnet20.onnx", images, settings=_declaring(None, labels=False))
    near = [row.name for row in found.variants if (found.best.score or 0) - (row.score or 0) <= 0.1][1:]
    assert near
    assert set(near) <= set(found.rivals)
    assert "It cannot be told from" in found.advice or "so near that little depends" in found.advice
    assert "Labelled images decide." in found.advice
