"""Edits of ONNX graphs that mostly leave them valid: what a strange exporter, or a careful attacker, could write."""

import itertools
from collections.abc import Callable

import numpy as np
import onnx
from graphs import FLOAT, Graph
from onnx import TensorProto, helper, numpy_helper

ODD_NAMES = (
    "\x1b]0;title\x07", "\u202egnp.exe", "a b", "x" * 5000, "../../etc", "näme", "<script>", "[bold]", "a\nb", "%s{0}",
    "\u2028", "onnxmint_size_0", "'quoted'", "\udce4".encode("utf-8", "replace").decode(), "/", ".", "0", "auto",
    "\x9b31m",
)  # fmt: skip
_UNARY = (
    "Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Identity", "LeakyRelu", "Elu", "Softplus", "Softsign", "Exp", "Sqrt",
    "Erf",
    "HardSigmoid", "Ceil", "Floor", "Reciprocal", "Log", "Softmax", "LogSoftmax", "Dropout", "Sin", "Sign", "Selu",
    "Hardmax",
)  # fmt: skip
_BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu")
_NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, 1e-8, 1e38, float("inf"), float("nan"), 255.0, 1 / 255)
_SIZES = (0, 1, 2, 3, 7, 16, 1000, 70_000, 1_500_000_000)


def unary(graph: Graph) -> None:
    op = graph.rng.choice(_UNARY)
    graph.behind(lambda a, b: [helper.make_node(op, [a], [b])])


def binary(graph: Graph) -> None:
    op, number = graph.rng.choice(_BINARY), graph.constant(graph.rng.choice(_NUMBERS))
    graph.behind(lambda a, b: [helper.make_node(op, [a, number], [b])])


def to_and_fro(graph: Graph) -> None:
    """Change type or shape and change it back."""
    between, rng = graph.name(), graph.rng
    kind = rng.choice(
        [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BFLOAT16, TensorProto.BOOL]
    )
    axes = graph.constant([rng.choice([0, 1, -1, 2])], np.int64)
    shape = graph.constant([0, -1], np.int64)
    ways: list[Callable[[str, str], list[onnx.NodeProto]]] = [
        lambda a, b: [
            helper.make_node("Cast", [a], [between], to=kind),
            helper.make_node("Cast", [between], [b], to=FLOAT),
        ],
        lambda a, b: [
            helper.make_node("Unsqueeze", [a, axes], [between]),
            helper.make_node("Squeeze", [between, axes], [b]),
        ],
        lambda a, b: [helper.make_node("Transpose", [a], [between]), helper.make_node("Transpose", [between], [b])],
        lambda a, b: [helper.make_node("Reshape", [a, shape], [b])],
        lambda a, b: [helper.make_node("Flatten", [a], [b])],
        lambda a, b: [helper.make_node("Shape", [a], [between]), helper.make_node("Reshape", [a, between], [b])],
    ]
    graph.behind(rng.choice(ways))


def quantised(graph: Graph) -> None:
    scale, zero = graph.constant(graph.rng.choice([0.1, 1.0, 0.0, 1e-6])), graph.constant(0, np.uint8)
    between = graph.name()
    graph.behind(
        lambda a, b: [
            helper.make_node("QuantizeLinear", [a, scale, zero], [between]),
            helper.make_node("DequantizeLinear", [between, scale, zero], [b]),
        ]
    )


def random_op(graph: Graph) -> None:
    noise, rng = graph.name(), graph.rng
    op = rng.choice(["RandomNormalLike", "RandomUniformLike"])
    options = {"seed": 3.0} if rng.random() < 0.3 else {}
    graph.behind(lambda a, b: [helper.make_node(op, [a], [noise], **options), helper.make_node("Add", [a, noise], [b])])


