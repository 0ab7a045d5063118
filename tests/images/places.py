"""Small places with images, for tests: folders, Parquet files, shards."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.errors import OnnxmintError
from onnxmint.images.sources import open_source


def png(value: int) -> bytes:
    """Return a small image that no other value makes."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def folder(root: Path, names: Mapping[str, int]) -> Path:
    """Write images of some values under a folder."""
    for name, value in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(value))
    return root


def parquet(path: Path, count: int = 10, **columns: object) -> Path:
    """Write a Parquet file of the Hugging Face form."""
    images = [{"bytes": png(k), "path": f"{k}.png"} for k in range(count)]
    pq.write_table(pa.table({"image": images, **columns}), path, row_group_size=4)
    return path


def shard(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a tar file."""
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def message(kind: type[OnnxmintError], place: object, **options: object) -> str:
    """Return the one line with which a place is refused."""
    with pytest.raises(kind) as caught:
        open_source(place, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def labelled(source: object) -> dict[str, int | None]:
    """Return the label of each image by its path."""
    return {entry.path: entry.label for entry in source.entries()}  # type: ignore[attr-defined]
