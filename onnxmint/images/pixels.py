"""What the pixels of one image say: levels, sharpness, and the traces that rounding and compression leave."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

THUMB = 8  # pixels a side of the thumbnail
_CROP = 256  # pixels a side; statistics of more say the same, and no longer fit the cache
_GRID = 16  # pixels; the crop starts on the grid of JPEG's blocks, which are 16 wide where chroma is subsampled
_BLOCK = 8
_ROUNDING = 0.1  # squared levels; about what rounding adds to the energy of differences
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEVEL = np.arange(256.0)
_PERCENTILES = np.array([0.05, 0.5, 0.95])[:, None, None] - 1e-9  # shares are summed with a rounding error
_AXES = (1, 0)  # horizontal, vertical
_COLOURS = ("red", "green", "blue")
_DIRECTIONS = ("horizontal", "vertical")

_LEVEL_FACTS = (
    "mean",
    "deviation",
    "skewness",
    "minimum",
    "maximum",
    "5% level",
    "median",
    "95% level",
    "share at 0",
    "share at 255",
)

PIXEL_FACTS: tuple[str, ...] = (
    *(f"{colour} {fact}" for fact in _LEVEL_FACTS for colour in _COLOURS),
    *(f"green levels with low bits {bits:02b}" for bits in range(4)),
    *(
        f"{order} {way} {colour} difference"
        for way in _DIRECTIONS
        for order in ("first", "second")
        for colour in _COLOURS
    ),
    *(f"sharpness at scale {scale} against {2 * scale}" for scale in (1, 2)),
    *(f"{way} JPEG blockiness" for way in _DIRECTIONS),
    *(f"{way} chroma detail against luma" for way in _DIRECTIONS),
    *(f"{way} neighbours of equal chroma" for way in _DIRECTIONS),
    *(f"thumbnail row {row + 1} column {column + 1}" for row in range(THUMB) for column in range(THUMB)),
)

Floats = NDArray[np.float32]


def pixel_facts_of(rgb: Any, thumb: NDArray[np.uint8]) -> Floats:
    """Return the (P,) PIXEL_FACTS of an RGB image of any size and its (8, 8, 3) thumbnail."""
    crop = _central(rgb)
    histogram = np.array(crop.histogram(), np.float64).reshape(3, 256)
    colours = np.asarray(crop).astype(np.float32)
    codes = np.asarray(crop.convert("YCbCr")).astype(np.float32)
    return np.concatenate(
        [
            _level_facts(histogram / histogram[0].sum()),
            *_colour_differences(colours),
            _sharpness(np.ascontiguousarray(codes[:, :, 0])),
            _compression(codes),
            (thumb @ _LUMA).reshape(-1),
        ],
        dtype=np.float32,
    )


def _central(rgb: Any) -> Any:
    left, top = (max(0, (side - _CROP) // 2) // _GRID * _GRID for side in rgb.size)
    width, height = (min(side, _CROP) for side in rgb.size)
    return rgb if rgb.size == (width, height) else rgb.crop((left, top, left + width, top + height))


def _level_facts(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what (3, 256) shares of the levels of red, green and blue say."""
    mean = share @ _LEVEL
    centred = _LEVEL - mean[:, None]
    cubes = share * centred
    cubes *= centred
    deviation = np.sqrt(cubes.sum(axis=1))
    cubes *= centred
    skewness = cubes.sum(axis=1) / np.where(deviation > 0, deviation, 1.0) ** 3
    present = share > 0
    least, most = present.argmax(axis=1), 255 - present[:, ::-1].argmax(axis=1)
    percentiles = (share.cumsum(axis=1) < _PERCENTILES).sum(axis=2).ravel()
    low_bits = share[1].reshape(64, 4).sum(axis=0)
    return np.concatenate([mean, deviation, skewness, least, most, percentiles, share[:, 0], share[:, 255], low_bits])


def _steps(pixels: Floats, axis: int) -> Floats:
    """Return the differences of neighbours of (H, W, 3) pixels (np.diff takes twice the time on small ones)."""
    return pixels[1:] - pixels[:-1] if axis == 0 else pixels[:, 1:] - pixels[:, :-1]


def _means(steps: Floats) -> Floats:
    """Return the (3,) means of (H, W, 3) values, 0 when there are none; summing rows first is fast."""
    means: Floats = np.add.reduce(np.add.reduce(steps, axis=0), axis=0) / np.float32(max(1, steps.size // 3))
    return means


def _colour_differences(colours: Floats) -> list[Floats]:
    """Return the (3,) means of absolute first and second differences, horizontal, then vertical."""
    means: list[Floats] = []
    for axis in _AXES:
        first = _steps(colours, axis)
        second = _steps(first, axis)
        means += [_means(np.abs(first, out=first)), _means(np.abs(second, out=second))]
    return means


def _sharpness(luma: Floats) -> list[float]:
    """Return by how much the energy of differences changes as an (H, W) plane is halved, and halved again."""
    half = _halved(luma)
    energies = [_energy(plane) for plane in (luma, half, _halved(half))]
    return [math.log(energies[0] / energies[1]), math.log(energies[1] / energies[2])]


def _halved(luma: Floats) -> Floats:
    """Return the means of the 2 x 2 squares of a plane; what is left over at its border is dropped."""
    even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
    halved: Floats = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / np.float32(4)
    return halved


def _energy(luma: Floats) -> float:
    """Return the mean squared difference of neighbours in a plane, never 0."""
    steps = (_steps(luma, axis) for axis in _AXES)
    return _ROUNDING + sum(float((step * step).sum()) / max(1, step.size) for step in steps)


def _compression(codes: Floats) -> list[float]:
    """Return the traces of JPEG in (H, W, 3) luma and chroma: blocks, little chroma detail, equal neighbours."""
    blocks, detail, equal = [], [], []
    for axis in _AXES:
        steps = _steps(codes, axis)
        np.abs(steps, out=steps)
        luma, *chroma = _means(steps).tolist()
        blocks.append(_blockiness(steps, axis, luma))
        detail.append(sum(chroma) / (luma + 1))  # one level more: a flat image has no detail of either
        changed = _means(np.minimum(steps, 1, out=steps))  # steps are whole numbers
        equal.append(1 - float(changed[1:].mean()) if steps.size else 0.0)
    return [*blocks, *detail, *equal]


def _blockiness(steps: Floats, axis: int, mean: float) -> float:
    """Return how much larger the absolute luma steps are between the blocks of JPEG than inside them."""
    count: int = steps.shape[axis]
    if count + 1 < 2 * _BLOCK:
        return 0.0
    border = steps[_BLOCK - 1 :: _BLOCK] if axis == 0 else steps[:, _BLOCK - 1 :: _BLOCK]
    between, borders = float(_means(border)[0]), count // _BLOCK
    return between - (mean * count - between * borders) / (count - borders)
