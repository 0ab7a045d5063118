"""Fitting a MINT module on the activations of known members and non-members (the fit part only)."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.mint.modules import MODULES

_BATCH = 128
_READ = 1024  # activations taken from the store at once where gradients are not needed

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a module is fitted: Adam on binary cross-entropy, stopped early on the validation part."""

    seed: int = 0
    epochs: int = 40
    patience: int = 6  # epochs without a better validation loss before stopping
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModule:
    """A module with the weights of its best epoch, and how it got there."""

    name: str  # "cnn", "vanilla" or "views"
    network: nn.Module
    epochs: int  # epochs run
    best_epoch: int  # epoch whose weights are kept; 0 is the untrained network
    validation_loss: float  # binary cross-entropy at that epoch

    def score(self, activation: Tensor) -> NDArray[np.float64]:
        """Return (n,) scores of (n, ...) float32 activations, wherever they are."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            scores: NDArray[np.float64] = self.network(activation.to(device)).double().cpu().numpy()
        return scores


def module_for(wanted: str, rank: int) -> str:
    """Return the module that reads a layer: "auto" takes `cnn` for maps (rank 3 per image), else `vanilla`.

    Raises:
        UsageError: `cnn` was asked for a layer without a map.
    """
    if wanted == "cnn" and rank != 3:  # noqa: PLR2004 - channels, height, width
        raise UsageError(f"--module cnn needs an activation map; this layer has {rank} axes per image: use vanilla")
    if wanted == "views":
        return wanted
    if wanted == "auto":
        return "cnn" if rank == 3 else "vanilla"  # noqa: PLR2004
    return wanted


def fit_module(
    name: str,
    activations: Tensor,
    is_member: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    *,
    settings: FitSettings,
    advance: Advance,
) -> FittedModule:
    """Fit a module.

    Args:
        name: "cnn", "vanilla" or "views".
        activations: (n, ...) float32, on the CPU (may be memory-mapped) or on CUDA.
        is_member: (n,) truth.
        validation: (n,) true for the rows that only decide when to stop.
        settings: seed, epochs and optimiser.
        advance: called with 1 after each epoch.

    Raises:
        EvidenceError: an activation is not finite.
    """
    truth = torch.from_numpy(is_member.astype(np.float32)).to(activations.device)
    learn = torch.from_numpy(np.flatnonzero(~validation))
    check = torch.from_numpy(np.flatnonzero(validation))
    devices = [activations.device] if activations.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(settings.seed)
        kind = MODULES[name]
        mean, deviation = _moments(activations, learn, kind.features)
        network: nn.Module = kind(mean, deviation)
        network.to(activations.device)
        return _fit(name, network, activations, truth, learn, check, settings, advance)


def _fit(
    name: str,
    network: nn.Module,
    activations: Tensor,
    truth: Tensor,
    learn: Tensor,
    check: Tensor,
    settings: FitSettings,
    advance: Advance,
) -> FittedModule:
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best = _validation_loss(network, activations, truth, check)
    weights, best_epoch, epoch = copy.deepcopy(network.state_dict()), 0, 0
    for epoch in range(1, settings.epochs + 1):
        network.train()
        for rows in learn[torch.randperm(len(learn))].split(_BATCH):
            if len(rows) < 2:  # noqa: PLR2004 - batch normalisation needs two
                continue
            loss = functional.binary_cross_entropy_with_logits(network(_take(activations, rows)), truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found = _validation_loss(network, activations, truth, check)
        if found < best:
            best, best_epoch, weights = found, epoch, copy.deepcopy(network.state_dict())
        advance(1)
        if epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(weights)
    network.eval()
    return FittedModule(name=name, network=network, epochs=epoch, best_epoch=best_epoch, validation_loss=best)


def _take(activations: Tensor, rows: Tensor) -> Tensor:
    return activations[rows.to(activations.device)]


def _chunks(activations: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for part in rows.split(_READ):
        yield part, _take(activations, part)


def _validation_loss(network: nn.Module, activations: Tensor, truth: Tensor, rows: Tensor) -> float:
    network.eval()
    total = 0.0
    with torch.inference_mode():
        for part, values in _chunks(activations, rows):
            total += functional.binary_cross_entropy_with_logits(network(values), truth[part], reduction="sum").item()
    return total / len(rows)


def _moments(activations: Tensor, rows: Tensor, features: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel, over the learning rows, of what the module standardises."""
    total = squares = torch.zeros((), dtype=torch.float64, device=activations.device)
    count = 0
    for _, values in _chunks(activations, rows):
        made = features(values).movedim(1, -1)
        flat = made.reshape(-1, made.shape[-1]).double()
        total, squares, count = total + flat.sum(0), squares + flat.square().sum(0), count + len(flat)
    mean = total / count
    if not bool(torch.isfinite(mean).all()):
        raise EvidenceError(
            "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another --layer"
        )
    return mean.float(), (squares / count - mean.square()).clamp(min=0).sqrt().float()


def as_tensor(value: Any) -> Tensor:
    """Return an output of the target as a torch tensor, without a copy (onnxruntime's arrays are views)."""
    return value if isinstance(value, Tensor) else torch.from_numpy(value)
