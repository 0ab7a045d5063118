"""Surgery on random graphs: outputs stay what they were, and nothing is left over."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.graph.instrument import GraphPreprocess, instrument, settle_label
from onnxmint.graph.layer import Layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.merge import append_module
from onnxmint.graph.parts import averaging
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from onnxmint.graph.views import VIEW_SETS
from onnxmint.mint.export import export_module
from onnxmint.mint.modules import network_of
from tests.graph.texts import cnn

PLAIN = GraphPreprocess(
    height=6, width=6, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)
)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3), np.uint8)
IMAGES = (PIXELS.astype(np.float32) * np.float32(1 / 255) - np.array(PLAIN.mean, np.float32)) / np.array(
    PLAIN.std, np.float32
)
IMAGES = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
FEW = settings(max_examples=10, deadline=None, derandomize=True)
STEPS = (
    "Add ({a}, {b})", "Mul ({a}, {b})", "Relu ({a})", "Tanh ({a})", "Identity ({a})", "Conv <pads=[1,1,1,1]> ({a}, w2)",
    "Conv ({a}, w1x1)", "BatchNormalization ({a}, scale, shift, mean, var)",
    "MaxPool <kernel_shape=[3,3],pads=[1,1,1,1]> ({a})",
    "Transpose <perm=[0,1,3,2]> ({a})", "Clip ({a}, low, high)", "Add ({a}, channel)",
    "If (yes) <then_branch = t{k} () => (float[N,4,6,6] t{k}o) {{ t{k}o = Add ({a}, {b}) }}, "
    "else_branch = e{k} () => (float[N,4,6,6] e{k}o) {{ e{k}o = Neg ({a}) }}>",
)  # fmt: skip
WEIGHTS = (
    "float[4,3,3,3] w1, float[4,4,3,3] w2, float[4,4,1,1] w1x1, float[4] scale, float[4] shift, float[4] mean, "
    "float[4] var = {0.5, 1.0, 1.5, 2.0}, float low = {-2.0}, float high = {2.0}, float[4,1,1] channel, "
    "bool yes = {1}, float[4,4] w3"
)
ENDS = {"logits": "", "said": "said = Softmax (logits)"}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[str, int]:
    """Random graphs over one 4-channel map, with skips, branches, dead ends and other orders of axes, at some opset."""
    names, lines = ["start"], ["start = Conv <pads=[1,1,1,1]> (image, w1)"]
    for k in range(draw(st.integers(1, 7))):
        a, b = draw(st.sampled_from(names[-3:])), draw(st.sampled_from(names))
        lines.append(f"v{k} = " + draw(st.sampled_from(STEPS)).format(a=a, b=b, k=k))
        names.append(f"v{k}")
    out = draw(st.sampled_from(sorted(ENDS)))
    lines += [
        f"pooled = GlobalAveragePool ({names[-1]})",
        "flat = Flatten (pooled)",
        "logits = MatMul (flat, w3)",
        ENDS[out],
    ]
    opset = draw(st.sampled_from([13, 15, 17, 21]))
    text = (
        f'<ir_version: 8, opset_import: ["" : {opset}]> random (float[N,3,6,6] image) => (float[N,4] {out})\n'
        f"<{WEIGHTS}> {{\n" + "\n".join(lines) + "\n}"
    )
    return text, opset


def _loaded(text: str) -> Iterator[TargetModel]:
    with tempfile.TemporaryDirectory() as folder:
        yield load_target(cnn(Path(folder) / "m.onnx", text))


def _check_clean(model: ir.Model, *, inputs: list[str] | None = None) -> onnx.ModelProto:
    """Valid, loadable, names unique, no initialiser or input that nothing needs."""
    proto = onnx.load_model_from_string(serialize(model))
    onnx.checker.check_model(proto, full_check=True)
    made = [name for node in proto.graph.node for name in node.output if name]
    given_names = [value.name for value in proto.graph.input] + [value.name for value in proto.graph.initializer]
    assert len({*made, *given_names}) == len(made) + len(given_names)
    named = [node.name for node in proto.graph.node if node.name]
    assert len(set(named)) == len(named)
    used = {name for graph in _graphs_in(proto.graph) for node in graph.node for name in node.input}
    ends = {value.name for value in proto.graph.output}
    assert {value.name for value in proto.graph.initializer} <= used | ends
    if inputs is not None:
        assert [value.name for value in proto.graph.input] == inputs
    return proto


def _graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs_in(attribute.g)


def _run(model: ir.Model | Path, feeds: dict[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = serialize(model) if isinstance(model, ir.Model) else model
    found: list[np.ndarray] = onnxruntime.InferenceSession(source, options).run(outputs, feeds)
    return found


def _values(target: TargetModel, layers: tuple[Layer, ...], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return _run(expose(target, layers, cut=True), feeds, [layer.tensor for layer in layers])


@FEW
@given(drawn=graphs())
def test_tap_and_cut(drawn: tuple[str, int]) -> None:
    for target in _loaded(drawn[0]):
        layers = list_layers(target)
        before = serialize(target.model.clone())
        for wanted in ([layers[0]], [layers[-1]], list(layers)):
            for cut in (True, False):
                exposed = expose(target, wanted, cut=cut)
                verify_exposed(target, exposed, wanted, cut=cut)
                _check_clean(exposed, inputs=["image"]) if cut else onnx.checker.check_model(serialize(exposed))
                outputs = [value.name for value in exposed.graph.outputs]
                exact = [layer.tensor for layer in wanted]
                original = [value.name for value in target.model.graph.outputs]
                assert outputs == (exact if cut else [*original, *(name for name in exact if name not in original)])
        assert serialize(target.model.clone()) == before


@FEW
@given(drawn=graphs(), size=st.tuples(st.integers(1, 6), st.integers(1, 6)), dtype=st.sampled_from([None, "float16"]))
def test_reduce(drawn: tuple[str, int], size: tuple[int, int], dtype: str | None) -> None:
    for target in _loaded(drawn[0]):
        layer = next(layer for layer in list_layers(target) if layer.kind == "map")
        reduced = expose(target, [layer], cut=True, pool=size, dtype=dtype)
        verify_exposed(target, reduced, [layer], cut=True, pool=size, dtype=dtype)
        _check_clean(reduced, inputs=["image"])
        (plain,) = _values(target, (layer,), {"image": IMAGES})
        found = _run(reduced, {"image": IMAGES}, [f"{layer.tensor}_reduced"])[0]
        by_hand = averaging(6, size[0]) @ plain.astype(np.float64) @ averaging(6, size[1]).T
        scale = max(1.0, float(np.abs(by_hand).max()))
        np.testing.assert_allclose(found, by_hand, atol=scale * (2e-3 if dtype else 1e-5), rtol=1e-3)


@FEW
@given(drawn=graphs(), views=st.sampled_from([0, 2, 14]), labels=st.booleans())
def test_prepend(drawn: tuple[str, int], views: int, labels: bool) -> None:
    """Raw pixels through the prepared graph are prepared pixels through the original; views are shown one by one."""
    for target in _loaded(drawn[0]):
        layers = list_layers(target)
        made = instrument(target, layers, PLAIN, pool=None, views=VIEW_SETS[views] if views else ())
        made = settle_label(made, given=labels) if views else made
        given_labels = {"label": np.array([1, 3, 0])} if labels and views else {}
        proto = _check_clean(made.model, inputs=["image", *given_labels])
        assert {entry.version for entry in proto.opset_import if entry.domain == ""} == {drawn[1]}
        outputs = [*made.activations.values(), made.answer]
        found = _run(made.model, {"image": PIXELS, **given_labels}, outputs)
        expected = _values(target, layers, {"image": IMAGES})
        for value, wanted in zip(found, [*expected, expected[-1]], strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


@settings(max_examples=5, deadline=None, derandomize=True)
@given(drawn=graphs(), module=st.sampled_from(["cnn", "vanilla"]))
def test_merge(drawn: tuple[str, int], module: str) -> None:
    for target in _loaded(drawn[0]):
        layer = next(layer for layer in list_layers(target) if layer.kind == "map")
        made = instrument(target, [layer], PLAIN, pool=(4, 4))
        shape = made.activation_shapes[layer.name]
        torch.manual_seed(0)
        network = network_of(module)(torch.randn(4), torch.rand(4) + 0.5).eval()
        merged = append_module(
            made,
            export_module(network, shape, target.opset),
            activation=made.activations[layer.name],
            known=[np.linspace(-1, 1, 50, dtype=np.float32)],
            metadata={"who": "me"},
        )
        proto = _check_clean(merged, inputs=["image"])
        assert {entry.version for entry in proto.opset_import if entry.domain == ""} == {drawn[1]}
        score, answer = _run(merged, {"image": PIXELS}, ["score", "answer"])
        activation, said = _run(made.model, {"image": PIXELS}, [*made.activations.values(), made.answer])
        expected = network(torch.from_numpy(activation)).detach().numpy()
        np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(answer, said)


@FEW
@given(drawn=graphs(), seed=st.integers(0, 5))
def test_the_twin_is_the_same_graph(drawn: tuple[str, int], seed: int) -> None:
    for target in _loaded(drawn[0]):
        twin = placebo_twin(target.model, seed=seed)
        assert [node.op_type for node in twin.graph] == [node.op_type for node in target.model.graph]
        for name, value in target.model.graph.initializers.items():
            assert value.const_value is not None
            mine = twin.graph.initializers[name].const_value
            assert mine is not None
            np.testing.assert_array_equal(np.sort(mine.numpy().ravel()), np.sort(value.const_value.numpy().ravel()))
        assert _run(twin, {"image": IMAGES}, [twin.graph.outputs[0].name or ""])[0].shape == (3, 4)


@pytest.mark.parametrize("opset", [7, 12, 18, 26])
def test_auditors_are_merged_at_every_opset(tmp_path: Path, opset: int) -> None:
    """From what TorchScript writes, over what the dynamo exporter writes, to what only a conversion reaches."""
    text = (
        f'<ir_version: 8, opset_import: ["" : {opset}]> m (float[N,3,6,6] image) => (float[N,4] logits)\n'
        "<float[4,3,3,3] w1, float[4,4] w3> {\n start = Conv <pads=[1,1,1,1]> (image, w1)\n a = Relu (start)\n"
        "pooled = GlobalAveragePool (a)\n flat = Flatten (pooled)\n logits = MatMul (flat, w3)\n}"
    )
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layer = list_layers(target)[-1]
    made = instrument(target, [layer], PLAIN, pool=None)
    network = network_of("vanilla")(torch.zeros(4), torch.ones(4)).eval()
    merged = append_module(
        made,
        export_module(network, (4,), opset),
        activation=made.activations[layer.name],
        known=[np.zeros(3, np.float32)],
        metadata={},
    )
    proto = onnx.load_model_from_string(serialize(merged))
    assert {entry.version for entry in proto.opset_import if entry.domain == ""} == {opset}
    assert proto.ir_version <= 10
    score, answer = _run(merged, {"image": PIXELS}, ["score", "answer"])
    expected = network(torch.from_numpy(answer)).detach().numpy()
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-5)
