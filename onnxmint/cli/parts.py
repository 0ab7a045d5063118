"""onnxmint audit --part i/n: one share of an audit that several processes make; onnxmint merge makes the report."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.errors import UsageError
from onnxmint.places.words import shown, uri_of
from onnxmint.settings import AuditSettings

if TYPE_CHECKING:
    from onnxmint.workflows.parting import PartProgress

_OF_THE_REPORT = (
    "language", "title", "case", "note", "thumbnails", "paths", "redact", "no_record", "registration", "deviate",
    "gate", "as_json", "overwrite",
)  # fmt: skip
"""Options that say what is made of the parts."""
FOLDER = ".parts"
UNIT = 1000  # engine.units.SIZE, which is too much to import for --help


class PartType(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.2 on
    """One part of several: 3/64."""

    name = "part"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return its number, from 1, and how many there are."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value))
        if found is None:
            self.fail(f"{value!r} is no part of several; write for example 3/64", param, ctx)
        number, of = int(found[1]), int(found[2])
        if not 1 <= number <= of:
            self.fail(f"{value}: parts are counted from 1, the last one is {of}/{of}", param, ctx)
        return number, of


def part_options(command: Any) -> Any:
    """Add the options of an audit in parts."""
    part = click.option(
        "--part", type=PartType(), metavar="I/N",
        help="Make only the I-th of N shares, into RUN.parts, for onnxmint merge RUN; what is there is not made again. "
        "Needs --auditor and -o.",
    )  # fmt: skip
    unit = click.option(
        "--unit", type=click.IntRange(1), default=UNIT, show_default=True, metavar="N",
        help="Images of one file of --part: what a killed process does again at most.",
    )  # fmt: skip
    return part(unit(command))


def parts_of(run: Path) -> Path:
    """Return the folder of a run's parts."""
    return run if run.name.endswith(FOLDER) else run.with_name(f"{run.name}{FOLDER}")


def run_of(parts: Path) -> Path:
    """Return the folder of the run that parts are of."""
    return parts.with_name(parts.name.removesuffix(FOLDER))


def require_for_parts(ctx: click.Context, options: Mapping[str, Any]) -> None:
    """Refuse what no part can be made with, before anything is opened.

    Raises:
        UsageError: saying what to do.
    """
    require_to_divide(options, "--part")
    for name in _OF_THE_REPORT:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            said = {"as_json": "json"}.get(name, name).replace("_", "-")
            raise UsageError(f"--{said} belongs to onnxmint merge, which makes the report: leave it out here")


def require_to_divide(options: Mapping[str, Any], word: str) -> None:
    """Refuse what no work can be divided with.

    Args:
        options: of the command.
        word: the option that divides it.

    Raises:
        UsageError: saying what to do.
    """
    if options["auditor_file"] is None:
        raise UsageError(
            f"{word} needs --auditor: train one first (onnxmint train), for each process would train another one"
        )
    if options["output"] is None:
        raise UsageError(f"{word} needs -o RUN, the same for all parts")
    if uri_of(options["output"]) is not None:
        raise UsageError(
            f"{shown(options['output'])}: parts are made in a folder that all processes see, not in a store; the run "
            "of onnxmint merge can be copied there"
        )


def make_part(model: Path, images: tuple[str, ...], options: dict[str, Any]) -> None:
    """Make a share, and say what is there and what is next."""
    from onnxmint.cli.options import settings_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.workflows.parting import audit_part

    done = audit_part(
        model,
        images,
        options["auditor_file"],
        parts_of(options["output"]),
        part=options["part"],
        settings=settings_of(AuditSettings, options),
        unit=options["unit"],
        stage=stage_on_stderr(silent=options["quiet"]),
    )
    click.echo(words_of_part(options["part"], done, options["output"]))


def words_of_part(part: tuple[int, int], done: "PartProgress", run: Path) -> str:
    """Return the line that says what is there and what is next."""
    before = f" ({done.before:,} from before)" if done.before else ""
    here = f"part {part[0]}/{part[1]} is made: {done.units:,} of {done.every:,} files in {parts_of(run)}{before}"
    if done.missing:
        return f"{here}; {done.missing:,} of all are missing; when they are there: onnxmint merge {run_of(run)}"
    return f"{here}; all are there: onnxmint merge {run_of(run)}"
