"""What every method says of the same images, from what models said of them: the package's own functions throughout.

Of each target the pool is divided as the package divides known images; half is fitted on, the other half is what all
methods are measured on. Only quantile regression, which the package does not have, is written here.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import data
import numpy as np
import torch
from ceiling_models import FASHION, WORLDS, pool, shadows, trained
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, FREE, ODDS, expose
from onnxmint.engine.target import make_ready
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.images.chosen import Decoded, Images
from onnxmint.methods import lira
from onnxmint.methods.signals import SIGNALS, Observed, negative_loss
from onnxmint.mint.trainer import fit_on
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

SIGNAL_NAMES = ("max_probability", "phi", "modified_entropy", "view_gap")
VIEWS, QUERIES = 26, 2  # that a target and a shadow model are shown of each image
_COMPONENTS = 50  # of the pixels, from which quantile regression predicts

Column = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A pool and where its models are; what they say is recorded beside them once."""

    name: str
    store: Path
    pixels: np.ndarray
    labels: np.ndarray
    trained: np.ndarray
    models: int  # that are there: pairs of which one is missing do not count

    @classmethod
    def open(cls, name: str, shared: Path, fashion: Path, store: Path) -> "Ground":
        """Read the pool; count the models."""
        pixels, labels = pool(WORLDS[name], shared, fashion)
        there = [(store / name / f"{number:02}.onnx").exists() for number in range(WORLDS[name].models)]
        whole = next((place for place, found in enumerate(there) if not found), len(there)) // 2 * 2
        return cls(
            name=name, store=store, pixels=pixels, labels=labels, trained=trained(WORLDS[name]), models=whole
        )  # fmt: skip

    def shadows(self, target: int) -> list[int]:
        """Return the shadow models of a target that are there."""
        return [number for number in shadows(WORLDS[self.name], target) if number < self.models]

    def facts(self, number: int) -> dict[str, float]:
        """Return what a model reached, and the CPU seconds that its training took."""
        found: dict[str, float] = json.loads((self.store / self.name / f"{number:02}.json").read_text())
        return found

    def says(self, number: int, views: int) -> dict[str, Column]:
        """Return a model's answers (n, classes) and log-odds (n, views) of the labels and of its own top classes."""
        return kept_answers(self, self.store / self.name / f"{number:02}.onnx", views, (ANSWER, ODDS, FREE))


def kept_answers(ground: Ground, model: Path, views: int, names: Sequence[str]) -> dict[str, Column]:
    """Return what a model says of the pool, by the names of columns, kept beside its file once it was asked."""
    file = model.with_name(f"{model.stem}_{views}views.npz")
    if not file.exists():
        target = make_ready(model, EvidenceSettings(preprocess="0-1", device="cpu"))
        exposed = expose(target, [], views=views, labels=True)
        columns = {name: exposed.columns[name] for name in names}
        part = Decoded(pixels=ground.pixels, row=np.arange(len(ground.labels)), label=ground.labels)
        images = Images(parts=(part,), count=len(ground.labels))
        started = time.process_time()
        found = Local().observe(exposed.probe(batch_size=64, columns=columns), images, name="").columns
        partial = file.with_name(f"unfinished{os.getpid()}.npz")
        kind = np.array(target.model.answer.kind)
        np.savez(partial, kind=kind, seconds=time.process_time() - started, **found)
        partial.replace(file)
    return dict(np.load(file))


def parser_of(words: str | None) -> argparse.ArgumentParser:
    """Return the parser of a script that measures on a world whose models are trained."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="where models and what they say are kept")
    parser.add_argument("--fashion", type=Path, default=FASHION)
    return parser


def ground_of(world: str, options: argparse.Namespace) -> Ground:
    """Return the pool of a world of Fashion-MNIST; one thread, as CPU seconds are measured."""
    torch.set_num_threads(1)
    return Ground.open(world, Path(), options.fashion, options.store)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One target: the pool as evidence, members first, and what was observed of it in this order.

    Attributes:
        ground: the pool.
        number: of the target.
        table: the evidence, divided.
        order: (n,) rows of the pool.
        seconds: CPU seconds of what was fitted, by method.
    """

    ground: Ground
    number: int
    table: EvidenceTable
    order: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, ground: Ground, number: int) -> "Case":
        """Divide the pool."""
        inside = ground.trained[number]
        order = np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)])
        table = data.evidence_of(ground.labels[order], inside[order], np.random.default_rng(number))
        return cls(ground=ground, number=number, table=table, order=order)

    def said(self, views: int = VIEWS) -> dict[str, Column]:
        """Return what the target says, in the order of the evidence."""
        found = self.ground.says(self.number, views)
        return {name: found[name][self.order] for name in (ANSWER, ODDS, FREE)} | {"kind": found["kind"]}

    @property
    def held(self) -> np.ndarray:
        """Return the rows that methods are measured on."""
        return self.table.rows(CALIBRATE, TEST)


