"""What a file declares of its outputs, held against what a trial run gave."""

from collections.abc import Iterator, Mapping, Sequence

import onnx_ir as ir

from onnxmint.graph.inputs import ImageInput
from onnxmint.graph.serial import is_map
from onnxmint.graph.wire import Arrays

_NAMES = {"float32": "FLOAT", "float64": "DOUBLE"}  # what onnx-ir calls them, where that is not NumPy's name


def settle_types(model: ir.Model, types: Mapping[str, str]) -> None:
    """Declare the types of outputs where a file does not; `types` are what onnxruntime says, as NumPy calls them."""
    for output in model.graph.outputs:
        kind = types.get(output.name or "")
        if lacks_type(output) and kind is not None:
            output.type = ir.TensorType(ir.DataType[_NAMES.get(kind, kind.upper())])


def lacks_type(output: ir.Value) -> bool:
    """Say whether a file does not say what an output is."""
    return output.type is None and not is_map(output)


def settle_outputs(model: ir.Model, image: ImageInput, values: Arrays) -> Iterator[str]:
    """Declare outputs as they are, where the file does not or says otherwise; yield a note on what was wrong.

    Args:
        model: of a target; its outputs are changed.
        image: its input.
        values: by name, what a run of images gave.
    """
    for output in model.graph.outputs:
        array = values.get(output.name or "")
        if array is None or is_map(output):
            continue  # no tensor
        declared = None if output.shape is None else list(output.shape)
        found = _as_found(declared, array.shape, image)
        if declared == found:
            continue
        output.shape = ir.Shape(found)
        if declared is not None:
            yield f"Its output {output.name!r} is declared as {_shown(declared)} and was read as {_shown(found)}."


_Dim = int | ir.SymbolicDim | str | None


def _as_found(declared: Sequence[_Dim] | None, shape: tuple[int, ...], image: ImageInput) -> list[_Dim]:
    """Return the declared sizes, those that a run contradicts replaced; what may change with the image is left open."""
    fixed = image.features is not None or (image.height is not None and image.width is not None)
    batch = image.batch
    sizes: list[_Dim] = [*(size if fixed else None for size in shape)]
    if shape and batch is None:
        sizes[0] = "N"
    elif shape:
        sizes[0] = shape[0]
    if declared is None or len(declared) != len(shape):
        return sizes
    found: list[_Dim] = []
    for axis, (said, size, new) in enumerate(zip(declared, shape, sizes, strict=True)):
        free = axis == 0 and batch is None  # a fixed size there is harmless, and some exporters write one
        found.append(said if not isinstance(said, int) or said == size or free else new)
    return found


def _shown(sizes: Sequence[_Dim]) -> str:
    named = [size.value if isinstance(size, ir.SymbolicDim) else size for size in sizes]
    return f"[{', '.join('?' if size is None else str(size) for size in named)}]"
