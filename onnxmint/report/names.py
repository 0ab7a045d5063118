"""Words from outside (file names, class names, reasons) made safe to show: nothing hidden, nothing that acts."""

import unicodedata

from onnxmint.places.names import as_given

LONGEST = 200
"""Letters of a name in a message; an ONNX file may hold names of megabytes."""
# Controls, direction and invisible marks, surrogates of undecodable bytes, private, unassigned, separators of lines.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""Return text with every invisible or acting character written out, as \x1b or \u202e.

    A terminal would obey escape sequences in a file name, and direction marks can make evil.exe.jpg look like another
    name; bytes that are no UTF-8 arrive as surrogates, which cannot be encoded. Secrets of a URI are left out.
    """
    text = as_given(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(letter) if unicodedata.category(letter) in _HIDDEN else letter for letter in text)


def shortened(text: str, most: int = LONGEST) -> str:
    """Return text of at most so many letters, what is left out being in the middle: ends tell more."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 3]}...{text[-tail:]}"


def _written_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
