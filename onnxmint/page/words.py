"""What the page says in each language: the report's catalogues, and how each language writes numbers."""

from onnxmint.report.language import NAMES, language
from onnxmint.results.json import Facts

_THOUSANDS, _SHARE = 1234567, 0.5


def spoken() -> Facts:
    """Return the languages by code: name, marks of numbers, and messages by what they are in English."""
    return {code: _one(code) for code in NAMES}


def _one(code: str) -> Facts:
    words = language(code)
    written, decimal = words.number(_THOUSANDS), words.decimal(1.5, 1)
    return {
        "name": NAMES[code],  # type: ignore[index]
        "group": written[1],
        "decimal": decimal[1:-1],
        "percent": words.percent(_SHARE, 0).replace("50", "{n}"),
        "messages": _messages(code),
    }


def _messages(code: str) -> dict[str, list[str]]:
    """Return the translations of a language; those with a plural have two."""
    if code == "en":
        return {}
    from babel.messages.pofile import read_po

    from onnxmint.report.language import WORDS

    with (WORDS / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    found: dict[str, list[str]] = {}
    for message in catalog:
        if message.id:
            name = message.id[0] if message.pluralizable else message.id
            found[str(name)] = [*message.string] if message.pluralizable and message.string else [str(message.string)]
    return found
