"""The cost of 26 views in one pass against 26 passes that decode again.

    pip install ".[bench]" && python tools/bench/views.py

Passes of our own stream, one view each, are the hard comparison: they differ only in decoding and overhead. "Floor" is
what onnxruntime alone needs for the 26 views of pixels in memory, so no arrangement can be below floor / separate.
PyTorch with a data loader, once a view, is what is done today.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measuring import WORK, in_turn, machine, ratio, rounds_from, save
from networks import Network, make
from pictures import jpegs, pngs
from stream import PEER_BATCH, Files, bare
from torch.utils.data import DataLoader

from onnxmint.engine.local import Reader
from onnxmint.engine.session import usable_cores
from onnxmint.engine.target import Prepared, Shown, prepare, show
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import VIEW_SETS, View, shifted
from onnxmint.images.sources import open_source
from onnxmint.preprocess.decoding import decode
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

VIEWS = 26


def moved(pixels: np.ndarray, view: View) -> np.ndarray:
    """Return a view of (H, W, C) pixels, as the graph makes it."""
    columns = shifted(pixels.shape[1], view.right)
    return pixels[shifted(pixels.shape[0], view.down)][:, columns[::-1] if view.mirrored else columns]


def scores(reader: Reader, shown: Shown, folder: Path) -> np.ndarray:
    source = open_source(str(folder))
    wanted = {entry.index for entry in source.entries()}
    batches = reader.read(source, wanted=wanted, stage=quiet, name="")
    return np.concatenate([batch.outputs[shown.graph.odds or ""] for batch in batches])


def together(prepared: Prepared, folder: Path) -> Callable[[], np.ndarray]:
    shown = show(prepared, [], views=VIEWS, labels=False)
    reader = shown.reader(None)
    return lambda: scores(reader, shown, folder)


def apart(prepared: Prepared, folder: Path) -> Callable[[], np.ndarray]:
    """One pass of our stream a view: it decodes, moves the pixels, and asks for one view's log-odds."""
    shown = show(prepared, [], views=1, labels=False)
    reader = shown.reader(None)

    def run() -> np.ndarray:
        columns = []
        for view in VIEW_SETS[VIEWS]:
            reader._decode = lambda data, view=view: np.ascontiguousarray(moved(decode(data, prepared.spec), view))
            columns.append(scores(reader, shown, folder))
        return np.concatenate(columns, axis=1)

    return run


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
                columns.append(np.concatenate([network.module(images).numpy() for images in loader]))
        return np.stack(columns, axis=1)

    return run


def measure(folder: Path, about: str, rounds: int) -> dict[str, object]:
    network = make("resnet20", WORK)
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    prepared = prepare(network.file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    pixels = np.stack([decode(file.read_bytes(), prepared.spec) for file in files])
    data = serialize(show(prepared, [], views=VIEWS, labels=False).graph.model)
    jobs = {
        "together": together(prepared, folder),
        "apart": apart(prepared, folder),
        "bare": bare(data, pixels, prepared, side_by_side=True, batch=2),
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
