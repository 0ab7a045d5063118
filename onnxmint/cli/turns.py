"""Words of `onnxmint audit --first`: an auditor of few views that is asked before the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.errors import UsageError

if TYPE_CHECKING:
    from onnxmint.mint.auditor import Auditor

first_option = click.option(
    "--first", type=click.Path(path_type=Path), metavar="AUDITOR",
    help="An auditor of MODEL of fewer views, asked first; that of --auditor only where it leaves the set open. Both "
    "look at growing lots, as --sequential does.",
)  # fmt: skip


def require_turns(options: dict[str, Any]) -> None:
    """Refuse --first where it has no meaning, and take growing lots where it has.

    Raises:
        UsageError: there is no second auditor, or the audit was fixed in advance to be by one.
    """
    if options["first"] is None:
        return
    if options["auditor_file"] is None:
        raise UsageError("--first is asked before another auditor: give that one with --auditor, or leave --first out")
    if options["registration"] is not None:
        raise UsageError("a registration fixes one auditor: leave out --first, or --registration")
    options["sequential"] = True


def first_of(options: dict[str, Any]) -> "Auditor | None":
    """Return the auditor that is asked first, if any."""
    place = options.pop("first")
    return None if place is None else opened_auditor(place, labels=options["labels"])


def opened_auditor(place: Path, *, labels: bool) -> "Auditor":
    """Return an auditor from its file.

    Raises:
        UsageError: it was trained with labels, which are not to be taken.
        OnnxmintError: the file does not serve.
    """
    from onnxmint.mint.auditor import load_auditor

    auditor = load_auditor(place)
    if auditor.method.labels and not labels:
        raise UsageError(
            "--no-labels does not fit this auditor, which was trained with labels; leave it out, or train another "
            "auditor with --no-labels"
        )
    return auditor
