"""Preprocessing is exact and declared; broken, deep and huge images are refused with their reason."""

import contextlib
import io
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onnxmint.errors import ImagesError, UsageError
from onnxmint.preprocess.declared.finding import load_spec
from onnxmint.preprocess.decoding import PRESETS, decode, final_size, resolve
from onnxmint.preprocess.geometry import FILTERS
from onnxmint.preprocess.spec import PreprocessSpec


def _pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _encode(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def _resized(image: Image.Image, size: tuple[int, int], name: str) -> Image.Image:
    """Resize as every Pillow before 13 does: across, then down."""
    way = getattr(Image.Resampling, name.upper())
    return image.resize((size[0], image.height), way).resize(size, way)


def _resolved(spec: PreprocessSpec, size: int | None = 8, channels: int = 3) -> PreprocessSpec:
    return resolve(spec, height=size, width=size, channels=channels, layout="NCHW")


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    target=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    name=st.sampled_from(FILTERS),
)
def test_squashing_is_pillows(height: int, width: int, target: tuple[int, int], name: str) -> None:
    pixels = _pixels(height, width)
    spec = PreprocessSpec(name="t", size=target, resize="squash", filter=name)
    expected = _resized(Image.fromarray(pixels), target[::-1], name)
    np.testing.assert_array_equal(decode(_encode(pixels), spec), np.asarray(expected))


@settings(deadline=None, max_examples=60)
@given(height=st.integers(8, 60), width=st.integers(8, 60), short=st.integers(8, 20), crop=st.integers(1, 8))
def test_shortest_side_and_centre_crop_are_torchvisions(height: int, width: int, short: int, crop: int) -> None:
    """torchvision: the longer side is int(short * long / shorter); the crop starts at round((size - crop) / 2)."""
    pixels = _pixels(height, width)
    spec = PreprocessSpec(name="t", size=(short, short), resize="shortest", crop=(crop, crop))
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    resized = _resized(Image.fromarray(pixels), size, "bilinear")
    top, left = round((resized.height - crop) / 2.0), round((resized.width - crop) / 2.0)
    expected = np.asarray(resized)[top : top + crop, left : left + crop]
    np.testing.assert_array_equal(decode(_encode(pixels), spec), expected)


def test_images_of_the_right_size_are_left_alone() -> None:
    pixels = _pixels(8, 8)
    np.testing.assert_array_equal(decode(_encode(pixels), _resolved(PRESETS["imagenet"])), pixels)
    assert decode(_encode(_pixels(20, 30)), _resolved(PRESETS["imagenet"])).shape == (8, 8, 3)


def test_gray_models_get_one_channel() -> None:
    spec = _resolved(PRESETS["0-1"], channels=1)
    assert spec.channels == "gray"
    pixels = _pixels(8, 8)
    np.testing.assert_array_equal(
        decode(_encode(pixels), spec)[..., 0], np.asarray(Image.fromarray(pixels).convert("L"))
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(_pixels(8, 8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG")
    assert decode(buffer.getvalue(), _resolved(PRESETS["0-1"])).shape == (8, 8, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("number", range(1, 9))
def test_exif_orientation_is_left_alone_unless_it_is_to_be_applied(form: str, number: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = number
    data = _encode(_pixels(6, 12), form, exif=exif)
    assert decode(data, PreprocessSpec(name="t")).shape == (6, 12, 3)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)).convert("RGB"))  # as datasets.Image decodes
    np.testing.assert_array_equal(decode(data, PreprocessSpec(name="t", orientation="apply")), np.asarray(turned))


def test_an_image_is_turned_before_it_is_resized_and_cropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = _pixels(20, 40)
    stored = _encode(np.rot90(wide), "PNG", exif=exif)  # as a camera held upright stores it
    for resampler in ("pillow", "torch"):
        spec = PreprocessSpec(
            name="t", size=(16, 16), resize="shortest", crop=(12, 15), orientation="apply", resampler=resampler
        )
        np.testing.assert_array_equal(decode(stored, spec), decode(_encode(wide), replace(spec, orientation="ignore")))


def _claims(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that claims to be of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"GIF nothing", "is not an image in JPEG, PNG"),
        (_encode(_pixels(64, 64), "JPEG")[:400], "is broken: "),
        (_encode(_pixels(64, 64))[:2000], "is broken: "),
        (_claims(9000, 9000), "is absurdly large"),
        (_claims(40000, 40000), "is absurdly large"),
        (_encode((np.arange(64, dtype=np.uint16) * 900).reshape(8, 8)), "has more than 8 bits a channel (mode I;16)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image in JPEG, PNG"),
    ],
)
def test_bad_images_are_refused_with_their_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImagesError) as caught:
        decode(data, _resolved(PRESETS["0-1"]))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_thin_image_cannot_ask_for_terabytes() -> None:
    """A few kB of 1 x 400,000 pixels, its shorter side made 256, would be 26 gigapixels."""
    buffer = io.BytesIO()
    Image.new("L", (1, 400_000)).save(buffer, "PNG")
    with pytest.raises(ImagesError, match="is 400000x1 pixels, too thin: its shorter side as 256 pixels makes"):
        decode(buffer.getvalue(), PreprocessSpec(name="t", size=(256, 256), resize="shortest", crop=(224, 224)))


