"""Fitting the networks of one module on stored activations, and scoring with them: the only loop over epochs."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from onnxmint.engine.store import Activations
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.table import FIT, EvidenceTable
from onnxmint.kinds import MODULES, module_kind
from onnxmint.mint.growing import grow
from onnxmint.mint.modules import network_of
from onnxmint.mint.modules.ensembles import Ensemble
from onnxmint.progress import Stage

_BATCH = 128
_READ = 1 << 21  # numbers taken from the store at once where gradients are not needed
_ALIKE = 16  # rows that are scored at once, whatever the batch that they came in

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a network is fitted: Adam on binary cross-entropy, stopped by the validation part; trees take the seed."""

    seed: int = 0
    epochs: int = 40
    patience: int = 6  # epochs without a better validation loss before stopping
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModule:
    """A module with the weights of its best epochs, and how it got there.

    Attributes:
        name: one of MODULES.
        network: what gives the score; the mean of several networks where the module is an ensemble.
        best_epochs: of each network the epoch whose weights are kept, 0 is the untrained network; of trees, how many.
        validation_loss: binary cross-entropy at those epochs, averaged over the networks; NaN when nothing was fitted.
        unseen: (n,) scores of the rows by the network that did not learn from them; NaN where every network did.
    """

    name: str
    network: nn.Module
    best_epochs: tuple[int, ...]
    validation_loss: float
    unseen: NDArray[np.float64]

    def score(self, activations: Activations) -> NDArray[np.float64]:
        """Return (n,) scores, (n, K) of K networks side by side, of (n, ...) float32 activations, wherever they are."""
        return _score(self.network, activations, torch.arange(len(activations)))


def _score(network: nn.Module, activations: Activations, rows: Tensor) -> NDArray[np.float64]:
    held = next(network.parameters(), None)
    with torch.inference_mode(), _threads(network):
        found = [
            _alike(network, part if held is None else part.to(held.device))
            for _, values in _chunks(activations, rows)
            for part in values.split(_ALIKE)
        ]
        scores: NDArray[np.float64] = torch.cat([part.double().cpu() for part in found]).numpy()
    return scores


def _alike(network: nn.Module, values: Tensor) -> Tensor:
    """Return the scores of at most _ALIKE rows, computed as those of _ALIKE: sums of other sizes round otherwise."""
    count = len(values)
    if count == _ALIKE:
        scores: Tensor = network(values)
        return scores
    padding = values.new_zeros(_ALIKE - count, *values.shape[1:])
    padded: Tensor = network(torch.cat([values, padding]))
    return padded[:count]


@contextlib.contextmanager
def _threads(network: nn.Module) -> Iterator[None]:
    """Run dense networks on one thread: they are so small that handing work around takes longer than doing it."""
    kept = torch.get_num_threads()
    if not any(isinstance(part, nn.Conv2d) for part in network.modules()):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(kept)


def module_for(wanted: str, shape: tuple[int, ...], layer: str) -> str:
    """Return the module that reads a layer: "auto" takes the first of MODULES that can.

    Args:
        wanted: what was asked for.
        shape: of what is read of one image.
        layer: its name, for the message.

    Raises:
        UsageError: the module was asked for a layer that it cannot read.
    """
    if wanted == "auto":
        return next(kind.name for kind in MODULES if kind.reads == "layer" and kind.fits(shape))
    if not module_kind(wanted).fits(shape):
        raise UsageError(
            f"--module {wanted} needs an activation map, and layer {layer!r} ({'x'.join(map(str, shape))}) is none: "
            "use --module vanilla, or a --layer with three axes in onnxmint layers"
        )
    return wanted


def networks_in(name: str) -> int:
    """Return how many networks a module is made of."""
    return {"none": 0, "one": 1, "each fold": len(FIT)}[module_kind(name).fitted]


def fit_on(
    name: str, activations: Any, table: EvidenceTable, fold: NDArray[np.int8], seed: int, stage: Stage
) -> FittedModule:
    """Fit a module on activations.

    Args:
        name: of the module.
        activations: (r, ...) float32.
        table: the r images that they are of.
        fold: (r,) each in one of the folds FIT.
        seed: of weights and order.
        stage: told of the progress.
    """
    settings = FitSettings(seed=seed)
    if not networks_in(name):
        return fit_module(name, activations, table.is_member, fold, settings=settings, advance=lambda steps: None)
    with stage(f"fitting {name}", settings.epochs * networks_in(name)) as advance:
        return fit_module(name, activations, table.is_member, fold, settings=settings, advance=advance)


