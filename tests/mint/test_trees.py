"""Trees as a network are the trees that scikit-learn grew, on ramps that rounding cannot make a jump of."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier

from onnxmint.evidence.table import FIT, EvidenceTable
from onnxmint.mint.choosing import best_by_answers, best_of
from onnxmint.mint.export import export_module
from onnxmint.mint.growing import fitted_forest, grow
from onnxmint.mint.modules.parts import Forest
from onnxmint.mint.modules.phi import Module as Phi
from onnxmint.mint.modules.trees import Module
from onnxmint.mint.trainer import FitSettings, FittedModule, fit_module
from onnxmint.progress import quiet
from tests.conftest import DEMO, KNOWN

STEP = 1e-30  # a ramp so steep that no two float32 of these tests lie on it
COUNT = 300


def _grown(values: np.ndarray, truth: np.ndarray, rounds: int) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=rounds, max_leaf_nodes=8, min_samples_leaf=3, learning_rate=0.5, early_stopping=False
    ).fit(values, truth)


def _at_thresholds(values: np.ndarray, network: Module) -> np.ndarray:
    """Return rows of which one feature is a threshold, the last number before it, or the first behind it."""
    rows = np.repeat(values[:1], 3 * len(network.threshold), axis=0)
    at, feature = network.threshold.numpy(), network.feature.numpy()
    near = np.stack([at, np.nextafter(at, np.float32(-9)), np.nextafter(at, np.float32(9))], axis=1)
    rows[np.arange(len(rows)), np.repeat(feature, 3)] = near.flatten()
    return rows


@given(seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([2, 7, 300, 10**6]), rounds=st.integers(1, 4))
@settings(deadline=None, max_examples=8)
def test_the_network_is_the_trees_on_thresholds_beside_them_and_between_ties(
    seed: int, steps: int, rounds: int
) -> None:
    """Thresholds of scikit-learn lie halfway between two float32, where no float32 need be."""
    rng = np.random.default_rng(seed)
    values = (rng.integers(-steps, steps, (COUNT, 3)) / np.float32(steps)).astype(np.float32)
    trees = _grown(values, values[:, 0] * values[:, 1] + rng.normal(size=COUNT) > 0, rounds)
    network = Module(torch.zeros(3), torch.ones(3), fitted_forest(trees, rounds), ramp=STEP)
    asked = np.concatenate([values, rng.normal(size=(50, 3)).astype(np.float32), _at_thresholds(values, network)])
    found = network.judge(torch.from_numpy(asked)).numpy()
    np.testing.assert_allclose(found, trees.decision_function(asked), rtol=1e-5, atol=1e-5)


def _odds(seed: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return log-odds in three views, who is a member, and folds: members lie in every other stripe."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(COUNT, 3)).astype(np.float32)
    member = (np.floor(4 * odds[:, 0]) % 2 == 0) ^ (rng.random(COUNT) < 0.1)
    return torch.from_numpy(odds), member, np.array(FIT, np.int8)[np.arange(COUNT) % len(FIT)]


@pytest.fixture(scope="module")
def fitted() -> FittedModule:
    odds, member, fold = _odds(0)
    advanced: list[int] = []
    found = fit_module("trees", odds, member, fold, settings=FitSettings(epochs=4), advance=advanced.append)
    assert sum(advanced) == len(FIT) * 4
    return found


def _forest_of(network: Module) -> Forest:
    trees, questions, _ = network.path.shape
    feature, threshold = (part.reshape(trees, questions) for part in (network.feature, network.threshold))
    value = network.value.detach()[:, 0]
    return Forest(feature=feature, threshold=threshold, path=network.path, value=value, base=network.base)


def _auc(scores: np.ndarray, member: np.ndarray) -> float:
    return float((scores[member][:, None] > scores[~member][None]).mean())


def test_trees_find_members_that_differ_and_score_each_fold_by_those_that_did_not_see_it(fitted: FittedModule) -> None:
    odds, member, fold = _odds(0)
    assert len(fitted.best_epochs) == len(FIT)
    assert 0 < fitted.validation_loss < np.log(2)
    assert _auc(fitted.unseen, member) > 0.7
    other, who, _ = _odds(1)
    assert _auc(fitted.score(other), who) > 0.7
    for number, network in enumerate(fitted.network.networks):
        held = fold == FIT[-1 - number]
        np.testing.assert_allclose(network(odds[held]).detach().numpy(), fitted.unseen[held], rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_trees() -> None:
    odds, member, fold = (part[:90] for part in _odds(0))
    first, again, other = (grow(odds.numpy(), member, fold == FIT[0], seed=seed) for seed in (3, 3, 4))
    assert (first.rounds, first.loss) == (again.rounds, again.loss)
    assert torch.equal(first.forest.value, again.forest.value)
    assert first.loss != other.loss


def test_what_rounding_does_to_log_odds_moves_a_score_by_rounding(fitted: FittedModule) -> None:
    """A step would move it by what many trees say at once: here the score of some image by more than a tenth."""
    (first, *_), odds = fitted.network.networks, _odds(1)[0][:1]
    own = (first.feature < 3).numpy()
    rows = odds.repeat(int(own.sum()), 1)
    rows[torch.arange(len(rows)), first.feature[own]] = first.threshold[own]
    moved = rows.clone()
    moved[torch.arange(len(rows)), first.feature[own]] += 1e-6
    assert 0 < np.abs(fitted.score(moved) - fitted.score(rows)).max() < 1e-4
    step = Module(torch.zeros(9), torch.ones(9), _forest_of(first), ramp=STEP)
    assert (step(moved) - step(rows)).abs().max() > 0.1


@pytest.mark.parametrize(
    "opset", [pytest.param(opset, marks=pytest.mark.slow if opset != 9 else []) for opset in (7, 9, 13, 18, 24)]
)
def test_the_exported_trees_are_the_same_function_of_standard_operators(fitted: FittedModule, opset: int) -> None:
    model = export_module(fitted.network, (3,), opset)
    assert {node.domain for node in onnx.load_from_string(model).graph.node} <= {"", "ai.onnx"}
    odds = _odds(1)[0]
    found = onnxruntime.InferenceSession(model).run(["score"], {"activation": odds.numpy()})[0]
    np.testing.assert_allclose(found, fitted.score(odds), atol=1e-5)


def test_of_one_side_alone_nothing_is_learned() -> None:
    """Folds keep groups whole, and one group can hold all members."""
    member = np.arange(20) < 10
    grown = grow(np.zeros((20, 2), np.float32), member, member, seed=0)
    network = Module(torch.zeros(2), torch.ones(2), grown.forest)
    assert grown.rounds == 0
    assert network.judge(torch.randn(4, 2)).tolist() == [0.0] * 4


def _table(member: np.ndarray, fold: np.ndarray) -> EvidenceTable:
    rows = np.arange(len(member))
    none = np.zeros(len(rows), np.int8)
    return EvidenceTable(index=rows, is_member=member, labels=None, groups=None, part=fold, fold=none)


@pytest.mark.parametrize(
    ("gains", "taken"),
    [((0.0, 0.0, 0.0), "phi"), ((0.0, 1.0, 1.02), "views"), ((0.0, 1.0, 2.0), "trees"), ((0.0, 0.0, 1.0), "trees"),
     ((1.0, 1.01, 1.02), "phi"), ((0.0, 1.0, 0.5), "views")],
)  # fmt: skip
def test_auto_takes_a_later_module_only_if_it_is_surely_better(gains: tuple[float, ...], taken: str) -> None:
    _, member, fold = _odds(0)
    equal = np.tile(np.linspace(-2, 2, COUNT), (3, 1))
    order = np.random.default_rng(3).permuted(equal, axis=1)
    fitted = [
        FittedModule(name=name, network=Phi(), best_epochs=(), validation_loss=0.0, unseen=noise + gain * member)
        for name, noise, gain in zip(("phi", "views", "trees"), order, gains, strict=True)
    ]
    assert best_of(fitted, _table(member, fold), 0).name == taken


@pytest.mark.slow
@pytest.mark.parametrize(("stripes", "taken"), [(True, "trees"), (False, "phi")])
def test_auto_takes_trees_where_a_dense_network_does_not_see_what_they_see(stripes: bool, taken: str) -> None:
    odds, member, fold = _odds(0)
    if not stripes:
        member = (odds[:, 0] + torch.randn(COUNT, generator=torch.Generator().manual_seed(0)) > 0).numpy()
    assert best_by_answers(odds, _table(member, fold), 0, quiet).name == taken


@pytest.mark.slow
def test_an_auditor_by_trees_travels_and_scores_as_the_audit_does(tmp_path: Path) -> None:
    from onnxmint import AuditSettings, Scorer, TrainSettings, audit, load_auditor, train

    made = train(
        DEMO / "target.onnx", *KNOWN,
        settings=TrainSettings(module="trees", preprocess="0-1", device="cpu", views=2, limit=100),
    )  # fmt: skip
    assert made.method.title == "trees on 2 views"
    assert made.method.networks == len(FIT)
    (tmp_path / "auditor.onnx").write_bytes(made.model)
    read = load_auditor(tmp_path / "auditor.onnx")
    questioned = f"{DEMO / 'questioned.parquet'}?rows=0:40"
    result = audit(DEMO / "target.onnx", questioned, read, settings=AuditSettings(device="cpu"))
    assert {control.name for control in result.controls} >= {"placebo"}
    table = pq.read_table(DEMO / "questioned.parquet").slice(0, 40)
    scores = Scorer(read, device="cpu")(table)["score"].to_numpy()
    np.testing.assert_allclose(scores, result.scores.score, rtol=1e-6, atol=1e-6)
    images = [Image.open(io.BytesIO(image["bytes"])) for image in table["image"].to_pylist()]
    pixels = np.stack([np.asarray(image, np.uint8) for image in images]).reshape(40, 28, 28, 1)
    session = onnxruntime.InferenceSession(made.model)
    (alone,) = session.run(["score"], {"image": pixels, "label": np.array(table["label"].to_pylist())})
    np.testing.assert_allclose(alone, scores, rtol=1e-4, atol=1e-4)
