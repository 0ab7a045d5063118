"""The table of protocols, made from results/protocols/*.json and nothing else."""

import json
from pathlib import Path
from typing import Any

HEAD = """## Under which protocols the published modules reach 70 to 80 %

The paper's CNN, 1,000 + 1,000 known images (GTSRB: 3,000 + 3,000), `cnn` and `vanilla` as published on layers 1, 4, 6
and 7; the highest AUC of these seven is shown (the highest of seven is above .5 by luck alone: compare the row "fair").
The twin has the same graph with shuffled weights, so what it tells is not membership. "Caught by" lists the controls of
`onnxmint train` that failed on the same images. `python tools/study/protocols.py --shared ../shared`.
"""
FOOT = """
One row above is membership: a target that is right on all of its 2,000 images and on 60 % of others, and only its last
layer but one tells. With 10,000 images and 25 points less on others nothing is told by these modules. All other high
numbers are made by the protocol: frames of one track on both sides of the split, one side resized, one side stored as
JPEG at a quality that no eye sees. The twin, which knows nothing, tells tracks and resizing as well, and does not tell
JPEG: there the controls that look at files and pixels alone do. Batch normalisation in training mode tells nothing
while batches are mixed, and .755 once one side comes class by class, as folders are read: each image carries the
statistics of its batch. `onnxmint` shows such a model one image at a time.
"""
_ROWS = {
    "fair": "both sides from one split, nothing done to either",
    "gap: 2,000 images": "trained on 2,000 images for 60 epochs without dropout",
    "gap: 10,000 images": "trained on 10,000 images for 30 epochs without dropout",
    "gap: 10,000 images, dropout": "the same with dropout",
    "JPEG 95": "non-members stored as JPEG, quality 95",
    "JPEG 75": "non-members stored as JPEG, quality 75",
    "resized to 40 and back": "non-members resized to 40 pixels and back",
    "resized to 24 and back": "non-members resized to 24 pixels and back",
    "GTSRB by track": "GTSRB, tracks kept on one side of every split",
    "GTSRB by image": "GTSRB, frames of one track on both sides of the split into fitting and testing",
    "batch normalisation in training mode, one-sided batches": (
        "batch normalisation left in training mode, each side in batches of 100 of its own (5,000 images, 12 epochs)"
    ),
    "batch normalisation in training mode, one-sided batches, members in the order of their class folders": (
        "the same, members class by class as folders are read, non-members mixed"
    ),
}


def protocols(folder: Path) -> list[str]:
    """Return the lines of the section, none without results."""
    files = sorted(folder.glob("*.json"), key=lambda file: int(file.stem))
    if not files:
        return []
    heads = ["protocol", "accuracy, members / non-members", "target: highest AUC", "twin: highest AUC", "caught by"]
    rows = [_cells(json.loads(file.read_text())) for file in files]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    return [HEAD, *lines, FOOT]


def _cells(row: dict[str, Any]) -> list[str]:
    accuracy = row["accuracy"]
    caught = ", ".join(row["controls"]) or "nothing"
    if "evaluation" in row:
        caught = f"`onnxmint layers`, which names such nodes; in evaluation mode {_highest(row['evaluation'])}"
    return [
        _ROWS[row["protocol"]],
        f"{accuracy['members']:.3f} / {accuracy['nonmembers']:.3f}",
        _highest(row["target"]),
        _highest(row["twin"]),
        caught,
    ]


def _highest(found: dict[str, list[float]]) -> str:
    name = max(found, key=lambda one: found[one][0])
    value, low, high = found[name]
    module, layer = name.partition(" ")[0].partition(":")[0], name.rpartition(" ")[2]
    return f"{value:.3f} ({low:.3f} to {high:.3f}), {module} on {layer}"