def branch(graph: Graph) -> None:
    """Compute a tensor in the branches of an If."""
    yes = graph.constant(graph.rng.random() < 0.5, np.bool_)
    outs = [graph.name() for _ in range(2)]

    def nodes(a: str, b: str) -> list[onnx.NodeProto]:
        bodies = [
            helper.make_graph(
                [helper.make_node(op, [a], [out])], out, [], [helper.make_tensor_value_info(out, FLOAT, None)]
            )
            for op, out in zip(("Relu", "Identity"), outs, strict=True)
        ]
        return [helper.make_node("If", [yes], [b], then_branch=bodies[0], else_branch=bodies[1])]

    graph.behind(nodes)


def loop(graph: Graph) -> None:
    """Compute a tensor in a loop of few, many or endless turns."""
    turns = graph.rng.choice([0, 1, 2, 3, 5, 10, 50, 100, 9_000_000_000_000])  # the last never ends
    trip, going = graph.constant(turns, np.int64), graph.constant(True, np.bool_)
    names = [graph.name() for _ in range(5)]

    def nodes(a: str, b: str) -> list[onnx.NodeProto]:
        body = helper.make_graph(
            [helper.make_node("Identity", [names[1]], [names[3]]), helper.make_node("Relu", [names[2]], [names[4]])],
            "turn",
            [
                helper.make_tensor_value_info(names[0], TensorProto.INT64, []),
                helper.make_tensor_value_info(names[1], TensorProto.BOOL, []),
                helper.make_tensor_value_info(names[2], FLOAT, None),
            ],
            [
                helper.make_tensor_value_info(names[3], TensorProto.BOOL, []),
                helper.make_tensor_value_info(names[4], FLOAT, None),
            ],
        )
        return [helper.make_node("Loop", [trip, going, a], [b], body=body)]

    graph.behind(nodes)


def function(graph: Graph) -> None:
    """Move a step into a local function, perhaps called by another."""
    domain, depth = "fuzz", graph.rng.choice([1, 2, 5])
    opsets = [*graph.model.opset_import, helper.make_opsetid(domain, 1)]
    calls = ["Relu", *(f"F{graph.name()}" for _ in range(depth))]
    for inner, outer in itertools.pairwise(calls):
        step = helper.make_node(inner, ["x"], ["y"], domain="" if inner == "Relu" else domain)
        graph.model.functions.append(helper.make_function(domain, outer, ["x"], ["y"], [step], opsets))
    if domain not in {one.domain for one in graph.model.opset_import}:
        graph.model.opset_import.append(helper.make_opsetid(domain, 1))
    graph.behind(lambda a, b: [helper.make_node(calls[-1], [a], [b], domain=domain)])


def large(graph: Graph) -> None:
    """Add a tensor that is made large when the graph runs."""
    size = graph.constant([graph.rng.choice(_SIZES)], np.int64)
    names = [graph.name() for _ in range(2)]
    graph.behind(
        lambda a, b: [
            helper.make_node("ConstantOfShape", [size], [names[0]]),
            helper.make_node("ReduceMax", [names[0]], [names[1]], keepdims=0),
            helper.make_node("Add", [a, names[1]], [b]),
        ]
    )


def chain(graph: Graph) -> None:
    """Put many steps behind each other."""
    names = [graph.name() for _ in range(graph.rng.choice([20, 200, 1000]))]

    def nodes(a: str, b: str) -> list[onnx.NodeProto]:
        path = [a, *names, b]
        return [helper.make_node("Neg", [x], [y]) for x, y in itertools.pairwise(path)]

    graph.behind(nodes)


def rewired(graph: Graph) -> None:
    """Let a node read another tensor of the same shape that is there by then."""
    nodes, rng = graph.model.graph.node, graph.rng
    at = rng.randrange(len(nodes))
    earlier = [value.name for value in graph.model.graph.input] + [out for node in nodes[:at] for out in node.output]
    if not nodes[at].input:
        return
    slot = rng.randrange(len(nodes[at].input))
    alike = [name for name in earlier if name and graph.shapes.get(name) == graph.shapes.get(nodes[at].input[slot])]
    if alike:
        nodes[at].input[slot] = rng.choice(alike)


