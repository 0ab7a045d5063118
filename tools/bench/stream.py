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
from pictures import images, jpegs, pngs
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from onnxmint.engine.local import in_batches, in_order
from onnxmint.engine.probe import ACTIVATION, POOL, Probe, batch_for, expose
from onnxmint.engine.session import open_session, share_cores, usable_cores
from onnxmint.engine.target import Target, make_ready
from onnxmint.engine.worker import Worker
from onnxmint.graph.layers import Layer
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import extract
from onnxmint.preprocess.decoding import decode
from onnxmint.settings import EvidenceSettings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PEER_BATCH = 32


def cut_probe(target: Target, layer: Layer) -> Probe:
    """Return what asks for one layer, of a graph that is cut there."""
    graph = expose(target, [layer], views=0, labels=False).graph
    output = graph.activations[layer.name]
    value = next(value for value in graph.model.graph.outputs if value.name == output)
    return Probe(
        model=serialize(extract(graph.model, [value])),
        columns=((ACTIVATION, output),),
        spec=target.spec,
        device=target.device,
        batch_size=batch_for(None, 0, target),
    )


def middle_layer(target: Target, network: Network) -> Layer:
    """Return the listed layer that has the shape of the network's middle, the last of these."""
    with torch.inference_mode():
        shape = tuple(network.module[: network.middle + 1](torch.zeros(1, 3, network.size, network.size)).shape[1:])
    found = [layer for layer in target.layers if layer.shape == shape]
    return found[-1]


def ours(probe: Probe, folder: Path, column: str = ACTIVATION) -> Callable[[], np.ndarray]:
    """Return our pipeline; its session is opened beforehand, as those of the others are."""
    workers, threads = share_cores(probe.device)
    worker = Worker(probe, threads=threads)

    def run() -> np.ndarray:
        found = in_order(in_batches(images(folder), probe.batch_size), worker, workers=workers)
        return np.concatenate([told.columns[column] for told in found if told.columns is not None])

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


def bare(probe: Probe, pixels: np.ndarray, *, side_by_side: bool, batch: int) -> Callable[[], None]:
    cores = usable_cores()
    session = open_session(probe.model, probe.device, threads=1 if side_by_side else cores)
    name = session.get_inputs()[0].name

    def run(start: int) -> None:
        session.run(None, {name: pixels[start : start + batch]})

    return lambda: on_threads(cores if side_by_side else 1, run, range(0, len(pixels), batch))


def decoding(target: Target, files: list[Path]) -> Callable[[], None]:
    return lambda: on_threads(usable_cores(), lambda file: decode(file.read_bytes(), target.spec), files)


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
            for batch in loader:
                network.module(batch)
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
        whole = np.stack([data[number].numpy() for number in range(len(data))])
        with torch.inference_mode():
            found = classifier.get_activations(whole, layer=str(network.middle), batch_size=PEER_BATCH)
            return pooled(torch.from_numpy(found))

    return run


def measure(name: str, count: int, rounds: int) -> dict[str, object]:
    WORK.mkdir(exist_ok=True)
    network = make(name, WORK)
    folder = pngs(WORK, count) if network.size == 32 else jpegs(WORK, count)  # noqa: PLR2004 - CIFAR's size
    files = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    target = make_ready(network.file, EvidenceSettings(preprocess="imagenet", device="cpu"))
    layer = middle_layer(target, network)
    probe = cut_probe(target, layer)
    pixels = np.stack([decode(file.read_bytes(), target.spec) for file in files])
    jobs = {
        "ours": ours(probe, folder),
        "bare, all cores in one run": bare(probe, pixels, side_by_side=False, batch=probe.batch_size),
        "bare, a run a core": bare(probe, pixels, side_by_side=True, batch=probe.batch_size),
        "decoding alone": decoding(target, files),
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
