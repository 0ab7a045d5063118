"""Models that never saw an image of the pool: references trained on other images, and students of a target's answers.

Both are small enough to be had in an audit. A reference is told the labels of its images, a student what the target
answers to them. "other" references are of another architecture than the target, so that they err otherwise.
"""

import gzip
import os
import time
from pathlib import Path

import numpy as np
import targets
import torch
from ceiling_models import BATCH, RATE, WORLDS, World, export, moved, network
from ceiling_scores import Ground, kept_answers
from torch import nn
from torch.nn import functional

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ANSWER, ODDS, expose
from onnxmint.engine.target import make_ready
from onnxmint.images.chosen import Decoded, Images
from onnxmint.settings import EvidenceSettings

OUTSIDE = 6000  # images that are not in the pool, of which each reference learns a half
SEED = 1000  # of the first reference; models of the pool have their number


def outside(world: World, fashion: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (OUTSIDE, 1, 28, 28) float32 images of the training split that are not in the pool, and labels."""
    files = [fashion / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    read = [gzip.decompress(file.read_bytes()) for file in files]
    images = np.frombuffer(read[0], np.uint8, offset=16).reshape(-1, 1, 28, 28)
    rows = np.random.default_rng(0).permutation(len(images))[world.pool :][:OUTSIDE]  # as `pool` draws
    labels = np.frombuffer(read[1], np.uint8, offset=8)[rows].astype(np.int64)
    return torch.from_numpy(images[rows].astype(np.float32) / 255), torch.from_numpy(labels)


def other_network() -> nn.Sequential:
    """Return an untrained network that is no relative of the targets'."""
    layers: list[nn.Module] = []
    for into, out in ((1, 24), (24, 24), (24, 48)):
        layers += [nn.Conv2d(into, out, 5, padding=2), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(432, 10))


def reference(ground: Ground, fashion: Path, kind: str, number: int) -> Path:
    """Return the file of a reference, trained unless it is there.

    Args:
        ground: the pool.
        fashion: where the images are.
        kind: "same" as the targets, on half of the images; "whole", on all; "other" of another architecture and
            recipe, on half.
        number: which of that kind.
    """
    file = ground.store / ground.name / "outside" / f"{kind}{number}.onnx"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        world = WORLDS[ground.name]
        images, labels = outside(world, fashion)
        count = OUTSIDE if kind == "whole" else OUTSIDE // 2
        mine = torch.from_numpy(np.random.default_rng(SEED + number).permutation(OUTSIDE)[:count])
        started = time.process_time()
        net, crop = (other_network(), 2) if kind == "other" else (network(world), world.crop)
        net = taught(net, images[mine], labels[mine], epochs=world.epochs, seed=SEED + number, crop=crop)
        _written(net, file, time.process_time() - started)
    return file


def student(ground: Ground, fashion: Path, target: int, number: int) -> Path:
    """Return the file of a network like the target's that learned what the target answers to other images."""
    file = ground.store / ground.name / "outside" / f"student{target:02}_{number}.onnx"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        world = WORLDS[ground.name]
        images, labels = outside(world, fashion)
        answers = torch.from_numpy(said(ground, ground.store / ground.name / f"{target:02}.onnx", images, labels))
        started = time.process_time()
        net = taught(network(world), images, answers, epochs=world.epochs, seed=SEED + number)
        _written(net, file, time.process_time() - started)
    return file


def taught(
    net: nn.Sequential, images: torch.Tensor, truth: torch.Tensor, *, epochs: int, seed: int, crop: int = 0
) -> nn.Sequential:
    """Train a network on labels (m,) or on probabilities (m, 10), as `fit` does."""
    torch.manual_seed(seed)
    for layer in net:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for picked in torch.randperm(len(images)).split(BATCH):
            batch = moved(images[picked], crop) if crop else images[picked]
            with torch.autocast("cpu", torch.bfloat16):
                answer = net(batch)
            loss = functional.cross_entropy(answer.float(), truth[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net


def _written(net: nn.Sequential, file: Path, seconds: float) -> None:
    folded = targets.fold(net)
    partial = file.with_name(f"unfinished{os.getpid()}.onnx")
    export(folded, (1, 28, 28), partial)
    file.with_suffix(".seconds").write_text(f"{seconds:.2f}\n")
    partial.replace(file)


def said(ground: Ground, file: Path, images: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Return (m, 10) float32 probabilities that a model of the pool gives to other images."""
    target = make_ready(file, EvidenceSettings(preprocess="0-1", device="cpu"))
    exposed = expose(target, [], views=1, labels=True)
    pixels = (images.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    part = Decoded(pixels=pixels, row=np.arange(len(pixels)), label=labels.numpy())
    probe = exposed.probe(batch_size=64, columns={ANSWER: exposed.columns[ANSWER]})
    answer = Local().observe(probe, Images(parts=(part,), count=len(pixels)), name="").columns[ANSWER]
    answer = answer - answer.max(axis=1, keepdims=True)
    found: np.ndarray = (np.exp(answer) / np.exp(answer).sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def hardness(ground: Ground, file: Path) -> np.ndarray:
    """Return (n,) log-odds of the labels of the pool by a model, and record them beside it."""
    return says(ground, file)[ODDS][:, 0].astype(float)


def says(ground: Ground, file: Path) -> dict[str, np.ndarray]:
    """Return what a model says of the pool: answers, and log-odds (n, 1) of the labels."""
    return views_of(ground, file, 1)


def views_of(ground: Ground, file: Path, views: int) -> dict[str, np.ndarray]:
    """Return what a model says of the pool in several views: answers, and log-odds (n, views) of the labels."""
    return kept_answers(ground, file, views, (ANSWER, ODDS))
