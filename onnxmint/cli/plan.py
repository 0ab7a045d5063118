"""onnxmint plan: how many known and how many questioned images a wanted answer takes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxmint.cli.options import json_option

if TYPE_CHECKING:
    from rich.console import Console

    from onnxmint.results.plan import Plan


@click.command("plan")
@click.argument("auditor", type=click.Path(path_type=Path), required=False)
@click.option(
    "--auc",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    help="Expected AUC among images that the model is equally sure of, without an auditor; that of all is higher.",
)
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True, metavar="S",
    help="Share of members among the questioned images that is to be found.",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(0, 0.5, min_open=True), default=0.05, show_default=True,
    help="Level of the test of the set: its rate of false alarms.",
)  # fmt: skip
@json_option
def plan_command(auditor: Path | None, auc: float | None, share: float, alpha: float, as_json: bool) -> None:
    """Say how many images of evidence and how many questioned images an audit needs.

    For an AUDITOR that there is, or for an expected AUC (0.55 for a well-trained model, 0.70 for an over-fitted one).
    A share counts as found when 95% of audits would find it.

    \b
    Examples:
      onnxmint plan --auc 0.6 --share 0.2
      onnxmint plan run/auditor.onnx --share 0.05
    """
    from rich.console import Console

    from onnxmint.mint.auditor import load_auditor
    from onnxmint.results.plan import PLAN
    from onnxmint.workflows.planning import plan

    found = plan(None if auditor is None else load_auditor(auditor), auc=auc, share=share, alpha=alpha)
    if as_json:
        click.echo(PLAN.write(found))
        return
    _print(found, Console())


def _print(plan: "Plan", console: "Console") -> None:
    from rich.table import Table

    from onnxmint.report.terminal import WIDEST

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("known of each", justify="right")
    for count in plan.questioned:
        table.add_column(f"{count:,}", justify="right")
    table.add_column(f"for {plan.share:.0%}", justify="right")
    for number, row, needed in zip(plan.evidence, plan.detectable_share, plan.questioned_needed, strict=True):
        cells = ["-" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}" for share in row]  # noqa: PLR2004
        table.add_row(f"{number:,}", *cells, "never" if needed is None else f"{needed:,}")
    console.print(
        f"Smallest share of members found in 95% of audits at AUC {plan.auc:.3f}, level {plan.alpha:g}; rows: known "
        "members (and as many non-members), columns: questioned images; last: how many it takes for the wanted share.",
        width=min(console.width, WIDEST),
        highlight=False,
    )
    console.print()
    console.print(table)
    console.print()
    needed = plan.evidence_needed
    text = (
        f"No evidence suffices to find a share of {plan.share:.0%} at this AUC."
        if needed is None
        else f"To find a share of {plan.share:.0%} at all: about {needed:,} known members and as many non-members."
    )
    console.print(text, width=min(console.width, WIDEST), highlight=False)
