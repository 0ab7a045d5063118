"""Training a network anew on images: the loop over epochs, and the movement of images that it may be given."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from onnxmint.errors import ModelError
from onnxmint.graph.answers import AnswerKind
from onnxmint.graph.augmentations import Augmentation
from onnxmint.remaking.network import Network

_BATCH, _LEAST_BATCH = 128, 32
_STEPS = 32  # in which few images are learned from once, by smaller batches
_WARM = 0.05  # share of all steps in which the learning rate rises
_STEEPEST = 5.0  # norm to which a gradient is cut
_SMALLEST = 1e-12  # probability, of which the logarithm is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a network learns from.

    Attributes:
        pixels: (n, H, W, C) uint8, as the target is shown them.
        labels: (n,) int64 classes.
        kind: what the network's answers are.
        augmentation: how images are moved and mirrored while learning; None leaves them.
        epochs: times that each is learned from.
        device: "cpu" or "cuda".
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    kind: AnswerKind
    augmentation: Augmentation | None
    epochs: int
    device: str


def teach(
    network: Network, lesson: Lesson, rows: NDArray[np.int64], *, seed: int, advance: Callable[[int], None]
) -> None:
    """Train a network on some images, with cross-entropy and a learning rate that falls as a cosine.

    With batch normalisation it is descent with momentum, else AdamW, which takes a plain network as it is.

    Args:
        network: with fresh numbers; it is changed, and judges as it is shown afterwards.
        lesson: images and how they are learned from.
        rows: of them, which are learned from.
        seed: of order and movements.
        advance: called with the images of each step.

    Raises:
        ModelError: what it says becomes NaN or infinity.
    """
    generator = torch.Generator().manual_seed(seed)
    network.to(lesson.device).train()
    batch = max(_LEAST_BATCH, min(_BATCH, len(rows) // _STEPS))
    steps = lesson.epochs * -(-len(rows) // batch)
    optimiser = _optimiser(network)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    labels = torch.from_numpy(lesson.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of Dropout
        for _ in range(lesson.epochs):
            order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)]
            for some in order.split(batch):
                if len(some) == 1 and len(rows) > 1:
                    advance(1)  # a single image has no spread to be normalised by
                    continue
                pixels = moved(torch.from_numpy(lesson.pixels[some.numpy()]), lesson.augmentation, generator)
                loss = _loss(network(pixels.to(lesson.device)), labels[some].to(lesson.device), lesson.kind)
                if not torch.isfinite(loss):
                    raise ModelError("training the graph anew comes to NaN or infinity: train references by hand")
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), _STEEPEST)
                optimiser.step()
                schedule.step()
                advance(len(some))
    network.cpu().eval()


def _optimiser(network: Network) -> torch.optim.Optimizer:
    learned = list(network.parameters())
    normalised = network.normalisations or any(node.op_type == "BatchNormalization" for node in network.nodes)
    if normalised:
        return torch.optim.SGD(learned, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return torch.optim.AdamW(learned, lr=1e-3, weight_decay=1e-2)


def _share(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step."""
    warm = max(1, round(_WARM * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _loss(said: Tensor, labels: Tensor, kind: AnswerKind) -> Tensor:
    """Return the cross-entropy of the labels; answers may be logits, probabilities or their logarithms."""
    if kind == "probabilities":
        return functional.nll_loss(said.clamp_min(_SMALLEST).log(), labels)
    return functional.cross_entropy(said, labels)  # of log-probabilities too: their softmax is themselves


def answers(network: Network, pixels: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """Return (n, K) what a network says of images as they are."""
    network.to(device).eval()
    with torch.inference_mode():
        parts = [network(part.to(device)).cpu().numpy() for part in torch.from_numpy(pixels).split(_BATCH)]
    network.cpu()
    found: NDArray[np.float32] = np.concatenate(parts)
    return found


def moved(pixels: Tensor, augmentation: Augmentation | None, generator: torch.Generator) -> Tensor:
    """Return (b, H, W, C) images, each moved by whole pixels and mirrored at random as an augmentation says."""
    if augmentation is None:
        return pixels
    count, height, width = pixels.shape[:3]
    most = augmentation.pixels((height, width))
    down, right = torch.randint(-most, most + 1, (2, count, 1), generator=generator)
    row, column = torch.arange(height) + down, torch.arange(width) + right
    if augmentation.mirror:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5  # noqa: PLR2004 - every second
        column = torch.where(mirrored, column.flip(1), column)
    image = torch.arange(count)[:, None, None]
    found = pixels[image, _reflected(row, height)[:, :, None], _reflected(column, width)[:, None, :]]
    if augmentation.black:
        inside = _inside(row, height)[:, :, None] & _inside(column, width)[:, None, :]
        found = found * inside[..., None]
    return found


def _reflected(place: Tensor, size: int) -> Tensor:
    """Return places that a border reflects, without the border itself twice."""
    if size == 1:
        return torch.zeros_like(place)
    around = place.remainder(2 * (size - 1))
    return torch.where(around < size, around, 2 * (size - 1) - around)


def _inside(place: Tensor, size: int) -> Tensor:
    return (place >= 0) & (place < size)
