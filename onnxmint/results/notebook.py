"""What a notebook shows of a result: a few kilobytes of HTML, no script, every foreign word escaped and visible."""

from collections.abc import Iterable, Sequence
from html import escape

_LONGEST = 90  # letters of a name
_LONGEST_TEXT = 2000


def in_notebook(
    headline: str, texts: Sequence[str], heads: Sequence[str], rows: Iterable[Sequence[str]], left: str
) -> str:
    """Return a headline, paragraphs, a table, and a last paragraph on what it leaves out."""
    return "".join([_paragraph(headline, strong=True), *map(_paragraph, texts), _table(heads, rows), _paragraph(left)])


def _paragraph(text: str, *, strong: bool = False) -> str:
    shown = _shown(text, _LONGEST_TEXT)
    return f"<p><strong>{shown}</strong></p>" if strong else f"<p>{shown}</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_shown(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(text: str, most: int = _LONGEST) -> str:
    """Return text as HTML: what would hide or act is written out, the middle of what is too long is left out."""
    if len(text) > most:
        text = f"{text[: most // 2]}...{text[-most // 3 :]}"
    written = (letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text)
    return escape("".join(written))
