"""Images a second against the number of workers, the threads in an operator, and the batch size.

    pip install ".[bench]" && python tools/bench/scale.py

Whole pipeline, images on disk to the answer. `auto` is what the package takes by itself on this machine.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import WORK, in_turn, machine, rounds_from, save
from networks import make
from pictures import images, jpegs, pngs

from onnxmint.engine.local import in_batches, in_order
from onnxmint.engine.probe import ANSWER, ODDS, batch_for, expose
from onnxmint.engine.session import share_cores, usable_cores
from onnxmint.engine.target import Target, make_ready
from onnxmint.engine.worker import Worker
from onnxmint.settings import EvidenceSettings

VIEWS = {"resnet20": (0, 26), "resnet18": (0,)}


def job(target: Target, views: int, folder: Path, workers: int, threads: int, batch: int) -> Callable[[], None]:
    exposed = expose(target, [], views=views, labels=False)
    asked = ODDS if views else ANSWER
    worker = Worker(exposed.probe(batch_size=batch, columns={asked: exposed.columns[asked]}), threads=threads)

    def run() -> None:
        for _ in in_order(in_batches(images(folder), batch), worker, workers=workers):
            pass

    return run


def measure(name: str, views: int, folder: Path, rounds: int) -> list[dict[str, object]]:
    target = make_ready(make(name, WORK).file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    count = sum(path.suffix in {".jpg", ".png"} for path in folder.iterdir())
    cores = usable_cores()
    auto = (*share_cores(target.device), batch_for(None, views, target))
    batches = sorted({1, 2, 4, 8, 16, 32, 64, auto[2]}) if views < 2 else [1, 2, 4, 8, 16]  # noqa: PLR2004 - several
    splits = {(1, cores), (cores, 1), (2 * cores, 1), (1, 1), auto[:2]}
    settings = {(*auto[:2], batch) for batch in batches} | {(*split, auto[2]) for split in splits}
    jobs = {str(setting): job(target, views, folder, *setting) for setting in sorted(settings)}
    taken = in_turn(jobs, rounds)
    fastest = min(float(np.median(taken[key])) for key in jobs)
    return [
        {
            "network": name,
            "views": max(views, 1),
            "workers": workers,
            "threads": threads,
            "batch": batch,
            "images per second": round(count / float(np.median(taken[str((workers, threads, batch))])), 1),
            "of the fastest": round(fastest / float(np.median(taken[str((workers, threads, batch))])), 2),
            "auto": (workers, threads, batch) == auto,
        }
        for workers, threads, batch in sorted(settings)
    ]


def main() -> None:
    rounds = rounds_from(__doc__, default=3)
    about = machine()
    rows = []
    for name, several in VIEWS.items():
        for views in several:
            small = 200 if views > 1 else 2000
            folder = pngs(WORK, small) if name == "resnet20" else jpegs(WORK, 200)
            rows += measure(name, views, folder, rounds)
    save("scale", rows, about)


if __name__ == "__main__":
    main()