def attribute(graph: Graph) -> None:
    """Change a number in an attribute by a little."""
    found = [one for node in graph.model.graph.node for one in node.attribute if one.ints or one.type in (1, 2)]
    if not found:
        return
    one = graph.rng.choice(found)
    step = graph.rng.choice([-1, 1, 2])
    if one.ints:
        at = graph.rng.randrange(len(one.ints))
        one.ints[at] = max(0, one.ints[at] + step)
    elif one.type == onnx.AttributeProto.INT:
        one.i += step
    else:
        one.f = graph.rng.choice(_NUMBERS)


def input_sizes(graph: Graph) -> None:
    """Say another size, or none, of what goes in."""
    image = graph.rng.choice(list(graph.model.graph.input))
    sizes = image.type.tensor_type.shape.dim
    if sizes:
        one = graph.rng.choice(sizes)
        if graph.rng.random() < 0.5:
            one.dim_param = graph.rng.choice(["N", "batch", "height", "", *ODD_NAMES])
        else:
            one.dim_value = graph.rng.choice([1, 2, 3, 4, 7, 8, 28, 32, 64, 224, 4096, 12_000])


def more_outputs(graph: Graph) -> None:
    """Give out a tensor from inside too."""
    _, tensor = graph.rng.choice(graph.floats())
    kind, sizes = graph.shapes.get(tensor, (FLOAT, None))
    if tensor not in {value.name for value in graph.model.graph.output}:
        value = helper.make_tensor_value_info(tensor, kind or FLOAT, sizes)
        graph.model.graph.output.insert(graph.rng.randrange(2), value)


def weights(graph: Graph) -> None:
    """Replace the numbers of a weight by odd ones."""
    found = [
        t for t in graph.model.graph.initializer if t.data_type == FLOAT and t.data_location != TensorProto.EXTERNAL
    ]
    if not found:
        return
    one = graph.rng.choice(found)
    values = numpy_helper.to_array(one).copy()
    if values.size:
        values.reshape(-1)[:: graph.rng.choice([1, 2, 97])] = graph.rng.choice(_NUMBERS)
    one.CopyFrom(numpy_helper.from_array(values, one.name))


def renamed(graph: Graph) -> None:
    """Give a tensor, a node or the graph an odd name, everywhere."""
    model, rng = graph.model, graph.rng
    name = f"{rng.choice(ODD_NAMES)}{rng.choice(['', str(rng.randrange(9))])}"
    old = rng.choice(
        [value.name for value in (*model.graph.input, *model.graph.output)] + [t for _, t in graph.floats()]
    )
    nodes = [node for node in model.graph.node if not any(one.HasField("g") for one in node.attribute)]
    if len(nodes) < len(model.graph.node):
        rng.choice(model.graph.node).name = name
        return
    for node in nodes:
        node.input[:] = [name if one == old else one for one in node.input]
        node.output[:] = [name if one == old else one for one in node.output]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = name if value.name == old else value.name
    rng.choice(nodes).name = name


def version(graph: Graph) -> None:
    """Say another opset or IR version."""
    if graph.rng.random() < 0.7:
        one = graph.rng.choice(graph.model.opset_import)
        one.version = max(1, one.version + graph.rng.choice([-4, -2, -1, 1, 2, 4]))
    else:
        graph.model.ir_version = max(3, graph.model.ir_version + graph.rng.choice([-2, -1, 1]))


EDITS: tuple[Callable[[Graph], None], ...] = (
    unary, unary, binary, binary, to_and_fro, to_and_fro, quantised, random_op, branch, loop, function, large, chain,
    rewired, rewired, attribute, attribute, input_sizes, input_sizes, more_outputs, weights, renamed, version,
)  # fmt: skip
