"""How images go in: rows of pixels, missing shapes, types, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxmint.engine.probe import batch_for, expose
from onnxmint.engine.session import Device
from onnxmint.engine.target import graph_preprocess, target_warnings, target_with
from onnxmint.errors import ModelError, OnnxmintError, UsageError
from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.load import TargetModel, at_size, load_target
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize
from onnxmint.preprocess.declared.finding import load_spec
from onnxmint.preprocess.declaring import declared_spec, resolved_for, settle
from onnxmint.preprocess.spec import PreprocessSpec
from tests.graph.texts import CNN, cnn, save


def _spec(wanted: str | None, target: TargetModel) -> PreprocessSpec:
    return settle(declared_spec(wanted, target)[0], target)


DENSE = """
<ir_version: 8, opset_import: ["" : 17]>
dense ({input} image) => (float[N,4] logits)
<float[{features},4] w1>
{{
  {first}
  logits = MatMul (x, w1)
}}
"""


def _dense(folder: Path, features: int, kind: str = "float", shape: str = "N,{}", first: str = "") -> Path:
    first = first or ("x = Identity (image)" if kind == "float" else "x = Cast <to=1> (image)")
    given = f"{kind}[{shape.format(features)}]"
    return cnn(folder / "m.onnx", DENSE.format(input=given, features=features, first=first))


def _refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_target(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("features", "size"), [(64, (8, 8, 1)), (192, (8, 8, 3)), (100, (10, 10, 1)), (3, (1, 1, 3))])
def test_rows_of_a_square_number_are_square_images(tmp_path: Path, features: int, size: tuple[int, int, int]) -> None:
    image = load_target(_dense(tmp_path, features)).input
    assert (image.height, image.width, image.channels) == size
    assert (image.layout, image.features, image.batch) == ("flat-hwc", features, None)


@pytest.mark.parametrize("order", ["hwc", "chw"])
@pytest.mark.parametrize("kind", ["float", "double", "float16", "int64", "int32", "uint8"])
def test_rows_are_made_inside_the_graph(tmp_path: Path, order: str, kind: str) -> None:
    """Pixels through the prepared graph are the flattened pixels through the original."""
    path = _dense(tmp_path, 4 * 6 * 3, kind)
    target = at_size(load_target(path), (4, 6), f"flat-{order}")
    whole = kind.startswith(("int", "uint"))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    plain = GraphPreprocess(
        height=4, width=6, channels=3, channel_order="rgb", scale=1 if whole else 0.5, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    made = instrument(target, [], plain, pool=None)
    found = onnxruntime.InferenceSession(serialize(made.model)).run([made.answer], {"image": pixels})[0]
    rows = (pixels if order == "hwc" else pixels.transpose(0, 3, 1, 2)).reshape(5, -1)
    name = {"float": "float32", "double": "float64"}.get(kind, kind)
    rows = rows.astype(name) if whole else (rows * 0.5).astype(name)
    np.testing.assert_allclose(
        found, onnxruntime.InferenceSession(path).run(None, {"image": rows})[0], rtol=1e-5, atol=1e-3
    )


@pytest.mark.parametrize(
    ("toml", "layout"),
    [
        ("", "flat-hwc"),
        ('layout = "flat"', "flat-hwc"),
        ('layout = "NHWC"', "flat-hwc"),
        ('layout = "NCHW"', "flat-chw"),
        ('layout = "flat-chw"', "flat-chw"),
        ('layout = "flat-hwc"', "flat-hwc"),
    ],
)
def test_the_preprocessing_says_what_rows_are(tmp_path: Path, toml: str, layout: str) -> None:
    target = load_target(_dense(tmp_path, 4 * 6 * 3))
    (tmp_path / "p.toml").write_text(f"size = [4, 6]\nscale = 0.5\n{toml}")
    spec = _spec(str(tmp_path / "p.toml"), target)
    assert spec.layout == layout
    assert graph_preprocess(spec, at_size(target, spec.size, spec.layout)).channels == 3
    assert resolved_for(spec, target) == spec


def test_rows_that_are_no_square_need_a_size(tmp_path: Path) -> None:
    target = load_target(_dense(tmp_path, 72))
    with pytest.raises(
        UsageError, match=r"takes 72 numbers per image, which is no square .* set size = \[height, width\]"
    ):
        _spec("0-1", target)
    with pytest.raises(UsageError, match="72 numbers per image, which is not 5x5 pixels of 1 or 3 channels"):
        resolved_for(replace(load_spec("0-1"), size=(5, 5)), target)


@pytest.mark.parametrize("shape", ["", ",{}", "N,C"])
def test_what_a_row_holds_is_read_from_the_first_weights(tmp_path: Path, shape: str) -> None:
    image = load_target(_with_shape(_dense(tmp_path, 48), [None, None] if shape else None)).input
    assert (image.features, image.channels, image.height) == (48, 3, 4)


def _with_shape(path: Path, sizes: list[int | None] | None) -> Path:
    """Rewrite the input's shape: unknown sizes, or none at all."""
    model = onnx.load(path)
    kind = model.graph.input[0].type.tensor_type
    kind.ClearField("shape")
    for size in sizes or []:
        kind.shape.dim.add(**({} if size is None else {"dim_value": size}))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("sizes", [None, [None] * 4, [None, None, 8, 8]])
