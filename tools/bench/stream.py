"""Images on disk to activations of a middle layer: ours, the best possible pipeline, PyTorch hooks, and ART.

    pip install ".[bench]" && python tools/bench/stream.py

The limit: onnxruntime on the same graph with pixels already in memory (the faster of one run on all cores and a run a
core), and decoding alone on all cores, put together as if neither ever waited: 1 / (1 / runs + 1 / decodes).
Everything averages the map to 8x8, as an audit does.
"""

import argparse
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import WORK, in_turn, machine, ratio, save
from networks import NAMES, Network, make
from pictures import jpegs, pngs
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from onnxmint.engine.local import Reader
from onnxmint.engine.session import open_session, usable_cores
from onnxmint.engine.target import POOL, Prepared, batch_for, prepare, show
from onnxmint.graph.layers import Layer, list_layers
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import extract
from onnxmint.images.sources import open_source
from onnxmint.preprocess.decoding import decode
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PEER_BATCH = 32


def cut_reader(prepared: Prepared, layer: Layer) -> tuple[Reader, bytes, str]:
    """Return a reader of one layer and nothing else, its graph, and the output's name."""
    graph = show(prepared, [layer], views=0, labels=False).graph
    output = graph.activations[layer.name]
    value = next(value for value in graph.model.graph.outputs if value.name == output)
    data = serialize(extract(graph.model, [value]))
    size = batch_for(None, 0, prepared)
    return Reader(data, (output,), spec=prepared.spec, device=prepared.device, batch_size=size), data, output


def middle_layer(prepared: Prepared, network: Network) -> Layer:
    """Return the listed layer that has the shape of the network's middle, the last of these."""
    with torch.inference_mode():
        shape = tuple(network.module[: network.middle + 1](torch.zeros(1, 3, network.size, network.size)).shape[1:])
    found = [layer for layer in list_layers(prepared.target) if layer.shape == shape]
    return found[-1]


def ours(reader: Reader, folder: Path, output: str) -> Callable[[], np.ndarray]:
    def run() -> np.ndarray:
        source = open_source(str(folder))
        wanted = {entry.index for entry in source.entries()}
        return np.concatenate(
            [batch.outputs[output] for batch in reader.read(source, wanted=wanted, stage=quiet, name="")]
        )

    return run


def on_threads(count: int, job: Callable[[Any], object], todo: Iterable[Any]) -> None:
    """Do a job for each of some things on so many threads, with as little between them as can be."""
    waiting, lock = iter(todo), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                one = next(waiting, None)
            if one is None:
                return
            job(one)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bare(data: bytes, pixels: np.ndarray, prepared: Prepared, *, side_by_side: bool, batch: int) -> Callable[[], None]:
    cores = usable_cores()
    session = open_session(data, prepared.device, threads=1 if side_by_side else cores)
    name = session.get_inputs()[0].name

    def run(start: int) -> None:
        session.run(None, {name: pixels[start : start + batch]})

    return lambda: on_threads(cores if side_by_side else 1, run, range(0, len(pixels), batch))


def decoding(prepared: Prepared, files: list[Path]) -> Callable[[], None]:
    return lambda: on_threads(usable_cores(), lambda file: decode(file.read_bytes(), prepared.spec), files)


class Files(Dataset):
    """What a data loader of today reads: Pillow, resize, normalise."""

    def __init__(self, files: list[Path], size: int) -> None:
        self.files, self.size = files, size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> torch.Tensor:
        image = Image.open(self.files[number]).convert("RGB")
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def pooled(maps: torch.Tensor) -> np.ndarray:
    size = [min(most, length) for most, length in zip(POOL, maps.shape[2:], strict=True)]
    return functional.adaptive_avg_pool2d(maps, size).numpy()


def hooks(network: Network, files: list[Path]) -> Callable[[], np.ndarray]:
    torch.set_num_threads(usable_cores())

    def run() -> np.ndarray:
        kept: list[np.ndarray] = []

        def keep(module: object, inputs: object, output: torch.Tensor) -> None:
            kept.append(pooled(output))

        handle = network.module[network.middle].register_forward_hook(keep)
        loader = DataLoader(Files(files, network.size), batch_size=PEER_BATCH, num_workers=usable_cores())
        with torch.inference_mode():
            for images in loader:
                network.module(images)
        handle.remove()
        return np.concatenate(kept)

    return run


def art(network: Network, files: list[Path]) -> Callable[[], np.ndarray]:
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        network.module, loss=torch.nn.CrossEntropyLoss(), input_shape=(3, network.size, network.size), nb_classes=10,
        device_type="cpu",
    )  # fmt: skip
    data = Files(files, network.size)

    def run() -> np.ndarray:
        images = np.stack([data[number].numpy() for number in range(len(data))])
        with torch.inference_mode():
            found = classifier.get_activations(images, layer=str(network.middle), batch_size=PEER_BATCH)
            return pooled(torch.from_numpy(found))

    return run


def measure(name: str, count: int, rounds: int) -> dict[str, object]:
    WORK.mkdir(exist_ok=True)
    network = make(name, WORK)
    folder = pngs(WORK, count) if network.size == 32 else jpegs(WORK, count)  # noqa: PLR2004 - CIFAR's size
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    prepared = prepare(network.file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    layer = middle_layer(prepared, network)
    reader, data, output = cut_reader(prepared, layer)
    pixels = np.stack([decode(file.read_bytes(), prepared.spec) for file in files])
    jobs = {
        "ours": ours(reader, folder, output),
        "bare, all cores in one run": bare(data, pixels, prepared, side_by_side=False, batch=reader.batch_size),
        "bare, a run a core": bare(data, pixels, prepared, side_by_side=True, batch=reader.batch_size),
        "decoding alone": decoding(prepared, files),
        "PyTorch hooks": hooks(network, files),
        "ART": art(network, files),
    }
    worst = float(np.abs(jobs["ours"]() - jobs["PyTorch hooks"]()).max())
    taken = in_turn(jobs, rounds)
    runs = [min(pair) for pair in zip(taken["bare, all cores in one run"], taken["bare, a run a core"], strict=True)]
    limit = [run + decoded for run, decoded in zip(runs, taken["decoding alone"], strict=True)]
    return {
        "network": name,
        "layer": layer.name,
        "images": count,
        "images per second": {key: round(count / float(np.median(value)), 1) for key, value in taken.items()},
        "of the limit": round(ratio(limit, taken["ours"]), 3),
        "times PyTorch hooks": round(ratio(taken["PyTorch hooks"], taken["ours"]), 2),
        "times ART": round(ratio(taken["ART"], taken["ours"]), 2),
        "largest difference from PyTorch": float(f"{worst:.1g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=400, help="224x224 images; ten times as many at 32x32")
    options = parser.parse_args()
    about = machine()
    rows = []
    for name in options.networks:
        print(name, flush=True)
        rows.append(measure(name, options.images * (10 if name == "resnet20" else 1), options.rounds))
    save("stream", rows, about)


if __name__ == "__main__":
    main()
