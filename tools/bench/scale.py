"""Images a second against the number of workers, the threads in an operator, and the batch size.

    pip install ".[bench]" && python tools/bench/scale.py

Whole pipeline, images on disk to the answer. `auto` is what the package takes by itself on this machine.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import WORK, in_turn, machine, rounds_from, save
from networks import make
from pictures import jpegs, pngs

from onnxmint.engine.local import Reader
from onnxmint.engine.session import open_session, share_cores, usable_cores
from onnxmint.engine.stream import Runner
from onnxmint.engine.target import Prepared, batch_for, prepare, show
from onnxmint.graph.serial import serialize
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

VIEWS = {"resnet20": (0, 26), "resnet18": (0,)}


def job(prepared: Prepared, views: int, folder: Path, workers: int, threads: int, batch: int) -> Callable[[], None]:
    graph = show(prepared, [], views=views, labels=False).graph
    data, outputs = serialize(graph.model), (graph.odds or graph.answer,)
    reader = Reader(data, outputs, spec=prepared.spec, device=prepared.device, batch_size=batch)
    reader._workers = workers
    reader.run = Runner(open_session(data, prepared.device, threads=threads), prepared.device, outputs)

    def run() -> None:
        source = open_source(str(folder))
        wanted = {entry.index for entry in source.entries()}
        for _ in reader.read(source, wanted=wanted, stage=quiet, name=""):
            pass

    return run


def measure(name: str, views: int, folder: Path, rounds: int) -> list[dict[str, object]]:
    prepared = prepare(make(name, WORK).file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    count = sum(path.suffix in {".jpg", ".png"} for path in folder.iterdir())
    cores = usable_cores()
    auto = (*share_cores(prepared.device), batch_for(None, views, prepared))
    batches = sorted({1, 2, 4, 8, 16, 32, 64, auto[2]}) if views < 2 else [1, 2, 4, 8, 16]  # noqa: PLR2004 - several
    splits = {(1, cores), (cores, 1), (2 * cores, 1), (1, 1), auto[:2]}
    settings = {(*auto[:2], batch) for batch in batches} | {(*split, auto[2]) for split in splits}
    jobs = {str(setting): job(prepared, views, folder, *setting) for setting in sorted(settings)}
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
