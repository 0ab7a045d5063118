"""A reference made ready to be shown what a target is shown, in the target's own graph."""

from dataclasses import replace

from onnxmint.engine.target import Target, graph_preprocess
from onnxmint.errors import ModelError
from onnxmint.graph.beside import ReferenceGraph, reference_graph
from onnxmint.graph.instrument import instrument
from onnxmint.preprocess.decoding import final_size
from onnxmint.preprocess.spec import Channels, PreprocessSpec


def placed_beside(reference: Target, target: Target) -> ReferenceGraph:
    """Return a reference as a graph that takes the same pixels as the target.

    Raises:
        ModelError: it takes others, or cannot be in one graph with the target; the reason is without its name.
    """
    if reference.model.input.mixes:
        raise ModelError("it takes one image at a time")
    if _decoded(reference) != _decoded(target):
        raise ModelError("images are resized or cropped for it otherwise than for the target")
    pixels = graph_preprocess(reference.spec, reference.model)
    found = instrument(reference.model, [], pixels, pool=None)
    return reference_graph(found, reference.model.answer, target.model.opset)


def _decoded(model: Target) -> PreprocessSpec:
    """Return what of a preprocessing is done before pixels reach the graph."""
    spec, size = model.spec, final_size(model.spec)
    colours: Channels = "gray" if spec.channels == "gray" else "rgb"
    plain = replace(spec, name="", channels=colours, layout=None, scale=1.0, mean=(0.0,), std=(1.0,))
    same_size = plain.resize in ("squash", "fit-when-needed") and plain.crop is None and plain.crop_fraction is None
    return replace(plain, size=size) if same_size else plain
