"""Does a model know the published variant of a picture from others, and how many pictures does it take to tell?

Small targets of our own are trained on published variants, exported to ONNX and asked by the package's own engine; the
test is the package's own. One line of results a kind and target; README.md is made from these lines.

    python tools/study/seal/seal.py --shared ../shared --fashion /usr/share/datasets/fashion-mnist [--only 3] [--tables]

Targets that have their lines are skipped. `--quick` trains one on few pictures and writes nothing: what CI does.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import measuring
import networks
import numpy as np
import pictures
from seal_tables import write_tables

from onnxmint.images.variants import Change

HERE = Path(__file__).parent
RESULTS = HERE / "results"
INNOCENT = 300  # pictures of a kind that the target was not trained on
DRAWS = 10_000
RESAVED = 300  # pictures that are saved as JPEG


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One target: its data set, whether it sees crops and mirror images, the group it is trained on, and a seed."""

    data: str
    augment: bool
    group: str
    seed: int

    @property
    def epochs(self) -> int:
        """Return over how many epochs it is trained."""
        return 20 if self.augment else 10


ORDER = (
    ("cifar10", False, "places"), ("cifar10", False, "noise"), ("cifar10", True, "both"), ("fashion", False, "both"),
    ("fashion", True, "both"), ("cifar10", False, "others"), ("cifar10", True, "noise"), ("cifar10", True, "places"),
    ("cifar10", True, "others"), ("fashion", False, "noise"), ("fashion", False, "places"), ("fashion", True, "places"),
)  # fmt: skip
"""Targets, the most telling ones first, should time run out."""


def cells() -> Iterator[Cell]:
    """Yield every target."""
    for seed in (0, 1):
        for data, augment, group in ORDER:
            yield Cell(data=data, augment=augment, group=group, seed=seed)


def measured(cell: Cell, images: tuple[np.ndarray, np.ndarray], per_kind: int) -> Iterator[dict[str, Any]]:
    """Train and ask one target; yield a line for each kind, and one for pictures that it was not trained on."""
    started = time.process_time()
    sealed = pictures.group_of(cell.group, images, cell.seed, per_kind)
    collected = np.concatenate([one.collected for one in sealed.values()])
    labels = np.concatenate([one.labels for one in sealed.values()])
    net = networks.train(collected, labels, epochs=cell.epochs, augment=cell.augment, seed=cell.seed)
    others = slice(-2000, None)
    right = [networks.accuracy(net, *both) for both in ((collected, labels), (images[0][others], images[1][others]))]
    facts = asdict(cell) | {"trained_on": len(labels), "accuracy": [round(one, 3) for one in right]}
    rng = np.random.default_rng([cell.seed, 1])
    for title, one in sealed.items():
        told = measuring.told(logits_of(net, one.variants), one.labels, one.drawn, rng)
        yield facts | {"kind": title, "pictures": len(one.drawn), "variants": one.variants.shape[1], "signals": told,
                       "visible": measuring.visible(one.original, one.variants)}  # fmt: skip
    names = list(pictures.GROUPS)
    other = names[(names.index(cell.group) + 1) % len(names)]
    yield facts | {"innocent": dict(_innocent(net, pictures.group_of(other, images, cell.seed, per_kind), rng)),
                   "seconds": round(time.process_time() - started, 1)}  # fmt: skip


def _innocent(net: Any, sealed: dict[str, pictures.Sealed], rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Yield what is said of pictures of another group: as they were drawn, and with the coin thrown again."""
    for title, whole in sealed.items():
        one = whole.first(INNOCENT)
        logits = logits_of(net, one.variants)
        free = measuring.signals(logits, one.labels)["largest probability"]
        yield (
            title,
            {
                "p": measuring.innocent(logits, one.labels, one.drawn),
                "redrawn": measuring.redrawn(free, DRAWS, rng),
            },
        )


def logits_of(net: Any, variants: np.ndarray) -> np.ndarray:
    """Return (n, k, classes) logits of (n, k, H, W, C) pictures."""
    count, each = variants.shape[:2]
    return networks.ask(net, variants.reshape(count * each, *variants.shape[2:])).reshape(count, each, -1)


def resaved(images: tuple[np.ndarray, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield what JPEG leaves of published variants, without a model."""
    for change in (Change(noise=4), Change(noise=8), Change(noise=16), Change(noise=8, cells=8), Change(crop=1 / 16)):
        one = pictures.sealed_as(images[0][:RESAVED], images[1][:RESAVED], pictures.Kind(change=change), 0)
        for quality in (95, 90, 75, 50):
            saved = np.stack([pictures.saved(picture, quality) for picture in one.collected])
            yield {"change": asdict(change), "quality": quality, **measuring.kept(one.variants, one.drawn, saved)}


def done(lines: Path) -> set[str]:
    if not lines.exists():
        return set()
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    return {_name(Cell(**{key: row[key] for key in asdict(next(cells()))})) for row in rows}


def _name(cell: Cell) -> str:
    return json.dumps(asdict(cell))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data/")
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--only", type=int, help="train at most so many targets")
    parser.add_argument("--quick", action="store_true", help="one target on few pictures, write nothing")
    parser.add_argument("--tables", action="store_true", help="train nothing, write the tables again")
    given = parser.parse_args()
    lines = RESULTS / "cells.jsonl"
    if given.quick:
        first = next(cells())
        for row in measured(first, pictures.read(first.data, given.shared, given.fashion), 60):
            print(json.dumps(row), flush=True)
        return
    if not (RESULTS / "resaved.json").exists() and not given.tables:
        found = list(resaved(pictures.read("cifar10", given.shared, given.fashion, RESAVED)))
        (RESULTS / "resaved.json").write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")
        write_tables(lines, HERE / "README.md")
    left = [] if given.tables else [cell for cell in cells() if _name(cell) not in done(lines)][: given.only]
    held: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for cell in left:
        if cell.data not in held:
            held = {cell.data: pictures.read(cell.data, given.shared, given.fashion)}
        rows = list(measured(cell, held[cell.data], pictures.PER_KIND))
        RESULTS.mkdir(exist_ok=True)
        with lines.open("a") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        print(_name(cell), rows[-1]["accuracy"], rows[-1]["seconds"], "s", flush=True)
        write_tables(lines, HERE / "README.md")
    write_tables(lines, HERE / "README.md")


if __name__ == "__main__":
    main()
