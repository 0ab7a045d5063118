"""The ceiling as Markdown, from results/ceiling/*.json and nothing else."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

Row = dict[str, Any]

BEST, OURS = "LiRA online", "views"
HEAD = """## The ceiling: with shadow models, on the same images

Made by `ceiling.py`. How much of what an attacker with shadow models finds does an auditor with none find? Models are
trained on random halves of a pool of {pool:,} images, in pairs that share it out: the shadow models of a target are all
pairs but its own, so every image is in exactly half of them. Each target's pool is divided as an audit divides known
images: half is fitted on, and every method is measured on the same other half ({held:,} members and as many
non-members). Shadow models need the target's recipe and images like its own; `views` needs known members and
non-members, of which it learns from {held:,} each, and no model. `quantile` learns from the non-members among these.
RMIA's one reference is the model of a pair that did not learn the image (offline), its four are two pairs. LiRA's two
queries are the image and its mirror image.

Means over targets that nothing was chosen on; intervals (95 %) are over targets, which share images and serve as each
other's shadow models, so they say nothing of other images. "At .1 %" is one threshold for all targets together. "Of the
ceiling" is the distance of the AUC from .5 as a share of that of `{best}`. Passes are those that one image takes,
through target and shadow models; CPU seconds are those of training, fitting and showing the whole pool once, on one
core that others used too.
"""
ABOUT = {
    "fashion": "Fashion-MNIST, a small CNN",
    "fashion-augmented": "Fashion-MNIST, the same CNN trained on images moved by up to 2 pixels and mirrored",
    "cifar10": "CIFAR-10, the paper's CNN without dropout",
}
PAIRED = {
    "augmentation": """### Where the training augmentation is stated

Made by `ceiling_augmented.py`: {targets} targets of the same CNN trained on images moved by up to 2 pixels with black
moving in, and mirrored; the same held-out images for all rows, differences against `views` with its own 26 views.
""",
    "references": """### With models that never saw the images

Made by `ceiling_references.py`, on {targets} of the targets and the same held-out images as above. References are small
CNNs trained on 3,000 other images of the data set each, which are in no pool: what `--reference` is meant for. They
have the targets' recipe unless a row says otherwise. They know no member, so RMIA is its offline form, and LiRA (above)
knows more: its 64 shadow models were trained on halves of the very pool. "Alone" is how easy the references find the
images. Nothing was chosen on these targets.
""",
    "references-augmented": """### With models that never saw the images, where targets were trained on moved copies

The same on {targets} of the targets that were trained on images moved by up to 2 pixels and mirrored, as their
references were; "views of crop2-black+mirror" are drawn from that augmentation.
""",
    "large": """### Shifts on larger images

Made by `ceiling_large.py`: {targets} of the targets behind an average over 2 x 2 pixels, shown images whose sides
are doubled. It shows what shifts lose that stay small, not which are best for a network that learned large images.
""",
}
_TAIL = 0.025


def section(folder: Path) -> list[str]:
    """Return the lines of the section; none where there are no results."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    lines: list[str] = []
    for world in found:
        lines += [HEAD.format(pool=world["pool"], held=world["held"], best=BEST)] if not lines else []
        right = world["accuracy"]
        lines += [
            f"### {ABOUT[world['world']]}",
            "",
            f"{world['shadows']} shadow models, {right['members']:.3f} right on members, {right['nonmembers']:.3f} on "
            f"others; {world['targets']} targets, {world['pooled']:,} non-members in all. {world['validation']} more "
            "targets served for choosing.",
            "",
            *table(world),
            "",
            sentence(world),
            "",
        ]
    for name, about in PAIRED.items():
        each = [json.loads(path.read_text()) for path in sorted((folder / name).glob("*.json"))]
        lines += [about.format(targets=len(each)), *paired(each), ""] if len(each) > 1 else []
        lines += [*shares(each), ""] if name.startswith("references") and len(each) > 1 else []
    easy = folder / "tried" / "easy.json"
    lines += easy_table(json.loads(easy.read_text())) if easy.exists() else []
    tried = folder / "tried" / "all.json"
    return [*lines, *tried_table(json.loads(tried.read_text()))] if tried.exists() else lines