@settings(deadline=None, max_examples=150)
@given(
    form=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    keep=st.floats(0.2, 1),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow talks about what it finds
def test_damage_is_refused_or_decoded_but_never_an_unforeseen_error(
    form: str, edits: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(_encode(_pixels(12, 10), form))
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    spec = PreprocessSpec(name="t", size=(8, 8), resize="shortest", crop=(8, 8))
    with contextlib.suppress(ImagesError):
        assert decode(bytes(data[: int(keep * len(data))]), spec).shape == (8, 8, 3)


def test_decoding_in_threads_leaves_the_warnings_of_the_process_alone() -> None:
    data, before, interval = _encode(_pixels(8, 8)), list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds; makes the threads meet
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: decode(data, PreprocessSpec(name="t")), range(3000)))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


def test_images_of_the_wrong_size_are_refused_when_nothing_may_change_them() -> None:
    spec = _resolved(PreprocessSpec(name="t", resize="none"))
    with pytest.raises(ImagesError, match="is 9x8 pixels, the model takes 8x8"):
        decode(_encode(_pixels(9, 8)), spec)
    spec = _resolved(PreprocessSpec(name="t", resize="none", crop=(8, 8)))
    with pytest.raises(ImagesError, match="too small for the crop"):
        decode(_encode(_pixels(7, 8)), spec)


