"""What takes part in an evaluation: layers, and modules on them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from onnxmint.engine.target import MIXES, Target
from onnxmint.graph.layers import Layer, choose_layer, dense_input
from onnxmint.graph.observed import told_of
from onnxmint.kinds import module_kind
from onnxmint.methods.references import Reference
from onnxmint.mint.contest import Rival
from onnxmint.mint.inside import with_references_beside
from onnxmint.settings import EvaluateSettings


def wanted_layers(every: tuple[Layer, ...], settings: EvaluateSettings) -> list[Layer]:
    """Return the layers that modules which read any were asked to read."""
    if all(module_kind(name).reads == "odds" for name in settings.modules):
        return []
    if "all" in settings.layers:
        return list(every)
    chosen = [choose_layer(every, wanted) for wanted in settings.layers]
    return [layer for layer in every if layer in chosen]


def penultimate(target: Target) -> Layer | None:
    """Return the layer that the last dense one reads, None where it has no such one, or it was not observed."""
    tensor, told = dense_input(target.model), told_of(target.model.model.metadata_props, target.model.path)
    given = [layer for layer in target.layers if told is None or layer.name in told.layers]
    return next((layer for layer in given if layer.tensor == tensor and layer.kind == "vector"), None)


def rivals_of(target: Target, layers: list[Layer], settings: EvaluateSettings) -> Iterator[Rival]:
    """Yield every module on every layer that was asked for; one that compares with references, where any are given."""
    for kind in (module_kind(name) for name in settings.modules):
        if kind.references and settings.reference is None:
            if len(settings.modules) < len(EvaluateSettings().modules):  # it was asked for by its name
                yield Rival(name=kind.name, layer=None, skipped="needs --reference")
            continue
        if kind.reads == "odds":
            mixes = target.model.input.mixes
            yield Rival(name=kind.name, layer=None, skipped=f"the target {MIXES}" if mixes else None)
            continue
        for layer in layers:
            why = None if kind.fits(layer.shape) else "needs an activation map, which this layer is not"
            yield Rival(name=kind.name, layer=layer, skipped=why)


def beside_references(
    target: Target, rivals: Sequence[Rival], references: Sequence[Reference]
) -> tuple[Target, tuple[Rival, ...]]:
    """Put the references that can be beside the target there, for the rivals that compare with them."""
    comparing = [rival for rival in rivals if module_kind(rival.name).references and rival.skipped is None]
    target, reasons = with_references_beside(target, references if comparing else ())
    if target.beside or not comparing:
        return target, tuple(rivals)
    why = f"no reference can be compared with: {'; '.join(reasons)}"
    return target, tuple(replace(rival, skipped=why) if rival in comparing else rival for rival in rivals)
