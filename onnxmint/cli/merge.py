"""onnxmint merge: the report of an audit that was made in parts."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.options import (
    GATES,
    Anywhere,
    Here,
    batch_option,
    device_option,
    json_option,
    overwrite_option,
    quiet_option,
)
from onnxmint.cli.page import given_words, page_of, page_options
from onnxmint.cli.parts import parts_of, run_of
from onnxmint.cli.redacted import files_of, require_redactable
from onnxmint.settings import AuditSettings

if TYPE_CHECKING:
    from onnxmint.places.remote import AnyPath
    from onnxmint.report.language import Language
    from onnxmint.results.audit import AuditResult
    from onnxmint.workflows.merging import Merged


@click.command("merge")
@click.argument("run", type=Here())
@overwrite_option
@page_options
@click.option("--model", metavar="MODEL", help="Where the model is now, if not where the parts had it.")
@click.option(
    "--images",
    multiple=True,
    metavar="PLACE",
    help="Where the images are now, in the order of the parts; can be repeated. Secrets in a URI are kept nowhere: a "
    "place that needs them is given again.",
)
@click.option("--auditor", "auditor_file", metavar="FILE", help="Where the auditor is now.")
@click.option("--no-record", is_flag=True, help="As of onnxmint audit.")
@click.option("--registration", type=Anywhere(), metavar="FILE", help="As of onnxmint audit.")
@click.option("--deviate", metavar="REASON", help="As of onnxmint audit.")
@click.option("--gate", is_flag=True, help="As of onnxmint audit: exit 3 with members, 4 when inconclusive.")
@device_option
@batch_option
@quiet_option
@json_option
@click.pass_context
def merge_command(ctx: click.Context, /, run: Path, **options: Any) -> None:
    """Judge what all parts of RUN recorded (onnxmint audit --part i/n -o RUN), and write RUN.

    The result is that of one process. Run it where the parts were made: the model, its auditor and the images are
    opened again, and at most some thousand images are shown once more, for controls that look at a sample.

    \b
    Examples:
      onnxmint audit model.onnx shards/ --auditor auditor.onnx --part 1/2 -o run
      onnxmint audit model.onnx shards/ --auditor auditor.onnx --part 2/2 -o run
      onnxmint merge run

    \b
    Exit status: 0 done, 1 failed (parts are missing), 2 wrong usage;
    with --gate also 3 members found, 4 inconclusive.
    """
    ctx.exit(report_of_parts(run, options))


def report_of_parts(run: Path, options: dict[str, Any]) -> int:
    """Make the report of a run's parts, print it, and return the exit code."""
    from rich.console import Console

    from onnxmint.report.terminal import print_summary
    from onnxmint.results.audit import AUDIT

    as_json, gate = options.pop("as_json"), options.pop("gate")
    result, files, language = _run(run_of(run), parts_of(run), options)
    if as_json:
        click.echo(AUDIT.write(result))
    else:
        print_summary(result, Console(), files=files, words=language)
    return GATES[result.verdict.kind] if gate else 0


def _run(output: Path, parts: Path, options: dict[str, Any]) -> tuple["AuditResult", Sequence["AnyPath"], "Language"]:
    """Judge the parts, and write the folder of the run."""
    from onnxmint.cli.outputs import inputs_of, results_folder, words_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.cli.registered import kept_to
    from onnxmint.workflows.dividing import read_work
    from onnxmint.workflows.merging import merge_parts
    from onnxmint.workflows.picturing import picture
    from onnxmint.workflows.remembering import remembered
    from onnxmint.writing.tries import tries_file

    require_redactable(output, options)
    words, thumbnails = given_words(options), options.pop("thumbnails")
    told = {name: options.pop(name) for name in ("paths", "redact")}
    shown, asked = page_of(words), read_work(parts).asked
    tries = None if options.pop("no_record") else tries_file()
    stage = stage_on_stderr(silent=options.pop("quiet"))
    now = {name: options.pop(name) or None for name in ("model", "images", "auditor_file")}
    model, images = Path(now["model"] or asked.model), now["images"] or asked.images
    given = {"images": images, "auditor_file": Path(now["auditor_file"] or asked.auditor)}
    inputs = inputs_of(model, given | {"reference": asked.reference})
    with results_folder(output, "onnxmint-run", overwrite=options.pop("overwrite"), inputs=inputs) as folder:
        merged = merge_parts(
            parts,
            model=now["model"],
            images=now["images"],
            auditor=now["auditor_file"],
            device=options["device"],
            batch_size=options["batch_size"],
            stage=stage,
        )
        said = _options(merged) | given
        registered, registration = kept_to(model, images, merged.auditor, said | options, stage)
        result = remembered(replace(merged.result, registration=registered), tries)
        if thumbnails:
            shown = page_of(words, picture(images, result.scores))
        result, made = files_of(
            result,
            merged.auditor,
            words_of(model, said | {"output": folder.place}),
            place=folder.place,
            shown=shown,
            options=told,
            registration=registration,
        )
        return result, folder.finish(made), shown.language


def _options(merged: "Merged") -> dict[str, Any]:
    """Return the settings as the options of one process."""
    return {one.name: getattr(merged.settings, one.name) for one in fields(AuditSettings)}