def test_presets_round_trip() -> None:
    for spec in PRESETS.values():
        resolved = _resolved(spec)
        assert msgspec.json.decode(msgspec.json.encode(resolved), type=PreprocessSpec) == resolved
        assert final_size(resolved) == (8, 8)
        assert len(resolved.mean) == len(resolved.std) == 3


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        'size = 256\nresize = "shortest"\nfilter = "bicubic"\ncrop = [224, 224]\nchannels = "bgr"\n'
        "scale = 0.5\nmean = [1, 2, 3]\nstd = 4.0\n"
    )
    spec = resolve(load_spec(str(file)), height=None, width=None, channels=3, layout="NCHW")
    assert (spec.size, spec.crop, spec.filter, spec.channels) == ((256, 256), (224, 224), "bicubic", "bgr")
    assert (spec.scale, spec.mean, spec.std) == (0.5, (1.0, 2.0, 3.0), (4.0, 4.0, 4.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes = 3", "unknown key 'sizes'; known: size, resize"),
        ("size = [1, 2, 3]", "expected [height, width]"),
        ("size = 0", "expected [height, width]"),
        ('filter = "area"', "expected one of nearest, bilinear"),
        ("mean = [1, 2]", "expected one number, or three"),
        ("std = [1, 0, 1]", "a deviation must be above 0"),
        ('scale = "1/255"', "expected a number"),
        ("scale = 0", "expected a number, not 0"),
        ("scale = nan", "expected a number"),
        ("scale = 1" + "0" * 400, "expected a number"),
        ("mean = [inf, 0, 0]", "expected one number, or three"),
        ("std = nan", "expected one number, or three"),
        ("size = 100000", "is absurdly large; at most 50,000,000 pixels"),
        ("size = [", "no readable TOML"),
        ("size = " + "[" * 100_000, "no readable TOML: it is nested more than 64 levels deep"),
        ("crop_fraction = 0", "expected a number from 0.01 to 1"),
        ("crop_fraction = 0.9", "crop_fraction says the size to resize to: leave out size, and set resize to"),
        ('crop_fraction = 0.9\nresize = "squash"\nsize = 3', "crop_fraction says the size to resize to"),
        ("pad = 256", "expected one level from 0 to 255, or three"),
        ("pad = [1, 2]", "expected one level from 0 to 255, or three"),
        ("pad = 0.5", "expected one level from 0 to 255, or three"),
        ('resize = "shortest"\ncrop = 32', "resize = 'shortest' with crop does not say to which size: set size or"),
        ('resize = "squash"\ncrop = 32', "resize = 'squash' with crop does not say to which size"),
        ('resize = "longest"\ncrop = 32\npad = 0', "resize = 'longest' with crop does not say to which size"),
        ('resize = "longest"', "leaves a border: say its level with pad"),
        ('resampler = "torch"\nfilter = "box"', "resampler = 'torch' has no filter 'box'; it has nearest, bilinear"),
        ('resampler = "no-antialias"\nfilter = "bicubic"', "has no filter 'bicubic'; it has bilinear"),
        ('resampler = "opencv"', "expected one of pillow, torch, no-antialias"),
        ('crop_rule = "middle"', "expected one of torchvision, transformers, transformers-fast"),
        ('transparency = "black"', "expected one of drop, white"),
        ('orientation = "exif"', "expected one of ignore, apply"),
        ('origin = "timm"', "unknown key 'origin'; known: size"),
    ],
)
def test_wrong_toml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_spec(str(tmp_path / "p.toml"))
    assert message in str(caught.value)


