"""What one party observed of an image, in the place of the image: what it looks like without a model, and answers.

An observation takes the place of an image's bytes in any source, so that whoever lists, draws, groups and divides
images need not know; it holds no pixels but those of a thumbnail of 8 by 8.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError

_MAGIC = b"onnxmint observation 1\n"
_LENGTH = struct.Struct("<I")
_LONGEST = 1 << 20  # bytes of a head
_KINDS = frozenset({"<f4", "<f8", "<i8", "<u8", "|u1", "|b1"})
_BETWEEN = "\t"  # subject and column in the name of an array


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One image as it was observed.

    Attributes:
        looks: what it looks like without a model, by name; none where it could not be decoded.
        answers: (subject, column) -> what that model said.
        label: class that it was observed with, None without.
        error: why it could not be decoded or shown, None where it could.
    """

    looks: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], NDArray[Any]] = field(default_factory=dict)
    label: int | None = None
    error: str | None = None

    def write(self) -> bytes:
        """Return the bytes that stand for the image."""
        named = {("", name): value for name, value in self.looks.items()} | dict(self.answers)
        arrays = {_BETWEEN.join(key): _little(value) for key, value in named.items()}
        head = {
            "label": self.label,
            "error": self.error,
            "arrays": [[name, value.dtype.str, list(value.shape)] for name, value in arrays.items()],
        }
        text = json.dumps(head).encode("ascii")
        return b"".join([_MAGIC, _LENGTH.pack(len(text)), text, *(value.tobytes() for value in arrays.values())])


def is_observation(data: bytes | None) -> bool:
    """Return whether bytes stand for an image that was observed."""
    return data is not None and data.startswith(_MAGIC)


def read_observation(data: bytes) -> Observation:
    """Read one back.

    Raises:
        ImagesError: it is damaged.
    """
    try:
        head, arrays = _parsed(data)
        label, error = head["label"], head["error"]
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ImagesError(f"is a damaged observation ({problem}); ask for it again") from None
    if not isinstance(label, int | None) or not isinstance(error, str | None):
        raise ImagesError("is a damaged observation (label or error of another type); ask for it again")
    return Observation(
        looks={key[1]: value for key, value in arrays.items() if not key[0]},
        answers={key: value for key, value in arrays.items() if key[0]},
        label=label,
        error=error,
    )


def _parsed(data: bytes) -> tuple[dict[str, Any], dict[tuple[str, str], NDArray[Any]]]:
    start = len(_MAGIC) + _LENGTH.size
    (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
    if not is_observation(data) or length > _LONGEST:
        raise ValueError("it has no head")
    head = json.loads(data[start : start + length])
    return head, _arrays(head["arrays"], memoryview(data)[start + length :])


def _arrays(listed: list[tuple[str, str, list[int]]], room: memoryview) -> dict[tuple[str, str], NDArray[Any]]:
    found: dict[tuple[str, str], NDArray[Any]] = {}
    for name, kind, shape in listed:
        if kind not in _KINDS or any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"array {name[:40]!r} is none")
        count = int(np.prod(shape, dtype=np.int64))
        part = np.frombuffer(room, kind, count)
        room = room[part.nbytes :]
        subject, _, column = name.rpartition(_BETWEEN)
        found[subject, column] = part.reshape(shape)
    if len(room):
        raise ValueError(f"{len(room)} bytes too many")
    return found


def _little(value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(array.shape)
