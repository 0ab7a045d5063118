"""onnxmint compare: the same images through two models."""

from pathlib import Path
from typing import Any, get_args

import click

from onnxmint.cli.evaluate import GATE
from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    PREPROCESS,
    Anywhere,
    answer_option,
    batch_option,
    classes_option,
    device_option,
    json_option,
    labels_option,
    overwrite_option,
    quiet_option,
    run_option,
    seed_option,
    setting,
    settings_of,
)
from onnxmint.cli.places import require_known
from onnxmint.errors import UsageError
from onnxmint.settings import CompareSettings, SignalChoice


@click.command("compare", cls=GroupedCommand)
@click.argument("before", type=Anywhere())
@click.argument("after", type=Anywhere())
@click.option("--members", metavar="SRC", help="Images that both models were trained on.")
@click.option("--nonmembers", required=True, metavar="SRC", help="Held-out images, that neither was trained on.")
@click.option(
    "--forget", metavar="SRC", help="Images that BEFORE was trained on and AFTER is to have forgotten (unlearning)."
)
@run_option(
    "onnxmint-comparison",
    "comparison.html, .json, .csv (one row a number) and .parquet (one row an image), manifest.json",
)
@overwrite_option
@setting(
    CompareSettings, "fail_if_more", multiple=True, default=(), show_default=False, metavar="LIMIT",
    help="Gate for CI on AFTER minus BEFORE: auc=0.02 lets at most 0.02 more pass, auc=-0.05 wants 0.05 less; also "
    "tpr@1%=0.01 (10%, 0.1%), and share= with --forget and --members. Of the forget set where there is one, else of "
    "the members; can be repeated. Exit 0 when the 95% interval of the pairs lies below every limit, 3 when it lies "
    "above one, 4 when neither can be said.",
)  # fmt: skip
@setting(
    CompareSettings, "signal", metavar="NAME",
    help=f"What scores an image, fixed before any is shown: {', '.join(get_args(SignalChoice))}; auto is phi, the "
    "log-odds of the label, without labels max_probability.",
)  # fmt: skip
@answer_option
@classes_option
@setting(
    CompareSettings, "preprocess", metavar="PRESET|FILE",
    help=f"How images are prepared for both models: {PREPROCESS}. Without it, what is declared beside each is taken, "
    "else (or with check) what fits labelled images that were trained on.",
)  # fmt: skip
@setting(
    CompareSettings, "preprocess_after", metavar="PRESET|FILE",
    help="How they are prepared for AFTER, where that is otherwise.",
)  # fmt: skip
@setting(
    CompareSettings, "limit", metavar="N",
    help="Use at most N images of each set (to be forgotten, members, non-members), drawn at random with --seed.",
)  # fmt: skip
@setting(CompareSettings, "views", help="How many views of each image a --signal that needs several is shown.")
@setting(
    CompareSettings, "group", metavar="COLUMN|REGEX",
    help="Column (or, for folders, a pattern on the path) that says which images belong together; groups are drawn "
    "whole.",
)  # fmt: skip
@labels_option
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
@click.pass_context
def compare_command(
    ctx: click.Context, /, before: Path, after: Path, output: Path | None, overwrite: bool, **options: Any
) -> None:
    """Show the same images to two models, and say what AFTER gives away more or less than BEFORE.

    Before and after unlearning, differential privacy, quantisation, or a new release: one score, fixed beforehand, of
    every image in both models; AUC, true-positive rates, share, mean and accuracy in each, and the differences with
    intervals of the pairs.

    \b
    Examples:
      onnxmint compare v1.onnx v2.onnx --members train/ --nonmembers val/ \\
          --fail-if-more auc=0.02
      onnxmint compare model.onnx unlearned.onnx --forget removed/ \\
          --members kept/ --nonmembers val/

    \b
    Exit status: 0 done, 1 failed, 2 wrong usage;
    with --fail-if-more 0 below, 3 above, 4 cannot tell.
    """
    members, nonmembers, forget = (options[name] for name in ("members", "nonmembers", "forget"))
    if members is None and forget is None:
        raise UsageError("give --members (images that both models were trained on), --forget, or both")
    places = tuple(place for place in (forget, members, nonmembers) if place is not None)
    for model in (before, after):
        require_known(model, places)
    from rich.console import Console

    from onnxmint.cli.outputs import inputs_of, results_folder, words_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.comparison import comparison_files, print_comparison
    from onnxmint.results.comparison import COMPARISON
    from onnxmint.workflows.comparing import compare

    as_json, quiet = options.pop("as_json"), options.pop("quiet")
    settings, read = settings_of(CompareSettings, options), {**options, "after": after}
    stage = stage_on_stderr(silent=quiet)
    with results_folder(output, "onnxmint-comparison", overwrite=overwrite, inputs=inputs_of(before, read)) as folder:
        found = compare(before, after, nonmembers, members=members, forget=forget, settings=settings, stage=stage)
        files = folder.finish(comparison_files(found, words_of(before, read)))
    if as_json:
        click.echo(COMPARISON.write(found))
    else:
        print_comparison(found, Console(), files=files)
    ctx.exit(GATE.get(found.verdict.kind, 0))
