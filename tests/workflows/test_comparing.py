"""Two models on the same images: what is compared is what each gives, on the same rows; what cannot be is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.methods.signals import SIGNALS
from onnxmint.report.again import readable_files
from onnxmint.report.comparison import write_comparison
from onnxmint.results.comparison import COMPARISON, Comparison
from onnxmint.results.comparison_file import read_compared, write_compared
from onnxmint.settings import CompareSettings, SignalChoice
from onnxmint.stats import paired
from onnxmint.stats.metrics import auc
from onnxmint.stats.paired import Change
from onnxmint.workflows.comparing import compare
from onnxmint.workflows.rehashing import Places
from onnxmint.workflows.verifying import Checking, verify
from tests.conftest import DEMO, KNOWN
from tests.engine.halves import Halves
from tests.noisy import noisy
from tests.results.values import same

MODEL = DEMO / "target.onnx"
SETTINGS = CompareSettings(preprocess="0-1", device="cpu")
MEMBERS, FORGET, OUTSIDE = f"{KNOWN[0]}?rows=0:80", f"{KNOWN[0]}?rows=80:130", f"{KNOWN[1]}?rows=0:120"


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    """Intervals are another test's matter."""
    patch = pytest.MonkeyPatch()
    patch.setitem(paired.changes.__kwdefaults__, "resamples", 50)
    patch.setitem(paired.accuracy_change.__kwdefaults__, "resamples", 50)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy(tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="module")
def found(second: Path) -> Comparison:
    return compare(MODEL, second, OUTSIDE, members=MEMBERS, forget=FORGET, settings=SETTINGS)


def _of(found: Comparison, measure: str) -> Change:
    return next(one for one in found.sets[0].changes if one.measure == measure)


def test_numbers_are_those_of_the_images_scores(found: Comparison) -> None:
    names, scores = np.array(found.scores.set), found.scores
    for name in ("forget", "members"):
        one = next(part for part in found.sets if part.name == name).change("auc")
        assert one is not None
        for of, values in ((one.before, scores.before), (one.after, scores.after)):
            assert of.value == auc(values[names == name], values[names == "non-members"])
    inside = names == "forget"
    assert scores.above_before[inside].mean() == pytest.approx(_of(found, "auc").before.value)


@pytest.mark.slow
def test_scores_are_those_of_an_evaluation_of_either_model(found: Comparison) -> None:
    from onnxmint.settings import EvaluateSettings
    from onnxmint.workflows.evaluating import evaluate

    settings = EvaluateSettings(preprocess="0-1", device="cpu", modules=(), views=2, limit=200)
    of = evaluate(MODEL, KNOWN[0], OUTSIDE, settings=settings)
    known = dict(zip(of.scores.path, of.scores.scores["phi"], strict=True))
    mine = {path.rpartition("/")[2]: score for path, score in zip(found.scores.path, found.scores.before, strict=True)}
    both = [path for path in known if path.rpartition("/")[2] in mine]
    assert len(both) > 60
    for path in both:
        assert mine[path.rpartition("/")[2]] == pytest.approx(known[path], abs=1e-4)


def test_the_forget_set_is_judged_and_members_are_what_its_share_is_of(found: Comparison) -> None:
    assert [one.name for one in found.sets] == ["forget", "members", "non-members"]
    assert found.verdict.set == "forget"
    assert found.sets[0].images == 50
    assert found.sets[0].change("share") is not None
    assert found.sets[1].change("share") is None
    assert [one.measure for one in found.sets[2].changes] == ["accuracy"]
    assert "only a model that was trained again without them settles it" in found.verdict.text


@pytest.mark.slow
def test_an_image_to_be_forgotten_that_is_given_as_member_too_counts_as_that(second: Path) -> None:
    both = compare(MODEL, second, OUTSIDE, members=f"{KNOWN[0]}?rows=0:130", forget=FORGET, settings=SETTINGS)
    assert {one.name: one.images for one in both.sets}["forget"] == 50
    assert {one.name: one.images for one in both.sets}["members"] in (79, 80)


