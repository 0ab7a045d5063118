"""onnxmint seal: publish pictures so that it can be shown later that a model was trained on them."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.options import Here, json_option, labels_option, quiet_option
from onnxmint.errors import UsageError


@click.command("seal")
@click.argument("images", metavar="IMAGES")
@click.option(
    "-o", "--output", "public", type=Here(), required=True, metavar="DIR",
    help="A new folder, to be published: one variant of each picture, as PNG without metadata.",
)  # fmt: skip
@click.option(
    "--keep", "private", type=Here(), required=True, metavar="DIR",
    help="A new folder, to be kept secret: the coin and all variants.",
)  # fmt: skip
@click.option("--variants", type=int, default=8, show_default=True, metavar="K", help="Variants of each picture.")
@click.option(
    "--crop", type=float, default=0.0625, show_default=True, metavar="PART",
    help="Part of height and width that is cut away, at a place drawn for each variant; 0 for none.",
)  # fmt: skip
@click.option(
    "--noise", type=float, default=0, show_default=True, metavar="SD",
    help="Noise, as standard deviation in levels of 0 to 255.",
)  # fmt: skip
@click.option(
    "--cells", type=int, default=32, show_default=True, metavar="N",
    help="The noise lies on a grid of N cells along the longer side, so that it survives when pictures are made small.",
)  # fmt: skip
@click.option(
    "--colour", type=float, default=0, show_default=True, metavar="PART",
    help="Largest change of brightness, contrast and weights of colours, as a part of 1.",
)  # fmt: skip
@click.option("--mirror", is_flag=True, help="Every other variant is the mirror image.")
@labels_option
@quiet_option
@json_option
def seal_command(images: str, public: Path, private: Path, **options: Any) -> None:
    """Seal IMAGES before they are published: one of K variants of each is shown, drawn by a coin you can prove.

    A model that was trained on the published variants knows them better than the others, which nobody has; one that
    was not cannot, whatever else it was trained on. onnxmint audit --sealed tests that later, with a p-value that
    assumes nothing. Give the commitment that is printed to somebody who will remember when it came.

    \b
    Examples:
      onnxmint seal pictures/ -o public/ --keep private/
      onnxmint audit model.onnx public/ --sealed private/ --commitment HASH
    """
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.images.variants import Change
    from onnxmint.report.sealed import sealing_words
    from onnxmint.results.seal import SEALING
    from onnxmint.workflows.sealing import seal

    try:
        change = Change(**{name: options[name] for name in ("noise", "cells", "crop", "colour", "mirror")})
    except ValueError as problem:
        raise UsageError(f"{problem}; see onnxmint seal --help") from None
    found = seal(
        images, public, private, change=change, variants=options["variants"], labels=options["labels"],
        stage=stage_on_stderr(silent=options["quiet"]),
    )  # fmt: skip
    click.echo(SEALING.write(found) if options["as_json"] else sealing_words(found))