def table(world: Row) -> Iterator[str]:
    """Yield the table of a world."""
    heads = (
        "method", "AUC", "TPR at 1 % FPR", "at .1 %", "of the ceiling", "trained models", "passes", "CPU seconds",
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join(['---'] * len(heads))} |"
    for name, method in world["methods"].items():
        share = of_ceiling(world, name, 0)
        cells = [
            name, _interval([auc for auc, _ in method["each"]]), _interval([tpr for _, tpr in method["each"]]),
            f"{method['pooled'][0]:.3f} ({method['pooled'][1]:.3f} to {method['pooled'][2]:.3f})",
            f"{share[0]:.0%} ({share[1]:.0%} to {share[2]:.0%})", str(method["models"]), str(method["passes"]),
            f"{method['seconds']:.0f}",
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def paired(each: Sequence[Row]) -> Iterator[str]:
    """Yield a table of what was measured on the same targets, differences against `views` or the first row."""
    names = _in_all(each)
    base = np.array([row[OURS if OURS in names else names[0]] for row in each])
    yield "| method | AUC | TPR at 1 % FPR | difference in AUC | in TPR at 1 % |"
    yield "| --- | --- | --- | --- | --- |"
    for name in names:
        found = np.array([row[name] for row in each])
        apart = found - base
        cells = [_interval(found[:, 0]), _interval(found[:, 1])]
        cells += [_signed(apart[:, place]) if apart.any() else "" for place in (0, 1)]
        yield f"| {name} | {' | '.join(cells)} |"


def _in_all(each: Sequence[Row]) -> list[str]:
    """Return what was measured on every target."""
    return [name for name, value in each[0].items() if isinstance(value, list) and all(name in row for row in each)]


def shares(each: Sequence[Row]) -> Iterator[str]:
    """Yield what `views` and `relative` find of what the best attack finds."""
    names = _in_all(each)
    world = {"methods": {name: {"each": [row[name] for row in each]} for name in names}}
    for name in (name for name in names if name == OURS or name.startswith("relative")):
        auc, tpr = (of_ceiling(world, name, place) for place in (0, 1))
        yield (
            f"- {name}: {auc[0]:.0%} ({auc[1]:.0%} to {auc[2]:.0%}) of what {BEST} finds (AUC above .5), {tpr[0]:.0%} "
            f"({tpr[1]:.0%} to {tpr[2]:.0%}) of its TPR at 1 % FPR"
        )


EASY = """### Innocent images that are easy

Made by `ceiling_easy.py`: AUC of the easier half of a target's held-out non-members against the harder half, as other
models find them. Above .5 is what a verdict could be misled by; "beside equals" is among images that the target is
equally sure of, as a verdict compares them. A module that knows how hard an image is is misled a little less.

| target | method | AUC | beside equals |
| --- | --- | --- | --- |"""


def easy_table(found: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """Yield what easy innocent images score."""
    yield from EASY.splitlines()
    for target, methods in found.items():
        for name, (every, equals) in methods.items():
            yield f"| {target} | {name} | {every:.3f} | {equals:.3f} |"
    yield ""


TRIED = """### Tried, on targets that serve for choosing

From the log of the laboratory, rounded; `ceiling_tried.py` is its script put in order, not run through again. Taken was
the row `relative`: the references shown the image itself only. Not taken here: trees (histogram boosting; a module
since then, measured above) in the place of the network or beside it, which find no more members in the same numbers;
the difficulty by a ridge on the pixels, cross-fitted on the evidence; references shown all 26 views, which cost 26
times as much. Students, networks like the target that learned what it answers to 6,000 other images, gave the largest
gain: one student, on the 10 held-out targets that were reached, +0.019 (+0.017 to +0.021) in AUC and +0.030 (+0.022 to
+0.038) in TPR at 1 % FPR. But the target's members look easy to them by themselves ("alone", there AUC 0.517, 0.511 to
0.523): what a student learned of the target holds something of its members. The check that withholds references which
tell members apart, and the placebo twin, could not tell that from a difference in difficulty, so no command makes them.
No interval is given of two targets.

| method | targets | AUC | TPR at 1 % FPR | difference in AUC | in TPR at 1 % |
| --- | --- | --- | --- | --- | --- |"""


def tried_table(found: Row) -> Iterator[str]:
    """Yield what was tried."""
    yield from TRIED.splitlines()
    for name, row in found.items():
        cells = [f"{value:.3f}" for value in row["mean"]]
        for place, apart in enumerate(row["difference"]):
            wide = None if row["reach"] is None else row["reach"][place]
            shown = f"{apart:+.3f}" if wide is None else f"{apart:+.3f} ({apart - wide:+.3f} to {apart + wide:+.3f})"
            cells.append("" if name == OURS else shown)
        yield f"| {name} | {row['targets']} | {' | '.join(cells)} |"
    yield ""


def of_ceiling(world: Row, name: str, place: int) -> tuple[float, float, float]:
    """Return a method's share of the best attack's AUC above .5 (`place` 0) or of its TPR at 1 % (1), with interval."""
    ours, best = (np.array(world["methods"][method]["each"])[:, place] for method in (name, BEST))
    floor = (0.5, 0.0)[place]
    picked = np.random.default_rng(0).integers(0, len(ours), (2000, len(ours)))
    drawn = (ours[picked].mean(axis=1) - floor) / (best[picked].mean(axis=1) - floor)
    low, high = np.quantile(drawn, (_TAIL, 1 - _TAIL))
    return float((ours.mean() - floor) / (best.mean() - floor)), float(low), float(high)


def sentence(world: Row) -> str:
    """Return what the table says in one sentence."""
    auc, tpr = (of_ceiling(world, OURS, place) for place in (0, 1))
    offline = np.array(world["methods"][OURS]["each"]) - np.array(world["methods"]["LiRA offline"]["each"])
    cost = world["methods"][OURS]["seconds"] / world["methods"][BEST]["seconds"]
    return (
        f"So `{OURS}`, without a shadow model, finds {auc[0]:.0%} ({auc[1]:.0%} to {auc[2]:.0%}) of what {BEST} with "
        f"{world['shadows']} finds (AUC above .5), and {tpr[0]:.0%} ({tpr[1]:.0%} to {tpr[2]:.0%}) of its TPR at 1 % "
        f"FPR, at {cost:.1%} of its CPU time; against LiRA offline its AUC differs by {_signed(offline[:, 0])}, its "
        f"TPR at 1 % by {_signed(offline[:, 1])}."
    )


def _mean(values: Sequence[float]) -> tuple[float, float]:
    found = np.array(values)
    wide = t.ppf(1 - _TAIL, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    return float(found.mean()), float(wide)


def _interval(values: Sequence[float]) -> str:
    mean, wide = _mean(values)
    return f"{mean:.3f} ({max(0.0, mean - wide):.3f} to {mean + wide:.3f})"


def _signed(values: Sequence[float]) -> str:
    mean, wide = _mean(values)
    return f"{mean:+.3f} ({mean - wide:+.3f} to {mean + wide:+.3f})"