@pytest.mark.slow
def test_members_alone_are_judged(second: Path) -> None:
    found = compare(MODEL, second, OUTSIDE, members=MEMBERS, settings=SETTINGS)
    assert (found.verdict.set, [one.name for one in found.sets]) == ("members", ["members", "non-members"])
    assert "trained again" not in found.verdict.text


@pytest.mark.slow
def test_one_model_twice_changes_nothing_and_is_told() -> None:
    found = compare(MODEL, MODEL, OUTSIDE, forget=FORGET, settings=replace(SETTINGS, fail_if_more=("auc=0",)))
    assert found.verdict.kind == "below"
    assert all(change.difference.value == 0 for one in found.sets for change in one.changes)
    assert any("the same file's graph" in warning for warning in found.warnings)


@pytest.mark.slow
def test_another_engine_gives_the_same(found: Comparison, second: Path) -> None:
    halves = Halves()
    theirs = compare(MODEL, second, OUTSIDE, members=MEMBERS, forget=FORGET, settings=SETTINGS, engine=halves)
    assert halves.asked == ["by the first model", "by the second model"]
    assert same(theirs.scores, found.scores)
    assert same(theirs.sets, found.sets)


@pytest.mark.slow
def test_a_signal_of_views_is_shown_views(second: Path) -> None:
    settings = replace(SETTINGS, signal="view_gap", views=2)
    found = compare(MODEL, second, OUTSIDE, forget=FORGET, settings=settings)
    assert (found.settings.signal, found.settings.views) == ("view_gap", 2)


@pytest.mark.slow
def test_without_labels_the_largest_probability_is_compared_and_that_is_told(second: Path) -> None:
    found = compare(MODEL, second, OUTSIDE, forget=FORGET, settings=replace(SETTINGS, labels=False))
    assert found.settings.signal == "max_probability"
    assert any("Without labels the largest probability" in warning for warning in found.warnings)
    assert all(change.measure != "accuracy" for one in found.sets for change in one.changes)
    with pytest.raises(UsageError, match="--signal loss needs labels of all known images"):
        compare(MODEL, second, OUTSIDE, forget=FORGET, settings=replace(SETTINGS, labels=False, signal="loss"))


@pytest.mark.slow
def test_an_image_that_one_model_gives_no_number_for_is_compared_in_neither(tmp_path: Path, second: Path) -> None:
    table = pq.read_table(KNOWN[0])[:60].to_pylist()
    for number, row in enumerate(table):
        (tmp_path / "m" / str(row["label"])).mkdir(parents=True, exist_ok=True)
        content = b"no image" if number == 7 else row["image"]["bytes"]
        (tmp_path / "m" / str(row["label"]) / f"{number}.png").write_bytes(content)
    found = compare(MODEL, second, OUTSIDE, members=tmp_path / "m", settings=SETTINGS)
    assert found.sets[0].images == 59
    assert any("1 images were left out by the first model and 1 by the second" in one for one in found.warnings)


