"""What does an auditor gain by models that never saw the images in question? `relative` beside `views` and RMIA.

    python tools/study/ceiling_references.py --store STORE --fashion FOLDER [--world fashion-augmented]

References were trained on images outside the pool, students learned there what the target answers. Nothing here was
chosen on the targets that are measured, those of `ceiling.py`. What is measured of a target is a file of results, so
that this can be stopped and taken up again.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ceiling import numbers_of
from ceiling_augmented import STATED, odds
from ceiling_models import WORLDS
from ceiling_outside import hardness, reference, says, student
from ceiling_scores import VIEWS, Case, Ground, ground_of, module, parser_of, scored

from onnxmint.engine.probe import ANSWER, ODDS
from onnxmint.evidence.table import FIT
from onnxmint.methods import lira
from onnxmint.methods.signals import Observed, negative_loss
from onnxmint.stats import metrics

RESULTS = Path(__file__).parent / "results" / "ceiling"
WORLD = "fashion"
FOLDERS = {WORLD: "references", "fashion-augmented": "references-augmented"}
GIVEN = {
    "1 reference": ("same", 1),
    "4 references": ("same", 4),
    "4 references of another architecture": ("other", 4),
    "1 reference of twice the images": ("whole", 1),
    "1 student": ("student", 1),
    "2 students": ("student", 2),
}
RECORDED = ("views", "LiRA online", "LiRA offline")  # by ceiling.py, of the same images

Column = np.ndarray


def files(ground: Ground, fashion: Path, target: int, kind: str, count: int) -> list[Path]:
    """Return the models of a kind, trained unless they are there."""
    if kind == "student":
        return [student(ground, fashion, target, number) for number in range(count)]
    return [reference(ground, fashion, kind, number) for number in range(count)]


def scores(case: Case, fashion: Path, name: str) -> Iterator[tuple[str, Column]]:
    """Yield what can be made of some references: them alone, RMIA, difficulty calibration, the module `relative`."""
    given = files(case.ground, fashion, case.number, *GIVEN[name])
    hard = np.mean([hardness(case.ground, file)[case.order] for file in given], axis=0)
    said, labels = case.said(), case.ground.labels[case.order]
    yield f"{name}, alone", hard
    log_p = [_log_p(says(case.ground, file), case.order, labels) for file in given]
    target = negative_loss(Observed(answer=said[ANSWER], kind=str(said["kind"]), labels=labels))
    population, nobody = case.table.rows(*FIT, member=False), np.zeros((len(given), len(labels)), np.bool_)
    yield f"RMIA, {name}", lira.rmia(target, np.stack(log_p), nobody, population)
    yield f"phi less that of {name}", said[ODDS][:, 0] - hard
    shown = {"": said[ODDS]}
    if WORLDS[case.ground.name].crop:
        shown[f", {VIEWS} views of {STATED}"] = odds(case, STATED, VIEWS)
    for words, seen in shown.items():
        relative = np.concatenate([seen, hard[:, None]], axis=1).astype(np.float32)
        yield f"relative, {name}{words}", module(case, name, relative, "relative")


def _log_p(said: dict[str, Column], order: Column, labels: Column) -> Column:
    return negative_loss(Observed(answer=said[ANSWER][order], kind=str(said["kind"]), labels=labels))


def measure(ground: Ground, fashion: Path, number: int, name: str) -> dict[str, list[float]]:
    """Return AUC and TPR at 1 % of what can be made of some references, on a target's held-out images."""
    case = Case.of(ground, number)
    member, found = case.table.is_member[case.held], {}
    for method, score in scores(case, fashion, name):
        found[method] = measured(score[case.held][member], score[case.held][~member])
    return found


def measured(inside: Column, outside: Column) -> list[float]:
    """Return AUC and TPR at 1 % FPR."""
    return [round(metrics.auc(inside, outside), 5), round(metrics.tpr_at_fpr(inside, outside, 0.01), 5)]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--world", choices=FOLDERS, default=WORLD)
    parser.add_argument("--targets", type=int, nargs="+", help="in place of those that are measured")
    parser.add_argument("--given", nargs="+", choices=GIVEN, default=list(GIVEN))
    options = parser.parse_args()
    ground, results = ground_of(options.world, options), RESULTS / FOLDERS[options.world]
    results.mkdir(parents=True, exist_ok=True)
    for name in options.given:
        for number in options.targets or numbers_of(ground):
            file = results / f"{number:02}.json"
            found = json.loads(file.read_text()) if file.exists() else {"target": number}
            if f"relative, {name}" in found:
                continue
            recorded = scored(ground, number)[0] if "views" not in found else {}
            found |= {method: measured(*recorded[method]) for method in RECORDED if method in recorded}
            found |= measure(ground, options.fashion, number, name)
            file.write_text(json.dumps(found) + "\n")
            print(number, name, found[f"relative, {name}"], found["views"], flush=True)


if __name__ == "__main__":
    main()
