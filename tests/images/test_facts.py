"""Facts are what they say, finite for every image, equal for copies in any container, absent for broken files."""

import contextlib
import io
import threading
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from onnxmint.errors import ImagesError
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.facts import FILE_FACTS, PIXEL_FACTS, ImageFacts, look_at
from onnxmint.images.passed import frames_note
from onnxmint.images.pillow import FORMATS
from onnxmint.images.sources import open_source
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.progress import quiet

WRITTEN = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # AVIF and HEIF: where this Pillow has them


class _Listed:
    """A source of images in memory."""

    location = "memory"
    classes = None

    def __init__(self, *images: bytes | None) -> None:
        self._images = images

    def entries(self) -> tuple[ImageEntry, ...]:
        return tuple(ImageEntry(index=i, path=str(i), label=None, group=None) for i in range(len(self._images)))

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        for index, data in enumerate(self._images):
            if wanted is None or index in wanted:
                yield EncodedImage(index=index, path=str(index), data=data, error=None if data else "gone")


def _noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth coloured picture with a little detail."""
    coarse = Image.fromarray(_noise(6, 6, seed)).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(seed).normal(0, 12, (height, width, 3))
    return np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)


def _encode(pixels: np.ndarray, form: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(buffer, form, **options)
    return buffer.getvalue()


def _look(*images: bytes | None, pixel_facts: AbstractSet[int] | None = None, threads: int = 2) -> ImageFacts:
    return look_at(
        _Listed(*images),
        wanted=set(range(len(images))),
        stage=quiet,
        name="looking",
        threads=threads,
        pixel_facts=pixel_facts,
    )


def _file(name: str, data: bytes) -> float:
    return float(_look(data, pixel_facts=frozenset()).file[0, FILE_FACTS.index(name)])


def _pixel(name: str, pixels: np.ndarray) -> float:
    return float(_look(_encode(pixels)).pixel[0, PIXEL_FACTS.index(name)])


def test_every_column_has_its_own_name_and_shape() -> None:
    facts = _look(_encode(_noise(9, 7)), _encode(_noise(40, 30)))
    assert len(set(FILE_FACTS + PIXEL_FACTS)) == len(FILE_FACTS) + len(PIXEL_FACTS)
    assert facts.file.shape == (2, len(FILE_FACTS))
    assert facts.pixel.shape == (2, len(PIXEL_FACTS))
    assert facts.thumb.shape == (2, 192)
    kinds = [facts.index, facts.file, facts.pixel, facts.digest, facts.phash, facts.thumb]
    assert [array.dtype.name for array in kinds] == ["int64", "float32", "float32", "uint64", "uint64", "uint8"]


@pytest.mark.parametrize("form", WRITTEN)
def test_the_container_is_read_from_the_file(form: str) -> None:
    facts = _look(_encode(_noise(8, 8), form)).file[0]
    assert facts[: len(FORMATS)].tolist() == [float(form == name) for name in FORMATS]


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "gray"), ("RGB", "RGB"), ("RGBA", "transparent"), ("LA", "transparent"), ("P", "palette"), ("1", "other")],
)
def test_the_mode_is_the_stored_one(mode: str, name: str) -> None:
    facts = _look(_encode(_noise(8, 8), mode=mode)).file[0]
    modes = [column for column in FILE_FACTS if column.startswith("mode ")]
    assert [column for column in modes if facts[FILE_FACTS.index(column)]] == [f"mode {name}"]


def test_sizes_are_those_of_the_image() -> None:
    data = _encode(_noise(32, 64))
    assert _file("log2 width", data) == 6
    assert _file("log2 height", data) == 5
    assert _file("aspect ratio", data) == 2
    assert _file("log bytes per pixel", data) == pytest.approx(np.log(len(data) / (32 * 64)))


def test_jpeg_settings_are_read_from_its_tables() -> None:
    fine, coarse = _encode(_noise(16, 16), "JPEG", quality=95), _encode(_noise(16, 16), "JPEG", quality=30)
    for name in ("JPEG luminance quantisation", "JPEG chrominance quantisation"):
        assert 64 <= _file(name, fine) < _file(name, coarse)
    tables = Image.open(io.BytesIO(coarse)).quantization
    assert _file("JPEG luminance quantisation", coarse) == sum(tables[0])
    assert _file("JPEG progressive", fine) == 0
    assert _file("JPEG progressive", _encode(_noise(16, 16), "JPEG", progressive=True)) == 1
    for number in (0, 1, 2):
        assert _file("JPEG chroma subsampling", _encode(_noise(16, 16), "JPEG", subsampling=number)) == number


def test_facts_without_a_meaning_are_nan() -> None:
    jpeg = [number for number, name in enumerate(FILE_FACTS) if name.startswith("JPEG ")]
    facts = _look(_encode(_noise(8, 8)), _encode(_noise(8, 8), "JPEG", mode="L"))
    assert np.isnan(facts.file[0, jpeg]).all()
    assert np.isnan(facts.file[1, jpeg]).tolist() == [False, True, False, True]
    others = [number for number in range(len(FILE_FACTS)) if number not in jpeg]
    assert np.isfinite(facts.file[:, others]).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_noticed(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    plain = _encode(_noise(8, 8), form)
    assert (_file("EXIF", plain), _file("ICC profile", plain)) == (0, 0)
    assert _file("EXIF", _encode(_noise(8, 8), form, exif=exif)) == 1
    assert _file("ICC profile", _encode(_noise(8, 8), form, icc_profile=b"profile")) == 1


def test_orientations_are_read_and_those_that_turn_are_counted() -> None:
    data = []
    for number in (1, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = number
        data.append(_encode(_noise(8, 8), "JPEG", exif=exif))
    facts = _look(*data, _encode(_noise(8, 8)), b"nothing")
    assert facts.file[:, FILE_FACTS.index("EXIF orientation")].tolist() == [1, 3, 6, 8, 1]
    assert facts.turned == 3
    assert ImageFacts.joined([facts, facts]).turned == 6
    assert facts.take(facts.index > 1).turned == 2


def test_a_resolution_is_noticed() -> None:
    assert _file("resolution (DPI)", _encode(_noise(8, 8))) == 0
    assert _file("resolution (DPI)", _encode(_noise(8, 8), dpi=(72, 72))) == 1


def test_cameras_jpegs_of_several_pictures_are_jpegs() -> None:
    buffer = io.BytesIO()
    first, second = (Image.fromarray(_noise(16, 16, seed)) for seed in (0, 1))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    assert _file("format JPEG", buffer.getvalue()) == 1
    assert _file("JPEG luminance quantisation", buffer.getvalue()) > 0


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 40), width=st.integers(1, 40), level=st.none() | st.integers(0, 255))
def test_pixel_facts_are_finite_for_every_size_and_for_flat_images(height: int, width: int, level: int | None) -> None:
    pixels = _noise(height, width) if level is None else np.full((height, width, 3), level, np.uint8)
    facts = _look(_encode(pixels))
    assert np.isfinite(facts.pixel).all()


def test_levels_are_those_of_the_pixels() -> None:
    pixels = _scene(30, 41)
    facts = dict(zip(PIXEL_FACTS, _look(_encode(pixels)).pixel[0].tolist(), strict=True))
    for number, colour in enumerate(("red", "green", "blue")):
        values = pixels[..., number].astype(float).ravel()
        assert facts[f"{colour} mean"] == pytest.approx(values.mean())
        assert facts[f"{colour} deviation"] == pytest.approx(values.std())
        assert facts[f"{colour} skewness"] == pytest.approx(stats.skew(values), abs=1e-4)
        assert (facts[f"{colour} minimum"], facts[f"{colour} maximum"]) == (values.min(), values.max())
        for part, name in ((0.05, "5% level"), (0.5, "median"), (0.95, "95% level")):
            assert facts[f"{colour} {name}"] == np.quantile(values, part, method="inverted_cdf")
        assert facts[f"{colour} share at 0"] == pytest.approx((values == 0).mean())
        assert facts[f"{colour} share at 255"] == pytest.approx((values == 255).mean())
    for bits in range(4):
        share = (pixels[..., 1] & 3 == bits).mean()
        assert facts[f"green levels with low bits {bits:02b}"] == pytest.approx(share)


def test_differences_are_those_of_neighbours() -> None:
    pixels = _scene(20, 33)
    facts = dict(zip(PIXEL_FACTS, _look(_encode(pixels)).pixel[0].tolist(), strict=True))
    for way, axis in (("horizontal", 1), ("vertical", 0)):
        for times, order in ((1, "first"), (2, "second")):
            expected = np.abs(np.diff(pixels.astype(float), n=times, axis=axis)).mean(axis=(0, 1))
            found = [facts[f"{order} {way} {colour} difference"] for colour in ("red", "green", "blue")]
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_blur_lowers_the_sharpness() -> None:
    sharp = _noise(64, 64)
    blurred = np.asarray(Image.fromarray(sharp).resize((32, 32)).resize((64, 64)))
    name = "sharpness at scale 1 against 2"
    assert _pixel(name, blurred) < _pixel(name, sharp) - 0.5


@pytest.mark.parametrize("size", [(64, 64), (300, 700), (531, 300)])
def test_jpeg_leaves_blocks_and_little_chroma_even_in_the_middle_of_large_images(size: tuple[int, int]) -> None:
    pixels = _scene(*size)
    jpeg = np.asarray(Image.open(io.BytesIO(_encode(pixels, "JPEG", quality=50))).convert("RGB"))
    for way in ("horizontal", "vertical"):
        assert _pixel(f"{way} JPEG blockiness", jpeg) > _pixel(f"{way} JPEG blockiness", pixels) + 0.5
        detail = f"{way} chroma detail against luma"
        assert _pixel(detail, jpeg) < 0.75 * _pixel(detail, pixels)
        equal = f"{way} neighbours of equal chroma"
        assert _pixel(equal, jpeg) > 2 * _pixel(equal, pixels)


def test_blocks_are_counted_at_their_borders() -> None:
    steps = np.repeat(np.array([0, 80, 0], np.uint8), 8)
    pixels = np.repeat(np.tile(steps, (24, 1))[:, :, None], 3, axis=2)
    assert _pixel("horizontal JPEG blockiness", pixels) == pytest.approx(80)
    assert _pixel("vertical JPEG blockiness", pixels) == 0
    assert _pixel("horizontal JPEG blockiness", pixels[:, :15]) == 0
    moved = np.roll(pixels, 3, axis=1)
    assert _pixel("horizontal JPEG blockiness", moved) < 0


def test_the_thumbnail_is_a_mean_of_boxes() -> None:
    pixels = _noise(32, 32)
    facts = _look(_encode(pixels))
    boxes = pixels.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(facts.thumb.reshape(8, 8, 3), boxes, atol=1)  # Pillow rounds after each direction
    gray = facts.pixel[0, PIXEL_FACTS.index("thumbnail row 1 column 1") :].reshape(8, 8)
    np.testing.assert_allclose(gray, boxes @ [0.299, 0.587, 0.114], atol=1)


def test_the_perceptual_hash_is_imagehashs() -> None:
    pixels = _scene(50, 40)
    assert f"{int(_look(_encode(pixels)).phash[0]):016x}" == str(imagehash.phash(Image.fromarray(pixels)))


def test_digests_tell_pixels_and_size_but_not_containers() -> None:
    pixels, other = _noise(8, 4), _noise(8, 4)
    other[0, 0, 0] ^= 1
    copies = [_encode(pixels), _encode(pixels, "BMP"), _encode(pixels, "WEBP", lossless=True), _encode(pixels, "TIFF")]
    digest = _look(*copies, _encode(other), _encode(pixels.reshape(4, 8, 3))).digest
    assert len(set(digest[:4].tolist())) == 1
    assert len(set(digest.tolist())) == 3


def test_pixel_facts_are_nan_where_they_are_not_asked_for() -> None:
    images = [_encode(_noise(8, 8, seed)) for seed in range(5)]
    some, all_ = _look(*images, pixel_facts={1, 3, 77}), _look(*images)
    assert np.isnan(some.pixel).all(axis=1).tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(some.pixel[[1, 3]], all_.pixel[[1, 3]])
    np.testing.assert_array_equal(some.file, all_.file)


def test_images_that_cannot_be_decoded_are_absent_and_progress_still_ends() -> None:
    deep = _encode((np.arange(64, dtype=np.uint16) * 900).reshape(8, 8))
    images = [_encode(_noise(8, 8)), b"", None, b"nothing", _encode(_noise(64, 64), "JPEG")[:400], deep] * 20
    steps: list[int] = []

    @contextlib.contextmanager
    def stage(name: str, total: int) -> Iterator[object]:
        assert (name, total) == ("looking", len(images))
        yield steps.append

    facts = look_at(_Listed(*images), wanted=set(range(120)), stage=stage, name="looking")  # type: ignore[arg-type]
    assert facts.index.tolist() == list(range(0, 120, 6))
    assert sum(steps) == 120
    assert [one.index for one in facts.unreadable] == [place for place in range(120) if place % 6]
    starts = ("is empty", "gone", "is not an image in JPEG", "is broken: ", "has more than 8 bits a channel")
    assert [one.reason[: len(start)] for one, start in zip(facts.unreadable, starts, strict=False)] == list(starts)
    assert [one.path for one in facts.unreadable[:2]] == ["1", "2"]


def test_only_wanted_images_are_looked_at(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(_encode(_noise(8, 8, number)))
    facts = look_at(open_source(tmp_path), wanted={1, 4}, stage=quiet, name="looking")
    assert facts.index.tolist() == [1, 4]
    assert facts.digest.tolist() == _look(*(_encode(_noise(8, 8, number)) for number in (1, 4))).digest.tolist()


def test_nothing_wanted_is_nothing_seen() -> None:
    facts = look_at(_Listed(_encode(_noise(8, 8))), wanted=frozenset(), stage=quiet, name="looking")
    assert facts.pixel.shape == (0, len(PIXEL_FACTS))


def test_some_rows_are_taken_from_every_array() -> None:
    facts = _look(*(_encode(_noise(8, 8, seed)) for seed in range(4)))
    taken = facts.take(np.array([3, 1]))
    assert taken.index.tolist() == [3, 1]
    np.testing.assert_array_equal(taken.thumb, facts.thumb[[3, 1]])
    assert facts.take(facts.index > 2).digest.tolist() == facts.digest[3:].tolist()


def test_threads_do_not_change_the_facts_or_their_order() -> None:
    images = [_encode(_scene(20, 20, seed)) for seed in range(100)]
    one, four = _look(*images, threads=1), _look(*images, threads=4)
    np.testing.assert_array_equal(one.index, four.index)
    np.testing.assert_array_equal(one.pixel, four.pixel)


def test_few_images_wait_at_once() -> None:
    read, seen = 0, 0
    most = 0

    class Counted(_Listed):
        def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
            nonlocal read, most
            for image in super().read(wanted):
                read += 1
                most = max(most, read - seen)
                yield image

    @contextlib.contextmanager
    def stage(name: str, total: int) -> Iterator[object]:
        def advance(steps: int) -> None:
            nonlocal seen
            seen += steps

        yield advance

    images = [_encode(_noise(4, 4))] * 200
    look_at(Counted(*images), wanted=set(range(200)), stage=stage, name="x", threads=2)  # type: ignore[arg-type]
    assert seen == 200
    assert most <= 17


def test_a_source_that_fails_ends_the_threads() -> None:
    class Failing(_Listed):
        def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
            yield from super().read(wanted)
            raise ImagesError("is gone")

    with pytest.raises(ImagesError, match="is gone"):
        look_at(Failing(_encode(_noise(8, 8))), wanted={0}, stage=quiet, name="looking")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onnxmint-facts")]


@settings(deadline=None, max_examples=100)
@given(
    form=st.sampled_from(WRITTEN),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    keep=st.floats(0.2, 1),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow talks about what it finds
def test_damaged_images_are_seen_exactly_when_a_model_would_see_them(
    form: str, edits: list[tuple[float, int]], keep: float
) -> None:
    whole = bytearray(_encode(_noise(12, 10), form))
    for place, value in edits:
        whole[int(place * (len(whole) - 1))] = value
    data = bytes(whole[: int(keep * len(whole))])
    try:
        decode(data, PreprocessSpec(name="t"))
        readable = True
    except ImagesError:
        readable = False
    facts = _look(data)
    assert len(facts.index) == readable
    assert np.isfinite(facts.pixel).all()


def _several(form: str, frames: int) -> bytes:
    room = io.BytesIO()
    pictures = [Image.fromarray(np.full((9, 9, 3), 40 * k, np.uint8)) for k in range(frames)]
    pictures[0].save(room, form, save_all=True, append_images=pictures[1:])
    return room.getvalue()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_files_that_hold_further_frames_are_counted_and_read_as_before(form: str) -> None:
    found = _look(_several(form, 3), _several(form, 1))
    assert found.more.tolist() == [True, False]
    assert found.digest[0] == found.digest[1]
    assert frames_note(1, 2, "images") == (
        "1 of 2 images of images holds further frames or pages: of each the first was taken.",
    )
    assert not frames_note(0, 2, "images")


def test_further_pictures_of_a_cameras_file_are_its_own_business() -> None:
    assert not _look(_several("MPO", 2)).more.any()
