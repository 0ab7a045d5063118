"""The cost of 26 views in one pass against 26 passes that decode again.

    pip install ".[bench]" && python tools/bench/views.py

Passes of our own stream, one view each, are the hard comparison: they differ only in decoding and overhead. "Floor" is
what onnxruntime alone needs for the 26 views of pixels in memory, so no arrangement can be below floor / separate.
PyTorch with a data loader, once a view, is what is done today.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import WORK, in_turn, machine, ratio, rounds_from, save
from networks import Network, make
from pictures import images, jpegs, pngs
from stream import PEER_BATCH, Files, bare, ours
from torch.utils.data import DataLoader

from onnxmint.engine.local import in_batches, in_order
from onnxmint.engine.probe import ODDS, Probe, expose
from onnxmint.engine.session import share_cores, usable_cores
from onnxmint.engine.target import Target, make_ready
from onnxmint.engine.worker import Encoded, Worker
from onnxmint.graph.views import VIEW_SETS, View, shifted
from onnxmint.preprocess.decoding import decode
from onnxmint.settings import EvidenceSettings

VIEWS = 26


def moved(pixels: np.ndarray, view: View) -> np.ndarray:
    """Return a view of (H, W, C) pixels, as the graph makes it."""
    columns = shifted(pixels.shape[1], view.right)
    return pixels[shifted(pixels.shape[0], view.down)][:, columns[::-1] if view.mirrored else columns]


def odds_of(target: Target, views: int) -> Probe:
    """Return what asks for the log-odds in every view."""
    exposed = expose(target, [], views=views, labels=False)
    return exposed.probe(batch_size=None, columns={ODDS: exposed.columns[ODDS]})


def apart(target: Target, folder: Path) -> Callable[[], np.ndarray]:
    """One pass of our stream a view: it decodes, moves the pixels, and asks for one view's log-odds."""
    probe = odds_of(target, 1)
    workers, threads = share_cores(probe.device)
    worker = Worker(probe, threads=threads)

    def one_view(view: View) -> np.ndarray:
        def work(batch: Encoded, _: threading.Event) -> np.ndarray:
            pixels = [moved(decode(image.data or b"", probe.spec), view) for image in batch.images]
            found: np.ndarray = worker.show(np.ascontiguousarray(np.stack(pixels)), None)[ODDS]
            return found

        return np.concatenate(list(in_order(in_batches(images(folder), probe.batch_size), work, workers=workers)))

    return lambda: np.concatenate([one_view(view) for view in VIEW_SETS[VIEWS]], axis=1)


class Moved(Files):
    """A view of every file."""

    view = View()

    def __getitem__(self, number: int) -> torch.Tensor:
        image = super().__getitem__(number).permute(1, 2, 0).numpy()
        return torch.from_numpy(np.ascontiguousarray(moved(image, self.view))).permute(2, 0, 1)


def by_torch(network: Network, files: list[Path]) -> Callable[[], np.ndarray]:
    torch.set_num_threads(usable_cores())

    def run() -> np.ndarray:
        columns = []
        for view in VIEW_SETS[VIEWS]:
            data = Moved(files, network.size)
            data.view = view
            loader = DataLoader(data, batch_size=PEER_BATCH, num_workers=usable_cores())
            with torch.inference_mode():
                columns.append(np.concatenate([network.module(batch).numpy() for batch in loader]))
        return np.stack(columns, axis=1)

    return run


def measure(folder: Path, about: str, rounds: int) -> dict[str, object]:
    network = make("resnet20", WORK)
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    target = make_ready(network.file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    pixels = np.stack([decode(file.read_bytes(), target.spec) for file in files])
    together = odds_of(target, VIEWS)
    jobs = {
        "together": ours(together, folder, ODDS),
        "apart": apart(target, folder),
        "bare": bare(together, pixels, side_by_side=True, batch=2),
        "PyTorch, apart": by_torch(network, files),
    }
    taken = in_turn(jobs, rounds)
    return {
        "network": "resnet20",
        "images": f"{len(files)} {about}",
        "seconds": {key: round(float(np.median(value)), 2) for key, value in taken.items()},
        "of separate passes": round(ratio(taken["together"], taken["apart"]), 3),
        "floor": round(ratio(taken["bare"], taken["apart"]), 3),
        "of PyTorch's separate passes": round(ratio(taken["together"], taken["PyTorch, apart"]), 3),
    }


def main() -> None:
    rounds = rounds_from(__doc__, default=3)
    about = machine()
    rows = [
        measure(pngs(WORK, 400), "PNGs of 32x32", rounds),
        measure(jpegs(WORK, 200), "JPEGs of 500x375, resized to 32x32", rounds),
    ]
    save("views", rows, about)


if __name__ == "__main__":
    main()
