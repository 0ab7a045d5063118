"""What the modules find on the targets of the goals, as Markdown."""

import json
from pathlib import Path
from typing import Any

HEAD = """## The goals' targets: every module on the same held-out images

Made by `goals.py`: each row is measured on the half of the known images that nothing was fitted or chosen on (95 %
bootstrap intervals; differences paired). `relative` compares with other targets of this study that learned none of the
evidence; "by features" with what `onnxmint references --features` makes of CIFAR-100's network and 10,000 other images;
"by retrained" with two that `--retrain` made of 26,000 images that the evidence leaves over, measured last.
"Unseen" is the AUC on images of the fit part that a module did not learn from: what `auto` chooses by. "Stated" views
are drawn from the augmentation that the target was trained with. Nothing was chosen on these images.
"""


def goals(folder: Path) -> list[str]:
    """Return the lines of the section, none without results."""
    files = sorted(folder.glob("*.json"))
    return [HEAD, *(line for file in files for line in _target(json.loads(file.read_text())))] if files else []


def _target(found: dict[str, Any]) -> list[str]:
    wanted = f"AUC {found['wanted'][0]:.2f} and TPR {found['wanted'][1]:.2f}"
    heads = ("score", "unseen", "AUC", "TPR at 1 % FPR", "AUC against `views`", "TPR against `views`")
    lines = [
        f"### {found['target']}",
        "",
        f"{found['evidence']:,} known images to fit on, {found['held']:,} members and as many others held out; "
        f"references: {', '.join(found['references'])}. The goal was {wanted}. `auto` takes "
        f"`{found['auto']['alone']}`, with references `{found['auto']['with references']}`.",
        "",
        f"| {' | '.join(heads)} |",
        f"| {' | '.join(['---'] * len(heads))} |",
    ]
    for name, row in found["rows"].items():
        unseen = "" if row["unseen"] is None else f"{row['unseen']:.3f}"
        apart = ["" if name == "views" else _signed(row[f"{kind} against views"]) for kind in ("auc", "tpr")]
        cells = [name, unseen, _interval(row["auc"]), _interval(row["tpr"]), *apart]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _interval(found: list[float]) -> str:
    return f"{found[0]:.3f} ({found[1]:.3f} to {found[2]:.3f})"


def _signed(found: list[float]) -> str:
    return f"{found[0]:+.3f} ({found[1]:+.3f} to {found[2]:+.3f})"
