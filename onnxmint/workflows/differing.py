"""What a step of a check compares: trees and columns of results, as they are written and as they follow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from onnxmint.errors import OnnxmintError
from onnxmint.results.audit import AuditResult
from onnxmint.results.comparison import Comparison
from onnxmint.results.sealed import SealedAudit
from onnxmint.results.verification import Step
from onnxmint.writing.regular import regular_bytes

CLOSE = 1e-9  # relative, where the last bits depend on the processor or on versions
_WORDS = ("text", "statistics", "headline")  # fields whose sentences another version may word otherwise
_SHOWN = 60  # letters of a value

Derivable = AuditResult | SealedAudit | Comparison
Rendered = Callable[[Derivable, Path], Mapping[str, bytes]]
"""Gives what files of a run must hold, for its result and its folder."""


def differences(found: object, expected: object, place: str = "", *, words: bool) -> Iterator[str]:
    """Yield where two trees of results differ, with both values; `words` are compared too."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            if words or key not in _WORDS:
                here = f"{place}.{key}" if place else str(key)
                yield from differences(found.get(key), expected.get(key), here, words=words)
    elif isinstance(found, list | tuple) and isinstance(expected, list | tuple) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{place}[{number}]", words=words)
    elif not _same(found, expected):
        yield f"{place}: {_shown(found)} is written, {_shown(expected)} follows"


def columns_apart(found: Any, expected: Any, file: str, names: Sequence[str]) -> Iterator[str]:
    """Yield which columns of two tables differ, with the first row.

    Args:
        found: the table as it is written, a dataclass of columns.
        expected: as it follows.
        file: that holds it.
        names: of its rows.
    """
    for column in fields(found):
        one, other = getattr(found, column.name), getattr(expected, column.name)
        if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
            if (one is None) != (other is None):
                yield f"{file} has {'no ' if one is None else ''}{column.name}"
            continue
        wrong = np.flatnonzero(~np.isclose(one, other, rtol=CLOSE, atol=CLOSE))
        if len(wrong):
            first = int(wrong[0])
            yield (
                f"{file}: {column.name} of {len(wrong):,} images, such as {names[first]}: "
                f"{_shown(one[first].item())} is written, {_shown(other[first].item())} follows"
            )


def files_apart(result: Derivable, run: Path, rendered: Rendered) -> Iterator[str]:
    """Yield which files of a run do not hold what follows from its result."""
    try:
        for name, content in rendered(result, run).items():
            if not _holds(run / name, content):
                yield f"{name} is not what follows"
    except OnnxmintError as problem:
        yield str(problem)


def derived(found: Sequence[str], *, exact: bool, words: bool, follows: str, taken: str) -> Step:
    """Return the step derivation.

    Args:
        found: what differs.
        exact: whether everything is the same to the last bit.
        words: whether sentences were compared.
        follows: what follows from what, in words.
        taken: what was not derived, in a sentence.
    """
    if found:
        text = f"{len(found)} values do not follow from the scores" if len(found) > 1 else "a value does not follow"
        return Step(name="derivation", outcome="failed", text=text, differences=tuple(found))
    how = "to the last bit" if exact else f"within {CLOSE:g}" if words else f"within {CLOSE:g}, words left out"
    return Step(name="derivation", outcome="passed", text=f"{follows}, {how}; {taken}")


def unreadable(problem: Exception) -> Step:
    """Return the step derivation of results that cannot be read."""
    first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
    return Step(name="derivation", outcome="failed", text="the results cannot be read", differences=(first,))


def _holds(path: Path, content: bytes) -> bool:
    """Return whether a file is there and holds something."""
    try:
        return regular_bytes(path) == content
    except (OSError, ValueError):
        return False


def _same(found: object, expected: object) -> bool:
    if isinstance(found, float) and isinstance(expected, float):
        return bool(np.isclose(found, expected, rtol=CLOSE, atol=CLOSE))
    return found == expected


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
