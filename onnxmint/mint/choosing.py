"""Which module `auto` takes: the one that tells images of the fit part apart best which it did not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from onnxmint.engine.store import Activations
from onnxmint.evidence.table import EvidenceTable
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import Stage
from onnxmint.stats.compare import compare_auc
from onnxmint.stats.heldout import HeldOut, group_means
from onnxmint.stats.two_sample import SHARED, auc_of

_ERRORS_WIDE = 2 * 1.96  # standard errors in a 95% interval
_CHANCE = 0.5
SIMPLEST_FIRST = ("phi", "views", "trees")
"""Modules that `auto` chooses from without references; a later one has to be surely better than what was taken."""
UNSURE = (
    "The references were not surely of use on the images to learn from, so the module is {name}, which does not "
    "compare with them; --module relative does."
)


class FirstColumns:
    """Activations of which each row is cut short: of log-odds and the references' of it, the log-odds."""

    def __init__(self, whole: Activations, width: int) -> None:
        """Look at the first `width` numbers of each row."""
        self._whole = whole
        self._width = width

    @property
    def device(self) -> torch.device:
        """Return where rows come out."""
        return self._whole.device

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._whole)

    def __getitem__(self, rows: Any) -> torch.Tensor:
        """Return some rows, cut short."""
        return self._whole[rows][:, : self._width]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A module, and what a reader has to know of why it was taken."""

    module: FittedModule
    notes: tuple[str, ...] = ()


def best_by_answers(odds: Any, table: EvidenceTable, seed: int, stage: Stage) -> FittedModule:
    """Return the best of SIMPLEST_FIRST at telling the fit part's images apart, by what the target answers to them.

    Each image is scored by the network that did not learn from its fold, and folds keep groups whole. In doubt, within
    one standard error, the simple and cheap one is taken.
    """
    return best_of([fit_on(name, odds, table, table.part, seed, stage) for name in SIMPLEST_FIRST], table, seed)


def best_of(fitted: Sequence[FittedModule], table: EvidenceTable, seed: int) -> FittedModule:
    """Return the first of some modules, or a later one that is surely better than what was taken before it."""
    found, *others = fitted
    for other in others:
        found = other if _surely_better(other, found, table, seed) else found
    return found


def with_references(relative: Activations, table: EvidenceTable, seed: int, stage: Stage) -> Chosen:
    """Return the best of `relative` and those that do not compare, by the same rule.

    Where the references tell members from non-members by themselves the images differ in difficulty, and a module that
    reads it would find that: they are withheld from it.

    Args:
        relative: (r, V + 1) log-odds in all views, and last the references'.
        table: the r images.
        seed: of weights and order.
        stage: told of the progress.
    """
    why = why_withheld(relative, table)
    plain = best_by_answers(FirstColumns(relative, relative[:1].shape[1] - 1), table, seed, stage)
    if why is not None:
        return Chosen(module=plain, notes=(f"The references are withheld from the module: {why}.",))
    found = fit_on("relative", relative, table, table.part, seed, stage)
    if _surely_better(found, plain, table, seed):
        return Chosen(module=found)
    return Chosen(module=plain, notes=(UNSURE.format(name=plain.name),))


def why_withheld(relative: Activations, table: EvidenceTable) -> str | None:
    """Return why references must not be compared with, None where they may be.

    Args:
        relative: (r, V + 1) log-odds in all views, and last the references'.
        table: the r images.
    """
    hardness, sides = relative[:][:, -1].double().cpu().numpy(), []
    for member in (True, False):
        rows = np.flatnonzero(table.is_member == member)
        values = hardness[rows]
        sides.append(values if table.groups is None else group_means(values, table.groups[rows])[0])
    alone = auc_of(HeldOut.of(*sides), SHARED)
    if alone.low <= _CHANCE:
        return None
    return (
        f"the references tell members from non-members by themselves (AUC {alone.value:.3f}, {1 - 2 * SHARED:.1%} "
        f"interval {alone.low:.3f} to {alone.high:.3f}), so members are easier or one was trained on them, and a score "
        "that compares with them would find that"
    )


def _surely_better(found: FittedModule, other: FittedModule, table: EvidenceTable, seed: int) -> bool:
    is_member, groups = table.is_member, table.groups
    sides = [(one.unseen[is_member], one.unseen[~is_member]) for one in (found, other)]
    belongs = None if groups is None else (groups[is_member], groups[~is_member])
    gain = compare_auc(sides[0], sides[1], groups=belongs, rng=np.random.default_rng(seed))
    return gain.value > (gain.high - gain.low) / _ERRORS_WIDE
