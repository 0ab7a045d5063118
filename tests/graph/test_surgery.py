"""Surgery changes nothing but what it is asked to: on real models, on odd graphs, on random ones."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.engine.target import target_warnings
from onnxmint.errors import ModelError, OnnxmintError, UsageError
from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.parts import averaging
from onnxmint.graph.serial import save_model, serialize
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from tests.conftest import DEMO
from tests.graph.texts import CNN, cnn
from tests.models.trial import MODELS

REAL = ("cifar10-resnet20", "cifar10-large-nhwc", "gtsrb-cnn-batch1", "cifar10-resnet8", "cifar10-resnet4b-batch1")
EXPECTED = {  # layers found, shape of the suggested one, multiply-accumulates in all
    "cifar10-resnet20": (12, (64, 8, 8), 40_551_040),
    "cifar10-large-nhwc": (5, (64, 6, 6), 1_828_992),
    "gtsrb-cnn-batch1": (6, (32, 8, 8), 1_889_664),
    "cifar10-resnet8": (6, (64, 8, 8), 12_501_632),
    "cifar10-resnet4b-batch1": (7, (32, 4, 4), 2_866_152),
}


def _run(model: bytes, feeds: dict[str, np.ndarray], outputs: list[str] | None = None) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options).run(outputs, feeds)


@pytest.mark.parametrize("name", REAL)
def test_layers_of_real_models(shared: Path, name: str) -> None:
    layers = list_layers(load_target(shared / "models" / f"{name}.onnx"))
    count, shape, macs = EXPECTED[name]
    assert len(layers) == count
    assert choose_layer(layers, "auto").shape == shape
    assert layers[-1].macs == macs
    assert [layer.depth for layer in layers] == sorted(layer.depth for layer in layers)
    assert layers[-1].depth == 1
    assert len({layer.name for layer in layers}) == count


@pytest.mark.parametrize("name", REAL)
def test_every_layer_of_real_models_can_be_tapped_and_cut(shared: Path, name: str) -> None:
    """Kept outputs and exposed values equal the original's, bit for bit with optimisation off."""
    target = load_target(shared / "models" / f"{name}.onnx")
    layers = list_layers(target)
    for wanted in (layers, *((layer,) for layer in layers[1::3])):
        for cut in (True, False):
            exposed = expose(target, wanted, cut=cut)
            assert verify_exposed(target, exposed, wanted, cut=cut)
            names = [value.name for value in exposed.graph.outputs]
            assert names[-len(wanted) :] == [layer.tensor for layer in wanted] or not cut
            used = {value.name for node in exposed.graph for value in node.inputs if value is not None}
            assert set(exposed.graph.initializers) <= used


@pytest.mark.parametrize("name", ["gtsrb-cnn-batch1", "cifar10-resnet4b-batch1"])
def test_a_fixed_batch_becomes_free(shared: Path, name: str) -> None:
    target = load_target(shared / "models" / f"{name}.onnx")
    layer = choose_layer(list_layers(target), "auto")
    model = serialize(expose(target, [layer], cut=False))
    images = np.random.default_rng(0).random((5, 3, 32, 32), np.float32)
    together = _run(model, {target.input.name: images})
    original = (shared / "models" / f"{name}.onnx").read_bytes()
    alone = np.concatenate([_run(original, {target.input.name: image[None]})[0] for image in images])
    np.testing.assert_allclose(together[0], alone, atol=1e-5)
    assert len(together[1]) == 5


def test_a_batch_that_cannot_be_freed_is_refused(tmp_path: Path) -> None:
    """The images of a batch are mixed here: freeing the dimension would change what the model says."""
    text = CNN.replace("float[N,3,8,8]", "float[2,3,8,8]").replace("float[N,4] logits", "float[2,4] logits")
    text = text.replace(
        "flat = Flatten (mean)", "m = ReduceMean <axes=[0], keepdims=1> (mean)\n d = Sub (mean, m)\n flat = Flatten (d)"
    )
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layers = list_layers(target)
    with pytest.raises(ModelError, match="fixed batch size of 2"):
        expose(target, [layers[-1]], cut=False)


