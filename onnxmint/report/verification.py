"""A check of a run as lines on the terminal."""

from rich.console import Console
from rich.text import Text

from onnxmint.report.names import visible
from onnxmint.report.terminal import WIDEST
from onnxmint.results.verification import Outcome, Verification

_STYLES: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "not done": "yellow"}


def print_verification(found: Verification, console: Console) -> None:
    """Print every step with its outcome, and what it comes to."""
    width = min(console.width, WIDEST)
    for step in found.steps:
        console.print(
            Text.assemble(f"{step.name:<14}", (f"{step.outcome:<9}", _STYLES[step.outcome]), visible(step.text)),
            width=width,
        )
        for line in step.differences:
            console.print(Text(f"  {visible(line)}"), width=width)
    console.print()
    console.print(Text.assemble((headline(found), "bold")), width=width)
    if found.manifest_sha256 is not None:
        console.print(Text(f"SHA-256 of the manifest: {found.manifest_sha256}", "dim"), width=width)


def headline(found: Verification) -> str:
    """Return what a check comes to, in one sentence."""
    failed = [step.name for step in found.steps if step.outcome == "failed"]
    undone = [step.name for step in found.steps if step.outcome == "not done"]
    if failed:
        return f"NOT VERIFIED: failed: {', '.join(failed)}"
    if undone:
        return f"NOT VERIFIED IN FULL: what could be done passed; could not be done: {', '.join(undone)}"
    return "VERIFIED: every step that was asked for passed"
