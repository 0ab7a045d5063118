"""Pictures of odd sizes and modes that need no file: whole-number formulas, so that they are the same everywhere."""

import io

import numpy as np
from PIL import Image


def _levels(height: int, width: int) -> np.ndarray:
    """Return (height, width, 4) levels: gradients with edges and fine texture."""
    y, x = np.mgrid[:height, :width]
    coarse = [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x // 9 + y // 7) % 2 * 200, (x + y) * 3]
    fine = (x * x * 7 + y * y * 13 + x * y * 5) % 61
    return np.stack([(layer + fine) % 256 for layer in coarse], axis=2).astype(np.uint8)


def _palette() -> Image.Image:
    picture = Image.fromarray(_levels(37, 50)[..., 0] // 4).convert("P")
    picture.putpalette([value for level in range(256) for value in (level * 4 % 256, 255 - level, level * 11 % 256)])
    return picture


PICTURES: dict[str, Image.Image] = {
    "tall": Image.fromarray(_levels(53, 37)[..., :3]),
    "wide": Image.fromarray(_levels(375, 500)[..., :3]),
    "square": Image.fromarray(_levels(224, 224)[..., :3]),
    "grey": Image.fromarray(_levels(41, 60)[..., 0]),
    "alpha": Image.fromarray(_levels(45, 46)),
    "palette": _palette(),
}


def png(picture: Image.Image) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
