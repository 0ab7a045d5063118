"""How two processes hand each other arrays: a line of JSON, then raw bytes; nothing that runs code when it is read."""

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_LENGTH = 8  # bytes that say how long the JSON is
_LONGEST = 1 << 28  # bytes of JSON
_TYPES = {
    name: np.dtype(name)
    for name in (
        "bool",
        "float16",
        "float32",
        "float64",
        *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)),
    )
}

Arrays = dict[str, NDArray[Any]]


def send(stream: BinaryIO, words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], raw: bytes = b"") -> None:
    """Write a message: words, named arrays (numbers or text), and bytes."""
    listed, blobs = [], []
    for name, array in arrays.items():
        if array.dtype.name in _TYPES:
            listed.append({"name": name, "dtype": array.dtype.name, "shape": array.shape})
            blobs.append(np.ascontiguousarray(array))
        else:
            texts = [str(text) for text in array.ravel().tolist()]
            listed.append({"name": name, "dtype": "text", "shape": array.shape, "text": texts})
    header = json.dumps({"words": dict(words), "arrays": listed, "raw": len(raw)}).encode()
    stream.write(len(header).to_bytes(_LENGTH, "little") + header)
    for blob in blobs:
        stream.write(_bytes_of(blob))
    stream.write(raw)
    stream.flush()


def receive(stream: BinaryIO, largest: float = math.inf) -> tuple[dict[str, Any], Arrays, bytes] | None:
    """Return the next message, None when the other side has ended.

    Args:
        stream: from the other process.
        largest: bytes that its arrays may have.

    Raises:
        ValueError: it is no message of ours, or too large.
    """
    start = stream.read(_LENGTH)
    if len(start) < _LENGTH or (length := int.from_bytes(start, "little")) > _LONGEST:
        return None
    header = stream.read(length)
    if len(header) < length:
        return None
    message = json.loads(header)
    arrays: Arrays = {}
    for entry in message["arrays"]:
        shape = tuple(int(size) for size in entry["shape"])
        if entry["dtype"] == "text":
            arrays[entry["name"]] = np.array(entry["text"], object).reshape(shape)
            continue
        dtype = _TYPES.get(entry["dtype"])
        if dtype is None or any(size < 0 for size in shape):
            raise ValueError(f"array {entry['name']!r} of {entry['dtype']!r} and shape {shape}")
        largest -= math.prod(shape) * dtype.itemsize
        if largest < 0:
            raise ValueError(f"array {entry['name']!r} of shape {shape} is too large")
        arrays[entry["name"]] = array = np.empty(shape, dtype)
        if not _fill(stream, _bytes_of(array)):
            return None
    raw = stream.read(message["raw"]) if message["raw"] else b""
    return message["words"], arrays, raw


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the memory of a contiguous array."""
    return array.reshape(-1).data.cast("B")


def _fill(stream: BinaryIO, view: memoryview) -> bool:
    """Read as many bytes as the view has room for; say whether that many came."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True
