"""onnxmint lookup: what a redacted run says of an image, for who has the key."""

from pathlib import Path

import click

from onnxmint.cli.options import Here, json_option


@click.command("lookup")
@click.argument("run", type=Here(), metavar="RUN")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--redaction-key", type=Here(), metavar="FILE", show_default="RUN.redaction-key",
    help="The key that was written beside RUN.",
)  # fmt: skip
@click.option(
    "--images", multiple=True, metavar="SRC",
    help="Where the images are: all of them are looked up, or the pseudonyms that are given as NAME.",
)  # fmt: skip
@json_option
def lookup_command(
    run: Path, names: tuple[str, ...], redaction_key: Path | None, images: tuple[str, ...], as_json: bool
) -> None:
    """Say what the redacted RUN found of images: by NAME, as their place names them, or of all in --images.

    For the owner of the images: to answer a person who asks about a picture, or to find the file that a pseudonym of
    the report stands for.

    \b
    Examples:
      onnxmint lookup run anna/0017.png
      onnxmint lookup run --images suspects/ 3f9a7c1e5b8d2f604a1c9e7d5b3f8a60
      onnxmint lookup run --images suspects/ --json
    """
    from onnxmint.errors import UsageError
    from onnxmint.report.files import load_run
    from onnxmint.report.lookup import lookup_lines
    from onnxmint.results.lookup import LOOKUP
    from onnxmint.results.redaction import SUFFIX
    from onnxmint.workflows.integrity import check_files
    from onnxmint.workflows.looking_up import look_up
    from onnxmint.workflows.redaction_keys import fitting_key

    if not names and not images:
        raise UsageError("give names of images, or --images SRC to look all of them up")
    result, (manifest, _) = load_run(run), check_files(run)
    beside = run.absolute().with_name(f"{run.absolute().name}{SUFFIX}")
    key = fitting_key(redaction_key or beside, None if manifest is None else manifest.redaction)
    found = look_up(result, key, names, images)
    if as_json:
        click.echo(LOOKUP.write(found))
        return
    for line in lookup_lines(found):
        click.echo(line)
