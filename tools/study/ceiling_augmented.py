"""What is it worth to know the target's training augmentation? `views` with and without it, on the same targets.

    python tools/study/ceiling_augmented.py --store STORE --fashion FOLDER --targets 0 1

The targets of "fashion-augmented" were trained on images moved by up to 2 pixels with black moving in, and mirrored.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from ceiling_scores import VIEWS, Case, Ground, ground_of, module, parser_of

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, expose
from onnxmint.engine.target import make_ready
from onnxmint.graph.augmentations import Augmentation
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import EvidenceSettings
from onnxmint.stats import metrics

RESULTS = Path(__file__).parent / "results" / "ceiling" / "augmentation"
WORLD, STATED = "fashion-augmented", "crop2-black+mirror"


def odds(case: Case, augmentation: str | None, views: int) -> np.ndarray:
    """Return (n, views) log-odds of the evidence, the views drawn from an augmentation or those of every target."""
    model = case.ground.store / WORLD / f"{case.number:02}.onnx"
    target = make_ready(model, EvidenceSettings(preprocess="0-1", device="cpu"))
    if augmentation is not None:
        target = replace(target, augmentation=Augmentation.of(augmentation))
    exposed = expose(target, [], views=views, labels=True)
    probe = exposed.probe(batch_size=64, columns={ODDS: exposed.columns[ODDS]})
    labels = case.ground.labels[case.order]
    part = Decoded(pixels=case.ground.pixels[case.order], row=np.arange(len(labels)), label=labels)
    found: np.ndarray = Local().observe(probe, Images(parts=(part,), count=len(labels)), name="").columns[ODDS]
    return found


def measure(ground: Ground, number: int) -> dict[str, object]:
    """Return AUC and TPR at 1 % of the log-odds and of `views` without, with and with a wrong augmentation."""
    case = Case.of(ground, number)
    member = case.table.is_member[case.held]
    plain, stated = odds(case, None, VIEWS), odds(case, STATED, VIEWS)
    scores = {
        "phi": plain[case.held, 0].astype(float),
        "mean of the views": plain[case.held].mean(axis=1).astype(float),
        "mean of the stated views": stated[case.held].mean(axis=1).astype(float),
        "views": module(case, "views", plain)[case.held],
        f"views of {STATED}": module(case, "views", stated)[case.held],
    }
    sides = {name: (score[member], score[~member]) for name, score in scores.items()}
    found: dict[str, object] = {"target": number, "held": int(member.sum())}
    for name, (inside, outside) in sides.items():
        found[name] = [
            round(metrics.auc(inside, outside), 5), round(metrics.tpr_at_fpr(inside, outside, 0.01), 5)
        ]  # fmt: skip
    return found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--targets", type=int, nargs="+", required=True)
    options = parser.parse_args()
    ground = ground_of(WORLD, options)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for number in options.targets:
        found = measure(ground, number)
        print(found, flush=True)
        (RESULTS / f"{number:02}.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
