"""onnxmint train: known members and non-members in, auditor.onnx out."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    Here,
    batch_option,
    device_option,
    json_option,
    module_options,
    overwrite_option,
    quiet_option,
    seed_option,
    settings_of,
)
from onnxmint.cli.places import require_known, say_what_is_read
from onnxmint.settings import TrainSettings


@click.command("train", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--members", required=True, metavar="SRC", help="Images known to be in the training set.")
@click.option("--nonmembers", required=True, metavar="SRC", help="Images known not to be in it.")
@click.option(
    "-o", "--output", type=Here(dir_okay=False), default=Path("auditor.onnx"), show_default=True,
    help="The auditor to write.",
)  # fmt: skip
@overwrite_option
@module_options
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
def train_command(model: Path, output: Path, overwrite: bool, **options: Any) -> None:
    """Train an auditor of MODEL on known members and non-members.

    Shows the model the known images, trains a MINT module on part of what it says, calibrates p-values and a
    threshold on another part, measures performance on a third, and writes one ONNX file that takes raw uint8
    pixels and gives score, p-value and the model's answer in any ONNX runtime.

    SRC is a folder (class sub-folders give labels), a Parquet file or folder (column `image`), a CSV of
    path,label, or WebDataset .tar shards. `data.parquet?split=train&rows=0:4000` takes some rows.

    \b
    Example:
      onnxmint train model.onnx --members train/ --nonmembers heldout/ \\
          --preprocess imagenet -o auditor.onnx
    """
    require_known(model, (options["members"], options["nonmembers"]))
    from onnxmint.cli.outputs import inputs_of
    from onnxmint.writing.inputs import require_free

    require_free(output, inputs=inputs_of(model, options), overwrite=overwrite)
    say_what_is_read(model, (options["members"], options["nonmembers"]), quiet=options["quiet"])
    from rich.console import Console

    from onnxmint.cli.ahead import telling_steps
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.terminal import print_auditor
    from onnxmint.results.auditor import AUDITOR_FACTS
    from onnxmint.workflows.training import train
    from onnxmint.writing.files import atomic_write, make_folder

    as_json, members, nonmembers = options.pop("as_json"), options["members"], options["nonmembers"]
    silent = options.pop("quiet")
    stage = stage_on_stderr(silent=silent)
    before = None if silent else telling_steps(stage)
    settings = settings_of(TrainSettings, options)
    auditor = train(model, members, nonmembers, settings=settings, stage=stage, before=before)
    make_folder(output.parent)
    atomic_write(output, auditor.model, overwrite=overwrite)
    if as_json:
        click.echo(AUDITOR_FACTS.write(auditor))
        return
    print_auditor(auditor, output, Console())
