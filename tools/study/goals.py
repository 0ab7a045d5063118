"""Every module on the targets of the project's goals, on the same held-out images, with and without references.

    python tools/study/goals.py --shared ../shared --store STORE [--only cifar10-resnet20] [--tables]

What a target and the references say is recorded in STORE once; fitting is then arithmetic. Half of the known images is
fitted on, the other half is what all rows are measured on. `auto` is the row that is surely better on images of the fit
part which a module did not learn from, as `onnxmint train` chooses: the held-out images choose nothing. References are
other targets of the study, which learned images of the first half of CIFAR-10's training split; the evidence holds none
of these.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import data
import numpy as np
import torch
from goals_recorded import FEATURES, GOALS, Column, Goal, recorded

from onnxmint.engine.probe import ANSWER, FREE, ODDS
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.methods import lira
from onnxmint.methods.signals import Observed, negative_loss
from onnxmint.mint.choosing import best_of
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import quiet
from onnxmint.stats import metrics
from onnxmint.stats.compare import compare_auc

RESULTS = Path(__file__).parent / "results" / "goals"
RESAMPLES = 400


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The evidence of a goal, divided, and what was said of it."""

    goal: Goal
    table: EvidenceTable
    said: dict[str, dict[str, Column]]

    @property
    def held(self) -> Column:
        """Return the rows that everything is measured on."""
        return self.table.rows(CALIBRATE, TEST)

    def hardness(self, column: str, names: Sequence[str] = ()) -> Column:
        """Return (n, 1) the mean log-odds by references of the label, or of the target's top class (FREE)."""
        top = self.said["plain"][ANSWER].argmax(axis=1)
        label = self.said["known"]["label"] if column == ODDS else top
        said = [self.said[name] for name in names or self.goal.references]
        each = [data.log_odds(one[ANSWER], label, str(one["kind"])) for one in said]
        found: Column = np.mean(each, axis=0)[:, None].astype(np.float32)
        return found


def ground_of(goal: Goal, shared: Path, store: Path) -> Ground:
    """Record what is missing; divide the evidence as an audit does."""
    said = recorded(goal, shared, store)
    label, member = said["known"]["label"], said["known"]["member"]
    return Ground(goal=goal, table=data.evidence_of(label, member, np.random.default_rng(0)), said=said)


def fixed_scores(ground: Ground) -> Iterator[tuple[str, Column]]:
    """Yield the scores that nothing is fitted for."""
    plain, label = ground.said["plain"], ground.said["known"]["label"]
    yield "phi", plain[ODDS][:, 0].astype(float)
    yield "references alone", ground.hardness(ODDS)[:, 0].astype(float)
    yield "features alone", ground.hardness(ODDS, [FEATURES])[:, 0].astype(float)
    if ground.goal.retrained:
        yield "retrained alone", ground.hardness(ODDS, ground.goal.retrained)[:, 0].astype(float)
    log_p = [
        negative_loss(Observed(answer=said[ANSWER], kind=str(said["kind"]), labels=label))
        for said in (plain, *(ground.said[name] for name in ground.goal.references))
    ]
    nobody = np.zeros((len(log_p) - 1, len(label)), np.bool_)
    yield "RMIA, offline", lira.rmia(log_p[0], np.stack(log_p[1:]), nobody, ground.table.rows(*FIT, member=False))


def inputs(ground: Ground) -> Iterator[tuple[str, str, Column]]:
    """Yield of each row its name, the module, and what it reads."""
    for words, column in (("", ODDS), (", no labels", FREE)):
        odds, hard = ground.said["plain"][column], ground.hardness(column)
        yield f"views{words}", "views", odds
        yield f"trees{words}", "trees", odds
        yield f"relative{words}", "relative", np.concatenate([odds, hard], axis=1)
        easy = ground.hardness(column, [FEATURES])
        yield f"relative by features{words}", "relative", np.concatenate([odds, easy], axis=1)
        if ground.goal.retrained:
            both = ground.hardness(column, ground.goal.retrained)
            yield f"relative by retrained{words}", "relative", np.concatenate([odds, both], axis=1)
    if ground.goal.stated is not None:
        words, most = ground.goal.stated
        hard, odds = ground.hardness(ODDS), ground.said["stated"][ODDS]
        for count in (26, min(most, odds.shape[1])):
            yield f"views, {count} of {words}", "views", odds[:, :count]
            yield f"trees, {count} of {words}", "trees", odds[:, :count]
            yield f"relative, {count} of {words}", "relative", np.concatenate([odds[:, :count], hard], axis=1)


