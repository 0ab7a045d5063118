"""JSON, TOML and plain text that others wrote: read with bounds, refused with one reason whatever is in them."""

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

MOST_JSON = 16 << 20  # bytes; a config.json that names 21,000 classes has one
MOST_TOML = 1 << 18  # bytes; parsing takes more than proportional time
_DEEPEST = 64  # levels of lists and tables; what is deeper cannot be walked by functions that call themselves


class ForeignError(ValueError):
    """What somebody else wrote cannot be read; the text is the fact, without the place that the reader adds."""


def read_content(path: Path, most: int) -> bytes:
    """Return the bytes of a file of at most `most` of them.

    Raises:
        ForeignError: it is missing, too long, or no regular file: a pipe or device could block or never end.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ForeignError("is no regular file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as problem:
        raise ForeignError(f"cannot be read: {problem.strerror or problem}") from None
    if len(content) > most:
        raise ForeignError(f"is longer than {most >> 10:,} kB")
    return content


def parse_json(text: str | bytes, *, most: int = MOST_JSON) -> Any:
    """Return the value that a JSON text writes.

    Raises:
        ForeignError: it is none, too long, or nested too deep.
    """
    if len(text) > most:
        raise ForeignError(f"no readable JSON: it is longer than {most >> 10:,} kB")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ForeignError(_too_deep("JSON")) from None
    except (ValueError, MemoryError) as problem:
        raise ForeignError(f"no readable JSON: {_line(problem)}") from None
    return _shallow(value, "JSON")


def read_json(path: Path, *, most: int = MOST_JSON) -> Any:
    """Return the value in a JSON file.

    Raises:
        ForeignError: as `read_content` and `parse_json`.
    """
    return parse_json(_said_as(path, most, "JSON"), most=most)


def parse_toml(text: bytes) -> dict[str, Any]:
    """Return the table that a TOML text writes.

    Raises:
        ForeignError: it is none, too long, or nested too deep.
    """
    if len(text) > MOST_TOML:
        raise ForeignError(f"no readable TOML: it is longer than {MOST_TOML >> 10:,} kB")
    try:
        table = tomllib.loads(text.decode("utf-8"))
    except RecursionError:
        raise ForeignError(_too_deep("TOML")) from None
    except (ValueError, MemoryError) as problem:  # bytes that are no UTF-8 too
        raise ForeignError(f"no readable TOML: {_line(problem)}") from None
    _shallow(table, "TOML")
    return table


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table in a TOML file.

    Raises:
        ForeignError: as `read_content` and `parse_toml`.
    """
    return parse_toml(_said_as(path, MOST_TOML, "TOML"))


def _said_as(path: Path, most: int, form: str) -> bytes:
    try:
        return read_content(path, most)
    except ForeignError as problem:
        raise ForeignError(f"no readable {form}: it {problem}") from None


def _shallow(value: Any, form: str) -> Any:
    """Return a value after making sure that it is not nested too deep."""
    level = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return value
        level = inner
    raise ForeignError(_too_deep(form))


def _too_deep(form: str) -> str:
    return f"no readable {form}: it is nested more than {_DEEPEST} levels deep"


def _line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:200] or type(problem).__name__
