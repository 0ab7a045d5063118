"""The placebo twin: what the same pipeline finds in a target that knows nothing."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.words import CHANCE, numbers
from onnxmint.engine.local import KnownImages, Reader, to_numpy
from onnxmint.engine.target import Prepared, show
from onnxmint.errors import OnnxmintError
from onnxmint.graph.layers import Layer, list_layers
from onnxmint.graph.placebo import placebo_twin
from onnxmint.mint.fitting import Fitted, fit_and_score, yardstick_of
from onnxmint.results.facts import Control
from onnxmint.settings import TrainSettings
from onnxmint.stats.compare import Difference, compare_auc
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.two_sample import auc_of

SHOWN = 2000  # images of a side that the twin is shown: enough for a difference that matters
_WIDTH = 32  # features that are kept of an activation


def twin_of(prepared: Prepared, seed: int) -> Prepared:
    """Return the target with its weights shuffled, ready to run like it."""
    target = prepared.target
    return replace(prepared, target=replace(target, model=placebo_twin(target.model, seed=seed)))


def some(known: KnownImages, rng: np.random.Generator) -> tuple[KnownImages, NDArray[np.int64]]:
    """Return at most SHOWN known images of a side, and their rows."""
    table = known.table
    drawn = [rng.permutation(np.flatnonzero(table.is_member == member))[:SHOWN] for member in (True, False)]
    rows = np.sort(np.concatenate(drawn))
    return replace(known, table=table.take(rows)), rows


def placebo_control(
    twin: Prepared, fitted: Fitted, known: KnownImages, rows: NDArray[np.int64], settings: TrainSettings
) -> Control:
    """Fit and score the same module on the twin, with the same division.

    Args:
        twin: from `twin_of`.
        fitted: the module on the target.
        known: some of its images.
        rows: which ones.
        settings: of the training.
    """
    same = replace(settings, module=fitted.name)
    try:
        found = fit_and_score(twin, known, fitted.reading.layers, same)
    except OnnxmintError as problem:
        return Control(name="placebo", passed=None, text=f"Not run: the twin with shuffled weights fails: {problem}.")
    if _says_the_same(fitted, found, rows):
        text = "Not run: shuffling the model's weights changes nothing that it says; onnxmint does not know them."
        return Control(name="placebo", passed=None, text=text)
    auc = auc_of(yardstick_of(found).groups())
    difference = _difference(fitted, found, rows, settings.seed)
    gain = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    passed = auc.low <= CHANCE
    text = (
        f"A twin of the model with shuffled weights, which knows nothing, was not seen to tell members apart "
        f"({numbers(auc)}); the model itself has an AUC of {gain} against it."
        if passed
        else f"A twin of the model with shuffled weights, which knows nothing, also tells members from non-members "
        f"({numbers(auc)}; the model's AUC is {gain} against it): the evidence differs in more than membership."
    )
    return Control(name="placebo", passed=passed, text=text, auc=auc, target_minus_placebo=difference)


def _says_the_same(fitted: Fitted, twin: Fitted, rows: NDArray[np.int64]) -> bool:
    """Say whether the twin is as sure as the model itself of every image: then it is no twin."""
    mine, its = fitted.held.signals["max_probability"][rows], twin.held.signals["max_probability"]
    both = np.isfinite(mine) & np.isfinite(its)
    return bool(both.any()) and np.array_equal(mine[both], its[both])


def _difference(fitted: Fitted, twin: Fitted, rows: NDArray[np.int64], seed: int) -> Difference:
    """Return target minus twin in AUC, on the held-out images that both were scored on."""
    target, table = fitted.score[rows], twin.known.table
    both = np.isfinite(target) & np.isfinite(twin.score)
    sides = [both & (table.is_member == member) for member in (True, False)]
    groups = None if table.groups is None else (table.groups[sides[0]], table.groups[sides[1]])
    return compare_auc(
        (target[sides[0]], target[sides[1]]),
        (twin.score[sides[0]], twin.score[sides[1]]),
        groups=groups,
        rng=np.random.default_rng(seed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The graph of a twin that describes images without knowing any.

    Its output is the deepest layer that can be read, averaged over positions and projected on `_WIDTH` fixed
    directions.
    """

    twin: Prepared
    layer: Layer

    @classmethod
    def of(cls, twin: Prepared) -> "Features":
        """Take the deepest layer before the answer."""
        layers = list_layers(twin.target)
        return cls(twin=twin, layer=layers[-2] if len(layers) > 1 else layers[-1])

    def open(self, batch_size: int | None) -> tuple[Reader, str]:
        """Return a reader of the twin and the output to take."""
        shown = show(self.twin, [self.layer], views=0, labels=False)
        return shown.reader(batch_size), shown.graph.activations[self.layer.name]

    @staticmethod
    def describe(activation: Any) -> FloatArray:
        """Return (b, at most _WIDTH) features of (b, ...) activations."""
        values: FloatArray = to_numpy(activation).astype(np.float64)
        positions = {3: (1,), 4: (2, 3)}  # of (b, T, C) tokens and (b, C, H, W) maps
        flat: FloatArray = values.mean(axis=positions.get(values.ndim, ()))
        if flat.shape[1] > _WIDTH:
            directions = np.random.default_rng(0).normal(size=(flat.shape[1], _WIDTH))
            flat = flat @ (directions / np.sqrt(flat.shape[1]))
        return flat
