"""Views of an image made inside the graph: small shifts and mirror images, so that the auditor still takes one image.

A target answers shifted and mirrored copies of an image it was trained on differently from those of an image it was
not (shared/DESIGN.md, section 5): that difference is the strongest signal known without shadow models.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxmint.graph.answers import Answer
from onnxmint.graph.parts import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A copy of an image moved by whole pixels, then mirrored or not; what moves in is reflected, or black."""

    down: int = 0
    right: int = 0
    mirrored: bool = False
    black: bool = False


LABEL = "label"  # name of the optional input
_AXES_AS_INPUT = 18  # from this opset on, reductions take their axes as an input


def _views(*shifts: tuple[int, int]) -> tuple[View, ...]:
    """Return the image itself, its shifts by (down, right) pixels, and the mirror image of each of these."""
    places = ((0, 0), *shifts)
    return tuple(View(down=down, right=right, mirrored=mirror) for mirror in (False, True) for down, right in places)


def _along_axes(*steps: int) -> tuple[tuple[int, int], ...]:
    return tuple(shift for step in steps for shift in ((step, 0), (-step, 0), (0, step), (0, -step)))


VIEW_SETS: dict[int, tuple[View, ...]] = {
    1: (View(),),
    2: _views(),
    14: _views(*_along_axes(2), (1, 1), (-1, -1)),
    26: _views(*_along_axes(1, 2, 4)),
}
"""Sets of views by their size, whatever the size of the image (tools/study: shifts that grow with it told
no more); the first view is the image itself."""
MEASURED = 32  # pixels of the shorter side of the images on which the shifts were chosen


def spread(writer: Writer, pixels: ir.Value, size: tuple[int, int], views: tuple[View, ...]) -> ir.Value:
    """Return (V * N, H, W, C): all images in the first view, then all in the second, and so on.

    Shifts and mirrors are reorderings of rows and columns, so they are exact and work on any type in any opset.
    """
    height, width = size
    rows: dict[int, ir.Value] = {0: pixels}
    made = []
    for view in views:
        if view.down not in rows:
            index = writer.constant(shifted(height, view.down), "rows")
            rows[view.down] = writer.op("Gather", [pixels, index], {"axis": 1})
        columns = shifted(width, view.right)
        columns = columns[::-1].copy() if view.mirrored else columns
        value = rows[view.down]
        if view.right or view.mirrored:
            value = writer.op("Gather", [value, writer.constant(columns, "columns")], {"axis": 2})
        made.append(_blackened(writer, value, size, view) if view.black else value)
    return writer.op("Concat", made, {"axis": 0})


def _blackened(writer: Writer, value: ir.Value, size: tuple[int, int], view: View) -> ir.Value:
    """Write pixels of a view with what moved in set to 0; by way of float32, for old opsets multiply no bytes."""
    inside = [((place := np.arange(length) - by) >= 0) & (place < length)
              for length, by in zip(size, (view.down, view.right), strict=True)]  # fmt: skip
    rows, columns = inside[0], inside[1][::-1] if view.mirrored else inside[1]
    if rows.all() and columns.all():
        return value
    mask = writer.constant((rows[:, None] & columns)[None, :, :, None].astype(np.float32), "inside")
    numbers = writer.op("Cast", [value], {"to": int(ir.DataType.FLOAT)})
    return writer.op("Cast", [writer.op("Mul", [numbers, mask])], {"to": int(ir.DataType.UINT8)})


def by_view(writer: Writer, value: ir.Value, shape: tuple[int, ...], count: int) -> ir.Value:
    """Return (V, N, ...) of (V * N, ...) in the order of `spread`; `shape` is that of one image."""
    return writer.op("Reshape", [value, writer.constant(np.array([count, -1, *shape], np.int64), "by_view")])


def first_view(writer: Writer, value: ir.Value, shape: tuple[int, ...], count: int) -> ir.Value:
    """Return (N, ...): of (V * N, ...) what belongs to the images themselves."""
    if count == 1:
        return value
    apart = by_view(writer, value, shape, count)
    return writer.op("Gather", [apart, writer.constant(np.int64(0), "first")], {"axis": 0})


def scaled_confidence(
    writer: Writer, said: ir.Value, first: ir.Value, label: ir.Value, *, answer: Answer, count: int
) -> ir.Value:
    """Return (N, V) log-odds of one class in every view: log p - log(1 - p) (LiRA, arXiv 2112.03570, section V.B).

    Args:
        writer: adds the nodes.
        said: (V * N, classes) answers, in the order of `spread`.
        first: (N, classes), the answer to the image itself.
        label: (N,) or (1,) int64 classes; where it is -1, the target's own top class for the image itself.
        answer: how many classes, and what the numbers are; of "sigmoid" the log-odds of a label are its own logit,
            whatever the others say.
        count: number of views, V.
    """
    classes = answer.classes
    answers = writer.op("Transpose", [by_view(writer, said, (classes,), count)], {"perm": [1, 0, 2]})
    if answer.kind == "probabilities":
        smallest = writer.constant(np.float32(1e-30), "smallest")
        answers = writer.op("Log", [writer.op("Add", [answers, smallest])])
    chosen = _chosen(writer, first, label, classes)
    mask = writer.op("Reshape", [chosen, writer.constant(np.array([-1, 1, classes]), "per_view")])
    ones = writer.constant(np.ones((classes, 1), np.float32), "ones")
    of_class = writer.op("MatMul", [writer.op("Mul", [answers, mask]), ones])
    flat = writer.constant(np.array([-1, count]), "views")
    if answer.kind == "sigmoid":
        return writer.op("Reshape", [of_class, flat])
    hidden = writer.op("Mul", [mask, writer.constant(np.float32(-1e30), "hidden")])
    rest = _log_sum(writer, writer.op("Add", [answers, hidden]))
    return writer.op("Reshape", [writer.op("Sub", [of_class, rest]), flat])


def _log_sum(writer: Writer, others: ir.Value) -> ir.Value:
    """Write log(sum(exp(z))) over the last of three axes, which stays with size 1."""
    if writer.opset < _AXES_AS_INPUT:
        return writer.op("ReduceLogSumExp", [others], {"keepdims": 1, "axes": [2]})
    axes = writer.constant(np.array([2]), "axes")
    return writer.op("ReduceLogSumExp", [others, axes], {"keepdims": 1})


def _chosen(writer: Writer, first: ir.Value, label: ir.Value, classes: int) -> ir.Value:
    """Return (N, classes) with a 1 at the label, or at the top class where the label is -1."""
    column = writer.constant(np.array([-1, 1]), "column")
    numbers = writer.constant(np.arange(classes)[None], "classes")
    to_float = {"to": int(ir.DataType.FLOAT)}
    top = writer.op("ArgMax", [first], {"axis": 1, "keepdims": 1})
    of_top = writer.op("Cast", [writer.op("Equal", [top, numbers])], to_float)
    wanted = writer.op("Reshape", [label, column])
    of_label = writer.op("Cast", [writer.op("Equal", [wanted, numbers])], to_float)
    ones = writer.constant(np.ones((classes, 1), np.float32), "ones")
    unknown = writer.op("Sub", [writer.constant(np.float32(1), "one"), writer.op("MatMul", [of_label, ones])])
    return writer.op("Add", [of_label, writer.op("Mul", [of_top, unknown])])


def shifted(length: int, by: int) -> np.ndarray:
    """Return the indices of a row of `length` pixels moved by `by`, reflected at the border (edge not repeated)."""
    index = np.abs(np.arange(length) - by)
    return np.where(index >= length, 2 * (length - 1) - index, index).clip(0, length - 1).astype(np.int64)
