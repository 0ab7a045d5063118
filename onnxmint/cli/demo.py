"""onnxmint demo: a whole audit on bundled data, which ends by holding the verdict against the known truth."""

import contextlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.options import device_option, json_option, overwrite_option, quiet_option, run_option, seed_option
from onnxmint.cli.page import given_words, page_of, word_options

if TYPE_CHECKING:
    from rich.console import Console

    from onnxmint.mint.auditor import Auditor
    from onnxmint.results.audit import AuditResult
    from onnxmint.settings import DeviceChoice


@click.command("demo")
@run_option("onnxmint-demo", "the results")
@overwrite_option
@word_options
@device_option
@seed_option
@quiet_option
@json_option
def demo_command(
    output: Path | None,
    overwrite: bool,
    device: "DeviceChoice",
    seed: int,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a whole audit on bundled data, offline, in about a minute.

    A small classifier of clothes was trained on part of Fashion-MNIST. From images that are known to be or not
    to be in its training set, an auditor is trained; it then judges questioned images whose truth is known too,
    so that you see how far the verdict can be trusted.
    """
    if not quiet:
        click.echo("reading the bundled model and 2,400 bundled images", err=True)
    from rich.console import Console

    from onnxmint.cli.ahead import telling
    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.files import run_files
    from onnxmint.report.terminal import print_summary
    from onnxmint.results.audit import AUDIT
    from onnxmint.settings import AuditSettings, TrainSettings
    from onnxmint.workflows.auditing import Known, audit
    from onnxmint.workflows.picturing import picture

    given = given_words(options)
    page_of(given)  # refuses what cannot be shown before anything long begins
    stage, kept = stage_on_stderr(silent=quiet), list["Auditor"]()
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(resources.as_file(resources.files("onnxmint.demo")))
        training = TrainSettings(preprocess="0-1", device=device, seed=seed)
        model, questioned = data / "target.onnx", data / "questioned.parquet"
        known = Known(members=data / "members.parquet", nonmembers=data / "nonmembers.parquet", training=training)
        inputs = inputs_of(model, {"images": questioned, "members": known.members, "nonmembers": known.nonmembers})
        folder = stack.enter_context(results_folder(output, "onnxmint-demo", overwrite=overwrite, inputs=inputs))
        settings = AuditSettings(device=device, seed=seed)
        before = None if quiet else telling(stage, None)
        result = audit(model, questioned, known, settings=settings, stage=stage, keep=kept.append, before=before)
        truth, shown = _truth(questioned), page_of(given, picture(questioned, result.scores))
        words = {"command": "demo", "seed": seed}
        files = folder.finish(run_files(result, run_settings=words, auditor=kept[0].model, shown=shown))
    if as_json:
        click.echo(AUDIT.write(result))
        return
    console = Console()
    print_summary(result, console, files=files, words=shown.language)
    _print_truth(result, truth, console)


def _truth(questioned: Path) -> dict[str, bool]:
    """Return of every questioned image, by its name, whether it was in the training set."""
    import pyarrow.parquet as pq

    table = pq.read_table(questioned, columns=["image", "member"])
    return dict(
        zip(table["image"].combine_chunks().field("path").to_pylist(), table["member"].to_pylist(), strict=True)
    )


def _print_truth(result: "AuditResult", truth: dict[str, bool], console: "Console") -> None:
    """Hold the verdict against what is known of the questioned images; known ones among them were not judged."""
    import numpy as np

    from onnxmint.stats.metrics import auc

    scores = result.scores
    member = np.array([truth[path] for path in scores.path])
    right = (result.verdict.kind == "members-found") == bool(member.any())
    found, false = int((scores.flagged & member).sum()), int((scores.flagged & ~member).sum())
    console.print()
    console.print(
        f"The truth: {member.sum()} of the {len(member)} questioned images were in the training set, so the verdict "
        f"{result.verdict.kind} is {'right' if right else 'wrong'}. Among them the score has AUC "
        f"{auc(scores.score[member], scores.score[~member]):.3f}. Flagged one by one: {found} members, {false} others.",
        soft_wrap=False,
        highlight=False,
    )
