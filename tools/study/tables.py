"""The study's results as Markdown: README.md is made from results/*.json and nothing else."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ceiling_tables import section
from goals_tables import goals
from protocols_tables import protocols
from trees_tables import trees

Row = dict[str, Any]

HEAD = """# Study: what can be told, and by what

Made by `python tools/study/study.py --shared ../shared` from `results/`; do not edit. Every number is measured on a
test part (a quarter of the known images) that nothing was fitted or chosen on; intervals are 95 % bootstrap intervals,
groups resampled whole. Members and non-members come from the same distribution unless the table says otherwise: our
targets are trained on half of a training split and compared with the other half (GTSRB: tracks, never single frames).
"Best signal" is the closed-form signal that was best on the fit part.
"""

ABOUT = {
    "power": """## Power: the module `views`

26 views: the image, 12 shifts by 1, 2 and 4 pixels along the axes, and the mirror image of each. "Evidence" is the
number of known members and of known non-members; half of them is fitted on. The shifts were chosen on images of
`cifar10-large-nhwc` that are not among those measured here; the features in an earlier session, by cross-validation on
4,000 + 4,000 images of `cifar10-resnet20` and `cifar10-large-nhwc`. The placebo twin is the same graph with its weights
shuffled: what it "detects" is not membership.
""",
    "reference": """## With reference models

Three small CNNs, trained on 10,000 images that are in neither the evidence nor its counterpart, as references that know
how hard an image is (offline: none was trained on any image). Online LiRA needs references that were.
""",
    "paper": """## The paper's study (arXiv 2601.12929): which layer, which module

The paper's CNN, 2,000 + 2,000 known images, one target, three seeds (draw, split and fit; mean, and smallest to
largest). `half`: non-members are the other half of the training split. `test`: they are the official test split.
`vanilla` and `cnn` as published. The placebo column is the twin's AUC with seed 0.
""",
    "full": """## The paper's study with all images

The same targets with the whole halves of the training split as evidence, one draw: as many images as the published
tables rest on. AUC with its interval on the quarter that tests; beside it that of the placebo twin. Against the
official test split the evidence is as many images as that split has.
""",
    "views": """## How many views: power and cost

The first target, 2,000 + 2,000 known images. Time on 2 CPU cores for 1,000 images: shown to the target with its views
(39 million multiply-accumulates a view), and fitting the module.
""",
    "evidence": "## How many known images\n\nThe first target, 26 views.\n",
    "epochs": "## Over-fitting: epochs of the target\n\nSnapshots of one training run, 2,000 + 2,000 known images.\n",
    "training": """## Dropout and augmentation of the target

