"""What was observed for another party, as lines on the terminal: what goes out is told before it goes."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from onnxmint.report.names import visible
from onnxmint.report.terminal import print_files, print_text, print_warnings
from onnxmint.results.observed import ObservedFacts

_SHOWN = 5  # images that could not be observed


def print_observed(found: ObservedFacts, console: Console, *, files: Sequence[Path] = ()) -> None:
    """Print what the observations hold of each side, and where they are."""
    print_text(Text(visible(held(found)), "bold"), console)
    for one in found.skipped[:_SHOWN]:
        console.print(Text(visible(f"not observed: {one.path} ({one.reason})")), width=console.width)
    if len(found.skipped) > _SHOWN:
        console.print(Text(f"and {len(found.skipped) - _SHOWN:,} more, see observed.json"))
    print_text(Text(visible(given_away(found))), console)
    print_warnings(found.warnings, console)
    print_files(files, console)


def held(found: ObservedFacts) -> str:
    """Return what was observed, in one sentence."""
    of = f"{found.images:,} images were observed, {found.numbers:,} numbers each"
    twin = "" if found.seed is None else f"; the placebo twin of seed {found.seed} too"
    labels = "log-odds are those of their labels" if found.labelled else "without labels"
    layers = ", ".join(found.layers) or "none"
    return f"{of}: answers, log-odds in {found.views} views ({labels}), layers {layers}{twin}."


def given_away(found: ObservedFacts) -> str:
    """Return what who gets the observations learns, and does not."""
    return (
        "Who gets this folder learns of the model: its graph, names and shapes, the SHA-256 of its file, how images "
        "are prepared, and what it says of these images, by which it can be imitated in part; not its weights. Of the "
        "images: names, labels, groups, size, format, hashes and a thumbnail of 8 by 8 pixels each; not the images. "
        "See: onnxmint help two-parties."
    )
