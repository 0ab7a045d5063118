"""What was learned of a graph is learned anew, all of it and nothing else; and goes back where it was."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import ModelError
from onnxmint.graph.augmentations import Augmentation
from onnxmint.graph.refilling import refilled
from onnxmint.remaking.folding import folded, lost_normalisation, normalise
from onnxmint.remaking.network import Network, require_equal
from onnxmint.remaking.training import Lesson, answers, moved, teach
from onnxmint.stats.linear import cross_entropy
from tests.remaking.proving import by_onnxruntime, by_torch, network_of

RESIDUAL = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N,3,8,8] image) => (float[N,4] logits)
<float[1,3,1,1] mean, float[5,3,3,3] w1, float[5] b1, float[5,5,3,3] w2, float[5] b2, float[5,4] w3, float[4] b3>
{
  centred = Sub (image, mean)
  conv1 = Conv <pads=[1,1,1,1]> (centred, w1, b1)
  relu1 = Relu (conv1)
  conv2 = Conv <pads=[1,1,1,1]> (relu1, w2, b2)
  sum = Add (conv2, relu1)
  relu2 = Relu (sum)
  pooled = GlobalAveragePool (relu2)
  flat = Flatten (pooled)
  product = MatMul (flat, w3)
  logits = Add (product, b3)
}
"""
PLACES = RESIDUAL.replace("flat = Flatten (pooled)", "wide = Flatten (pooled)\n  flat = Add (wide, part)")
LEARNED_PART = PLACES.replace("centred = Sub", "part = Slice (places, from, to)\n  centred = Sub").replace(
    "float[5,4] w3", "float[9] places, int64[1] from, int64[1] to, float[5,4] w3"
)


def _proto(text: str, **fixed: np.ndarray) -> onnx.ModelProto:
    """Return a graph; tensors that the text only declares become noise, or what is given."""
    proto = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for declared in proto.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        value = fixed.get(declared.name, rng.normal(size=shape).astype(np.float32))
        proto.graph.initializer.append(onnx.numpy_helper.from_array(value, declared.name))
    del proto.graph.value_info[:]
    return proto


def _roles(network: Network) -> Mapping[str, str]:
    return {name: weight.role for name, weight in network.learned.items()}


def _images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 3, 8, 8)).astype(np.float32)


def test_weights_and_biases_are_learned_and_what_prepares_the_image_is_not() -> None:
    network = network_of(_proto(RESIDUAL))
    assert _roles(network) == {
        "w1": "weight", "b1": "bias", "w2": "weight", "b2": "bias", "w3": "weight", "b3": "bias",
    }  # fmt: skip
    assert [network.learned[name].fan_in for name in ("w1", "w2", "w3")] == [27, 45, 5]
    before = network.held("mean").clone()
    network.renew(0)
    assert torch.equal(network.held("mean"), before)
    assert not network.held("b1").any()
    assert 0.5 < float(network.held("w2").detach().std() / (2 / 45) ** 0.5) < 1.5


def test_fresh_numbers_are_those_of_their_seed() -> None:
    first, second, third = (network_of(_proto(RESIDUAL)) for _ in range(3))
    for network, seed in ((first, 1), (second, 1), (third, 2)):
        network.renew(seed)
    assert all(np.array_equal(first.values()[name], value) for name, value in second.values().items())
    assert not np.array_equal(first.values()["w1"], third.values()["w1"])


def test_numbers_that_may_have_been_learned_and_have_no_role_are_refused() -> None:
    """A table that is cut before it is added would otherwise tell a reference what the target learned."""
    proto = _proto(LEARNED_PART, **{"from": np.array([0]), "to": np.array([5])})
    with pytest.raises(ModelError, match="its operator Add with numbers of its own \\('places'\\)"):
        network_of(proto)


def test_a_mask_is_no_weight() -> None:
    text = PLACES.replace("float[5,4] w3", "float[5] part, float[5,4] w3")
    mask = np.array([0, 0, 0, -1e9, 0], np.float32)
    assert "part" not in network_of(_proto(text, part=mask)).learned
    assert network_of(_proto(text)).learned["part"].role == "bias"


def test_normalisation_that_was_folded_is_put_back_where_branches_are_added_and_folded_again() -> None:
    proto = _proto(RESIDUAL)
    network = network_of(proto)
    assert lost_normalisation(network) == (1, 3)
    normalise(network, lost_normalisation(network))
    network.train()
    for seed in range(3):
        network(torch.from_numpy(_images() * (seed + 1)))
    with torch.no_grad():
        for parameter in network.normalisations.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    told = by_torch(network, _images())
    written = ir.to_proto(refilled(ir.from_proto(proto), folded(network)))
    assert np.abs(by_onnxruntime(written, _images()) - told).max() < 1e-4


def test_a_plain_or_normalised_network_gets_no_further_normalisation() -> None:
    plain = RESIDUAL.replace("sum = Add (conv2, relu1)", "sum = Relu (conv2)")
    assert lost_normalisation(network_of(_proto(plain))) == ()
    own = RESIDUAL.replace("relu2 = Relu (sum)", "relu2 = InstanceNormalization (sum, b1, b2)")
    assert lost_normalisation(network_of(_proto(own))) == ()