The same CNN trained on 10,000 images for 30 epochs: as in the paper, without dropout, with random crops and mirroring.
""",
}


def write_tables(results: Path, file: Path) -> None:
    """Write every table for which there are results."""
    rows = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    known = json.loads((results.parent / "targets" / "targets.json").read_text())
    for row in rows:
        row["accuracy"] = known.get(row["run"]["target"], {}).get("accuracy")
    parts = [HEAD]
    for name, about in ABOUT.items():
        chosen = [row for row in rows if row["run"]["table"] == name]
        if chosen:
            parts += [about, "\n".join(_TABLES[name](_ordered(chosen))), ""]
        parts += [*goals(results / "goals"), *trees(results / "trees")] if name == "power" else []
    parts += protocols(results / "protocols")
    parts += section(results / "ceiling")
    file.write_text("\n".join(parts))


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """Return rows in the order of runs.py."""
    from runs import runs

    order = {run.name: place for place, run in enumerate(runs())}
    keys = {id(row): order.get(_name(row), len(order)) for row in rows}
    return sorted(rows, key=lambda row: keys[id(row)])


def _name(row: Row) -> str:
    from runs import Run

    facts = row["run"] | {key: tuple(row["run"][key]) for key in ("layers", "references")}
    return Run(**facts).name


def method(row: Row, name: str) -> Row:
    return next(found for found in row["methods"] if found["name"] == name)


def best_signal(row: Row) -> Row:
    return next(found for found in row["methods"] if found["kind"] == "signal" and found["chosen"])


def auc(found: Row) -> str:
    value = found["auc"]
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def tpr(found: Row, fpr: str) -> str:
    rate = found["tpr_at_fpr"][fpr]
    interval = "no interval" if rate["low"] is None else f"{rate['low']:.3f} to {rate['high']:.3f}"
    return f"{rate['value']:.3f} ({interval}){'*' if rate.get('thin') else ''}"


def _lines(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *cells)]


def accuracy(row: Row) -> str:
    known = row["evidence"]["target_accuracy"]
    if known["members"] is None:
        return "labels not used"
    return f"{known['members']:.3f} / {known['nonmembers']:.3f}"


def target(row: Row) -> str:
    run = row["run"]
    words = [run["target"], "placebo twin" if run["placebo"] else "", "" if run["labels"] else "no labels"]
    return ", ".join(word for word in words if word)


def views_cells(row: Row) -> list[str]:
    views, signal, phi = method(row, "views"), best_signal(row), _phi(row)
    gain = views.get("against_best_signal")
    against = "" if gain is None else f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
    return [
        f"{phi['auc']['value']:.3f}",
        f"{signal['name']} {auc(signal)}",
        auc(views),
        tpr(views, "0.01"),
        tpr(views, "0.001"),
        against,
    ]


def _phi(row: Row) -> Row:
    return method(row, "phi" if row["run"]["labels"] else "max_probability")


VIEWS = ("φ, one view", "best signal, AUC", "`views`, AUC", "TPR at 1 % FPR", "at 0.1 % FPR", "AUC against best signal")


def _power(rows: Sequence[Row]) -> list[str]:
    cells = [[target(row), accuracy(row), f"{row['run']['evidence']:,}", *views_cells(row)] for row in rows]
    heads = ("target", "accuracy, members / non-members", "evidence", *VIEWS)
    return [
        *_lines(heads, cells),
        "",
        "\\* under 10 false alarms expected. `views` on one view is φ (without labels: the largest probability).",
    ]


def _reference(rows: Sequence[Row]) -> list[str]:
    cells = []
    for row in rows:
        names = ["phi", "view_gap", "views"]
        others = [found["name"] for found in row["methods"] if found["kind"] == "reference"]
        for name in [*names, *others]:
            found = method(row, name)
            measured = [auc(found), tpr(found, "0.01")] if "auc" in found else [f"skipped: {found['skipped']}", ""]
            cells.append([target(row), found["title"], *measured])
    return _lines(("target", "method", "AUC", "TPR at 1 % FPR"), cells)


def _paper(rows: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for name in dict.fromkeys(row["run"]["target"] for row in rows):
        mine = [row for row in rows if row["run"]["target"] == name]
        heads, columns = ["score"], []
        for side in ("half", "test"):
            here = [row for row in mine if row["run"]["nonmembers"] == side and not row["run"]["placebo"]]
            twin = next((row for row in mine if row["run"]["nonmembers"] == side and row["run"]["placebo"]), None)
            if here:
                heads += [f"{side}: AUC of {len(here)} seeds", f"{side}: placebo"]
                columns.append((here, twin))
        cells = []
        for found in mine[0]["methods"]:
            cells.append([found["title"]])
            for here, twin in columns:
                cells[-1] += [_spread(here, found["name"]), _value(twin, found["name"])]
        right = ", ".join(f"{value:.3f} {side}" for side, value in (mine[0]["accuracy"] or {}).items())
        lines += [f"### {name}", "", f"Accuracy: {right}.", "", *_lines(heads, cells), ""]
    return lines


def _full(rows: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for key in dict.fromkeys((row["run"]["target"], row["run"]["nonmembers"]) for row in rows):
        own = [row for row in rows if (row["run"]["target"], row["run"]["nonmembers"]) == key]
        mine, twin = (next((row for row in own if row["run"]["placebo"] is it), None) for it in (False, True))
        if mine is None:
            continue
        evidence = mine["evidence"]
        groups = f", {evidence['groups']:,} tracks" if evidence["groups"] else ""
        against = "non-members" if key[1] == "half" else "images of the official test split"
        known = f"{evidence['members']:,} members and {evidence['nonmembers']:,} {against}{groups}"
        cells = [
            [found["title"], auc(found) if "auc" in found else "skipped",
             "" if twin is None or "auc" not in method(twin, found["name"]) else auc(method(twin, found["name"]))]
            for found in mine["methods"]
        ]  # fmt: skip
        lines += [f"### {key[0]}, {known}", "", *_lines(("score", "AUC", "placebo"), cells), ""]
        lines += [_more_tracks(mine), ""] if evidence["groups"] and key[1] == "half" else []
    return lines


_WEAK, _DEVIATIONS = 0.03, 2.8  # above chance; of an error, that a test at 5 % finds it with a power of 80 %


def _more_tracks(row: Row) -> str:
    """Return how many tracks it would take to see a weak signal, as errors shrink with the root of their number."""
    layers = [
        found["auc"] for found in row["methods"] if found["name"].startswith(("cnn", "vanilla")) and "auc" in found
    ]
    error = sum(one["high"] - one["low"] for one in layers) / len(layers) / 3.92
    times = (error * _DEVIATIONS / _WEAK) ** 2
    tracks = row["evidence"]["groups"]
    return (
        f"Frames of a track are no independent images: {tracks:,} tracks, a quarter of which test, leave an error of "
        f"{error:.3f} in an AUC. To tell {0.5 + _WEAK:.2f} from .5 (at 5 %, power 80 %) it would take about "
        f"{times:.1f} times as many, some {round(times * tracks, -2):,.0f} tracks; a rate at 1 % false alarms needs "
        f"{500 * 8:,} (500 non-member tracks in the part that tests)."
    )


def _spread(rows: Sequence[Row], name: str) -> str:
    values = [method(row, name)["auc"]["value"] for row in rows if "auc" in method(row, name)]
    if not values:
        return "skipped"
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _value(row: Row | None, name: str) -> str:
    return "" if row is None or "auc" not in method(row, name) else f"{method(row, name)['auc']['value']:.3f}"


def _views(rows: Sequence[Row]) -> list[str]:
    cells = []
    for row in rows:
        evidence, seconds = row["evidence"], row["seconds"]
        shown = (seconds["showing the fit part"] + seconds["showing the held-out part"]) * 1000
        count = evidence["members"] + evidence["nonmembers"]
        fit = seconds["fitting views"] * 1000 / evidence["split"]["fit"]
        cells.append([str(row["run"]["views"]), *views_cells(row)[2:5], f"{shown / count:.1f} s", f"{fit:.1f} s"])
    return _lines(
        ("views", "`views`, AUC", "TPR at 1 % FPR", "at 0.1 % FPR", "shown, 1,000 images", "fitted, 1,000 images"),
        cells,
    )


def _factor(head: str, value: Callable[[Row], str]) -> Callable[[Sequence[Row]], list[str]]:
    def made(rows: Sequence[Row]) -> list[str]:
        return _lines(
            (head, "accuracy, members / non-members", *VIEWS),
            [[value(row), accuracy(row), *views_cells(row)] for row in rows],
        )

    return made


_TABLES: dict[str, Callable[[Sequence[Row]], list[str]]] = {
    "power": _power,
    "reference": _reference,
    "paper": _paper,
    "full": _full,
    "views": _views,
    "evidence": _factor("known images of each kind", lambda row: f"{row['run']['evidence']:,}"),
    "epochs": _factor("target", target),
    "training": _factor("target", target),
}
