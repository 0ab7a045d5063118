"""The one way to JSON and back: values as they are laid out, every type checked, nothing that JSON does not know."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec
import numpy as np

from onnxmint.errors import OnnxmintError

LARGEST = 1 << 28  # bytes of a file that is read
_LARGEST_INT = 1 << 63
_LISTS = {"f": list[float], "i": list[int], "u": list[int], "b": list[bool]}  # of an array, by kind of dtype

Value = TypeVar("Value")
Facts = dict[str, object]
"""A tree of what JSON knows."""
_LONG_VERSION = 40  # letters; what is longer was not written by any version


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Generic[Value]):
    """One kind of JSON file.

    Attributes:
        kind: the dataclass that it holds.
        schema: name and number of its layout; files of another are refused.
        mend: what to do about a file that cannot be read.
        elsewhere: fields that are kept in another file.
        error: what is raised about a file.
    """

    kind: type[Value]
    schema: str
    mend: str
    elsewhere: tuple[str, ...] = ()
    error: type[OnnxmintError] = OnnxmintError

    def facts(self, value: Value, *, packed: bool = False) -> Facts:
        """Return a value as a tree; it may also be of a class that adds fields, which are left out.

        Args:
            value: what the document holds.
            packed: arrays as type, shape and bytes in base64 instead of lists.

        Raises:
            ValueError: NaN or infinity somewhere, which JSON does not know.
        """
        hook = _pack if packed else _list
        names = [field.name for field in fields(self.kind) if field.name not in self.elsewhere]  # type: ignore[arg-type]
        found = {name: msgspec.to_builtins(getattr(value, name), enc_hook=hook) for name in names}
        _require_plain(found, "$")
        return {"schema": self.schema, **found}

    def write(self, value: Value, *, packed: bool = False) -> str:
        """Return the text of the file, see `facts`."""
        return json.dumps(self.facts(value, packed=packed), indent=None if packed else 1, allow_nan=False)

    def read(self, text: str | bytes, where: str, **elsewhere: object) -> Value:
        """Return what a file holds.

        Args:
            text: of the file.
            where: what messages call it.
            elsewhere: the fields that the document does not hold.

        Raises:
            OnnxmintError: as `error`, in one line with the place: it is no JSON, of another schema, lacks a key or has
                one too many, or a value has a wrong type.
        """
        try:
            facts = _parsed(text)
            if facts.get("schema") != self.schema:
                raise self._other_schema(facts, where)
            found = {key: value for key, value in facts.items() if key != "schema"}
            _require_plain(found, "$")
            value = msgspec.convert({**found, **elsewhere}, self.kind, dec_hook=_array)
            _require_same_keys(found, {key: _keys(getattr(value, key, None)) for key in self._names()}, "$")
        except RecursionError:
            raise self.error(f"{where}: is nested too deeply to be read; {self.mend}") from None
        except (ValueError, OverflowError, msgspec.ValidationError) as problem:
            raise self.error(f"{where}: {_placed(str(problem))}; {self.mend}") from None
        return value

    def _names(self) -> list[str]:
        return [field.name for field in fields(self.kind) if field.name not in self.elsewhere]  # type: ignore[arg-type]

    def _other_schema(self, facts: Mapping[str, object], where: str) -> OnnxmintError:
        version = facts.get("version")
        told = isinstance(version, str) and version.isascii() and version.isprintable() and len(version) < _LONG_VERSION
        other = f" (onnxmint {version})" if told else ""
        return self.error(
            f"{where} has schema {facts.get('schema')!r}, this onnxmint reads {self.schema!r}: use the version that "
            f"wrote it{other}, or {self.mend}"
        )


def plain(value: object) -> Facts:
    """Return one dataclass as a tree of what JSON knows."""
    found: Facts = msgspec.to_builtins(value, enc_hook=_list)
    return found


def _parsed(text: str | bytes) -> Facts:
    if len(text) > LARGEST:
        raise ValueError(f"holds {len(text):,} bytes, at most {LARGEST:,} are read")
    facts: object = json.loads(text)
    if not isinstance(facts, dict):
        raise msgspec.ValidationError(f"expected an object, got {type(facts).__name__}")
    return facts


def _require_plain(found: object, place: str) -> None:
    """Refuse numbers that JSON cannot write, or that no column can hold."""
    for key, value in _items(found):
        here = f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}"
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected a finite number, got {value} at {here}")
        if isinstance(value, int) and not -_LARGEST_INT <= value < 2 * _LARGEST_INT:
            raise ValueError(f"expected a number of at most 64 bits at {here}")
        if isinstance(value, dict | list | tuple):
            _require_plain(value, here)


def _items(found: object) -> Iterator[tuple[int | str, object]]:
    if isinstance(found, dict):
        yield from found.items()
    elif isinstance(found, list | tuple):
        yield from enumerate(found)


def _keys(value: object) -> object:
    """Return the tree of a value with its keys; arrays and numbers are not looked into."""
    return msgspec.to_builtins(value, enc_hook=lambda _: None)


def _require_same_keys(found: object, known: object, place: str) -> None:
    """Refuse keys that nothing reads, such as a misspelt one, and missing ones that would be taken for the default."""
    if isinstance(found, dict) and isinstance(known, dict):
        for key in found.keys() ^ known.keys():
            raise ValueError(f"{'unknown' if key in found else 'missing'} key {key!r} at {place}")
    elif not (isinstance(found, list) and isinstance(known, list | tuple)):
        return
    theirs = dict(_items(known))
    for key, value in _items(found):
        _require_same_keys(value, theirs[key], f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}")


def _placed(problem: str) -> str:
    """Return msgspec's words about a value in ours."""
    words = re.sub(r" - at `(\$.*)`$", r" at \1", problem)
    return words[:1].lower() + words[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """An array as its bytes, little end first."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def _list(value: Any) -> object:
    """Return what JSON knows for what it does not."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"JSON cannot hold {type(value).__name__}")


def _pack(value: Any) -> object:
    if not isinstance(value, np.ndarray):
        return _list(value)
    little = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<")))
    return _Packed(dtype=value.dtype.name, shape=value.shape, data=little.tobytes())


def _array(kind: Any, found: object) -> object:
    """Return an array of the type that a field is annotated with, from a list or from its bytes."""
    if get_origin(kind) is not np.ndarray:
        raise NotImplementedError(f"JSON cannot hold {kind}")
    dtype = np.dtype(get_args(get_args(kind)[1])[0])
    try:
        if isinstance(found, list):
            return np.array(msgspec.convert(found, _LISTS[dtype.kind]), dtype)
        if not isinstance(found, dict):
            raise ValueError(f"expected a list of numbers or a packed array, got {type(found).__name__}")  # noqa: TRY004
        packed = msgspec.convert(found, _Packed)
    except msgspec.ValidationError as problem:
        raise ValueError(f"{str(problem).partition(' - at ')[0]} in the array") from None
    if packed.dtype != dtype.name:
        raise ValueError(f"expected an array of {dtype.name}, got {packed.dtype[:20]}")
    if any(size < 0 for size in packed.shape) or math.prod(packed.shape) * dtype.itemsize != len(packed.data):
        raise ValueError(f"{len(packed.data):,} bytes are no array of shape {packed.shape}")
    values = np.frombuffer(packed.data, dtype.newbyteorder("<")).astype(dtype).reshape(packed.shape)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("expected finite numbers in the array")
    return values
