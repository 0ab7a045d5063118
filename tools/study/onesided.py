"""Batch normalisation left in training mode, members and non-members in batches of their own.

A network in training mode normalises an image by the statistics of its batch, so each image carries a mark of the batch
that it came in. Where a side is shown by itself and its images are then divided for fitting and testing, the mark is
learned from one half of a batch and found in the other. `onnxmint` reads such a graph and finds the
nodes (`onnxmint layers` names them), so this is measured on activations that PyTorch gave.
"""

from pathlib import Path
from typing import Any

import data
import numpy as np
import torch
from scipy.stats import rankdata
from targets import BATCH, network
from torch import nn
from torch.nn import functional

NAME = "batch normalisation in training mode, one-sided batches"
ORDERED = f"{NAME}, members in the order of their class folders"
_TRAINED, _EACH, _EPOCHS = 5_000, 1_000, 12
_TAPS = {"relu1": 2, "relu4": 13, "relu6": 21, "relu7": 26}  # places in targets.network
_FIT = _EACH // 2  # of each side, in five folds; the others test


def measure(shared: Path, *, ordered: bool) -> dict[str, Any]:
    """Return AUCs by module and layer in training and in evaluation mode, and of a network that learned nothing.

    Args:
        shared: the folder with data/.
        ordered: members are shown class by class, as folders are read, and non-members mixed.
    """
    table = data.read(shared, "cifar10")
    halves = data.halves(table, "cifar10", _TRAINED)
    sides = {side: halves[side][:_TRAINED] for side in ("members", "nonmembers")}
    images = {
        side: torch.from_numpy(data.pixels(table, rows)).permute(0, 3, 1, 2) / 255.0 for side, rows in sides.items()
    }
    truth = {side: torch.from_numpy(data.labels(table, rows)) for side, rows in sides.items()}
    torch.manual_seed(0)
    fresh = network(10, 0.0)
    trained = _trained(network(10, 0.0), images["members"], truth["members"])
    few = {side: values[:_EACH] for side, values in images.items()}
    if ordered:
        few["members"] = few["members"][truth["members"][:_EACH].argsort(stable=True)]
    right = {side: _right(trained, values, truth[side]) for side, values in images.items()}
    return {
        "protocol": ORDERED if ordered else NAME,
        "accuracy": right,
        "target": _aucs(trained, few, batch=100, training=True),
        "twin": _aucs(fresh, few, batch=100, training=True),
        "evaluation": _aucs(trained, few, batch=100, training=False),
        "controls": {},
    }


def _trained(net: nn.Sequential, images: torch.Tensor, truth: torch.Tensor) -> nn.Sequential:
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for _ in range(_EPOCHS):
        for picked in torch.randperm(len(images)).split(BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(net(images[picked]), truth[picked]).backward()
            optimiser.step()
    return net


def _right(net: nn.Sequential, images: torch.Tensor, truth: torch.Tensor) -> float:
    net.eval()
    with torch.inference_mode():
        return float((torch.cat([net(one) for one in images.split(512)]).argmax(1) == truth).float().mean())


def _aucs(net: nn.Sequential, sides: dict[str, torch.Tensor], *, batch: int, training: bool) -> dict[str, list[float]]:
    """Fit the published modules on activations of each layer, and test them on images that they did not see."""
    from onnxmint.evidence.table import FIT
    from onnxmint.mint.trainer import FitSettings, fit_module

    found: dict[str, list[float]] = {}
    part = np.arange(_EACH) % 2 == 0
    fold = np.tile((np.arange(_FIT) % len(FIT)).astype(np.int8), 2)
    for layer, place in _TAPS.items():
        values = [_activations(net, sides[side], place, batch=batch, training=training) for side in sides]
        fitted_on = torch.cat([one[part] for one in values])
        is_member = np.arange(2 * _FIT) < _FIT
        for module in ("cnn", "vanilla") if values[0].ndim == 4 else ("vanilla",):  # noqa: PLR2004 - maps
            fitted = fit_module(module, fitted_on, is_member, fold, settings=FitSettings(), advance=lambda steps: None)
            scores = [fitted.score(one[~part]).reshape(_EACH - _FIT, -1).mean(1) for one in values]
            found[f"{module} on {layer}"] = _interval(*scores)
    return found


def _activations(net: nn.Sequential, images: torch.Tensor, place: int, *, batch: int, training: bool) -> torch.Tensor:
    """Return the outputs of one layer, in batches of one side; statistics that are kept do not move."""
    net.train(training)
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0
    with torch.inference_mode():
        return torch.cat([net[: place + 1](one) for one in images.split(batch)]).contiguous().clone()


def _interval(members: np.ndarray, nonmembers: np.ndarray) -> list[float]:
    """Return AUC and a 95% bootstrap interval of single images, which is too narrow: a batch is what was drawn."""
    rng = np.random.default_rng(0)
    drawn = [_auc(rng.choice(members, len(members)), rng.choice(nonmembers, len(nonmembers))) for _ in range(500)]
    return [_auc(members, nonmembers), *map(float, np.quantile(drawn, [0.025, 0.975]))]


def _auc(members: np.ndarray, nonmembers: np.ndarray) -> float:
    ranks = rankdata(np.concatenate([members, nonmembers]))[: len(members)]
    return float((ranks.sum() - len(members) * (len(members) + 1) / 2) / (len(members) * len(nonmembers)))
