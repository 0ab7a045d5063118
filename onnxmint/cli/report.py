"""onnxmint report: render a finished run again, in another language or under another title if wanted."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.options import Here, json_option
from onnxmint.cli.page import given_words, word_options

_WHY = "its files are made anew together, which no store does in one step: somebody might read half of them"


@click.command("report")
@click.argument("run", type=Here(why=_WHY), metavar="RUN")
@word_options
@json_option
def report_command(run: Path, as_json: bool, **options: Any) -> None:
    """Render report.html and answer.txt of the folder RUN again from its other files.

    \b
    Examples:
      onnxmint report run
      onnxmint report run --language de --case 2026-114
    """
    from onnxmint.report.again import render_again
    from onnxmint.report.names import visible
    from onnxmint.results.audit import AUDIT
    from onnxmint.writing.folders import clear_beside
    from onnxmint.writing.leftovers import clear

    clear_beside(run.absolute().parent)
    clear(run)
    result, files = render_again(run, given_words(options))
    if as_json:
        click.echo(AUDIT.write(result))
    else:
        for file in files:
            click.echo(visible(str(file)))
