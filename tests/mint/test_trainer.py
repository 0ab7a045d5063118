"""Fitting finds what is there, finds nothing where there is nothing, and the exported module is the same function."""

import numpy as np
import onnxruntime
import pytest
import torch

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.mint.export import export_module
from onnxmint.mint.modules import network_of
from onnxmint.mint.modules.ensembles import Ensemble
from onnxmint.mint.trainer import FitSettings, FittedModule, fit_module, module_for

SHAPES = {"cnn": (6, 4, 4), "vanilla": (6,), "views": (14,)}


def _activations(shape: tuple[int, ...], shift: float, seed: int = 0) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_member = rng.random(600) < 0.5
    values = rng.normal(size=(600, *shape)).astype(np.float32)
    values[is_member, 0] += shift
    return torch.from_numpy(values), is_member, rng.integers(0, 5, 600).astype(np.int8)


def _fit(name: str, shape: tuple[int, ...], shift: float, seed: int = 0) -> FittedModule:
    values, is_member, fold = _activations(shape, shift)
    settings = FitSettings(seed=seed, epochs=8)
    return fit_module(name, values, is_member, fold, settings=settings, advance=lambda steps: None)


def _auc(scores: np.ndarray, is_member: np.ndarray) -> float:
    return float((scores[is_member][:, None] > scores[~is_member][None]).mean())


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_module_finds_members_that_differ(name: str) -> None:
    fitted = _fit(name, SHAPES[name], shift=1.0)
    values, is_member, _ = _activations(SHAPES[name], shift=1.0, seed=1)
    assert _auc(fitted.score(values), is_member) > 0.7


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_module_finds_nothing_where_members_do_not_differ(name: str) -> None:
    fitted = _fit(name, SHAPES[name], shift=0.0)
    values, is_member, _ = _activations(SHAPES[name], shift=0.0, seed=1)
    assert abs(_auc(fitted.score(values), is_member) - 0.5) < 0.1


def test_the_same_seed_gives_the_same_module() -> None:
    values = _activations((6,), shift=1.0, seed=2)[0]
    first, again, other = (_fit("vanilla", (6,), 1.0, seed).score(values) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_fitting_leaves_the_random_state_of_torch_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    _fit("vanilla", (6,), 1.0)
    assert torch.equal(torch.rand(3), expected)


def test_activations_that_are_not_finite_are_refused() -> None:
    values, is_member, fold = _activations((6,), shift=1.0)
    values[int(np.flatnonzero(fold == 0)[0]), 2] = float("nan")
    with pytest.raises(EvidenceError, match="NaN or infinity"):
        fit_module("vanilla", values, is_member, fold, settings=FitSettings(), advance=lambda steps: None)


def test_an_ensemble_scores_every_fold_by_the_network_that_did_not_see_it() -> None:
    values, is_member, fold = _activations((14,), shift=1.0)
    steps: list[int] = []
    fitted = fit_module("views", values, is_member, fold, settings=FitSettings(epochs=4), advance=steps.append)
    assert len(fitted.best_epochs) == 5
    assert sum(steps) == 5 * 4
    assert np.isfinite(fitted.unseen).all()
    networks = list(fitted.network.networks)
    for number, network in enumerate(networks):
        held = fold == 4 - number
        np.testing.assert_allclose(network(values[held]).detach().numpy(), fitted.unseen[held], rtol=1e-5, atol=1e-6)
    mean = torch.stack([network(values) for network in networks]).mean(dim=0)
    np.testing.assert_allclose(fitted.score(values), mean.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_labels_that_mean_nothing_leave_the_unseen_folds_at_chance() -> None:
    values, _, fold = _activations((14,), shift=0.0)
    is_member = np.random.default_rng(9).random(600) < 0.5
    fitted = fit_module("views", values, is_member, fold, settings=FitSettings(), advance=lambda steps: None)
    assert abs(_auc(fitted.unseen, is_member) - 0.5) < 0.1


def test_phi_is_the_first_view_and_learns_nothing() -> None:
    values, is_member, fold = _activations((14,), shift=0.0)
    fitted = fit_module("phi", values, is_member, fold, settings=FitSettings(), advance=lambda steps: None)
    np.testing.assert_array_equal(fitted.score(values), values[:, 0].numpy().astype(np.float64))
    np.testing.assert_array_equal(fitted.unseen, fitted.score(values))


def test_the_module_goes_by_the_rank() -> None:
    assert module_for("auto", (8, 4, 4), "conv1") == "cnn"
    assert module_for("auto", (8,), "fc") == "vanilla"
    assert module_for("vanilla", (8, 4, 4), "conv1") == "vanilla"
    with pytest.raises(UsageError, match=r"layer 'norm' \(17x24\) is none: use --module vanilla, or a --layer"):
        module_for("cnn", (17, 24), "norm")


@pytest.mark.parametrize(
    ("opset", "networks"),
    [
        pytest.param(opset, networks, marks=[] if (opset, networks) in ((9, 1), (18, 3)) else pytest.mark.slow)
        for opset in (9, 11, 17, 18, 20)
        for networks in (1, 3)
    ],
)
@pytest.mark.parametrize(
    ("kind", "shape"),
    [("cnn", (5, 6, 4)), ("vanilla", (5,)), ("vanilla", (7, 5)), ("views", (26,)), ("phi", (1,))],
)
def test_the_exported_module_is_the_same_function(opset: int, kind: str, shape: tuple[int, ...], networks: int) -> None:
    torch.manual_seed(0)
    made_of = network_of(kind)
    width = made_of.features(torch.zeros(1, *shape)).shape[1]
    moments = [() if kind == "phi" else (torch.randn(width), torch.rand(width)) for _ in range(networks)]
    made = [made_of(*mine) for mine in moments]
    network = (made[0] if networks == 1 else Ensemble(made)).eval()
    session = onnxruntime.InferenceSession(export_module(network, shape, opset))
    activation = torch.randn(9, *shape)
    found = session.run(["score"], {"activation": activation.numpy()})[0]
    np.testing.assert_allclose(found, network(activation).detach().numpy(), atol=1e-5)
