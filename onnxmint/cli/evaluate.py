"""onnxmint evaluate: every signal, module and layer on the same held-out images."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    batch_option,
    device_option,
    json_option,
    known_image_options,
    overwrite_option,
    quiet_option,
    run_option,
    seed_option,
    setting,
    settings_of,
)
from onnxmint.settings import EvaluateSettings, readers_of_layers


def _listed(_: click.Context, __: click.Parameter, words: str) -> tuple[str, ...]:
    """Return names that commas divide, each once."""
    return tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


@click.command("evaluate", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--members", required=True, metavar="SRC", help="Images known to be in the training set.")
@click.option("--nonmembers", required=True, metavar="SRC", help="Images known not to be in it.")
@run_option("onnxmint-evaluation", "evaluation.html and evaluation.json")
@overwrite_option
@click.option(
    "--layers", default="auto", show_default=True, metavar="A,B,...|all", callback=_listed,
    help=f"Layers that {readers_of_layers('and')} read: names or indices of onnxmint layers, auto, penultimate, "
    "logits, or all.",
)  # fmt: skip
@click.option(
    "--modules", default=",".join(EvaluateSettings().modules), show_default=True, metavar="A,B,...", callback=_listed,
    help="MINT modules to fit.",
)  # fmt: skip
@setting(
    EvaluateSettings, "reference", metavar="DIR",
    help="Folder of other classifiers (.onnx) of the same task, for LiRA, RMIA and difficulty calibration. Beside "
    "NAME.onnx may lie NAME.members.txt, the images it was trained on, and NAME.toml, its preprocessing.",
)  # fmt: skip
@known_image_options
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
def evaluate_command(model: Path, output: Path | None, overwrite: bool, **options: Any) -> None:
    """Measure all that can tell members of MODEL's training set from non-members, on the same held-out images.

    Shows the model every known image once, fits the modules on half of them, and reports for every closed-form
    signal, module, layer and reference method AUC, balanced accuracy and true-positive rates at low false-positive
    rates, with intervals and a paired test against the best signal. What is chosen (best signal, best layer) is
    chosen on the fit part.

    \b
    Example:
      onnxmint evaluate model.onnx --members train/ --nonmembers heldout/ \\
          --preprocess imagenet --layers all -o evaluation
    """
    from rich.console import Console

    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.evaluation import evaluation_files, print_evaluation
    from onnxmint.results.evaluation import EVALUATION
    from onnxmint.workflows.evaluating import evaluate

    as_json, members, nonmembers = options.pop("as_json"), options["members"], options["nonmembers"]
    stage, settings = stage_on_stderr(silent=options.pop("quiet")), settings_of(EvaluateSettings, options)
    inputs = inputs_of(model, options)
    with results_folder(output, "onnxmint-evaluation", overwrite=overwrite, inputs=inputs) as folder:
        found = evaluate(model, members, nonmembers, settings=settings, stage=stage)
        files = folder.finish(evaluation_files(found))
    if as_json:
        click.echo(EVALUATION.write(found))
        return
    print_evaluation(found, Console(), files=files)
