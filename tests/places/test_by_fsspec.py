"""Places that pyarrow does not open itself: by fsspec where that is installed, else an error that says what to do."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.bringing import brought
from onnxmint.images.sources import open_source
from onnxmint.places import stores
from onnxmint.workflows.exposing import layers
from tests.conftest import DEMO
from tests.images.places import folder, message, parquet, png


@pytest.fixture
def memory() -> Iterator[object]:
    fsspec = pytest.importorskip("fsspec", reason='no fsspec: pip install "onnxmint[test]"')
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()
    found.pseudo_dirs[:] = [""]


def test_folders_and_tables_are_read_as_those_here(memory: object, tmp_path: Path) -> None:
    for name in folder(tmp_path / "images", {"cat/0.png": 1, "dog/1.png": 2}).rglob("*.png"):
        memory.pipe(f"/store/{name.relative_to(tmp_path).as_posix()}", name.read_bytes())  # type: ignore[attr-defined]
    memory.pipe("/store/t.parquet", parquet(tmp_path / "t.parquet", label=[*range(10)]).read_bytes())  # type: ignore[attr-defined]
    for name in ("images", "t.parquet"):
        here, there = open_source(tmp_path / name), open_source(f"memory://store/{name}")
        assert here.entries() == there.entries()
        assert [image.data for image in here.read()] == [image.data for image in there.read()]
        assert there.location == f"memory://store/{name}"


def test_what_is_not_there_is_said(memory: object) -> None:
    assert message(ImagesError, "memory://store/none").startswith("memory://store/none does not exist; give a folder")
    assert "fsspec knows no such place" in message(UsageError, "wrong://place/a")


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    stores._spoken.cache_clear()
    said = message(UsageError, "hf://datasets/owner/name/a.parquet?token=abc")
    assert said == (
        'hf://datasets/owner/name/a.parquet: hf:// needs fsspec, which is not installed: pip install "onnxmint[remote]"'
    )


def test_an_image_by_a_file_uri_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(png(3))
    (image,) = open_source(f"file://{tmp_path}/a%20b.png").read()
    assert image.data == png(3)


def _with_weights_beside(folder: Path, location: str) -> bytes:
    """Return the bundled target with its weights in another file, which it calls by some name."""
    model = onnx.load(DEMO / "target.onnx")
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="m.weights", size_threshold=16)
    named = onnx.load(folder / "m.onnx", load_external_data=False)
    for tensor in named.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return bytes(named.SerializeToString())


def test_weights_beside_a_model_come_with_it_and_others_never(
    memory: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    pipe = memory.pipe  # type: ignore[attr-defined]
    pipe("/models/good/m.onnx", _with_weights_beside(tmp_path, "m.weights"))
    pipe("/models/good/m.weights", (tmp_path / "m.weights").read_bytes())
    there = layers("memory://models/good/m.onnx")
    assert there.sha256 == layers(tmp_path / "m.onnx").sha256
    assert there.model == "memory://models/good/m.onnx"
    pipe("/models/w", (tmp_path / "m.weights").read_bytes())
    for number, location in enumerate(("../w", "/etc/passwd", "missing.weights", "sub/m.weights")):
        pipe(f"/models/{number}/m.onnx", _with_weights_beside(tmp_path, location))
        with pytest.raises(ModelError) as caught:
            layers(f"memory://models/{number}/m.onnx")
        assert str(caught.value).startswith(f"memory://models/{number}/m.onnx: ")
        assert str(tmp_path) not in str(caught.value)
    assert not list((tmp_path / "temporary").iterdir())


def test_what_declares_the_preprocessing_comes_with_the_model(memory: object) -> None:
    memory.pipe("/nets/m.onnx", (DEMO / "target.onnx").read_bytes())  # type: ignore[attr-defined]
    memory.pipe("/nets/m.toml", b'name = "own"\n')  # type: ignore[attr-defined]
    memory.pipe("/nets/secret.key", b"x")  # type: ignore[attr-defined]
    with brought("memory://nets/m.onnx") as path:
        assert sorted(one.name for one in path.parent.iterdir()) == ["m.onnx", "m.toml"]
    assert not path.parent.exists()
