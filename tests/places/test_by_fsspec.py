"""Places that pyarrow does not open itself: by fsspec where that is installed, else an error that says what to do."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.sources import open_source
from onnxmint.places import stores
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
