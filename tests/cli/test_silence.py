"""Libraries have their own lines on odd files; none of them reaches the user's terminal."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import DEMO, KNOWN, ROOT

EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x87\x69\0\x04\0\0\0\x01\xff\xff\xff\xff"


def _picture(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8))


def _stored(picture: Image.Image, form: str, **options: object) -> bytearray:
    room = io.BytesIO()
    picture.save(room, form, **options)
    return bytearray(room.getvalue())


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder of images that Pillow, libtiff and others have something to say of, and of some good ones."""
    rng, folder = np.random.default_rng(0), tmp_path / "odd"
    folder.mkdir()
    _picture(rng).convert("P").save(folder / "palette.png", transparency=bytes(range(256)))
    (folder / "exif.jpg").write_bytes(_stored(_picture(rng).convert("RGB"), "JPEG", exif=EXIF))
    tiff = _stored(_picture(rng), "TIFF", compression="tiff_lzw")
    (folder / "cut.tif").write_bytes(tiff[:-30])
    tiff[60:90] = b"\xff" * 30
    (folder / "damaged.tif").write_bytes(tiff)
    webp = _stored(_picture(rng).convert("RGB"), "WEBP")
    webp[40:80] = b"\xff" * 40
    (folder / "damaged.webp").write_bytes(webp)
    (folder / "cut.png").write_bytes(_stored(_picture(rng), "PNG")[:300])
    for number in range(5):
        _picture(rng).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("asked", ["", pytest.param("default", marks=pytest.mark.slow)])
def test_images_are_no_reason_for_a_line_of_pillow(odd: Path, tmp_path: Path, asked: str) -> None:
    words = [sys.executable, "-m", "onnxmint", "check", str(DEMO / "target.onnx"), str(odd), "-q"]
    told = os.environ | {"PYTHONWARNINGS": asked, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=told, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "PIL" not in done.stderr
    assert asked or done.stderr == ""


@pytest.mark.slow
def test_damaged_tables_and_models_are_one_line_each(tmp_path: Path) -> None:
    content = bytearray((KNOWN[0]).read_bytes())
    content[4000:9000] = bytes(5000)
    (tmp_path / "t.parquet").write_bytes(content)
    (tmp_path / "u.parquet").write_bytes(content[:-2000])
    model = bytearray((DEMO / "target.onnx").read_bytes())
    model[3000:3100] = b"\xff" * 100
    (tmp_path / "m.onnx").write_bytes(model)
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.num_rows
    for target, place in (
        (DEMO / "target.onnx", "t.parquet"),
        (DEMO / "target.onnx", "u.parquet"),
        ("m.onnx", "t.parquet"),
    ):
        words = [sys.executable, "-m", "onnxmint", "check", str(target), place, "-q"]
        done = subprocess.run(
            words, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert all(line.startswith("Error: ") for line in done.stderr.splitlines()), done.stderr
        assert len(done.stderr.splitlines()) <= 1
