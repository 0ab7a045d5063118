"""The perceptual hash: 64 bits that recompressing, resizing and brightening hardly turn, equal on every machine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.resizing import resized

_SIDE = 32  # pixels that the cosines run over
_BITS = 8  # frequencies of each direction
_SCALE = 1 << 20  # whole numbers in place of cosines: sums of them do not depend on a machine's order of adding


def _cosines() -> NDArray[np.int64]:
    """Return the (8, 32) lowest cosines of a discrete cosine transform (type 2)."""
    phase = np.arange(_BITS)[:, None] * (2 * np.arange(_SIDE) + 1) * np.pi / (2 * _SIDE)
    whole: NDArray[np.int64] = np.rint(np.cos(phase) * _SCALE).astype(np.int64)
    return whole


_COSINES = _cosines()


def perceptual_hash(rgb: Any) -> int:
    """Return the hash of an RGB image: which of its lowest frequencies are above their median.

    That of imagehash.phash, whose bits may differ where a frequency is as good as the median.
    """
    gray = np.asarray(resized(rgb.convert("L"), (_SIDE, _SIDE), "lanczos"), np.int64)
    low = _COSINES @ gray @ _COSINES.T
    above = 2 * low > sum(np.sort(low, axis=None)[31:33].tolist())  # the median of 64 is between two of them
    return int.from_bytes(np.packbits(above).tobytes(), "big")
