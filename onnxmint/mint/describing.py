"""Images described without knowing any: features of the placebo twin, and the images themselves made small."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.probe import Probe, Shown, expose
from onnxmint.engine.target import Target
from onnxmint.engine.worker import to_numpy
from onnxmint.graph.layers import Layer
from onnxmint.stats.estimates import FloatArray

FEATURES, SMALL = "features", "small"
_WIDTH = 32  # features that are kept of an activation


@dataclass(frozen=True, slots=True, kw_only=True)
class Describing:
    """What is kept of what the twin says.

    Attributes:
        layer: column that is described.
        small: keep the images too, made small.
    """

    layer: str
    small: bool

    def __call__(self, shown: Shown) -> dict[str, NDArray[Any]]:
        """Return (b, at most 32) float64 features and, where they are wanted, (b, C, h, w) uint8 small images."""
        found: dict[str, NDArray[Any]] = {FEATURES: described(to_numpy(shown.outputs[self.layer]))}
        if self.small and shown.pixels.size:  # observations hold none
            from onnxmint.mint.difficulty import small_images

            found[SMALL] = small_images(shown.pixels)
        return found


def telling_layer(layers: tuple[Layer, ...]) -> Layer:
    """Return the layer that describes images: the deepest before the answer."""
    return layers[-2] if len(layers) > 1 else layers[-1]


def features_probe(twin: Target, layer: Layer, *, small: bool, batch_size: int | None) -> Probe:
    """Return what is asked of the twin: the features of images and, where they are wanted, the small images."""
    exposed = expose(twin, [layer], views=0, labels=False)
    columns = {layer.name: exposed.graph.activations[layer.name]}
    return exposed.probe(batch_size=batch_size, columns=columns, reduce=Describing(layer=layer.name, small=small))


def described(activation: NDArray[np.floating]) -> FloatArray:
    """Return (b, at most 32) features of (b, ...) activations: averaged over positions, on fixed directions."""
    values: FloatArray = activation.astype(np.float64)
    positions = {3: (1,), 4: (2, 3)}  # of (b, T, C) tokens and (b, C, H, W) maps
    flat: FloatArray = values.mean(axis=positions.get(values.ndim, ()))
    if flat.shape[1] > _WIDTH:
        directions = np.random.default_rng(0).normal(size=(flat.shape[1], _WIDTH))
        flat = flat @ (directions / np.sqrt(flat.shape[1]))
    return flat
