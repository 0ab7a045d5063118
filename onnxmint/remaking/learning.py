"""A target's graph that learns anew: made once, then given fresh numbers for each reference, and read back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onnxmint.errors import UsageError
from onnxmint.graph.instrument import Instrumented
from onnxmint.remaking.folding import folded, lost_normalisation, normalise
from onnxmint.remaking.network import Network, Values, require_equal
from onnxmint.remaking.training import Lesson, answers, teach
from onnxmint.settings import DeviceChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a graph has learned from some images.

    Attributes:
        values: by name of the tensor that holds them, normalisation folded in.
        said: (n, K) float32, its answers to all images.
    """

    values: Values
    said: NDArray[np.float32]


def remade(graph: Instrumented) -> Network:
    """Return a graph as a network, with the numbers that it holds.

    Raises:
        ModelError: it cannot be made anew.
    """
    opset = graph.model.graph.opset_imports[""]
    return Network(graph.model.graph, graph.input, graph.answer, opset)


def learn_anew(
    graph: Instrumented, lesson: Lesson, rows: NDArray[np.int64], *, seed: int, advance: Callable[[int], None]
) -> Learned:
    """Train a graph from fresh numbers.

    Args:
        graph: takes raw pixels.
        lesson: what there is to learn from.
        rows: which images of it are.
        seed: of numbers, order and movements.
        advance: called with the images of each step.

    Raises:
        ModelError: it cannot be made anew, or comes to nothing.
    """
    network = remade(graph)
    network.renew(seed)
    with torch.random.fork_rng(devices=[]):
        normalise(network, lost_normalisation(network))
    teach(network, lesson, rows, seed=seed, advance=advance)
    return Learned(values=folded(network), said=answers(network, lesson.pixels, lesson.device))


def loses_normalisation(network: Network) -> bool:
    """Say whether convolutions of a network were normalised before it was exported."""
    return bool(lost_normalisation(network))


def training_device(wanted: DeviceChoice) -> str:
    """Return where PyTorch trains.

    Raises:
        UsageError: "cuda" was asked for, and this PyTorch has none.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise UsageError("--device cuda: this PyTorch has no CUDA; install one that has, or use --device cpu")
    return "cuda" if there and wanted != "cpu" else "cpu"


__all__ = ["Learned", "Lesson", "learn_anew", "loses_normalisation", "remade", "require_equal", "training_device"]