def scored(ground: Ground, number: int) -> tuple[dict[str, tuple[Column, Column]], dict[str, float]]:
    """Return of each method the scores of a target's held-out members and non-members, and CPU seconds of fitting.

    They are recorded beside what models say, for as many shadow models as there are.
    """
    shown = ground.shadows(number)
    file = ground.store / ground.name / f"{number:02}_scores{len(shown)}.npz"
    if not file.exists():
        case = Case.of(ground, number)
        found = {name: score[case.held] for name, score in scores(case)}
        partial = file.with_name(f"unfinished{os.getpid()}.npz")
        np.savez(partial, member=case.table.is_member[case.held], seconds=json.dumps(case.seconds), **found)
        partial.replace(file)
    kept = dict(np.load(file))
    member, seconds = kept.pop("member"), json.loads(str(kept.pop("seconds")))
    return {name: (score[member], score[~member]) for name, score in kept.items()}, seconds


def scores(case: Case) -> Iterator[tuple[str, Column]]:
    """Yield each method and its scores (n,); those that are fitted hold NaN where they were."""
    said = case.said()
    observed = Observed(answer=said[ANSWER], kind=str(said["kind"]), labels=case.table.labels, odds=said[ODDS])
    for signal in SIGNALS:
        if signal.name in SIGNAL_NAMES:
            yield signal.name, signal.compute(observed)
    yield "quantile", quantile_regression(case, said[ODDS][:, 0].astype(float))
    yield "views", module(case, "views", said[ODDS])
    yield "views, no labels", module(case, "views, no labels", said[FREE])
    yield from with_shadows(case, said)


def module(case: Case, name: str, odds: Column, kind: str = "views") -> Column:
    """Fit a module on the fit part as the package does, and score the rest."""
    started, fit, held = time.process_time(), case.table.rows(*FIT), case.held
    mine = case.table.take(fit)
    found = fit_on(kind, torch.from_numpy(odds[fit]), mine, mine.part, 0, quiet)
    score = np.full(len(odds), np.nan)
    score[held] = found.score(torch.from_numpy(odds[held]))
    case.seconds[name] = time.process_time() - started
    return score


def quantile_regression(case: Case, phi: Column) -> Column:
    """Score by the quantile of the log-odds among non-members that look alike (Bertran et al., arXiv 2307.03694).

    In its Gaussian form: mean and spread are predicted from the pixels' principal components and the class, by boosted
    trees that learned from the non-members of the fit part.
    """
    started = time.process_time()
    pixels = case.ground.pixels[case.order].reshape(len(phi), -1).astype(np.float32) / 255
    labels, fit = case.ground.labels[case.order], case.table.rows(*FIT, member=False)
    parts = PCA(_COMPONENTS, random_state=0).fit(pixels[fit]).transform(pixels)
    features = np.concatenate([parts, np.eye(int(labels.max()) + 1)[labels]], axis=1)
    trees = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=8, random_state=0)
    mean = trees.fit(features[fit], phi[fit]).predict(features)
    spread = trees.fit(features[fit], np.abs(phi - mean)[fit]).predict(features)
    case.seconds["quantile"] = time.process_time() - started
    found: Column = (phi - mean) / np.maximum(spread, np.median(spread) / 4)
    return found


def with_shadows(case: Case, said: dict[str, Column]) -> Iterator[tuple[str, Column]]:
    """Yield LiRA, RMIA and calibrated log-odds by the shadow models of the target."""
    numbers = case.ground.shadows(case.number)
    others = [case.ground.says(number, QUERIES) for number in numbers]
    odds = np.stack([other[ODDS][case.order] for other in others]).astype(float)
    inside = case.ground.trained[numbers][:, case.order]
    mirror = VIEWS // 2  # place of the mirror image among the target's views
    target = said[ODDS][:, [0, mirror]].astype(float)
    for name, score in (("LiRA online", lira.lira_online), ("LiRA offline", lira.lira_offline)):
        for fixed in (False, True):
            by_view = [score(target[:, v], odds[:, :, v], inside, fixed_variance=fixed) for v in range(QUERIES)]
            words = ", one variance" if fixed else ""
            yield f"{name}{words}", by_view[0]
            yield f"{name}{words}, {QUERIES} queries", np.mean(by_view, axis=0)
    labels, population = case.ground.labels[case.order], case.table.rows(*FIT, member=False)
    log_p = _log_p(said, labels)
    reference = np.stack([_log_p({**other, ANSWER: other[ANSWER][case.order]}, labels) for other in others])
    outside = np.where(inside[0], reference[1], reference[0])[None]
    nobody = np.zeros_like(outside, np.bool_)
    yield "RMIA, 1 reference", lira.rmia(log_p, outside, nobody, population)
    yield "RMIA, 4 references", lira.rmia(log_p, reference[:4], inside[:4], population)
    yield f"RMIA, {len(numbers)} references", lira.rmia(log_p, reference, inside, population)
    yield "phi less the references'", lira.calibrated(target[:, 0], odds[:, :, 0], inside)


def _log_p(said: dict[str, Column], labels: Column) -> Column:
    return negative_loss(Observed(answer=said[ANSWER], kind=str(said["kind"]), labels=labels))
