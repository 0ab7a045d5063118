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
from onnxmint.cli.places import require_known, say_what_is_read
from onnxmint.errors import UsageError
from onnxmint.kinds import readers_of_layers
from onnxmint.settings import EvaluateSettings

GATE = {"below": 0, "above": 3, "unsettled": 4}
"""Exit status by what the limits of --fail-above come to."""


def listed(_: click.Context, __: click.Parameter, words: str) -> tuple[str, ...]:
    """Return names that commas divide, each once."""
    return tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


@click.command("evaluate", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--members", required=True, metavar="SRC", help="Images known to be in the training set.")
@click.option("--nonmembers", required=True, metavar="SRC", help="Images known not to be in it.")
@run_option(
    "onnxmint-evaluation",
    "evaluation.html, .json, .csv (one row a method) and .parquet (one row an image), manifest.json",
)
@overwrite_option
@click.option(
    "--layers", default="auto", show_default=True, metavar="A,B,...|all", callback=listed,
    help=f"Layers that {readers_of_layers('and')} read: names or indices of onnxmint layers, auto, penultimate, "
    "logits, or all.",
)  # fmt: skip
@click.option(
    "--modules", default=",".join(EvaluateSettings().modules), show_default=True, metavar="A,B,...", callback=listed,
    help="MINT modules to fit.",
)  # fmt: skip
@setting(
    EvaluateSettings, "reference", metavar="DIR",
    help="Folder of other classifiers (.onnx) of the same task, for LiRA, RMIA, difficulty calibration and relative. "
    "Beside NAME.onnx may lie NAME.members.txt, the images it was trained on, and NAME.toml, its preprocessing.",
)  # fmt: skip
@click.option(
    "--epsilon", is_flag=True,
    help="Bound from below the epsilon of differential privacy that training can have had; needs --drawn-at-random.",
)  # fmt: skip
@click.option(
    "--drawn-at-random", is_flag=True,
    help="Declare that every known image became a member by a fair coin of its own, thrown before training, and that "
    "all of these images are given.",
)  # fmt: skip
@setting(EvaluateSettings, "delta", metavar="D", help="Delta that --epsilon is stated for.")
@setting(
    EvaluateSettings, "fail_above", multiple=True, default=(), show_default=False, metavar="LIMIT",
    help="Gate for CI: auc=0.60, or tpr@1%=0.05 (also 10% and 0.1%); can be repeated. Exit 0 when the 95% interval "
    "lies below every limit, 3 when it lies above one, 4 when neither can be said, with how many images would do. "
    "With --epsilon also epsilon=3, which can be found above the limit and never below.",
)  # fmt: skip
@setting(
    EvaluateSettings, "repeats", metavar="N",
    help="Divide the known images N times, with N seeds, and give mean and range; the verdict is of the first.",
)  # fmt: skip
@known_image_options
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
@click.option(
    "--format", "written_as", type=click.Choice(["text", "markdown", "latex", "csv"]), default="text",
    show_default=True, help="What stdout gets: markdown for job summaries, latex and csv as tables of the methods.",
)  # fmt: skip
@click.pass_context
def evaluate_command(ctx: click.Context, /, model: Path, output: Path | None, overwrite: bool, **options: Any) -> None:
    """Say how much MODEL gives away about which images it was trained on, and compare all ways to tell.

    Shows the model every known image once, fits the modules on half of them, and reports for every closed-form
    signal, module, layer and reference method AUC, balanced accuracy and true-positive rates at low false-positive
    rates, with intervals and a paired test against the best signal. The leak is judged by one method; it, the best
    signal and the best layer are chosen on the fit part, before the test part is looked at.

    \b
    Examples:
      onnxmint evaluate model.onnx --members train/ --nonmembers heldout/ \\
          --preprocess imagenet --layers all -o evaluation
      onnxmint evaluate model.onnx --members train/ --nonmembers val/ --fail-above auc=0.60

    \b
    Exit status: 0 done, 1 failed, 2 wrong usage;
    with --fail-above 0 below, 3 above, 4 cannot tell.
    """
    require_known(model, (options["members"], options["nonmembers"]))
    say_what_is_read(model, (options["members"], options["nonmembers"]), quiet=options["quiet"])
    from rich.console import Console

    from onnxmint.cli.ahead import telling_steps
    from onnxmint.cli.outputs import inputs_of, results_folder, words_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.evaluation import evaluation_files, print_evaluation
    from onnxmint.report.formats import FORMATS
    from onnxmint.results.evaluation import EVALUATION
    from onnxmint.workflows.evaluating import evaluate

    as_json, members, nonmembers = options.pop("as_json"), options["members"], options["nonmembers"]
    written_as = options.pop("written_as")
    if as_json and written_as != "text":
        raise UsageError(f"give either --json or --format {written_as}: stdout holds one thing")
    silent = options.pop("quiet")
    stage, settings = stage_on_stderr(silent=silent), settings_of(EvaluateSettings, options)
    inputs = inputs_of(model, options)
    with results_folder(output, "onnxmint-evaluation", overwrite=overwrite, inputs=inputs) as folder:
        before = None if silent else telling_steps(stage)
        found = evaluate(model, members, nonmembers, settings=settings, stage=stage, before=before)
        files = folder.finish(evaluation_files(found, words_of(model, options)))
    if as_json:
        click.echo(EVALUATION.write(found))
    elif written_as in FORMATS:
        click.echo(FORMATS[written_as](found), nl=False)
    else:
        print_evaluation(found, Console(), files=files)
    ctx.exit(GATE.get(found.verdict.kind, 0))
