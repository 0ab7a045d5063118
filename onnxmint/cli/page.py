"""Options of what people read: language, title, pictures and names of files in the page and answer.txt."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.redacted import redact_option

if TYPE_CHECKING:
    from onnxmint.report.presentation import Presentation
    from onnxmint.results.pictures import Pictures

Command = Callable[..., Any]

_LANGUAGES = ("en", "de", "fr", "es")  # report.language.NAMES, which is too much to import for --help
_WORDS = (
    click.option(
        "--language",
        type=click.Choice(_LANGUAGES),
        help="Language of report.html, answer.txt and the answer on the terminal.  [default: en]",
    ),
    click.option("--title", metavar="TEXT", help="Title of the report."),
    click.option("--case", metavar="TEXT", help="Case or file number, shown in the report."),
    click.option("--note", metavar="TEXT", help="A note, such as who asked and why, shown in the report."),
)
_PATHS = click.option(
    "--paths", is_flag=True, help="Name files with the folders above them; without it, what is shared tells none."
)


def word_options(command: Command) -> Command:
    """Add the options that can be chosen again when a page is rendered again."""
    for option in reversed(_WORDS):
        command = option(command)
    return command


def page_options(command: Command) -> Command:
    """Add the options of a page that is made for the first time."""
    thumbnails = click.option(
        "--thumbnails/--no-thumbnails",
        default=False,
        help="Show the most and least suspicious questioned images in the report, 96 pixels wide.  [default: no]",
    )
    return word_options(_PATHS(thumbnails(redact_option(command))))


def given_words(options: dict[str, Any]) -> dict[str, str]:
    """Take the words that were given out of the options."""
    given = {name: options.pop(name) for name in ("language", "title", "case", "note")}
    return {name: value for name, value in given.items() if value is not None}


def page_of(words: Mapping[str, str], pictures: "Pictures | None" = None) -> "Presentation":
    """Return how a page is shown.

    Raises:
        UsageError: a title, case or note is too long.
    """
    from onnxmint.report.presentation import presented

    return presented(words, pictures)
