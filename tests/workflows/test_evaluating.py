"""An evaluation: one pass, every method on the same test part, choices made before it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.engine.worker import Worker
from onnxmint.errors import UsageError
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.methods.signals import SIGNALS
from onnxmint.results.evaluation import EVALUATION, Evaluation
from onnxmint.settings import EvaluateSettings, TrainSettings
from onnxmint.stats.metrics import auc
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.training import train
from tests.conftest import DEMO

EVIDENCE = (DEMO / "members.parquet", DEMO / "nonmembers.parquet")
SETTINGS = EvaluateSettings(preprocess="0-1", layers=("all",), views=2, limit=300, device="cpu")


@pytest.fixture(scope="module")
def shown() -> list[int]:
    return []


@pytest.fixture(scope="module")
def found(shown: list[int]) -> Iterator[Evaluation]:
    patch = pytest.MonkeyPatch()
    real = Worker._outputs

    def counted(self: Worker, pixels: Any, labels: Any) -> Any:
        shown.append(len(pixels))
        return real(self, pixels, labels)

    patch.setattr(Worker, "_outputs", counted)
    yield evaluate(DEMO / "target.onnx", *EVIDENCE, settings=SETTINGS)
    patch.undo()


def test_the_target_sees_every_image_once(found: Evaluation, shown: list[int]) -> None:
    assert sum(shown) == found.evidence.members + found.evidence.nonmembers
    assert 590 < sum(shown) <= 600  # copies are left out


def test_every_method_is_there(found: Evaluation) -> None:
    names = [method.name for method in found.methods]
    assert len(set(names)) == len(names)
    assert {signal.name for signal in SIGNALS} | {"views", "trees", "modified_entropy_by_class"} <= set(names)
    layers = list_layers(load_target(DEMO / "target.onnx"))
    assert [name for name in names if name.startswith("vanilla:")] == [f"vanilla:{layer.name}" for layer in layers]
    for layer in layers:
        method = next(method for method in found.methods if method.name == f"cnn:{layer.name}")
        assert (method.skipped is None) == (layer.kind == "map")


def test_all_are_measured_on_the_same_images_or_say_why_not(found: Evaluation) -> None:
    counts = set()
    for method in found.methods:
        assert (method.performance is None) == (method.skipped is not None), method.name
        if method.performance is not None:
            counts.add((method.performance.members, method.performance.nonmembers))
    assert len(counts) == 1
    assert min(counts.pop()) >= 74


def test_one_of_each_kind_is_chosen_on_the_fit_part(found: Evaluation) -> None:
    signals = [method for method in found.methods if method.kind == "signal" and method.fit_auc is not None]
    best = found.best_signal()
    assert best.fit_auc == max(method.fit_auc or 0 for method in signals)
    assert best.difference is None
    for kind in ("cnn", "vanilla"):
        layers = [method for method in found.methods if method.name.startswith(f"{kind}:") and not method.skipped]
        (chosen,) = [method for method in layers if method.chosen]
        assert chosen.fit_auc == max(method.fit_auc or 0 for method in layers)


def test_differences_are_against_the_best_signal(found: Evaluation) -> None:
    best = found.best_signal().performance
    assert best is not None
    for method in found.methods:
        if method.difference is not None and method.performance is not None:
            assert method.difference.value == pytest.approx(method.performance.auc.value - best.auc.value, abs=1e-9)
            assert method.difference.test == "DeLong"


@pytest.mark.slow
def test_views_score_as_in_an_auditor(found: Evaluation) -> None:
    """The same seed, images and views: train and evaluate fit the same module and measure the same."""
    settings = TrainSettings(preprocess="0-1", module="views", views=2, limit=300, device="cpu", controls=False)
    auditor = train(DEMO / "target.onnx", *EVIDENCE, settings=settings)
    views = next(method for method in found.methods if method.name == "views")
    assert views.performance is not None
    assert views.performance.auc.value == pytest.approx(auditor.performance.auc.value, abs=1e-4)


def test_the_result_is_json(found: Evaluation) -> None:
    facts = json.loads(EVALUATION.write(found))
    assert facts["schema"] == "onnxmint.evaluation/6"
    assert len(facts["methods"]) == len(found.methods)


def test_without_labels_what_needs_them_is_skipped_with_a_reason() -> None:
    settings = replace(SETTINGS, labels=False, modules=("views",), limit=100)
    found = evaluate(DEMO / "target.onnx", *EVIDENCE, settings=settings)
    skipped = {method.name: method.skipped for method in found.methods if method.skipped}
    assert skipped["loss"] == "needs labels of all known images"
    assert {"correct", "phi", "gradient_norm"} <= set(skipped)
    views = next(method for method in found.methods if method.name == "views")
    assert views.performance is not None
    assert any("top class" in warning for warning in found.warnings)


@pytest.mark.slow
def test_groups_are_compared_by_groups(tmp_path: Path) -> None:
    for name, path in zip(("members", "nonmembers"), EVIDENCE, strict=True):
        table = pq.read_table(path)[:300]
        groups = pa.array([f"{name}{row // 3}" for row in range(len(table))])
        pq.write_table(table.append_column("scene", groups), tmp_path / f"{name}.parquet")
    settings = replace(SETTINGS, group="scene", modules=("views",), limit=None)
    found = evaluate(
        DEMO / "target.onnx", tmp_path / "members.parquet", tmp_path / "nonmembers.parquet", settings=settings
    )
    views = next(method for method in found.methods if method.name == "views")
    assert views.difference is not None
    assert views.difference.test == "paired bootstrap of groups"
    assert 190 < (found.evidence.groups or 0) <= 200  # copies in two groups join them


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    table = pq.read_table(EVIDENCE[0])[:100]
    images = table["image"].to_pylist()
    images[7]["bytes"] = b"not an image"
    broken = table.set_column(
        table.schema.get_field_index("image"), "image", pa.array(images, table.schema.field("image").type)
    )
    pq.write_table(broken, tmp_path / "members.parquet")
    settings = replace(SETTINGS, modules=("views",))
    found = evaluate(DEMO / "target.onnx", tmp_path / "members.parquet", EVIDENCE[1], settings=settings)
    assert len(found.evidence.skipped) == 1
    assert "views" in {method.name for method in found.methods if method.performance is not None}


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(UsageError, match="'resnet' is not one of 'views', 'trees', 'relative', 'cnn', 'vanilla'"):
        evaluate(DEMO / "target.onnx", *EVIDENCE, settings=replace(SETTINGS, modules=("resnet",)))


def test_thresholds_by_class_come_from_the_fit_part(found: Evaluation) -> None:
    method = next(method for method in found.methods if method.name == "modified_entropy_by_class")
    assert method.fit_auc is not None
    assert method.performance is not None
    assert np.isfinite(method.performance.auc.value)


def test_the_verdict_is_about_the_method_that_was_best_on_the_fit_part(found: Evaluation) -> None:
    able = [method for method in found.methods if method.fit_auc is not None and method.performance is not None]
    judged = found.judged()
    assert judged.fit_auc == max(method.fit_auc or 0 for method in able)
    assert judged.performance is not None
    assert found.verdict.auc == judged.performance.auc
    assert found.verdict.title == judged.title
    assert found.verdict.kind in ("leak", "no-leak-seen")
    assert f"best of {len(able)} methods" in found.verdict.text


def test_every_image_has_its_scores(found: Evaluation) -> None:
    scores = found.scores
    assert len(scores.path) == found.evidence.members + found.evidence.nonmembers
    assert scores.side.count("member") == found.evidence.members
    assert {part: scores.part.count(part) for part in ("fit", "calibrate", "test")} == {
        "fit": found.evidence.fit, "calibrate": found.evidence.calibrate, "test": found.evidence.test,
    }  # fmt: skip
    assert list(scores.scores) == [method.name for method in found.methods if method.performance is not None]
    for method in found.methods:
        if method.performance is None:
            continue
        column, part, side = scores.scores[method.name], np.array(scores.part), np.array(scores.side)
        member, nonmember = (column[(part == "test") & (side == name)] for name in ("member", "non-member"))
        assert auc(member, nonmember) == method.performance.auc.value
        assert np.isnan(column).any() == (method.kind == "module")


def test_limits_are_decided_by_the_method_that_is_judged() -> None:
    settings = replace(SETTINGS, modules=(), limit=100, fail_above=("auc=0.99", "tpr@1%=0.5"))
    found = evaluate(DEMO / "target.onnx", *EVIDENCE, settings=settings)
    auc_limit, tpr_limit = found.verdict.limits
    judged = found.judged().performance
    assert judged is not None
    assert (auc_limit.value, auc_limit.high) == (judged.auc.value, judged.auc.high)
    assert tpr_limit.decision == "unsettled"  # 25 non-members have no false alarm at 1%
    assert (tpr_limit.members, tpr_limit.nonmembers) == (4000, 4000)
    assert found.verdict.kind == "unsettled"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (("auc",), "'auc' has no number after the equals sign"),
        (("f1=0.6",), "'f1=0.6' limits none of auc, tpr@10%, tpr@1%, tpr@0.1%"),
        (("auc=0.5",), "a limit lies above 0.5, which guessing has"),
        (("tpr@1%=0.01",), "a limit lies above 0.01, which guessing has"),
        (("auc=0.6", "AUC=0.7"), "limits one measure twice"),
        (("epsilon=3",), "--fail-above epsilon= needs --epsilon, and with it --drawn-at-random"),
    ],
)
def test_a_limit_on_nothing_is_refused_before_anything_is_read(limits: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate("no.onnx", "nowhere", "nowhere", settings=replace(SETTINGS, fail_above=limits))


@pytest.mark.slow
def test_repeats_are_evaluations_of_the_next_seeds() -> None:
    settings = replace(SETTINGS, modules=(), limit=60, repeats=2)
    found = evaluate(DEMO / "target.onnx", *EVIDENCE, settings=settings)
    second = evaluate(DEMO / "target.onnx", *EVIDENCE, settings=replace(settings, repeats=1, seed=1))
    assert second.repeated == ()
    assert len(found.repeated) == len(found.methods)
    for one, first, other in zip(found.repeated, found.methods, second.methods, strict=True):
        measured = [None if method.performance is None else method.performance.auc.value for method in (first, other)]
        assert one.auc == tuple(measured)
    assert sum(one.judged for one in found.repeated) == 2