def _of_one(path: Path, name: str) -> Path:
    """Write a model of tests/models with its batch size fixed at 1, and a further output that is one number."""
    model = onnx.load(MODELS / f"{name}.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    kept = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("ReduceMean", [kept], ["average"], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("average", onnx.TensorProto.FLOAT, []))
    onnx.save(model, path)
    return path


def test_a_number_for_all_images_does_not_hinder_freeing(tmp_path: Path) -> None:
    target = load_target(_of_one(tmp_path / "m.onnx", "torch-script-resnet"))
    assert (target.input.batch, target.input.mixes) == (1, False)
    model = serialize(expose(target, [list_layers(target)[0]], cut=False))
    assert len(_run(model, {target.input.name: np.zeros((5, *target.input.trial_shape(1)[1:]), np.float32)})[0]) == 5


def test_a_reshape_of_weights_is_left_alone(tmp_path: Path) -> None:
    text = CNN.replace("float[N,3,8,8]", "float[1,3,8,8]").replace("float[N,4] logits", "float[1,4] logits")
    text = text.replace("relu1 = Relu (conv1)", "b = Reshape (b1, to)  sum = Add (conv1, b)  relu1 = Relu (sum)")
    path = cnn(tmp_path / "m.onnx", text.replace("float[6,4] w3>", "float[6,4] w3, int64[4] to = {1, -1, 1, 1}>"))
    target = load_target(path)
    assert (target.input.batch, target.input.mixes) == (1, False)
    images = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    together = _run(serialize(expose(target, [list_layers(target)[-1]], cut=False)), {"image": images})[0]
    alone = [_run(path.read_bytes(), {"image": image[None]})[0] for image in images]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


@pytest.mark.parametrize("name", ["int8-dynamic-cnn", "int8-dynamic-vit"])
def test_a_batch_of_one_that_cannot_be_freed_is_kept(tmp_path: Path, name: str) -> None:
    """One image at a time is what such a model declares."""
    target = load_target(_of_one(tmp_path / "m.onnx", name))
    assert (target.input.batch, target.input.mixes) == (1, True)
    assert "takes one image at a time, and its batch size cannot be made free" in next(target_warnings(target))
    layers = list_layers(target)
    for cut in (True, False):
        exposed = expose(target, layers, cut=cut)
        verify_exposed(target, exposed, layers, cut=cut)
        assert exposed.graph.outputs[-1].shape[0] == 1
    size = (target.input.height or 0, target.input.width or 0)
    plain = GraphPreprocess(
        height=size[0], width=size[1], channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    pixels = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    made = instrument(target, [], plain, pool=None)
    (said,) = _run(serialize(made.model), {made.input: pixels})
    image = (pixels.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2).copy()
    own = _run(target.path.read_bytes(), {target.input.name: image})[0]
    np.testing.assert_allclose(said, own, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (3, 5), (7, 7)])
def test_pooling_in_the_graph_is_adaptive_pooling(tmp_path: Path, height: int, width: int) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    layer = choose_layer(list_layers(target), "relu2")
    images = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    plain = _run(serialize(expose(target, [layer], cut=True)), {"image": images})[0]
    pooled = _run(serialize(expose(target, [layer], cut=True, pool=(height, width))), {"image": images})[0]
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(plain), (height, width)).numpy()
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)


@given(length=st.integers(1, 40), cells=st.integers(1, 40))
def test_the_averaging_matrix_is_torchs(length: int, cells: int) -> None:
    cells = min(cells, length)
    values = np.random.default_rng(length).normal(size=length)
    expected = torch.nn.functional.adaptive_avg_pool1d(torch.from_numpy(values)[None], cells)[0].numpy()
    np.testing.assert_allclose(averaging(length, cells) @ values, expected)


