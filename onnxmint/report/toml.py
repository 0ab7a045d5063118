"""Plain values to TOML, which the standard library reads but does not write."""

import json
import math
from collections.abc import Mapping
from typing import Any


def to_toml(facts: Mapping[str, Any]) -> str:
    """Return text that tomllib reads back to the same values.

    Strings, numbers, truth values, lists of them and tables of all of these; a key whose value is None is left out,
    since TOML has no word for it. Undecodable bytes of file names (surrogates) are written out.

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
        return repr(value) if math.isfinite(value) else str(value)  # nan and inf are TOML words
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items() if item is not None)}}}"
    raise TypeError(f"TOML cannot hold {value!r} of type {type(value).__name__}")


def _key(key: str) -> str:
    """Leave plain keys bare, as people write them."""
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _text(key)


def _text(value: str) -> str:
    """Return a basic string; JSON's escapes are TOML's, but TOML also wants the control character 127 escaped."""
    plain = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
