"""onnxmint demo: a whole audit on bundled data, which ends by holding the verdict against the known truth."""

import contextlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxmint.cli.options import device_option, json_option, overwrite_option, quiet_option, run_option, seed_option

if TYPE_CHECKING:
    from rich.console import Console

    from onnxmint.mint.auditor import Auditor
    from onnxmint.results.audit import AuditResult
    from onnxmint.settings import DeviceChoice


@click.command("demo")
@run_option("onnxmint-demo", "the results")
@overwrite_option
@device_option
@seed_option
@quiet_option
@json_option
def demo_command(
    output: Path | None, overwrite: bool, device: "DeviceChoice", seed: int, quiet: bool, as_json: bool
) -> None:
    """Run a whole audit on bundled data, offline, in about a minute.

    A small classifier of clothes was trained on part of Fashion-MNIST. From images that are known to be or not
    to be in its training set, an auditor is trained; it then judges questioned images whose truth is known too,
    so that you see how far the verdict can be trusted.
    """
    from rich.console import Console

    from onnxmint.cli.ahead import telling
    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.files import run_files
    from onnxmint.report.terminal import print_summary
    from onnxmint.results.audit import AUDIT
    from onnxmint.settings import AuditSettings, TrainSettings
    from onnxmint.workflows.auditing import Known, audit

    stage, kept = stage_on_stderr(silent=quiet), list["Auditor"]()
    training = TrainSettings(preprocess="0-1", device=device, seed=seed)
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(resources.as_file(resources.files("onnxmint.demo")))
        model, questioned = data / "target.onnx", data / "questioned.parquet"
        known = Known(members=data / "members.parquet", nonmembers=data / "nonmembers.parquet", training=training)
        inputs = inputs_of(model, {"images": questioned, "members": known.members, "nonmembers": known.nonmembers})
        folder = stack.enter_context(results_folder(output, "onnxmint-demo", overwrite=overwrite, inputs=inputs))
        settings = AuditSettings(device=device, seed=seed)
        before = None if quiet else telling(stage, None)
        result = audit(model, questioned, known, settings=settings, stage=stage, keep=kept.append, before=before)
        truth = _truth(questioned)
        words = {"command": "demo", "seed": seed}
        files = folder.finish(run_files(result, run_settings=words, auditor=kept[0].model))
    if as_json:
        click.echo(AUDIT.write(result))
        return
    console = Console()
    print_summary(result, console, files=files)
    _print_truth(result, truth, console)


def _truth(questioned: Path) -> list[bool]:
    import pyarrow.parquet as pq

    members: list[bool] = pq.read_table(questioned, columns=["member"])["member"].to_pylist()
    return members


def _print_truth(result: "AuditResult", truth: list[bool], console: "Console") -> None:
    """Hold the verdict against what is known of the questioned images."""
    import numpy as np

    from onnxmint.stats.metrics import auc

    member = np.array(truth)
    scores = result.scores
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
