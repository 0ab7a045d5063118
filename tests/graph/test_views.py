"""Views made in the graph are the views made by hand, in any opset, and labels are optional."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import UsageError
from onnxmint.graph.augmentations import Augmentation
from onnxmint.graph.instrument import GraphPreprocess, instrument, settle_label
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import LABEL, VIEW_SETS, View, shifted
from onnxmint.methods.signals import Observed, phi
from tests.graph.texts import CNN, cnn

SIZE = 8
PLAIN = GraphPreprocess(
    height=SIZE, width=SIZE, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)


def _prepared(path: Path, text: str = CNN, count: int = 26) -> tuple[onnxruntime.InferenceSession, str, str]:
    target = load_target(cnn(path, text))
    made = instrument(target, [], PLAIN, pool=None, views=VIEW_SETS[count])
    return onnxruntime.InferenceSession(serialize(made.model)), made.odds or "", made.answer


def _by_hand(pixels: np.ndarray, views: tuple[View, ...] = VIEW_SETS[26]) -> np.ndarray:
    """Return (V, N, H, W, C): padded by reflection, cut at the shift, mirrored."""
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    made = []
    for view in views:
        top, left = 4 - view.down, 4 - view.right
        part = padded[:, top : top + SIZE, left : left + SIZE]
        made.append(part[:, :, ::-1] if view.mirrored else part)
    return np.stack(made)


def _expected(path: Path, pixels: np.ndarray, labels: np.ndarray | None, count: int = 26) -> np.ndarray:
    original = onnxruntime.InferenceSession(path)
    answers = [
        original.run(None, {"image": np.ascontiguousarray((view.astype(np.float32) / 255).transpose(0, 3, 1, 2))})[0]
        for view in _by_hand(pixels, VIEW_SETS[count])
    ]
    labels = answers[0].argmax(1) if labels is None else np.where(labels < 0, answers[0].argmax(1), labels)
    return np.stack([phi(Observed(answer=answer, kind="logits", labels=labels)) for answer in answers], axis=1)


PIXELS = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize("count", list(VIEW_SETS))
def test_views_differ_and_the_first_is_the_image(count: int) -> None:
    assert len(set(VIEW_SETS[count])) == len(VIEW_SETS[count]) == count
    views = _by_hand(PIXELS, VIEW_SETS[count])
    np.testing.assert_array_equal(views[0], PIXELS)
    assert len({view.tobytes() for view in views}) == count


@pytest.mark.parametrize("count", list(VIEW_SETS))
def test_every_set_of_views_gives_its_log_odds(tmp_path: Path, count: int) -> None:
    session, odds, answer = _prepared(tmp_path / "m.onnx", count=count)
    labels = np.array([0, 1, 2, 3, 0])
    found, said = session.run([odds, answer], {"image": PIXELS, LABEL: labels})
    np.testing.assert_allclose(found, _expected(tmp_path / "m.onnx", PIXELS, labels, count), rtol=1e-4, atol=1e-4)
    assert said.shape == (5, 4)


@pytest.mark.parametrize("pool", [None, (2, 2)])
@pytest.mark.parametrize("opset", [9, 17])
def test_with_views_layers_and_answer_stay_those_of_the_image(
    tmp_path: Path, opset: int, pool: tuple[int, int] | None
) -> None:
    target = load_target(cnn(tmp_path / "m.onnx", CNN.replace('"" : 17', f'"" : {opset}')))
    layers = list_layers(target)
    made, plain = (instrument(target, layers, PLAIN, pool=pool, views=views) for views in (VIEW_SETS[14], ()))
    for layer in [choose_layer(layers, layer.name) for layer in layers]:
        names = [(found.activations[layer.name], found.answer) for found in (made, plain)]
        with_views, without = (
            onnxruntime.InferenceSession(serialize(found.model)).run(list(wanted), {"image": PIXELS})
            for found, wanted in zip((made, plain), names, strict=True)
        )
        for found, expected in zip(with_views, without, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("labels", [None, [-1, -1, -1, -1, -1], [0, 1, 2, 3, 0], [3, -1, 1, -1, 0]])
@pytest.mark.parametrize("opset", [8, 13, 17, 18, 21])
def test_log_odds_in_every_view_are_those_by_hand(tmp_path: Path, opset: int, labels: list[int] | None) -> None:
    session, activation, answer = _prepared(tmp_path / "m.onnx", CNN.replace('"" : 17', f'"" : {opset}'))
    given = None if labels is None else np.array(labels)
    feeds = {"image": PIXELS} | ({} if given is None else {LABEL: given})
    odds, said = session.run([activation, answer], feeds)
    assert odds.shape == (5, 26)
    np.testing.assert_allclose(odds, _expected(tmp_path / "m.onnx", PIXELS, given), rtol=1e-4, atol=1e-4)
    assert said.shape == (5, 4)


@pytest.mark.parametrize("given", [True, False])
def test_labels_are_asked_for_or_not_taken(tmp_path: Path, given: bool) -> None:
    """An auditor calibrated with labels must not be run without, nor the other way round."""
    target = load_target(cnn(tmp_path / "m.onnx"))
    made = settle_label(instrument(target, [], PLAIN, pool=None, views=VIEW_SETS[26]), given=given)
    session = onnxruntime.InferenceSession(serialize(made.model))
    assert [value.name for value in session.get_inputs()] == (["image", LABEL] if given else ["image"])
    assert session.get_overridable_initializers() == []
    labels = np.array([0, 1, 2, 3, 0]) if given else None
    feeds = {"image": PIXELS} | ({LABEL: labels} if given else {})
    odds = session.run([made.odds], feeds)[0]
    np.testing.assert_allclose(odds, _expected(tmp_path / "m.onnx", PIXELS, labels), rtol=1e-4, atol=1e-4)


def test_a_tensor_called_label_in_the_target_does_no_harm(tmp_path: Path) -> None:
    text = CNN.replace("flat = Flatten (mean)", "label = Flatten (mean)").replace("(flat, w3)", "(label, w3)")
    session, activation, _ = _prepared(tmp_path / "m.onnx", text)
    odds = session.run([activation], {"image": PIXELS, LABEL: np.zeros(5, np.int64)})[0]
    np.testing.assert_allclose(odds, _expected(tmp_path / "m.onnx", PIXELS, np.zeros(5, int)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("by", [-3, -1, 0, 2])
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_shifts_stay_inside_small_images(length: int, by: int) -> None:
    index = shifted(length, by)
    assert index.shape == (length,)
    assert 0 <= index.min() <= index.max() < length


def _black_by_hand(pixels: np.ndarray, views: tuple[View, ...]) -> np.ndarray:
    """Return (V, N, H, W, C): padded with black, cut at the shift, mirrored."""
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)))
    parts = [padded[:, 4 - view.down :, 4 - view.right :][:, :SIZE, :SIZE] for view in views]
    return np.stack([part[:, :, ::-1] if view.mirrored else part for part, view in zip(parts, views, strict=True)])


@pytest.mark.parametrize("opset", [9, 17])
def test_black_moves_in_where_the_augmentation_says_so(tmp_path: Path, opset: int) -> None:
    views = Augmentation.of("crop3-black+mirror").views(14, (SIZE, SIZE))
    path = tmp_path / "m.onnx"
    target = load_target(cnn(path, CNN.replace('"" : 17', f'"" : {opset}')))
    made = instrument(target, [], PLAIN, pool=None, views=views)
    labels = np.array([0, 1, 2, 3, 0])
    found = onnxruntime.InferenceSession(serialize(made.model)).run([made.odds], {"image": PIXELS, LABEL: labels})[0]
    original = onnxruntime.InferenceSession(path)
    answers = [
        original.run(None, {"image": np.ascontiguousarray((view.astype(np.float32) / 255).transpose(0, 3, 1, 2))})[0]
        for view in _black_by_hand(PIXELS, views)
    ]
    expected = [phi(Observed(answer=answer, kind="logits", labels=labels)) for answer in answers]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    crop=st.integers(1, 12), black=st.booleans(), mirror=st.booleans(), count=st.integers(3, 50),
    side=st.sampled_from([16, 28, 32, 96, 224]),
)  # fmt: skip
def test_views_of_an_augmentation_lie_inside_it_and_begin_with_the_image(
    crop: int, black: bool, mirror: bool, count: int, side: int
) -> None:
    said = Augmentation.of(f"crop{crop}{'-black' if black else ''}{'+mirror' if mirror else ''}")
    views = said.views(count, (side, side))
    most = said.pixels((side, side))
    assert most == max(1, round(crop * max(1, side / 32)))
    assert views[0] == View()
    assert len(set(views)) == len(views) == min(count, (2 * most + 1) ** 2 * (1 + mirror))
    assert all(max(abs(view.down), abs(view.right)) <= most for view in views)
    assert any(view.mirrored for view in views) == mirror
    assert views == said.views(50, (side, side))[: len(views)]


@pytest.mark.parametrize("words", ["crop", "crop0", "crop4+crop2", "mirror+mirror", "rotate", "", "crop4 + mirror"])
def test_an_augmentation_that_is_not_known_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match=r"no augmentation .* there are crop4, crop4-black, crop8%"):
        Augmentation.of(words)
