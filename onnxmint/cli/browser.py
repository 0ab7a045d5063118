"""onnxmint page: an auditor as one page that judges images in a browser, where they are."""

from pathlib import Path

import click

from onnxmint.cli.options import Here, overwrite_option


@click.command("page")
@click.argument("auditor", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=Here(), default=Path("audit.html"), show_default=True,
    help="The page to write, or with --folder a new folder.",
)  # fmt: skip
@click.option("--folder", is_flag=True, help="Write a folder for a web server, where several threads can run.")
@click.option(
    "--pick/--embed", "pick", default=None,
    help="Ask for the auditor's file by its hash, or put it into the page.  [default: embed up to 64 MB]",
)  # fmt: skip
@click.option(
    "--language", type=click.Choice(("en", "de", "fr", "es")), default="en", show_default=True,
    help="Language where the browser's is none of these.",
)  # fmt: skip
@overwrite_option
def page_command(auditor: Path, output: Path, folder: bool, pick: bool | None, language: str, overwrite: bool) -> None:
    """Make one page of AUDITOR that judges images in a browser.

    Whoever opens the page chooses a folder of images and reads verdict, share and bound; no image leaves their
    machine, and the page works from a file with the network off. It gives the answer of onnxmint audit --no-controls.

    The page holds the model, as far as the audit needs it, and digests by which the known images can be recognised:
    give it only to people who may have both.

    \b
    Examples:
      onnxmint page auditor.onnx -o audit.html
      onnxmint page auditor.onnx --folder -o site
    """
    from onnxmint.page.making import make_page
    from onnxmint.report.names import visible
    from onnxmint.writing.files import atomic_write, make_folder
    from onnxmint.writing.inputs import Input, require_free

    def inputs() -> tuple[Input, ...]:
        return (Input(name="the auditor", path=auditor),)

    places = [output / "index.html"] if folder else [output]
    for place in places:
        require_free(place, inputs=inputs, overwrite=overwrite)
    made = make_page(auditor, folder=folder, language=language, embed=None if pick is None else not pick)
    make_folder(output if folder else output.parent)
    for name, content in made.files.items():
        place = output / name if folder else output
        atomic_write(place, content, overwrite=overwrite)
    size = sum(map(len, made.files.values())) / 1e6
    held = "holds the auditor" if made.embedded else "asks for the auditor's file"
    click.echo(visible(f"{output}: {size:.1f} MB, {held} with SHA-256 {made.auditor_sha256}"))