def test_settings_name_every_signal() -> None:
    assert set(SignalChoice.__args__) == {"auto", *(signal.name for signal in SIGNALS)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "limits", "message"),
    [
        ({}, (), "give --members .images that both models were trained on., --forget, or both"),
        ({"forget": FORGET}, ("share=0",), "--fail-if-more share= needs --forget and --members"),
        ({"forget": FORGET}, ("auc",), "--fail-if-more 'auc' has no number after the equals sign"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_shown(
    second: Path, given: dict[str, str], limits: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        compare(MODEL, second, OUTSIDE, settings=replace(SETTINGS, fail_if_more=limits), **given)  # type: ignore[arg-type]


@pytest.mark.slow
def test_models_of_other_tasks_are_refused() -> None:
    other = Path(__file__).parents[1] / "models" / "torch-script-opset11.onnx"
    with pytest.raises(UsageError, match=r"has 10 outputs and .* only models of one task"):
        compare(MODEL, other, OUTSIDE, members=MEMBERS, settings=SETTINGS)


@pytest.mark.slow
def test_too_few_images_of_a_set_are_refused(second: Path) -> None:
    few = f"{KNOWN[0]}?rows=80:83"
    with pytest.raises(OnnxmintError, match="for only 3 images of the set 'forget'"):
        compare(MODEL, second, OUTSIDE, members=MEMBERS, forget=few, settings=SETTINGS)


def test_the_result_is_json(found: Comparison) -> None:
    again = COMPARISON.read(COMPARISON.write(found), "comparison.json", scores=found.scores)
    assert same(again, found)


def test_a_check_reaches_the_same_numbers_and_names_an_edit(found: Comparison, tmp_path: Path) -> None:
    run = write_comparison(found, tmp_path / "run")[0].parent
    asked = Checking(steps=("integrity", "derivation"))
    step = verify(run, checking=asked, rendered=readable_files).steps[1]
    assert step.outcome == "passed", step
    assert f"follow from the scores of {len(found.scores.path)} images, to the last bit" in step.text
    scores, (first, *others) = found.scores, found.sets
    auc_of = first.changes[0]
    edits = {
        "verdict.kind: 'more' is written": replace(found, verdict=replace(found.verdict, kind="more")),
        "sets[0].changes[0].difference.low: -0.5 is written": replace(
            found,
            sets=(replace(first, changes=(replace(auc_of, difference=replace(auc_of.difference, low=-0.5)),
                                          *first.changes[1:])), *others),
        ),
        "sets[0].changes[0].after.value": replace(found, scores=replace(scores, after=scores.after[::-1].copy())),
        "comparison.parquet: above_after of": replace(
            found, scores=replace(scores, above_after=np.zeros_like(scores.after))
        ),
    }  # fmt: skip
    for number, (words, edited) in enumerate(edits.items()):
        place = write_comparison(edited, tmp_path / f"edited-{number}")[0].parent
        step = verify(place, checking=replace(asked, steps=("derivation",))).steps[0]
        assert step.outcome == "failed"
        assert words in " ".join(step.differences)


def test_inputs_of_a_comparison_are_both_models_and_all_sets(found: Comparison, second: Path, tmp_path: Path) -> None:
    run = write_comparison(found, tmp_path / "run")[0].parent
    places = Places(model=MODEL, after=second, members=MEMBERS, forget=FORGET, nonmembers=OUTSIDE)
    asked = Checking(steps=("inputs",), places=places)
    (step,) = verify(run, checking=asked).steps
    assert step.outcome == "passed", step
    (step,) = verify(run, checking=replace(asked, places=replace(places, after=None, forget=None))).steps
    assert step.outcome == "failed"  # the members alone are others
    (step,) = verify(run, checking=replace(asked, places=replace(places, after=MODEL))).steps
    assert "the second model" in step.differences[0]


@pytest.mark.slow
def test_a_limit_draws_of_every_set_by_itself(second: Path) -> None:
    settings = replace(SETTINGS, limit=45, seed=3)
    few = compare(MODEL, second, OUTSIDE, members=MEMBERS, forget=FORGET, settings=settings)
    assert {one.name: one.images for one in few.sets} == {"forget": 45, "members": 45, "non-members": 45}
    assert few.settings.limit == 45
    again = compare(MODEL, second, OUTSIDE, members=MEMBERS, forget=FORGET, settings=settings)
    assert same(again.scores, few.scores)


def test_a_table_of_scores_that_cannot_be_is_refused(found: Comparison) -> None:
    content = write_compared(found)
    assert same(read_compared(content), found.scores)
    for change, words in (
        ({"before": found.scores.before * np.inf}, "NaN or infinity"),
        ({"set": ("others", *found.scores.set[1:])}, "a set that is none of forget, members, non-members"),
    ):
        with pytest.raises(ValueError, match=words):
            read_compared(write_compared(replace(found, scores=replace(found.scores, **change))))
    table = pq.read_table(pa.BufferReader(content))
    hole = pa.array([None, *table["before"].to_pylist()[1:]], pa.float64())
    for edited, words in (
        (table.drop_columns(["after"]), "has the columns"),
        (table.set_column(2, "before", hole), "has no before"),
    ):
        sink = pa.BufferOutputStream()
        pq.write_table(edited, sink)
        with pytest.raises(ValueError, match=words):
            read_compared(sink.getvalue().to_pybytes())
