"""The small targets of the study: trained on one CPU thread, kept as ONNX files, asked by the package's own engine."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.target import make_ready
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import EvidenceSettings

sys.path.insert(0, str(Path(__file__).parents[1]))
from targets import augmented

BATCH = 64


def network(channels: int, size: int) -> nn.Sequential:
    """Return a CNN of three convolutions that ends in logits."""
    layers: list[nn.Module] = []
    before = channels
    for filters in (16, 32, 64):
        layers += [nn.Conv2d(before, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2)]
        before = filters
    side = size // 8
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * side * side, 128), nn.ReLU(), nn.Linear(128, 10))


def train(images: np.ndarray, labels: np.ndarray, *, epochs: int, augment: bool, seed: int) -> nn.Sequential:
    """Train a target on (n, H, W, C) uint8 pictures."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    net = network(x.shape[1], x.shape[2]).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters())
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, steps)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            batch = augmented(x[rows]) if augment else x[rows]
            loss = functional.cross_entropy(net(batch), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def accuracy(net: nn.Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)
    with torch.inference_mode():
        said = torch.cat([net(part).argmax(1) for part in x.split(512)]).numpy()
    return float((said == labels).mean())


def ask(net: nn.Sequential, pixels: np.ndarray) -> np.ndarray:
    """Return (n, 10) logits by the package's engine, of the target as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.onnx"
        torch.onnx.export(
            net, (torch.zeros(1, pixels.shape[3], *pixels.shape[1:3]),), path, input_names=["image"],
            output_names=["logits"], dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, opset_version=17,
            dynamo=False,
        )  # fmt: skip
        target = make_ready(path, EvidenceSettings(preprocess="0-1", device="cpu"))
        exposed = expose(target, [], views=0, labels=False)
        probe = exposed.probe(batch_size=BATCH, columns={ANSWER: exposed.columns[ANSWER]})
        part = Decoded(pixels=pixels, row=np.arange(len(pixels)), label=None)
        shown = Local(workers=1).observe(probe, Images(parts=(part,), count=len(pixels)), name="")
        found: np.ndarray = shown.columns[ANSWER].astype(np.float32)
    return found
