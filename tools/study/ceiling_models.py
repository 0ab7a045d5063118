"""Small targets for which dozens of shadow models are affordable, each trained on a half of a pool of images.

Models come in pairs: one learns a random half of the pool, the other the rest, so that every image is in exactly half
of the models. The shadow models of a target are all pairs but its own: then each image is in exactly half of them too,
and how many were trained on it says nothing.
"""

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import data
import numpy as np
import onnx
import targets
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
BATCH, RATE = 128, 5e-3


@dataclass(frozen=True, kw_only=True)
class World:
    """A pool of images and the models trained on halves of it.

    Attributes:
        data: "fashion", or a file of ../shared/data.
        pool: images, of which each model learns half.
        models: how many there are, two of them a target and the model of the other half.
        epochs: of each.
        crop: pixels by which training images are moved at most, before they are mirrored or not; 0 shows them as is.
    """

    data: str
    pool: int
    models: int
    epochs: int
    crop: int = 0


WORLDS = {
    "fashion": World(data="fashion", pool=6000, models=66, epochs=15),
    "fashion-augmented": World(data="fashion", pool=6000, models=66, epochs=50, crop=2),
    "cifar10": World(data="cifar10", pool=10_000, models=18, epochs=15),
}


def pool(world: World, shared: Path, fashion: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, H, W, C) uint8 images and (n,) int64 labels, drawn once from the training split."""
    rng = np.random.default_rng(0)
    if world.data == "fashion":
        files = [fashion / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
        read = [gzip.decompress(file.read_bytes()) for file in files]
        images = np.frombuffer(read[0], np.uint8, offset=16).reshape(-1, 28, 28, 1)
        rows = rng.permutation(len(images))[: world.pool]
        return images[rows], np.frombuffer(read[1], np.uint8, offset=8)[rows].astype(np.int64)
    table = data.read(shared, world.data)
    rows = rng.permutation(data.halves(table, world.data)["members"])[: world.pool]
    return data.pixels(table, rows), data.labels(table, rows)


def trained(world: World) -> np.ndarray:
    """Return (models, n) which model learns which image."""
    rng = np.random.default_rng(1)
    found = np.zeros((world.models, world.pool), np.bool_)
    for first in range(0, world.models, 2):
        found[first, rng.permutation(world.pool)[: world.pool // 2]] = True
        found[first + 1] = ~found[first]
    return found


def shadows(world: World, target: int) -> list[int]:
    """Return the models that serve as shadows of a target: all pairs but its own."""
    return [number for number in range(world.models) if number // 2 != target // 2]


def network(world: World) -> nn.Sequential:
    """Return an untrained network: a small one for Fashion-MNIST, else the paper's CNN without dropout."""
    if world.data != "fashion":
        return targets.network(data.CLASSES[world.data], 0.0)
    layers: list[nn.Module] = []
    for into, out, stride in ((1, 16, 2), (16, 32, 2), (32, 32, 1)):
        layers += [nn.Conv2d(into, out, 3, padding=1, stride=stride), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 10)
    )  # fmt: skip


def moved(images: torch.Tensor, by: int) -> torch.Tensor:
    """Return images moved by up to so many pixels over a black border, and mirrored or not."""
    count, channels, size, _ = images.shape
    padded = functional.pad(images, (by, by, by, by))
    top, left = torch.randint(0, 2 * by + 1, (2, count))
    rows = (top[:, None] + torch.arange(size))[:, None, :, None]
    columns = left[:, None] + torch.arange(size)
    mirror = torch.randint(0, 2, (count,)).bool()
    columns[mirror] = columns[mirror].flip(1)
    planes = torch.arange(channels)[None, :, None, None]
    return padded[torch.arange(count)[:, None, None, None], planes, rows, columns[:, None, None, :]]


def fit(world: World, images: torch.Tensor, labels: torch.Tensor, seed: int) -> nn.Sequential:
    """Train one model; `images` are (m, C, H, W) float32 from 0 to 1."""
    torch.manual_seed(seed)
    net = network(world).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    steps = world.epochs * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    net.train()
    for _ in range(world.epochs):
        for picked in torch.randperm(len(labels)).split(BATCH):
            batch = moved(images[picked], world.crop) if world.crop else images[picked]
            with torch.autocast("cpu", torch.bfloat16):
                said = net(batch.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(said.float(), labels[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net


def export(net: nn.Sequential, shape: tuple[int, ...], path: Path) -> None:
    """Write a folded network as ONNX, one node a layer."""
    nodes, weights, value = [], [], "image"
    for number, layer in enumerate(net):
        names = [f"{name}{number}" for name, _ in layer.named_parameters()]
        weights += [
            numpy_helper.from_array(weight.detach().numpy(), f"{name}{number}")
            for name, weight in layer.named_parameters()
        ]
        kind, facts = _node(layer)
        nodes.append(helper.make_node(kind, [value, *names], [f"{kind.lower()}{number}"], **facts))
        value = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "target",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    partial = path.with_suffix(".unfinished")
    onnx.save(model, partial)
    partial.replace(path)


def _node(layer: nn.Module) -> tuple[str, dict[str, object]]:
    if isinstance(layer, nn.Conv2d):
        return "Conv", {"strides": list(layer.stride), "pads": [*layer.padding, *layer.padding]}
    if isinstance(layer, nn.MaxPool2d):
        return "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}
    if isinstance(layer, nn.Linear):
        return "Gemm", {"transB": 1}
    return {nn.ReLU: "Relu", nn.Flatten: "Flatten", nn.Softmax: "Softmax"}[type(layer)], {}


def train_all(
    name: str, shared: Path, fashion: Path, store: Path, part: tuple[int, int]
) -> Iterator[dict[str, object]]:
    """Train this process's share of the models that are not there yet; yield what each reached, and its CPU seconds."""
    world = WORLDS[name]
    pixels, label = pool(world, shared, fashion)
    images = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255
    labels, inside = torch.from_numpy(label), trained(world)
    (store / name).mkdir(parents=True, exist_ok=True)
    for number in range(part[0], world.models, part[1]):
        file = store / name / f"{number:02}.onnx"
        if file.exists():
            continue
        started = time.process_time()
        mine = torch.from_numpy(np.flatnonzero(inside[number]))
        net = targets.fold(fit(world, images[mine], labels[mine], number))
        spent = time.process_time() - started
        with torch.inference_mode():
            right = (torch.cat([net(part) for part in images.split(500)]).argmax(1) == labels).numpy()
        export(net, tuple(images.shape[1:]), file)
        facts = {"seconds": round(spent, 2), "members": float(right[inside[number]].mean())}
        facts["nonmembers"] = float(right[~inside[number]].mean())
        file.with_suffix(".json").write_text(json.dumps(facts))
        yield {"model": number, **facts}