def test_a_crop_without_resizing_needs_no_size(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('resize = "none"\ncrop = 8')
    pixels = _pixels(20, 30)
    np.testing.assert_array_equal(
        decode(_encode(pixels), _resolved(load_spec(str(tmp_path / "p.toml")))), pixels[6:14, 11:19]
    )


def test_a_name_that_is_nothing_lists_the_presets() -> None:
    for name in ("imagnet", "a" * 5000):
        with pytest.raises(UsageError, match=r"neither a preset \(imagenet, .*, keras:tf, .*\) nor a file or folder"):
            load_spec(name)


@pytest.mark.parametrize(
    ("facts", "graph", "message"),
    [
        ({}, (None, None, 3, "NCHW"), "does not say which: set size"),
        ({"size": (9, 9)}, (8, 8, 3, "NCHW"), "makes images of 9x9, the model takes 8x8"),
        ({"layout": "NHWC"}, (8, 8, 3, "NCHW"), "says layout NHWC, but the model's input is NCHW"),
        ({"mean": (1.0, 2.0, 3.0)}, (8, 8, 1, "NCHW"), "mean and std of 3 channels"),
        ({"channels": "gray"}, (8, 8, 3, "NCHW"), "says channels 'gray'"),
        ({"channels": "bgr"}, (8, 8, 1, "NCHW"), "says channels 'bgr'"),
        ({"pad": (1, 2, 3)}, (8, 8, 1, "NCHW"), "pad of 3 channels, but the model takes 1"),
        ({"crop_fraction": 0.9, "resize": "cover"}, (None, 8, 3, "NCHW"), "does not say which: set size"),
        ({"crop_fraction": 0.9, "crop": (9, 9)}, (8, 8, 3, "NCHW"), "makes images of 9x9, the model takes 8x8"),
    ],
)
def test_contradictions_with_the_model_are_refused(
    facts: dict[str, object], graph: tuple[int | None, int | None, int, str], message: str
) -> None:
    height, width, channels, layout = graph
    with pytest.raises(UsageError) as caught:
        resolve(PreprocessSpec(name="t", **facts), height=height, width=width, channels=channels, layout=layout)
    assert message in str(caught.value)


def test_a_shortest_side_needs_a_crop_and_gets_the_models() -> None:
    spec = _resolved(PreprocessSpec(name="t", size=(10, 10), resize="shortest", crop=(8, 8)))
    assert decode(_encode(_pixels(20, 31)), spec).shape == (8, 8, 3)


def test_a_crop_fraction_says_the_size_that_the_models_crop_is_cut_from() -> None:
    spec = _resolved(PreprocessSpec(name="t", resize="shortest", crop_fraction=0.875), size=224)
    assert (spec.size, spec.crop, spec.crop_fraction) == ((256, 256), (224, 224), None)
    assert msgspec.json.decode(msgspec.json.encode(spec), type=PreprocessSpec) == spec
    declared = PreprocessSpec(name="t", resize="squash", crop_fraction=0.9, crop=(30, 40))
    spec = resolve(declared, height=None, width=None, channels=3, layout="NCHW")
    assert (spec.size, spec.crop) == ((33, 44), (30, 40))


@pytest.mark.parametrize(
    ("rule", "left", "top"), [("torchvision", 1, 2), ("transformers", 2, 1), ("transformers-fast", 1, 1)]
)
def test_what_is_odd_lies_where_the_library_puts_it(rule: str, left: int, top: int) -> None:
    spec = PreprocessSpec(name="t", resize="none", crop=(7, 5), pad=(9, 8, 7), crop_rule=rule)
    narrow = _pixels(10, 2)
    found = decode(_encode(narrow), spec)
    np.testing.assert_array_equal(found[:, left : left + 2], narrow[top : top + 7])
    assert (found[:, :left] == [9, 8, 7]).all()
    assert (found[:, left + 2 :] == [9, 8, 7]).all()


def test_gray_is_padded_with_one_level() -> None:
    spec = PreprocessSpec(name="t", resize="longest", size=(8, 8), crop=(8, 8), pad=(7,), channels="gray")
    found = decode(_encode(_pixels(4, 8)), spec)
    assert found.shape == (8, 8, 1)
    assert (found[:2] == 7).all()
    assert (found[6:] == 7).all()


def test_transparency_shows_white_or_the_colours_below() -> None:
    picture = Image.fromarray(np.full((2, 2, 4), [10, 20, 30, 0], np.uint8))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert decode(buffer.getvalue(), PreprocessSpec(name="t"))[0, 0].tolist() == [10, 20, 30]
    assert decode(buffer.getvalue(), PreprocessSpec(name="t", transparency="white"))[0, 0].tolist() == [255, 255, 255]
    opaque = _pixels(3, 3)
    np.testing.assert_array_equal(decode(_encode(opaque), PreprocessSpec(name="t", transparency="white")), opaque)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"resize": "cover", "crop": (224, 224)}, "too thin: covering 256x256 makes"),
        ({"resize": "squash", "resampler": "torch"}, "too long to be resized as 'torch' does"),
        ({"resize": "squash", "resampler": "no-antialias"}, "too long to be resized as 'no-antialias' does"),
    ],
)
def test_a_thin_image_cannot_ask_for_much_memory_in_any_way(facts: dict[str, object], message: str) -> None:
    buffer = io.BytesIO()
    Image.new("L", (1, 400_000)).save(buffer, "PNG")
    with pytest.raises(ImagesError, match=message):
        decode(buffer.getvalue(), PreprocessSpec(name="t", size=(256, 256), **facts))
