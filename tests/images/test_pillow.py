"""A stranger's file is an image or one reason, and nothing is said on stderr but by us."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from onnxmint.errors import ImagesError
from onnxmint.images.flight import MOST_PIXELS
from onnxmint.images.pillow import LARGEST, decoded, in_mode, stored, upright


def _picture(height: int = 6, width: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _encode(form: str, pixels: np.ndarray | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_picture() if pixels is None else pixels).save(buffer, form, **options)
    return buffer.getvalue()


def _turned(orientation: int, form: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _encode(form, exif=exif)


def _reason(data: bytes) -> str:
    with pytest.raises(ImagesError) as caught:
        stored(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_every_form_says_its_size(form: str) -> None:
    found = stored(_encode(form))
    assert (found.height, found.width, found.orientation) == (6, 12, 1)


@pytest.mark.skipif("avif" not in features.modules or not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_where_pillow_has_it() -> None:
    assert (stored(_encode("AVIF")).height, stored(_encode("AVIF")).width) == (6, 12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is a HEIC image, which needs pillow-heif: pip install"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer, not the image itself"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL image: convert it to PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "is a JPEG 2000 image"),
        (b"<!DOCTYPE html><title>Not Found</title>", "is text (HTML or XML), not an image"),
        (b"https://example.org/a.png", "is an address, not an image: download it first"),
        (b"nothing", "is not an image in JPEG, PNG, WEBP"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(data: bytes, reason: str) -> None:
    if "HEIC" in reason:
        try:
            import pillow_heif  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("HEIC is read here")
    assert reason in _reason(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillows_own_function_does(form: str, orientation: int) -> None:
    from PIL import ImageOps

    data = _turned(orientation, form)
    assert stored(data).orientation == orientation
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    with decoded(data, lambda image: in_mode(upright(image), "RGB")) as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_an_orientation_that_is_none_turns_nothing() -> None:
    for orientation in (0, 9, 77):
        assert stored(_turned(orientation)).orientation == 1
    exif = Image.Exif()
    exif[0x0112] = 6
    damaged = bytearray(_encode("JPEG", exif=exif))
    place = damaged.index(b"Exif\0\0")
    damaged[place + 6 : place + 32] = b"\xff" * 26
    found = stored(bytes(damaged))
    assert (found.height, found.orientation) == (6, 1)


def test_an_image_of_the_right_mode_is_not_copied() -> None:
    with decoded(_encode("PNG"), lambda image: (image, in_mode(image, "RGB"))) as (image, same):
        assert image is same


def test_too_little_memory_is_the_images_reason() -> None:
    def hungry(_: object) -> object:
        raise MemoryError

    with (
        pytest.raises(ImagesError, match=r"needs more memory than there is \(12 x 6 pixels\)"),
        decoded(_encode("PNG"), hungry),
    ):
        pass


def test_an_error_of_whoever_uses_the_image_is_not_called_the_images() -> None:
    with pytest.raises(ValueError, match="ours"), decoded(_encode("PNG"), lambda image: image):
        raise ValueError("ours")


@pytest.mark.skipif("avif" not in features.modules or not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_damaged_image_is_not_called_one_that_cannot_be_read_here() -> None:
    assert _reason(_encode("AVIF")[:60]).startswith("is not an image in JPEG")


def test_damaged_tiffs_say_nothing_on_stderr(tmp_path: Path) -> None:
    """libtiff writes to the file descriptor itself, and Pillow to a log that nobody handles: another process looks."""
    plain = _encode("TIFF", _picture(64, 64))
    samples = b"\x15\x01\x03\x00\x01\x00\x00\x00"  # the tag, its type and count; then how many a pixel has
    assert samples + b"\x03" in plain
    (tmp_path / "samples.tif").write_bytes(plain.replace(samples + b"\x03", samples + b"\xff"))
    for number, form in enumerate(("jpeg", "tiff_lzw", "tiff_deflate", "packbits")):
        whole = _encode("TIFF", _picture(64, 64), compression=form)
        for cut in range(20):
            data = bytearray(whole)
            data[cut * len(data) // 20] ^= 0x5A
            (tmp_path / f"{number}-{cut}.tif").write_bytes(bytes(data))
    code = (
        "import sys, pathlib, warnings; warnings.simplefilter('ignore')\n"
        "from onnxmint.errors import ImagesError\n"
        "from onnxmint.images.pillow import decoded, in_mode\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        with decoded(file.read_bytes(), lambda image: in_mode(image, 'RGB')): pass\n"
        "    except ImagesError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_an_image_that_may_be_read_fits_what_may_be_decoded_at_once() -> None:
    assert LARGEST <= MOST_PIXELS
