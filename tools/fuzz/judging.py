"""What a case may end as, and how an answer, an error and an output are judged."""

import re
import traceback
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VERDICTS = ("fine", "crash", "defect", "hang", "memory", "outside", "control", "left", "wrong")
"""`fine` first; the rest are failures."""
SECONDS, MEGABYTES, LETTERS = 20.0, 1500, 200
"""More than these is a hang, too much memory, and too long a name in a message."""
_ASKS = re.compile(r"This is a defect|report (it|this)\b|Traceback \(most recent", re.IGNORECASE)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_WORD = re.compile(r"\S+")
_PACKAGE = "onnxmint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one case ended as.

    Attributes:
        number: of the case; with kind and seed it makes the same input again.
        verdict: one of VERDICTS.
        what: the kind of answer or message: where it came from.
        detail: what was said, or what is wrong.
        seconds: it took, by the clock.
        peak: MB of memory, of the process and of the one that tries models together.
        marks: what the input was, for counting: "past the checker", "harmless", a form.
    """

    number: int
    verdict: str
    what: str
    detail: str = ""
    seconds: float = 0.0
    peak: int = 0
    marks: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def place_of(problem: BaseException) -> str:
    """Return where in the package an error was raised, by file and function: lines move, these stay."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if f"/{_PACKAGE}/" in frame.filename and "/cli/" not in frame.filename]
    frame = (own or frames)[-1]
    return f"{_within(frame.filename)} {frame.name}"


def trace_of(problem: BaseException) -> str:
    """Return the last steps to an error in one line."""
    steps = [f"{_within(one.filename)}:{one.lineno}" for one in traceback.extract_tb(problem.__traceback__)[-4:]]
    return f"{type(problem).__name__}: {str(problem)[:200]!r} at {' > '.join(steps)}"


def _within(filename: str) -> str:
    path = Path(filename)
    parts = path.parts
    return str(Path(*parts[len(parts) - parts[::-1].index(_PACKAGE) :])) if _PACKAGE in parts else path.name


def wrong_message(text: str) -> str | None:
    """Return what is wrong with what an error says, None if it is one clean line."""
    text = text.strip()
    if not text:
        return "says nothing"
    if "\n" in text:
        return f"{text.count(chr(10)) + 1} lines"
    longest = max(_WORD.findall(text), key=len)
    if len(longest) > LETTERS + 10:  # a bracket, a full stop and the like beside the name
        return f"a word of {len(longest)} letters"
    found = _ASKS.search(text)
    return f"says {found[0]!r} of a foreign file" if found else None


def hidden_in(text: str) -> str | None:
    """Return the first control or direction character in an output, written out; None if there is none."""
    if text.replace("\n", "").isascii() and text.replace("\n", "").isprintable():
        return None
    found = next((letter for letter in text if letter != "\n" and unicodedata.category(letter) in _HIDDEN), None)
    return None if found is None else f"U+{ord(found):04X} in {text[max(0, text.index(found) - 20) :][:50]!r}"


def worst(outcomes: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    """Return the first failure of what was found in a case, or what it ended with."""
    return next((one for one in outcomes if one[0] != "fine"), outcomes[-1])
