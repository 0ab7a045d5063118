"""Bring the report's catalogues up to date with the messages in its code and pages: python tools/words/update.py.

New messages get no translation, and the tests name them; what is said no longer goes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

REPORT = Path(__file__).parents[2] / "onnxmint" / "report"
SAID: dict[str, Any] = {"say": None, "several": (1, 2), "mark": None}
PAGES = {"audit.html", "macros.html"}  # the other pages are in English


def messages() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield each message with the file that says it; those with a plural as a pair."""
    for path in sorted(REPORT.iterdir()):
        if path.suffix == ".py" or path.name in PAGES:
            method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
            for _, message, _, _ in extract_from_file(_method(method), path, keywords=SAID):
                yield path.name, message


def _method(name: str) -> Any:
    if name == "python":
        return name
    from jinja2.ext import babel_extract

    return babel_extract


def main() -> None:
    for path in sorted((REPORT / "words").glob("*.po")):
        template = Catalog(charset="utf-8")
        for name, message in messages():
            template.add(message, locations=[(name, 0)], flags=["python-brace-format"] if "{" in str(message) else [])
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        head = path.read_bytes().partition(b"\n\n")[0]  # as it is: no times of changes, no blanks to fill in
        with path.open("wb") as file:
            file.write(head + b"\n\n")
            write_po(file, catalog, width=110, include_lineno=False, omit_header=True, ignore_obsolete=True)
        missing = [message.id for message in catalog if message.id and not all(_said(message))]
        print(path.name, "without translation:", missing)


def _said(message: Any) -> tuple[str, ...]:
    return tuple(message.string) if message.pluralizable else (message.string,)


if __name__ == "__main__":
    main()
