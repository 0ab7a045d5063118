"""Plain values to TOML, which the standard library reads but does not write."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any


def to_toml(facts: Mapping[str, Any]) -> str:
    """Return text that tomllib reads back to the same values; None is left out, since TOML has no word for it.

    Raises:
        TypeError: a value that TOML cannot hold.
    """
    return "\n".join(_table(facts, ())).lstrip("\n") + "\n"


def _table(facts: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"\n[{'.'.join(map(_key, path))}]"] if path else []
    for key, value in facts.items():
        if value is not None and not isinstance(value, Mapping):
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines += _table(value, (*path, key))
    return lines


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124 - nan
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value if item is not None)}]"
    raise TypeError(f"TOML cannot hold {type(value).__name__}")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    """Return a basic string; JSON's escapes are TOML's, but for the control character 127 and pairs of surrogates."""
    plain = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
