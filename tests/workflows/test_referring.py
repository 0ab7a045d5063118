"""Steps of making references: halves, what is proved before a file is written, and what is refused on the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint import ReferenceSettings, make_references
from onnxmint.engine.local import Local
from onnxmint.engine.target import Target, make_ready
from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.heads import deepest, trunk_of, with_head
from onnxmint.graph.observed import PRODUCER
from onnxmint.methods.references import OTHERS
from onnxmint.remaking.learning import Learned, training_device
from onnxmint.settings import EvidenceSettings
from onnxmint.workflows.labelled import opened
from onnxmint.workflows.probing import _require_same
from onnxmint.workflows.remaking import _require_room, halves, require_remade, school_of, written
from tests.conftest import DEMO, KNOWN
from tests.graph.texts import CNN, cnn

MODEL = DEMO / "target.onnx"
CPU = ReferenceSettings(preprocess="0-1", device="cpu", retrain=True, count=1, epochs=1)


@settings(max_examples=25)
@given(count=st.integers(1, 9), images=st.integers(1, 40), seed=st.integers(0, 5))
def test_every_image_is_in_half_of_the_references(count: int, images: int, seed: int) -> None:
    found = list(halves(count, images, seed))
    assert len(found) == count
    times = np.bincount(np.concatenate(found), minlength=images)
    if count == 1:
        assert (times == 1).all()
    elif count % 2 == 0:
        assert (times == count // 2).all()
    else:
        assert set(times.tolist()) <= {count // 2, count // 2 + 1}
    assert all(np.array_equal(one, np.unique(one)) for one in found)


@pytest.mark.slow
def test_a_file_that_would_answer_otherwise_than_what_was_learned_is_not_written(target: Target) -> None:
    engine = Local()
    _, known = opened(MODEL, (f"{KNOWN[0]}?rows=0:40",), CPU, engine)
    school = school_of(require_remade(target), known, CPU, engine)
    learned = Learned(values={}, said=np.zeros((40, 10), np.float32))
    with pytest.raises(ModelError, match="its graph answers otherwise than the network that learned it"):
        written(school, learned, engine)


@pytest.mark.slow
def test_a_last_layer_that_gives_other_numbers_than_were_fitted_is_not_written(target: Target) -> None:
    penultimate = next(layer for layer in target.layers if layer.role == "penultimate")
    trunk = trunk_of(target.model, deepest(target.layers, penultimate))
    width = trunk.layer.shape[0]
    model = with_head(trunk, np.zeros((width, 3)), np.array([1.0, 2.0, 3.0]))
    pixels = np.zeros((2, 28, 28, 1), np.uint8)
    _require_same(model, target, pixels, np.tile([1.0, 2.0, 3.0], (2, 1)), Local())
    with pytest.raises(ModelError, match="gives other numbers than were fitted"):
        _require_same(model, target, pixels, np.tile([1.0, 2.0, 4.0], (2, 1)), Local())


def test_what_takes_too_much_memory_is_said_to(target: Target) -> None:
    with pytest.raises(ImagesError, match="take 78 GB of memory while a network learns from them"):
        _require_room(target, 10**8)
    _require_room(target, 10**6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch has CUDA here")
def test_a_gpu_that_is_not_there_is_not_waited_for() -> None:
    assert training_device("auto") == "cpu"
    with pytest.raises(UsageError, match="--device cuda: this PyTorch has no CUDA"):
        training_device("cuda")


def test_a_model_without_weights_and_no_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "observed.onnx").write_bytes(PRODUCER.encode())
    with pytest.raises(UsageError, match="holds no weights, and references are made of a whole model"):
        make_references(tmp_path / "observed.onnx", KNOWN[0], tmp_path / "refs", settings=CPU)
    with pytest.raises(UsageError, match="references learn from labelled images: give --images"):
        make_references(MODEL, (), tmp_path / "refs", settings=CPU)


@pytest.mark.slow
def test_images_that_cannot_be_shown_are_counted_or_are_too_many(tmp_path: Path) -> None:
    rows = pq.read_table(KNOWN[0]).slice(0, 50).to_pylist()
    for bad in (3, 15):
        images = [
            {**row["image"], "bytes": b"no image"} if place < bad else row["image"] for place, row in enumerate(rows)
        ]
        pq.write_table(
            pa.table({"image": images, "label": [row["label"] for row in rows]}), tmp_path / f"{bad}.parquet"
        )
    found = make_references(MODEL, tmp_path / "3.parquet", tmp_path / "refs", settings=CPU)
    assert (found.images, len(found.skipped)) == (47, 3)
    listed = (tmp_path / "refs" / "reference00.members.txt").read_text().splitlines()
    assert (listed[0], len(listed)) == (OTHERS, 1 + 47)
    with pytest.raises(
        ImagesError, match=r"35 of 50 images can be shown to the model, for example .*; references learn"
    ):
        make_references(MODEL, tmp_path / "15.parquet", tmp_path / "others", settings=CPU)


@pytest.mark.slow
def test_features_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    text = CNN.replace("flat = Flatten (mean)", "odd = Log (mean)\n  flat = Flatten (odd)")
    path = cnn(
        tmp_path / "odd.onnx", text.replace("relu2 = Relu (conv2)", "less = Sub (conv2, conv2)\n  relu2 = Relu (less)")
    )
    path.with_suffix(".toml").write_text("size = [8, 8]\n")
    asked = replace(CPU, retrain=False, features=path)
    with pytest.raises(ImagesError, match="gives NaN or infinity: take another --layer"):
        make_references(MODEL, f"{KNOWN[0]}?rows=0:60", tmp_path / "refs", settings=asked)


def test_the_last_map_and_what_the_last_dense_layer_reads_are_the_features(target: Target) -> None:
    penultimate = next(layer for layer in target.layers if layer.role == "penultimate")
    layers = deepest(target.layers, penultimate)
    assert [layer.kind for layer in layers] == ["map", "vector"]
    trunk = trunk_of(target.model, layers)
    channels = layers[0].shape[0]
    assert trunk.layer.shape == (channels * 16 + penultimate.shape[0],)


@pytest.mark.slow
def test_features_of_a_model_of_one_image_at_a_time_make_a_reference_for_any_batch(
    tmp_path: Path, shared: Path
) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes((shared / "models" / "gtsrb-cnn-batch1.onnx").read_bytes())
    path.with_suffix(".toml").write_text(f"size = [32, 32]\nscale = {1 / 255}\n")
    found = make_references(
        MODEL, f"{KNOWN[0]}?rows=0:80", tmp_path / "refs", settings=replace(CPU, retrain=False, features=path)
    )
    assert found.references[0].images == 80
    made = make_ready(
        tmp_path / "refs" / "features.onnx", EvidenceSettings(preprocess=str(tmp_path / "refs" / "features.toml"))
    )
    assert made.model.answer.classes == 10
    assert not made.model.input.mixes
