"""onnxmint observe: what a model says of images, for somebody who is to get neither."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.evaluate import listed
from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    PREPROCESS,
    Here,
    answer_option,
    batch_option,
    classes_option,
    device_option,
    json_option,
    labels_option,
    overwrite_option,
    quiet_option,
    seed_option,
    setting,
    settings_of,
    turned_off,
)
from onnxmint.cli.places import require_known
from onnxmint.settings import ObserveSettings


@click.command("observe", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", metavar="SRC")
@click.option(
    "-o", "--output", required=True, type=Here(), metavar="FOLDER",
    help="Folder for model.onnx (without weights), images.parquet (without images) and observed.json.",
)  # fmt: skip
@overwrite_option
@click.option(
    "--redact", is_flag=True,
    help="Give no names of images, groups and classes: pseudonyms stand for them, and the key lies in "
    "FOLDER.redaction-key. Copy it before the next folder is made, where groups go across folders.",
)  # fmt: skip
@click.option(
    "--layers", default="auto", show_default=True, metavar="A,B,...|none", callback=listed,
    help="Layers whose activations are given out: names or indices of onnxmint layers; auto is the one that modules "
    "read and what the last dense layer reads; none gives out answers only.",
)  # fmt: skip
@turned_off(
    "twin", "--no-twin", "Do not observe the placebo twin, by which controls tell membership from other differences."
)
@answer_option
@classes_option
@setting(
    ObserveSettings, "preprocess", metavar="PRESET|FILE",
    help=f"How the model's images are prepared: {PREPROCESS}. Without it, what is declared beside the model is taken, "
    "else (or with check) what fits labelled images best.",
)  # fmt: skip
@setting(ObserveSettings, "views", help="How many views of each image the model is shown.")
@setting(
    ObserveSettings, "group", metavar="COLUMN|REGEX",
    help="Column (or, for folders, a pattern on the path) that says which images belong together; goes with the "
    "observations as their column group.",
)  # fmt: skip
@labels_option
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
def observe_command(model: Path, images: str, output: Path, overwrite: bool, redact: bool, **options: Any) -> None:
    """Show images to MODEL and write down what it says, for somebody who audits it and gets neither.

    Who has the model observes known and questioned images, a folder each. Who audits gives these folders in the place
    of images, and the model.onnx of one of them, which holds no weights, in the place of the model: results are those
    that the model itself gives. What each side learns of the other: onnxmint help two-parties.

    \b
    Examples:
      onnxmint observe model.onnx train/ -o observed/train
      onnxmint observe model.onnx suspects/ -o observed/suspects
      onnxmint audit observed/train/model.onnx observed/suspects \\
          --members observed/train --nonmembers observed/heldout
    """
    require_known(model, (images,))
    from rich.console import Console

    from onnxmint.cli.outputs import inputs_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.cli.redacted import key_beside
    from onnxmint.report.observed import print_observed
    from onnxmint.results.observed import OBSERVED_FACTS
    from onnxmint.workflows.observing import observe
    from onnxmint.writing.folders import new_folder

    as_json, stage = options.pop("as_json"), stage_on_stderr(silent=options.pop("quiet"))
    settings, inputs = settings_of(ObserveSettings, options), inputs_of(model, {**options, "images": images})
    with new_folder(output, overwrite=overwrite, inputs=inputs) as folder:
        key = key_beside(folder.place) if redact else None
        found = observe(model, images, settings=settings, stage=stage, key=key)
        files = folder.finish(found.files)
    if as_json:
        click.echo(OBSERVED_FACTS.write(found.facts))
    else:
        print_observed(found.facts, Console(), files=files)
