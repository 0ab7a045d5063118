"""What boosted trees find beside the dense network, as Markdown."""

import json
from pathlib import Path
from typing import Any

import numpy as np

HEAD = """## Boosted trees in the place of the dense network

Made by `trees.py`, of recorded targets: AUC (TPR at 1 % FPR) on images that nothing was fitted or chosen on, mean over
the draws of the evidence. "Known" images are those of a side, of which half is fitted on. The difference in AUC has a
95 % interval (DeLong) where the evidence was drawn once. `auto` chooses on images of the fit part that a module did not
learn from; "without" is its choice between `phi` and `views` alone. Seconds are those of one core for fitting.
"""
_HEADS = (
    "target", "known", "draws", "`phi`", "`views`", "`trees`", "`trees` less `views`", "`auto` without", "`auto`",
    "took `trees`", "seconds: `views`", "`trees`",
)  # fmt: skip


def trees(folder: Path) -> list[str]:
    """Return the lines of the section, none without results."""
    found = []
    for file in folder.glob("*.json"):
        target, _, known = file.stem.rpartition("_")
        found.append((target, int(known), json.loads(file.read_text())))
    if not found:
        return []
    lines = [_row(*one) for one in sorted(found, key=lambda one: one[:2])]
    return [HEAD, *(f"| {' | '.join(cells)} |" for cells in (_HEADS, ["---"] * len(_HEADS), *lines)), ""]


def _row(target: str, known: int, draws: list[dict[str, Any]]) -> list[str]:
    apart = np.mean([draw["trees less views"] for draw in draws], axis=0)
    reach = f" ({apart[1]:+.3f} to {apart[2]:+.3f})" if len(draws) == 1 else ""
    return [
        target, f"{known:,}", str(len(draws)),
        *(_mean([draw[name] for draw in draws]) for name in ("phi", "views", "trees")),
        f"{apart[0]:+.3f}{reach}",
        *(_mean([draw[draw[when]] for draw in draws]) for when in ("before", "after")),
        str(sum(draw["after"] == "trees" for draw in draws)),
        *(f"{np.mean([draw['seconds'][name] for draw in draws]):.1f}" for name in ("views", "trees")),
    ]  # fmt: skip


def _mean(found: list[list[float]]) -> str:
    auc, tpr = np.mean(found, axis=0)
    return f"{auc:.3f} ({tpr:.3f})"