def test_a_network_that_answers_otherwise_than_onnxruntime_is_refused() -> None:
    proto = _proto(RESIDUAL)
    network, image = network_of(proto), _images(2)
    said = by_onnxruntime(proto, image)
    require_equal(network, image, said, "m.onnx")
    with pytest.raises(ModelError, match=r"m\.onnx: made anew in PyTorch, the graph answers otherwise"):
        require_equal(network, image, said + 0.01, "m.onnx")


def test_what_is_learned_goes_back_in_its_own_type_and_the_rest_stays() -> None:
    proto = _proto(RESIDUAL)
    half = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(proto.graph.initializer[1]).astype(np.float16), "w1")
    proto.graph.initializer[1].CopyFrom(half)
    model = ir.from_proto(proto)
    made = refilled(model, {"w1": np.full((5, 3, 3, 3), 0.1, np.float32)})
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in ir.to_proto(made).graph.initializer}
    assert found["w1"].dtype == np.float16
    assert (found["w1"] == np.float16(0.1)).all()
    assert all(np.array_equal(found[one.name], onnx.numpy_helper.to_array(one)) for one in proto.graph.initializer[2:])
    with pytest.raises(ValueError, match="no tensor 'w9'"):
        refilled(model, {"w9": np.zeros(1, np.float32)})


def _lesson(count: int, **details: object) -> Lesson:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    pixels = (rng.integers(0, 60, (count, 8, 8, 3)) + 150 * labels[:, None, None, None]).astype(np.uint8)
    given = {"kind": "logits", "augmentation": None, "epochs": 8, "device": "cpu", **details}
    return Lesson(pixels=pixels, labels=labels, **given)  # type: ignore[arg-type]


def _of_pixels(end: str = "logits = Add (product, b3)") -> Network:
    text = RESIDUAL.replace("float[N,3,8,8] image", "uint8[N,8,8,3] image").replace(
        "centred = Sub (image, mean)",
        "numbers = Cast <to=1> (image)\n  first = Transpose <perm=[0,3,1,2]> (numbers)\n  scaled = Mul (first, mean)\n"
        "  centred = Sub (scaled, mean)",
    )
    text = text.replace("logits = Add (product, b3)", end)
    return network_of(_proto(text, mean=np.full((1, 3, 1, 1), 1 / 255, np.float32)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("logits", "logits = Add (product, b3)"),
        ("probabilities", "sum3 = Add (product, b3)\n  logits = Softmax (sum3)"),
        ("log-probabilities", "sum3 = Add (product, b3)\n  logits = LogSoftmax (sum3)"),
    ],
)
def test_a_network_learns_whatever_it_ends_in(kind: str, end: str) -> None:
    network, lesson, steps = _of_pixels(end), _lesson(64, kind=kind, epochs=20), list[int]()
    network.renew(3)

    def wrong() -> float:
        said = answers(network, lesson.pixels, "cpu").astype(np.float64)
        return cross_entropy(np.log(said) if kind == "probabilities" else said, lesson.labels)

    before = wrong()
    teach(network, lesson, np.arange(64), seed=0, advance=steps.append)
    assert sum(steps) == 20 * 64
    assert wrong() < before - 0.1


@pytest.mark.slow
def test_the_same_seed_learns_the_same() -> None:
    found = []
    for _ in range(2):
        network = _of_pixels()
        network.renew(1)
        teach(network, _lesson(40, epochs=1), np.arange(40), seed=5, advance=lambda _: None)
        found.append(network.values())
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.slow
def test_numbers_that_run_away_are_said_to() -> None:
    network = _of_pixels()
    with torch.no_grad():
        network.held("w3").fill_(torch.inf)
    with pytest.raises(ModelError, match="comes to NaN or infinity"):
        teach(network, _lesson(40), np.arange(40), seed=0, advance=lambda _: None)


@settings(max_examples=8, deadline=None)
@given(
    words=st.sampled_from(["crop2", "crop3-black", "mirror", "crop2+mirror", "crop8%-black+mirror"]),
    seed=st.integers(0, 100),
)
def test_every_moved_image_is_a_view_of_the_augmentation(words: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(1, 256, (3, 9, 7, 1), dtype=np.uint8)
    augmentation = Augmentation.of(words)
    found = moved(torch.from_numpy(pixels), augmentation, torch.Generator().manual_seed(seed)).numpy()
    most = augmentation.pixels((9, 7))
    mode = {"mode": "constant"} if augmentation.black else {"mode": "reflect"}
    for image, view in zip(pixels, found, strict=True):
        wide = np.pad(image, ((most, most), (most, most), (0, 0)), **mode)  # type: ignore[call-overload]
        every = [wide[d : d + 9, r : r + 7] for d in range(2 * most + 1) for r in range(2 * most + 1)]
        mirrored = [one[:, ::-1] for one in every] if augmentation.mirror else []
        assert any(np.array_equal(view, one) for one in (*every, *mirrored))


def test_without_an_augmentation_images_stay() -> None:
    pixels = torch.zeros(2, 3, 3, 1, dtype=torch.uint8)
    assert moved(pixels, None, torch.Generator()) is pixels