def fit_module(
    name: str,
    activations: Activations,
    is_member: NDArray[np.bool_],
    fold: NDArray[np.int8],
    *,
    settings: FitSettings,
    advance: Advance,
) -> FittedModule:
    """Fit a module: as many networks as `networks_in` says, each stopped by a fold that it does not learn from.

    Args:
        name: one of MODULES.
        activations: (n, ...) float32, on the CPU, on CUDA or in a file.
        is_member: (n,) truth.
        fold: (n,) fold of each row, groups whole.
        settings: seed, epochs and optimiser.
        advance: called with 1 after each epoch, and with those left out when a network stops early.

    Raises:
        EvidenceError: an activation is not finite.
    """
    devices = [activations.device] if activations.device.type == "cuda" else []
    unseen = np.full(len(fold), np.nan)
    networks, epochs, losses = [], [], []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(settings.seed)
        for number in range(networks_in(name)):
            held = fold == FIT[-1 - number]
            network, epoch, loss = _network(name, activations, is_member, held, settings, number, advance)
            check = torch.from_numpy(np.flatnonzero(held))
            unseen[held] = _score(network, activations, check) if len(check) else np.empty(0)
            networks.append(network)
            epochs.append(epoch)
            losses.append(loss)
    if not networks:
        free = network_of(name)().eval()
        return FittedModule(
            name=name,
            network=free,
            best_epochs=(),
            validation_loss=float("nan"),
            unseen=_score(free, activations, torch.arange(len(fold))) if len(fold) else unseen,
        )
    return FittedModule(
        name=name,
        network=networks[0] if len(networks) == 1 else Ensemble(networks).eval(),
        best_epochs=tuple(epochs),
        validation_loss=float(np.mean(losses)),
        unseen=unseen,
    )


def _network(
    name: str,
    activations: Activations,
    is_member: NDArray[np.bool_],
    held: NDArray[np.bool_],
    settings: FitSettings,
    number: int,
    advance: Advance,
) -> tuple[nn.Module, int, float]:
    """Fit one network, stopped by the rows that are held; return it, its best epoch, and their loss there."""
    learn, check = (torch.from_numpy(np.flatnonzero(rows)) for rows in (~held, held))
    kind = network_of(name)
    moments = _moments(activations, learn, kind.features)
    if module_kind(name).grown:
        every = torch.arange(len(activations))
        made = torch.cat([kind.features(values).cpu() for _, values in _chunks(activations, every)])
        grown = grow(made.numpy(), is_member, held, seed=settings.seed + number)
        advance(settings.epochs)
        return kind(*moments, grown.forest).to(activations.device).eval(), grown.rounds, grown.loss
    truth = torch.from_numpy(is_member.astype(np.float32)).to(activations.device)
    network = kind(*moments).to(activations.device)
    with _threads(network):
        return network, *_fit(network, activations, truth, learn, check, settings, advance)


def _fit(
    network: nn.Module,
    activations: Activations,
    truth: Tensor,
    learn: Tensor,
    check: Tensor,
    settings: FitSettings,
    advance: Advance,
) -> tuple[int, float]:
    """Fit one network in place; return the epoch whose weights it keeps, and their validation loss."""
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best = _validation_loss(network, activations, truth, check)
    weights, best_epoch = copy.deepcopy(network.state_dict()), 0
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
            advance(settings.epochs - epoch)
            break
    network.load_state_dict(weights)
    network.eval()
    return best_epoch, best


def _take(activations: Activations, rows: Tensor) -> Tensor:
    return activations[rows.to(activations.device)]


def _chunks(activations: Activations, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    if len(rows):
        size = activations[:1].numel()
        for part in rows.split(max(1, _READ // size)):
            yield part, _take(activations, part)


def _validation_loss(network: nn.Module, activations: Activations, truth: Tensor, rows: Tensor) -> float:
    network.eval()
    total = 0.0
    with torch.inference_mode():
        for part, values in _chunks(activations, rows):
            total += functional.binary_cross_entropy_with_logits(network(values), truth[part], reduction="sum").item()
    return total / len(rows)


def _moments(activations: Activations, rows: Tensor, features: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
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
