"""What takes part in an evaluation: layers, and modules on them."""

from collections.abc import Iterator

from onnxmint.engine.target import MIXES, Target
from onnxmint.graph.layers import Layer, choose_layer, dense_input
from onnxmint.mint.contest import Rival
from onnxmint.settings import EvaluateSettings, module_kind


def wanted_layers(every: tuple[Layer, ...], settings: EvaluateSettings) -> list[Layer]:
    """Return the layers that modules which read any were asked to read."""
    if all(module_kind(name).reads == "odds" for name in settings.modules):
        return []
    if "all" in settings.layers:
        return list(every)
    chosen = [choose_layer(every, wanted) for wanted in settings.layers]
    return [layer for layer in every if layer in chosen]


def penultimate(target: Target) -> Layer | None:
    """Return the layer that the last dense one reads, None where it has no such one."""
    tensor = dense_input(target.model)
    return next((layer for layer in target.layers if layer.tensor == tensor and layer.kind == "vector"), None)


def rivals_of(target: Target, layers: list[Layer], settings: EvaluateSettings) -> Iterator[Rival]:
    """Yield every module on every layer that was asked for."""
    for kind in (module_kind(name) for name in settings.modules):
        if kind.reads == "odds":
            mixes = target.model.input.mixes
            yield Rival(name=kind.name, layer=None, skipped=f"the target {MIXES}" if mixes else None)
            continue
        for layer in layers:
            why = None if kind.fits(layer.shape) else "needs an activation map, which this layer is not"
            yield Rival(name=kind.name, layer=layer, skipped=why)
