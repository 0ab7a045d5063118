"""References beside a target in one graph say what they say alone, and change nothing of what the target says."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from onnxmint.errors import ModelError
from onnxmint.graph.beside import ReferenceGraph, reference_graph, with_references
from onnxmint.graph.instrument import GraphPreprocess, Instrumented, instrument, settle_label
from onnxmint.graph.load import load_target
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import VIEW_SETS
from tests.graph.texts import CNN, cnn

IMAGES = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)
BRIGHT = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="bgr", scale=1 / 128, mean=(1.0,) * 3, std=(2.0,) * 3
)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 8, 8, 3), np.uint8)
LABELS = RNG.integers(0, 4, 5)
OTHER = CNN.replace("float[5,3,3,3] w1", "float[5,3,1,1] w1").replace("conv1 = Conv <pads=[1,1,1,1]>", "conv1 = Conv")


def _alone(file: Path, pixels: GraphPreprocess, *, views: int, given: bool = True) -> Instrumented:
    return settle_label(instrument(load_target(file), [], pixels, pool=None, views=VIEW_SETS[views]), given=given)


def _reference(file: Path, pixels: GraphPreprocess = IMAGES, opset: int = 17) -> ReferenceGraph:
    model = load_target(file)
    return reference_graph(instrument(model, [], pixels, pool=None), model.answer, opset)


def _run(found: Instrumented, *names: str | None, label: np.ndarray | None = LABELS) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(serialize(found.model))
    feeds = {found.input: PIXELS} if found.label is None else {found.input: PIXELS, found.label: label}
    return session.run(list(names), feeds)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A target, and another network of the same task."""
    return cnn(tmp_path / "target.onnx"), cnn(tmp_path / "other.onnx", OTHER)


def test_hardness_is_the_mean_of_what_references_say_of_the_label(files: tuple[Path, Path]) -> None:
    """One of them is the target itself, so that every name in it is taken."""
    target, other = files
    both = [_reference(target), _reference(other, BRIGHT)]
    found = with_references(_alone(target, IMAGES, views=2), both)
    odds, free, relative, hardness = _run(found, found.odds, found.free, found.relative, found.hardness)
    said = [_alone(file, pixels, views=1) for file, pixels in ((target, IMAGES), (other, BRIGHT))]
    expected = np.mean([_run(one, one.odds)[0][:, 0] for one in said], axis=0)
    np.testing.assert_allclose(hardness, expected, rtol=1e-5)
    np.testing.assert_array_equal(relative, np.concatenate([odds, hardness[:, None]], axis=1))
    plain = _alone(target, IMAGES, views=2)
    for mine, alone in zip((odds, free), _run(plain, plain.odds, plain.free), strict=True):
        np.testing.assert_array_equal(mine, alone)


def test_without_labels_the_class_is_the_targets_top_one(files: tuple[Path, Path]) -> None:
    target, other = files
    labelled = with_references(_alone(target, IMAGES, views=2), [_reference(other)])
    unlabelled = with_references(_alone(target, IMAGES, views=2, given=False), [_reference(other)])
    answer, free = _run(labelled, labelled.answer, labelled.relative_free)
    (relative,) = _run(unlabelled, unlabelled.relative)
    of_top = _run(labelled, labelled.relative, label=answer.argmax(axis=1))[0]
    np.testing.assert_array_equal(free, relative)
    np.testing.assert_allclose(free, of_top, rtol=1e-5)
    assert unlabelled.relative_free is None


def test_an_older_reference_is_brought_to_the_targets_opset_and_a_newer_one_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    older = cnn(tmp_path / "older.onnx", OTHER.replace('"" : 17', '"" : 13'))
    mine, same = (with_references(_alone(files[0], IMAGES, views=2), [_reference(file)]) for file in (older, files[1]))
    assert mine.model.graph.opset_imports[""] == 17
    np.testing.assert_allclose(_run(mine, mine.hardness)[0], _run(same, same.hardness)[0], rtol=1e-5)
    with pytest.raises(ModelError, match="exported at opset 17, the target at 13: export it at 13 or less"):
        _reference(files[1], opset=13)


def test_operators_of_two_versions_are_refused(files: tuple[Path, Path]) -> None:
    found, reference = _alone(files[0], IMAGES, views=2), _reference(files[1])
    reference.model.graph.opset_imports["ai.onnx.ml"] = 2
    found.model.graph.opset_imports["ai.onnx.ml"] = 3
    with pytest.raises(ModelError, match=r"needs version 2 of the operators of 'ai\.onnx\.ml', the target 3"):
        with_references(found, [reference])
