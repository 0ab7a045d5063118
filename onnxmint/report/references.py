"""Reference models that were made, as lines on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from onnxmint.report.names import visible
from onnxmint.report.terminal import print_text, print_warnings
from onnxmint.results.references import MadeReference, References

_SHOWN = 5  # images that could not be shown


def print_references(found: References, console: Console) -> None:
    """Print what was made of what, how right each is, and how it is used."""
    print_text(Text(visible(made_words(found)), "bold"), console)
    for one in found.references:
        console.print(Text(visible(one_words(one, found.way == "features"))), width=console.width)
    for skipped in found.skipped[:_SHOWN]:
        console.print(Text(visible(f"not shown: {skipped.path} ({skipped.reason})")), width=console.width)
    if len(found.skipped) > _SHOWN:
        console.print(Text(f"and {len(found.skipped) - _SHOWN:,} more"))
    print_text(Text(visible(use_words(found))), console)
    print_warnings(found.warnings, console)


def made_words(found: References) -> str:
    """Return what was made, in one sentence."""
    count = len(found.references)
    what = f"{count:,} reference{'' if count == 1 else 's'} of {Path(found.target).name}"
    if found.source is not None:
        return (
            f"{what}: a linear layer on the features of {Path(found.source).name}, fitted on {found.images:,} images."
        )
    each = "all of" if count == 1 else "a random half of"
    normalised = "; each convolution was normalised while learning, and that folded back" if found.normalised else ""
    own = (
        "" if found.target_right is None else f"; {Path(found.target).name} is right on {found.target_right:.1%} of all"
    )
    return f"{what}: its own graph, trained anew on {each} {found.images:,} images{own}{normalised}."


def one_words(one: MadeReference, held_out: bool) -> str:
    """Return how right a reference is."""
    words = f"{one.file}: {one.images:,} images, right on {one.right:.1%} of them"
    if one.right_unseen is not None:
        of = f"of {one.unseen:,} {'held out first' if held_out else 'others'}"
        words += f", {one.right_unseen:.1%} {of}"
    return f"{words}{' (was there already)' if one.kept else ''}"


def use_words(found: References) -> str:
    """Return what the folder is for."""
    if found.way == "features" or len(found.references) == 1:
        return (
            f"Use it with --reference {found.folder}/{found.references[0].file} (audit, train) or --reference "
            f"{found.folder} (evaluate), on other images than these."
        )
    return (
        f"Use them with onnxmint evaluate --reference {found.folder}, on these images. See: onnxmint help "
        "reference-models."
    )
