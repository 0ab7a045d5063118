"""onnxmint report: render a finished run again."""

from pathlib import Path

import click

from onnxmint.cli.options import json_option


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@json_option
def report_command(run: Path, as_json: bool) -> None:
    """Render report.html of the folder RUN again from its report.json and scores.parquet.

    \b
    Example:
      onnxmint report run
    """
    from onnxmint.report.files import load_run
    from onnxmint.report.html import render_html
    from onnxmint.report.manifest import renew
    from onnxmint.report.names import visible
    from onnxmint.results.audit import AUDIT
    from onnxmint.writing.files import atomic_write
    from onnxmint.writing.folders import clear_beside
    from onnxmint.writing.leftovers import clear

    clear_beside(run.absolute().parent)
    clear(run)
    result = load_run(run)
    page = run / "report.html"
    content = render_html(result).encode()
    atomic_write(page, content)
    renew(run, {page.name: content})
    if as_json:
        click.echo(AUDIT.write(result))
    else:
        click.echo(visible(str(page)))
