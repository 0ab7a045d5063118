"""Graphs that audits run: raw pixels in, preprocessing and views inside, activations and the target's answer out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.entrance import GraphPreprocess, prepend_pixels
from onnxmint.graph.free_batch import with_dynamic_batch
from onnxmint.graph.layer import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import Writer, read_layer
from onnxmint.graph.readouts import Readout, answer_rows, as_module_input, side_by_side
from onnxmint.graph.running import opened
from onnxmint.graph.surgery import declare, extract
from onnxmint.graph.views import LABEL, View, first_view, scaled_confidence

__all__ = ["GraphPreprocess", "Instrumented", "instrument", "joined_name", "settle_label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumented:
    """A graph that takes raw pixels and gives activations and the target's answer.

    Attributes:
        model: input (N, H, W, C) uint8 in RGB order, float32 outputs; (1, H, W, C) for targets that mix images.
        input: name of that input.
        activations: layer name -> output name.
        activation_shapes: layer name -> shape per image, channels first, after pooling.
        answer: output name of the (N, classes) answer.
        classes: how many classes, or labels, it tells apart.
        odds: output name of the (N, views) log-odds of one class, None without views.
        free: the same of the target's own top class, whatever the label; None without a label input.
        label: name of the optional (N,) int64 input, None when the graph takes no labels.
        views: how many; 0 without log-odds.
        relative: output name of the (N, views + 1) log-odds and, last, the references'; None without references.
        relative_free: the same of the target's own top class; None without a label input.
        hardness: output name of the (N,) log-odds by the references; None without any.
        seconds: what an image took in the trial run, on a few cores; see `patience`.
    """

    model: ir.Model
    input: str
    activations: dict[str, str]
    activation_shapes: dict[str, tuple[int, ...]]
    answer: str
    classes: int
    odds: str | None = None
    free: str | None = None
    label: str | None = None
    views: int = 0
    relative: str | None = None
    relative_free: str | None = None
    hardness: str | None = None
    seconds: float = 0.0


def instrument(
    target: TargetModel,
    layers: Sequence[Layer],
    preprocess: GraphPreprocess,
    *,
    pool: tuple[int, int] | None,
    views: tuple[View, ...] = (),
    joined: bool = False,
    beside: Sequence[Layer] = (),
    seconds: float | None = None,
) -> Instrumented:
    """Return the graph that audits run: raw pixels in, activations and the answer out, nothing else computed.

    With views the target is shown every view of each image; activations and answer are those of the image itself, and
    a further output holds the log-odds of one class in every view. The graph then has a second, optional input, the
    labels (N,) int64; -1, the default, stands for the target's top class.

    Args:
        target: the model.
        layers: what to expose; maps come out channels first.
        preprocess: what happens to the pixels before they reach the target.
        pool: average maps larger than this to it; None leaves them.
        views: one of VIEW_SETS, or nothing.
        joined: give out the layers as one, named after all: maps of one size by their channels, others averaged over
            their positions first.
        beside: what to expose too, under its own name.
        seconds: what one image took where the same was tried at this size, only scaled otherwise; not tried again then.

    Raises:
        ModelError: a fixed batch size cannot be made free.
    """
    model = with_dynamic_batch(target.model.clone(), target.input, target.path, proven=seconds is not None)
    writer = Writer(model, taken=(values := ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)))
    read = {layer.name: _as_read(writer, values, layer, pool, target) for layer in layers}
    if joined and len(read) > 1:
        read = {joined_name(layers): side_by_side(writer, list(read.values()))}
    others = [layer for layer in beside if layer.name not in read]
    read |= {layer.name: _as_read(writer, values, layer, pool, target) for layer in others}
    shown = _shown(writer, values, target, read, len(views))
    pixels = prepend_pixels(model, writer, target, preprocess, views)
    found = replace(_extracted(model, pixels, shown, target.answer.classes), views=len(views), seconds=seconds or 0.0)
    if seconds is not None:
        return found
    return _check_shapes(found, (preprocess.height, preprocess.width, preprocess.channels), target)


def _as_read(
    writer: Writer, values: Mapping[str, ir.Value], layer: Layer, pool: tuple[int, int] | None, target: TargetModel
) -> Readout:
    """Return a layer as modules take it, with the axis of the batch also where a single image loses it."""
    value = read_layer(writer, values, layer)
    if target.squeezes:
        value = writer.reshape(value, layer.shape)
    return as_module_input(writer, value, layer, pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The values that a graph is to give out, as `Instrumented` names them."""

    activations: dict[str, ir.Value]
    shapes: dict[str, tuple[int, ...]]
    answer: ir.Value
    odds: ir.Value | None
    free: ir.Value | None
    label: ir.Value | None  # so far a constant