def fitted(ground: Ground, module: str, read: Column) -> tuple[FittedModule, Column]:
    """Fit on the fit part as the package does; return scores, NaN where it was fitted."""
    fit, held = ground.table.rows(*FIT), ground.held
    mine = ground.table.take(fit)
    found = fit_on(module, torch.from_numpy(read[fit]), mine, mine.part, 0, quiet)
    score = np.full(len(read), np.nan)
    score[held] = found.score(torch.from_numpy(read[held]))
    return found, score


def measure(ground: Ground) -> dict[str, object]:
    """Return AUC and TPR at 1 % of every row on the held-out images, with intervals and differences from `views`."""
    scores, unseen, modules = dict(fixed_scores(ground)), {}, {}
    fit_part = ground.table.take(ground.table.rows(*FIT))
    mine = fit_part.is_member
    for name, module, read in inputs(ground):
        found, scores[name] = fitted(ground, module, read)
        known = np.isfinite(found.unseen)
        unseen[name] = metrics.auc(*(found.unseen[known & (mine == side)] for side in (True, False)))
        modules[name] = found
        print(f"{ground.goal.run.target}: {name}, {unseen[name]:.4f} on unseen folds", flush=True)
    phi, _ = fitted(ground, "phi", ground.said["plain"][ODDS])
    alone = best_of([phi, modules["views"], modules["trees"]], fit_part, 0)
    taken = best_of([alone, modules["relative"]], fit_part, 0)
    member = ground.table.is_member[ground.held]
    sides = {name: (score[ground.held][member], score[ground.held][~member]) for name, score in scores.items()}
    rows = {name: {**_measured(side, sides["views"]), "unseen": unseen.get(name)} for name, side in sides.items()}
    return {
        "target": ground.goal.run.target, "evidence": len(mine), "held": int(member.sum()),
        "wanted": ground.goal.wanted, "references": ground.goal.references, "rows": rows,
        "auto": {"alone": alone.name, "with references": taken.name},
    }  # fmt: skip


def _measured(side: tuple[Column, Column], base: tuple[Column, Column]) -> dict[str, object]:
    rng, drawn_tpr, apart_tpr, drawn_auc = np.random.default_rng(0), [], [], []
    for _ in range(RESAMPLES):
        picked = [rng.integers(0, len(one), len(one)) for one in side]
        ours = [one[rows] for one, rows in zip(side, picked, strict=True)]
        theirs = [one[rows] for one, rows in zip(base, picked, strict=True)]
        drawn_tpr.append(metrics.tpr_at_fpr(*ours, 0.01))
        apart_tpr.append(drawn_tpr[-1] - metrics.tpr_at_fpr(*theirs, 0.01))
        drawn_auc.append(metrics.auc(*ours))
    tpr, gain = metrics.tpr_at_fpr(*side, 0.01), compare_auc(side, base, groups=None, rng=rng)
    return {
        "auc": _rounded(metrics.auc(*side), drawn_auc),
        "tpr": _rounded(tpr, drawn_tpr),
        "auc against views": [round(value, 4) for value in (gain.value, gain.low, gain.high)],
        "tpr against views": _rounded(tpr - metrics.tpr_at_fpr(*base, 0.01), apart_tpr),
    }


def _rounded(value: float, drawn_values: list[float]) -> list[float]:
    low, high = np.quantile(drawn_values, (0.025, 0.975))
    return [round(float(number), 4) for number in (value, low, high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True, help="where what models say is kept")
    parser.add_argument("--only", nargs="+", choices=GOALS, default=list(GOALS))
    parser.add_argument("--record", action="store_true", help="only record what models say")
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        if options.record:
            recorded(GOALS[name], options.shared, options.store)
            continue
        found = measure(ground_of(GOALS[name], options.shared, options.store))
        (RESULTS / f"{name}.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