@pytest.mark.parametrize("cut", [True, False])
def test_what_expose_wrote_can_be_exposed_again(tmp_path: Path, cut: bool) -> None:
    """By a name of a node or output that was given before, the runtime would refuse the file."""
    path = cnn(tmp_path / "m.onnx")
    for pool in ((4, 4), (2, 2)):
        target = load_target(path)
        layer = next(layer for layer in list_layers(target) if layer.tensor == "relu1")
        exposed = expose(target, [layer], cut=cut, pool=pool)
        verify_exposed(target, exposed, [layer], cut=cut, pool=pool)
        path = tmp_path / f"{pool[0]}.onnx"
        save_model(expose(target, [layer], cut=False, pool=pool), path)
    names = [value.name for value in onnx.load(path).graph.output]
    assert names == ["logits", "relu1_reduced", "relu1_reduced_2"]


def test_half_precision_halves_the_bytes(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    layer = choose_layer(list_layers(target), "auto")
    half = expose(target, [layer], cut=True, dtype="float16")
    verify_exposed(target, half, [layer], cut=True, dtype="float16")
    assert _run(serialize(half), {"image": np.ones((1, 3, 8, 8), np.float32)})[0].dtype == np.float16


def test_a_vector_cannot_be_pooled(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    with pytest.raises(UsageError, match="--pool needs a map"):
        expose(target, [list_layers(target)[-1]], cut=True, pool=(1, 1))


def test_the_target_itself_is_never_changed(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    before = serialize(target.model.clone())
    for layer in list_layers(target):
        expose(target, [layer], cut=True, pool=None, dtype="float16")
        instrument(target, [layer], _plain(), pool=(2, 2))
    assert serialize(target.model.clone()) == before


ODD = {
    "if reads an outer tensor": """
        gate = ReduceMax <keepdims=0> (relu1)
        yes = Greater (gate, zero)
        mixed = If (yes) <
            then_branch = a () => (float[N,5,8,8] t) { t = Add (relu1, conv1) },
            else_branch = b () => (float[N,5,8,8] e) { e = Sub (relu1, conv1) }
        >""",
    "odd names": """
        "a/b:0" = Abs (relu1)
        mixed = Neg ("a/b:0")""",
    "branches": """
        left = Sigmoid (relu1)
        right = Tanh (relu1)
        mixed = Mul (left, right)""",
}


@pytest.mark.parametrize("case", ODD)
def test_odd_graphs_are_cut_right(tmp_path: Path, case: str) -> None:
    text = CNN.replace("float[6,4] w3>", "float[6,4] w3, float zero = {0.0}>")
    text = text.replace("relu1 = Relu (conv1)", f"relu1 = Relu (conv1)\n{ODD[case]}").replace(
        "(relu1, w2)", "(mixed, w2)"
    )
    target = load_target(cnn(tmp_path / "m.onnx", text))
    for layer in list_layers(target):
        for cut in (True, False):
            verify_exposed(target, expose(target, [layer], cut=cut), [layer], cut=cut)


def test_a_float16_model_is_held_to_the_digits_it_has(tmp_path: Path) -> None:
    """Where a size is free, onnxruntime fuses otherwise around a tap, and rounds at another place."""
    model = onnx.load(MODELS / "torch-dynamo-float16.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "m.onnx")
    target = load_target(tmp_path / "m.onnx")
    for layer in list_layers(target):
        checks = verify_exposed(target, expose(target, [layer], cut=False), [layer], cut=False)
        assert "within 0.002 optimised" in checks[-1]


def test_float16_is_refused_for_values_that_it_cannot_hold(tmp_path: Path) -> None:
    text = CNN.replace("float[6,4] w3>", "float[6,4] w3, float huge = {1e38}>")
    text = text.replace("relu1 = Relu (conv1)", "low = Relu (conv1)\nrelu1 = Sub (low, huge)")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layer = next(layer for layer in list_layers(target) if layer.tensor == "relu1")
    for dtype, pool in ((None, None), (None, (2, 2)), ("float32", None)):
        exposed = expose(target, [layer], cut=True, pool=pool, dtype=dtype)
        verify_exposed(target, exposed, [layer], cut=True, pool=pool, dtype=dtype)
    half = expose(target, [layer], cut=True, dtype="float16")
    with pytest.raises(ModelError, match=r"reach 1e\+38, and float16 holds up to 65504: leave --dtype out"):
        verify_exposed(target, half, [layer], cut=True, dtype="float16")


def _plain(order: str = "rgb") -> GraphPreprocess:
    return GraphPreprocess(
        height=8, width=8, channels=3, channel_order=order, scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)
    )


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_preprocessing_in_the_graph_is_numpys(tmp_path: Path, order: str) -> None:
    """Raw pixels through the prepared graph equal pixels prepared by hand through the original, bit for bit."""
    target = load_target(cnn(tmp_path / "m.onnx"))
    layer = choose_layer(list_layers(target), "relu2")
    prepared = instrument(target, [layer], _plain(order), pool=None)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    by_hand = (pixels if order == "rgb" else pixels[..., ::-1]).astype(np.float32) * np.float32(1 / 255)
    by_hand = (by_hand - np.array([0.1, 0.2, 0.3], np.float32)) / np.array([0.5, 0.6, 0.7], np.float32)
    by_hand = np.ascontiguousarray(by_hand.transpose(0, 3, 1, 2))
    found = _run(serialize(prepared.model), {"image": pixels}, [prepared.activations[layer.name], prepared.answer])
    expected = _run(serialize(expose(target, [layer], cut=False)), {"image": by_hand})
    np.testing.assert_array_equal(found[0], expected[1])
    np.testing.assert_array_equal(found[1], expected[0])


@pytest.mark.parametrize("name", ["cifar10-large-nhwc", "cifar10-resnet20", "gtsrb-cnn-batch1"])
def test_prepared_real_models_say_what_the_originals_say(shared: Path, name: str) -> None:
    target = load_target(shared / "models" / f"{name}.onnx")
    layers = list_layers(target)
    preprocess = GraphPreprocess(
        height=32, width=32, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    prepared = instrument(target, layers, preprocess, pool=(8, 8))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    values = pixels.astype(np.float32) * np.float32(1 / 255)
    values = values if target.input.layout == "NHWC" else np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    original = (shared / "models" / f"{name}.onnx").read_bytes()
    alone = np.concatenate([_run(original, {target.input.name: image[None]})[0] for image in values])
    found = _run(serialize(prepared.model), {"image": pixels}, [prepared.answer])[0]
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert all(max(shape[1:], default=0) <= 8 or len(shape) == 1 for shape in prepared.activation_shapes.values())


def test_unknown_layers_are_refused_with_near_names(tmp_path: Path) -> None:
    layers = list_layers(load_target(cnn(tmp_path / "m.onnx")))
    with pytest.raises(UsageError, match=r"no layer 'relu3'; closest: 'relu"):
        choose_layer(layers, "relu3")
    assert choose_layer(layers, "logits") is layers[-1]
    assert choose_layer(layers, "penultimate") is layers[-2]
    assert choose_layer(layers, "0") is layers[0]


def test_torch_module_names_are_kept() -> None:
    layers = list_layers(load_target(DEMO / "target.onnx"))
    assert layers[-1].name == "classes"


def test_saving_is_all_or_nothing(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    model = expose(target, [list_layers(target)[0]], cut=True)
    save_model(model, tmp_path / "out.onnx")
    assert 8 <= onnx.load(tmp_path / "out.onnx").ir_version <= 10
    with pytest.raises(OnnxmintError, match=r"cannot write .* choose another place with -o"):
        save_model(model, tmp_path / "nowhere" / "out.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "out.onnx"]
