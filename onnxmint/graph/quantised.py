"""Tensors of whole numbers that stand for fractions: by which scale and zero point they are read."""

import onnx_ir as ir

_PARAMETERS = {  # operator: where it takes the scale and the zero point of what it gives
    "QuantizeLinear": (1, 2),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul"), (6, 7)),
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSigmoid", "QLinearGlobalAveragePool", "QLinearAveragePool"), (3, 4)),
    "QLinearConcat": (0, 1),
    "QGemm": (7, 8),
}
_KEEPING = {"MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity"}
TYPES = ("uint8", "int8")
"""Types, as NumPy names them, of tensors that can be dequantised."""
OLDEST_OPSET = 10
"""The first opset with DequantizeLinear."""


def parameters(value: ir.Value) -> tuple[str, str] | None:
    """Return the names of scale and zero point of a quantised tensor ("" for no zero point); None when not known."""
    while (node := value.producer()) is not None and node.op_type in _KEEPING and node.inputs[0] is not None:
        value = node.inputs[0]
    places = None if node is None else _PARAMETERS.get(node.op_type)
    if node is None or places is None:
        return None
    scale, zero = (node.inputs[place] if place < len(node.inputs) else None for place in places)
    if scale is None or not scale.name:
        return None
    return scale.name, "" if zero is None else zero.name or ""
