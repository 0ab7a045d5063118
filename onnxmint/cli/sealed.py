"""onnxmint audit --sealed: the options that mean something then, and the files of the answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.options import Here
from onnxmint.errors import UsageError
from onnxmint.settings import EvidenceSettings

if TYPE_CHECKING:
    from onnxmint.results.sealed import SealedAudit

Command = Callable[..., Any]
_FITTING = frozenset(
    {
        "model", "images", "sealed", "commitment", "output", "overwrite", "alpha", "gate", "preprocess", "answer",
        "classes", "labels", "device", "batch_size", "quiet", "as_json",
    }
)  # fmt: skip
"""Parameters of audit that a sealed audit reads."""


def sealed_options(command: Command) -> Command:
    """Add what an audit of sealed pictures is told."""
    for option in (
        click.option(
            "--commitment", metavar="HASH",
            help="With --sealed: the commitment as somebody else has it, which the secret must fit.",
        ),
        click.option(
            "--sealed", type=Here(), metavar="DIR",
            help="What onnxmint seal --keep wrote: an exact p-value without known images. IMAGES: the published "
            "folder, to be compared.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def wants_sealed(ctx: click.Context, images: tuple[str, ...], options: dict[str, Any]) -> bool:
    """Say whether the audit is one of sealed pictures, having judged the words.

    Raises:
        UsageError: an option that means nothing with or without --sealed, or too few or too many places.
    """
    if options["sealed"] is None:
        if options["commitment"] is not None:
            raise UsageError("--commitment belongs to --sealed DIR, the folder that onnxmint seal wrote with --keep")
        return False
    for param in ctx.command.params:
        given = ctx.get_parameter_source(str(param.name)) is click.core.ParameterSource.COMMANDLINE
        if given and param.name not in _FITTING:
            raise UsageError(
                f"{param.opts[-1]} means nothing with --sealed, which needs no known images, controls or modules: "
                "leave it out"
            )
    if len(images) > 1:
        raise UsageError(f"with --sealed give one folder of published pictures as IMAGES, or none; got {len(images)}")
    return True


def run_sealed(model: Path, images: tuple[str, ...], options: dict[str, Any]) -> "SealedAudit":
    """Audit sealed pictures, write the folder of the answer and print it."""
    from rich.console import Console

    from onnxmint.cli.options import settings_of
    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.sealed import print_sealed, sealed_files
    from onnxmint.report.shared import last_part
    from onnxmint.results.sealed import SEALED
    from onnxmint.workflows.asking_sealed import audit_sealed

    inputs = inputs_of(model, options | {"images": (*images, str(options["sealed"]))})
    with results_folder(options["output"], "onnxmint-run", overwrite=options["overwrite"], inputs=inputs) as folder:
        found = audit_sealed(
            model, options["sealed"], public=Path(images[0]) if images else None, committed=options["commitment"],
            settings=settings_of(EvidenceSettings, options), alpha=options["alpha"],
            stage=stage_on_stderr(silent=options["quiet"]),
        )  # fmt: skip
        found = replace(found, target=replace(found.target, path=last_part(found.target.path)))
        files = folder.finish(sealed_files(found, _words(model, images, options)))
    if options["as_json"]:
        click.echo(SEALED.write(found))
    else:
        print_sealed(found, Console(), files=files)
    return found


def _words(model: Path, images: tuple[str, ...], options: dict[str, Any]) -> dict[str, object]:
    """Return the words of the command, places by their last part."""
    from onnxmint.cli.outputs import words_of
    from onnxmint.report.shared import last_part

    given = {name: options[name] for name in ("sealed", "preprocess", "answer", "classes", "labels", "alpha")}
    words = words_of(model, {"images": images, **given})
    del words["folder"]
    shorter = {
        name: last_part(str(words[name])) for name in ("model", "sealed", "preprocess", "classes") if name in words
    }
    return words | shorter | ({"images": [last_part(place) for place in images]} if images else {})