def _shown(
    writer: Writer, values: Mapping[str, ir.Value], target: TargetModel, read: Mapping[str, Readout], views: int
) -> _Shown:
    """Write the outputs behind what is read of the layers, and behind the target's answer."""
    count = views or 1
    activations = {name: _given_out(writer, one, count, "activation") for name, one in read.items()}
    said = answer_rows(writer, values[target.answer.tensor], target.answer)
    answer = _given_out(writer, (said, (target.answer.classes,)), count, "answer")
    odds, free, label = _log_odds(writer, values, target, (said, answer), views) if views else (None, None, None)
    shapes = {name: shape for name, (_, shape) in read.items()}
    return _Shown(activations=activations, shapes=shapes, answer=answer, odds=odds, free=free, label=label)


def _given_out(writer: Writer, readout: Readout, count: int, name: str) -> ir.Value:
    """Write what belongs to the images themselves, of (V * N, ...), as an output (N, ...) of float32."""
    value, shape = readout
    given = writer.identity(first_view(writer, value, shape, count), name)
    declare(given, ir.DataType.FLOAT, ("N", *shape))
    return given


def _extracted(model: ir.Model, pixels: ir.Value, shown: _Shown, classes: int) -> Instrumented:
    """Return what the outputs need; the label, so far a constant, becomes an optional input."""
    odds = [value for value in (shown.odds, shown.free) if value is not None]
    part = extract(model, [*shown.activations.values(), shown.answer, *odds])
    part.graph.name = "onnxmint"
    if shown.label is not None:  # an input with an initialiser of its name is optional
        optional = part.graph.initializers[shown.label.name or ""]
        optional.shape = ir.Shape(["L"])
        part.graph.inputs.append(optional)
    return Instrumented(
        model=part,
        input=pixels.name or "",
        activations={name: value.name or "" for name, value in shown.activations.items()},
        activation_shapes=shown.shapes,
        answer=shown.answer.name or "",
        classes=classes,
        odds=None if shown.odds is None else shown.odds.name,
        free=None if shown.free is None else shown.free.name,
        label=None if shown.label is None else shown.label.name,
    )


def _log_odds(
    writer: Writer, values: Mapping[str, ir.Value], target: TargetModel, said: tuple[ir.Value, ir.Value], count: int
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Write the (N, V) log-odds of one class; `said` are the answers to all views and to the images themselves.

    Returns:
        The log-odds of the label, those of the target's own top class, and the label, so far a constant.
    """
    if LABEL in values:
        writer.release(values[LABEL])
    label = writer.constant(np.array([-1]), LABEL, prefix="")
    found = []
    for name, of in (("odds", label), ("free", writer.constant(np.array([-1]), "unlabelled"))):
        odds = writer.identity(scaled_confidence(writer, *said, of, answer=target.answer, count=count), name)
        declare(odds, ir.DataType.FLOAT, ("N", count))
        found.append(odds)
    return found[0], found[1], label


def settle_label(found: Instrumented, *, given: bool) -> Instrumented:
    """Return a views graph whose label input is required, or gone.

    P-values hold only for scores made as the calibration's were: with labels or without. An optional input would let
    one be mixed with the other.

    Args:
        found: from `instrument` with views; its model is changed.
        given: true when every image comes with a label; false fixes it at -1, the target's own top class.
    """
    graph, name = found.model.graph, found.label or ""
    label = graph.initializers[name]
    if not given:
        graph.inputs.remove(label)
        graph.outputs.remove(next(value for value in graph.outputs if value.name == found.free))  # the same as odds
        return replace(found, label=None, free=None)
    del graph.initializers[name]
    label.const_value = None
    return found


def _check_shapes(found: Instrumented, size: tuple[int, int, int], target: TargetModel) -> Instrumented:
    """Run blank images through what audits run: shapes must be as promised for the size that the preprocessing makes.

    Returns:
        The graph, with the time that this took.
    """
    count = 1 if target.input.mixes else 2
    feeds = {found.input: np.zeros((count, *size), np.uint8)}
    names = [*found.activations.values(), found.answer, *([found.odds] if found.odds else [])]
    with opened(found.model, target.path, optimise=True) as trial:
        values = trial.run(feeds, names)
    for layer, name in found.activations.items():
        if values[name].shape != (count, *found.activation_shapes[layer]):
            got, promised = list(values[name].shape[1:]), list(found.activation_shapes[layer])
            raise ModelError(
                f"{target.path}: layer {layer!r} gives {got} per image at {size[0]}x{size[1]} pixels, not {promised}: "
                "take another --layer, or a preprocessing size for which it does"
            )
    return replace(found, seconds=trial.seconds / count)


def joined_name(layers: Sequence[Layer]) -> str:
    """Return what one or several layers read as one are called."""
    return " + ".join(layer.name for layer in layers)
