"""onnxmint evaluate: every signal, module and layer on the same held-out images."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.options import (
    batch_option,
    device_option,
    json_option,
    known_image_options,
    quiet_option,
    seed_option,
    setting,
    settings_of,
)
from onnxmint.settings import EvaluateSettings


def _listed(_: click.Context, __: click.Parameter, words: str) -> tuple[str, ...]:
    """Return names that commas divide, each once."""
    return tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--members", required=True, metavar="SRC", help="Images known to be in the training set.")
@click.option("--nonmembers", required=True, metavar="SRC", help="Images known not to be in it.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("onnxmint-evaluation"), show_default=True,
    metavar="RUN", help="Folder for evaluation.html and evaluation.json.",
)  # fmt: skip
@click.option(
    "--layers", default="auto", show_default=True, metavar="A,B,...|all", callback=_listed,
    help="Layers that cnn and vanilla read: names or indices of onnxmint layers, auto, penultimate, logits, or all.",
)  # fmt: skip
@click.option(
    "--modules", default="views,cnn,vanilla", show_default=True, metavar="A,B,...", callback=_listed,
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
def evaluate_command(model: Path, members: str, nonmembers: str, output: Path, **options: Any) -> None:
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

    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.evaluation import print_evaluation, write_evaluation
    from onnxmint.results.evaluation import EVALUATION
    from onnxmint.workflows.evaluating import evaluate
    from onnxmint.writing import require_writable

    as_json = options.pop("as_json")
    stage = stage_on_stderr(silent=options.pop("quiet"))
    require_writable(output)
    found = evaluate(model, members, nonmembers, settings=settings_of(EvaluateSettings, options), stage=stage)
    files = write_evaluation(found, output)
    if as_json:
        click.echo(EVALUATION.write(found))
        return
    print_evaluation(found, Console(), files=files)
