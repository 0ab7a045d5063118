"""Resizing with the same pixels on every install: Pillow's arithmetic, in an order of our own."""

from typing import Any


def resized(image: Any, size: tuple[int, int], name: str) -> Any:
    """Return a Pillow image resized by one of Pillow's filters: across first, then down.

    Pillow rounds to whole levels between its two passes, so their order shows in the pixels. Every release before 13
    goes across first, and with it all that was trained until then; 13 takes first whichever costs less. Two calls that
    each have one pass leave no choice.

    Args:
        image: of mode "RGB" or "L".
        size: (width, height).
        name: of a filter, as in Image.Resampling, in small letters.
    """
    from PIL import Image

    way = Image.Resampling[name.upper()]
    if way is Image.Resampling.NEAREST:
        return image.resize(size, way)
    across = image.resize((size[0], image.height), way)
    return across.resize(size, way)