def test_channels_are_read_from_the_first_convolution(tmp_path: Path, sizes: list[int | None] | None) -> None:
    image = load_target(_with_shape(cnn(tmp_path / "m.onnx"), sizes)).input
    assert (image.layout, image.channels, image.batch) == ("NCHW", 3, None)


def test_channels_last_are_seen_through_a_transposition(tmp_path: Path) -> None:
    text = CNN.replace("float[N,3,8,8] image", "float[N,8,8,3] image").replace(
        "conv1 = Conv <pads=[1,1,1,1]> (image,",
        "h = Mul (image, half) t = Transpose <perm=[0,3,1,2]> (h)\n conv1 = Conv <pads=[1,1,1,1]> (t,",
    )
    text = text.replace("float[6,4] w3>", "float[6,4] w3, float half = {0.5}>")
    image = load_target(_with_shape(cnn(tmp_path / "m.onnx", text), [None] * 4)).input
    assert (image.layout, image.channels) == ("NHWC", 3)


def test_any_size_that_works_only_for_one_is_found(tmp_path: Path) -> None:
    """The file says any height and width; the dense layer behind the flattening takes 28 x 28 only."""
    text = CNN.replace("float[N,3,8,8]", "float[N,3,H,W]").replace("mean = GlobalAveragePool (relu2)\n", "")
    text = text.replace("flat = Flatten (mean)", "flat = Flatten (relu2)").replace("float[6,4] w3", "float[4704,4] w3")
    image = load_target(cnn(tmp_path / "m.onnx", text)).input
    assert (image.height, image.width, image.batch) == (28, 28, None)


def test_a_batch_that_is_only_said_to_be_free_is_freed(tmp_path: Path) -> None:
    """The input says N, a Reshape inside says 1."""
    text = CNN.replace("flat = Flatten (mean)", "flat = Reshape (mean, one)")
    text = text.replace("float[6,4] w3>", "float[6,4] w3, int64[2] one = {1, 6}>")
    path = cnn(tmp_path / "m.onnx", text)
    target = load_target(path)
    assert (target.input.batch, target.answer.classes) == (1, 4)
    plain = GraphPreprocess(
        height=8, width=8, channels=3, channel_order="rgb", scale=1, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    made = instrument(target, [], plain, pool=None)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    found = onnxruntime.InferenceSession(serialize(made.model)).run([made.answer], {"image": pixels})[0]
    original = onnxruntime.InferenceSession(path)
    images = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    alone = np.concatenate([original.run(None, {"image": image[None]})[0] for image in images])
    np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_inputs_with_a_value_of_their_own_are_left_alone(tmp_path: Path) -> None:
    text = CNN.replace("float[N,3,8,8] image)", "float[N,3,8,8] image, float gain)")
    text = text.replace("logits = MatMul (flat, w3)", "scaled = Mul (flat, gain)\n logits = MatMul (scaled, w3)")
    path = cnn(tmp_path / "m.onnx", text)
    assert "also asks for 'gain'; give that a value in the file" in _refused(path)
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(2), "gain"))
    onnx.save(model, path)
    assert load_target(path).input.name == "image"


TEXT = '<ir_version: 8, opset_import: ["" : 17]> m ({}) => ({} y) {{ y = {} (x) }}'


@pytest.mark.parametrize(
    ("given", "made", "op", "words"),
    [
        ("float[N,7,9,9] x", "float[N,7,9,9]", "Relu", "has shape ['N', 7, 9, 9]; expected 1 or 3 channels"),
        ("bool[N,3,2,2] x", "bool[N,3,2,2]", "Not", "onnxmint feeds float or uint8 images"),
        (
            "float[9] x",
            "float[9]",
            "Relu",
            "has no image input (batch, and height, width, channels; or rows of pixels)",
        ),
        ("float[N,3,2,2] x, float[N,3,2,2] z", "float[N,3,2,2]", "Relu", "takes 2 images ('x', 'z')"),
        ("float[N,C] x", "float[N,C]", "Relu", "says not how many numbers a row holds"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, given: str, made: str, op: str, words: str) -> None:
    assert words in _refused(save(TEXT.format(given, made, op), tmp_path / "m.onnx"))


def test_an_input_without_any_shape_is_refused(tmp_path: Path) -> None:
    path = save(TEXT.format("float[N,3,2,2] x", "float[N,3,2,2]", "Relu"), tmp_path / "m.onnx")
    assert "its input 'x' has no shape; export it with one" in _refused(_with_shape(path, None))


def test_whole_numbers_are_not_scaled(tmp_path: Path) -> None:
    target = load_target(_dense(tmp_path, 48, "int64"))
    assert target.input.raw
    with pytest.raises(UsageError, match="takes raw int64 pixels and prepares them itself"):
        _spec("0-1", target)
    assert _spec(None, target).scale == 1


def test_a_type_without_kernels_is_one_line(tmp_path: Path) -> None:
    text = CNN.replace("float[", "double[")
    model = onnx.parser.parse_model(text)
    for declared in model.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(shape), declared.name))
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "m.onnx")
    text = _refused(tmp_path / "m.onnx")
    assert "Could not find an implementation for Conv" in text
    assert text.endswith("export it in float32, with operators of the standard")


def test_an_opset_that_the_runtime_does_not_know_is_refused(tmp_path: Path) -> None:
    text = CNN.replace("ir_version: 8", "ir_version: 14").replace('"" : 17', '"" : 28')
    path = tmp_path / "m.onnx"
    cnn(path, text)
    text = _refused(path)
    assert "uses opset 28 (IR version 14), and onnxruntime" in text
    assert "loads up to opset" in text


def test_a_new_ir_version_alone_is_no_obstacle(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx", CNN.replace("ir_version: 8", "ir_version: 14")))
    assert (target.ir_version, target.answer.classes) == (14, 4)


def test_every_refusal_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(OnnxmintError, match="is not an ONNX file"):
        load_target(tmp_path / "m.onnx")


def test_a_truncated_file_may_be_incomplete(tmp_path: Path) -> None:
    whole = cnn(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "part.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OnnxmintError, match="not an ONNX file, or incomplete: if it was downloaded, download it again"):
        load_target(tmp_path / "part.onnx")


def _dynamic(folder: Path) -> Path:
    """Write a classifier quantised dynamically: the scale is that of all numbers of a batch."""
    dense = (
        "q, s, z = DynamicQuantizeLinear (flat) m = MatMulInteger (q, w8, z) f = Cast <to=1> (m) logits = Mul (f, s)"
    )
    text = CNN.replace("logits = MatMul (flat, w3)", dense).replace("float[6,4] w3>", "int8[6,4] w8>")
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for declared in model.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        weights = rng.normal(size=shape).astype(np.float32)
        weights = rng.integers(-100, 100, shape, np.int8) if declared.name == "w8" else weights
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, declared.name))
    del model.graph.value_info[:]
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def test_a_model_that_mixes_images_is_shown_them_one_by_one(tmp_path: Path) -> None:
    target = load_target(_dynamic(tmp_path))
    assert target.input.mixes
    assert not load_target(cnn(tmp_path / "n.onnx")).input.mixes
    plain = GraphPreprocess(
        height=8, width=8, channels=3, channel_order="rgb", scale=1, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    made = instrument(target, [], plain, pool=None)
    assert list(made.model.graph.inputs[0].shape or ()) == [1, 8, 8, 3]
    ready = target_with(target, _spec("0-1", target), Device(kind="cpu", provider="", reason=""))
    assert batch_for(64, 2, ready) == 1
    assert "shown one image at a time" in next(target_warnings(target))
    with pytest.raises(UsageError, match="beside its own views: use --module phi, which takes one view"):
        expose(ready, [], views=2, labels=False)
    assert expose(ready, [], views=1, labels=False).views == 1


@pytest.mark.parametrize("shape", ["N,12,1", "1,12,1", "N,1,12"])
def test_rows_with_an_axis_of_one_are_rows_of_pixels(tmp_path: Path, shape: str) -> None:
    """As MNIST networks of verification benchmarks take them: (1, 784, 1)."""
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    column (float[{shape}] image) => (float[N,3] logits) <float[12,3] w = {{{",".join(map(str, range(36)))}}}>
    {{ flat = Flatten(image)  logits = MatMul(flat, w) }}
    """
    target = load_target(save(text, tmp_path / "column.onnx"))
    assert (target.input.features, target.input.channels, target.input.height) == (12, 3, 2)
    spec = _spec("0-255", target)
    settled = at_size(target, (2, 2), spec.layout)
    graph = instrument(settled, [], graph_preprocess(spec, settled), pool=None)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    found = run_once(serialize(graph.model), {graph.input: pixels}, [graph.answer], "column")[graph.answer]
    expected = pixels.reshape(2, 12).astype(np.float32) @ np.arange(36, dtype=np.float32).reshape(12, 3)
    assert np.array_equal(found, expected)
