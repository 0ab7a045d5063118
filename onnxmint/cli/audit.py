"""onnxmint audit: which of these images was the model trained on, as terminal summary, JSON and HTML report."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli import places
from onnxmint.cli.cluster import audit_on, cluster_of, cluster_options
from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    GATES,
    Duration,
    batch_option,
    device_option,
    json_option,
    module_options,
    overwrite_option,
    quiet_option,
    run_option,
    seed_option,
    setting,
    settings_of,
)
from onnxmint.cli.page import given_words, page_of, page_options
from onnxmint.cli.parts import make_part, part_options, require_for_parts
from onnxmint.cli.redacted import files_of, require_redactable
from onnxmint.cli.sealed import run_sealed, sealed_options, wants_sealed
from onnxmint.cli.turns import first_of, first_option, opened_auditor, require_turns
from onnxmint.cli.ways import say_what_is_missing
from onnxmint.errors import UsageError
from onnxmint.report.names import visible
from onnxmint.settings import AuditSettings, TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxmint.mint.auditor import Auditor
    from onnxmint.places.remote import AnyPath
    from onnxmint.report.language import Language
    from onnxmint.results.audit import AuditResult
    from onnxmint.workflows.auditing import Known


@click.command("audit", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGES...", nargs=-1)
@click.option("--auditor", "auditor_file", type=click.Path(path_type=Path), help="An auditor of MODEL, from train.")
@first_option
@click.option("--members", metavar="SRC", help="Images known to be in the training set, to train an auditor on.")
@click.option("--nonmembers", metavar="SRC", help="Images known not to be in it; alone where no members are known.")
@run_option(
    "onnxmint-run",
    "report.html, answer.txt, report.json, scores.csv, scores.parquet, auditor.onnx, run.toml, manifest.json",
)
@overwrite_option
@page_options
@setting(AuditSettings, "alpha", help="False-discovery rate among flagged images, and level of the test for the set.")
@setting(
    AuditSettings, "relevant_share", metavar="S",
    help="Smallest share of members that matters: no-evidence is said only where it would have been noticed.",
)  # fmt: skip
@setting(
    AuditSettings, "prior", metavar="P",
    help="Probability of membership before the score is seen; default: the estimated share.",
)  # fmt: skip
@setting(
    AuditSettings, "false_discovery", "--fdr",
    help="Correction for many images: Benjamini-Hochberg, or Storey, which flags more when members are many.",
)  # fmt: skip
@setting(
    AuditSettings, "p_values",
    help="How ties count: all against membership, or with a random weight, so that p-values are exactly uniform.",
)  # fmt: skip
@setting(
    AuditSettings, "guarantee",
    help="The level of the test holds for each of 95% of auditors, or, with more power, on average over auditors only.",
)  # fmt: skip
@click.option(
    "--time", type=Duration(), metavar="TIME",
    help="End within a time such as 10m or 2h: as many images and views are taken as fit, and the report says what "
    "that costs in power.",
)  # fmt: skip
@setting(
    AuditSettings, "subject", metavar="COLUMN|REGEX|folder",
    help="Column (or, for folders, a pattern on the path) that says whose images they are, or their sub-folders: each "
    "subject gets an answer, and of those found at most --alpha are expected to be false.",
)  # fmt: skip
@setting(AuditSettings, "subject_first", metavar="NAME", help="The subject that was asked for, to be listed first.")
@setting(
    AuditSettings, "sample", metavar="N",
    help="Judge at most N different images, drawn by a hash of their content and --seed; a set's answer needs few.",
)  # fmt: skip
@click.option(
    "--sequential", is_flag=True,
    help="Score IMAGES in growing lots, in random order, and stop when the answer is known; error rates hold all the "
    "same.",
)  # fmt: skip
@click.option(
    "--no-record", is_flag=True,
    help="Neither look up nor keep, in your own state folder and as hashes, what was tried with this evidence.",
)  # fmt: skip
@click.option(
    "--registration", type=click.Path(path_type=Path), metavar="FILE",
    help="From onnxmint register: refuse to be another audit than the one fixed there.",
)  # fmt: skip
@click.option("--deviate", metavar="REASON", help="Why this is not the registered audit; the report tells it.")
@click.option("--per-class", is_flag=True, help="P-values against non-members of the same class (100 or more of them).")
@click.option(
    "--gate", is_flag=True,
    help="Exit 3 when IMAGES hold members and 4 when inconclusive: gates whether these images were trained on. Whether "
    "the model leaks too much is asked of evaluate --fail-above.",
)  # fmt: skip
@sealed_options
@part_options
@cluster_options
@module_options
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
@click.pass_context
def audit_command(ctx: click.Context, /, model: Path, images: tuple[str, ...], **options: Any) -> None:
    """Say which of IMAGES the classifier MODEL was trained on, with error rates.

    Needs an auditor of MODEL (--auditor), or known members and known non-members to train one on (--members,
    --nonmembers): no score has a meaning by itself. IMAGES and SRC are a folder, a Parquet file or folder, a CSV
    of path,label, or WebDataset .tar shards; IMAGES also image files, and several places as one set. These, MODEL,
    the auditor and RUN may be URIs (s3://, gs://, ...: onnxmint help sources).

    Where no members are known, --nonmembers alone will do: the score is then fixed in advance, so members can be
    found, but never excluded, and nothing is known of their share.

    \b
    Examples:
      onnxmint audit model.onnx images/    (members, nonmembers, questioned in it)
      onnxmint audit model.onnx suspects/ --members train/ --nonmembers heldout/ \\
          --preprocess imagenet -o run
      onnxmint audit model.onnx more/ --auditor run/auditor.onnx -o run2
      onnxmint audit model.onnx my-art/ --nonmembers later/ --preprocess imagenet
      onnxmint audit model.onnx public/ --sealed private/    (after onnxmint seal)

    \b
    Exit status: 0 done, 1 failed, 2 wrong usage;
    with --gate also 3 members found, 4 inconclusive.
    """
    if wants_sealed(ctx, images, options):
        sealed = run_sealed(model, images, options)
        ctx.exit(GATES[sealed.kind] if options["gate"] else 0)
    require_redactable(options["output"], options)
    require_turns(options)
    cluster = cluster_of(ctx, options)
    if cluster is not None:
        ctx.exit(audit_on(cluster, model, opened(ctx, model, images, options)[0], options))
    if options["part"] is not None:
        require_for_parts(ctx, options)
        make_part(model, opened(ctx, model, images, options)[0], options)
        return
    images, known = opened(ctx, model, images, options)
    from rich.console import Console

    from onnxmint.report.terminal import print_summary
    from onnxmint.results.audit import AUDIT

    as_json, gate = options.pop("as_json"), options.pop("gate")
    result, files, language = _run(model, images, known, options)
    if as_json:
        click.echo(AUDIT.write(result))
    else:
        print_summary(result, Console(), files=files, words=language)
    ctx.exit(GATES[result.verdict.kind] if gate else 0)


def _run(
    model: Path, images: tuple[str, ...], known: "Auditor | Known", options: dict[str, Any]
) -> tuple["AuditResult", "Sequence[AnyPath]", "Language"]:
    """Audit, and write the folder of the run."""
    from onnxmint.cli.ahead import telling
    from onnxmint.cli.outputs import inputs_of, results_folder
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.cli.registered import kept_to
    from onnxmint.workflows.auditing import Known, audit
    from onnxmint.workflows.picturing import picture
    from onnxmint.workflows.remembering import remembered
    from onnxmint.workflows.turns import audit_in_turn
    from onnxmint.writing.tries import tries_file

    output, overwrite = options.pop("output"), options.pop("overwrite")
    words, thumbnails = given_words(options), options.pop("thumbnails")
    told = {name: options.pop(name) for name in ("paths", "redact")}
    shown = page_of(words)
    tries = None if options.pop("no_record") else tries_file()
    silent = options.pop("quiet")
    stage = stage_on_stderr(silent=silent)
    first = first_of(options)
    settings = settings_of(AuditSettings, options)
    registered, registration = kept_to(model, images, known, options, stage)
    inputs, keeps, kept = inputs_of(model, options | {"images": images}), isinstance(known, Known), list["Auditor"]()
    with results_folder(output, "onnxmint-run", overwrite=overwrite, inputs=inputs, keeps=keeps) as folder:

        def keep(auditor: "Auditor") -> None:
            folder.keep("auditor.onnx", auditor.model)
            kept.append(auditor)

        before = telling(stage, settings.time) if not silent else None
        if first is not None and not isinstance(known, Known):
            turn = audit_in_turn(model, images, first, known, settings=settings, stage=stage, before=before)
            found, known = turn.result, turn.auditor
        else:
            found = audit(model, images, known, settings=settings, stage=stage, keep=keep, before=before)
        result = remembered(replace(found, registration=registered), tries)
        auditor = kept[0] if isinstance(known, Known) else known
        if thumbnails:
            shown = page_of(words, picture(images, result.scores))
        said = _words(model, images, options | {"output": folder.place})
        result, made = files_of(
            result, auditor, said, place=folder.place, shown=shown, options=told, registration=registration
        )
        return result, folder.finish(made), shown.language


def opened(
    ctx: click.Context, model: Path, images: tuple[str, ...], options: dict[str, Any]
) -> tuple[tuple[str, ...], "Auditor | Known"]:
    """Return the questioned images and what is known; leave where something is missing, having said what to do."""
    if not images:  # click does not ask for them: --sealed does without
        raise click.MissingParameter(ctx=ctx, param=next(one for one in ctx.command.params if one.name == "images"))
    asked = _asked(ctx, model, images, options)
    if asked is None:
        ctx.exit(UsageError.exit_code)
    return asked.images, _known(options)


def _asked(ctx: click.Context, model: Path, images: tuple[str, ...], options: dict[str, Any]) -> places.Asked | None:
    """Judge the words before anything heavy is imported, and say what was taken for what.

    Returns:
        What is asked, None where something is missing and what can be done was said.
    """
    auditor, members, nonmembers = options["auditor_file"], options["members"], options["nonmembers"]
    if auditor is not None and (members or nonmembers):
        raise UsageError("give either --auditor or --members with --nonmembers: an auditor is already trained")
    if auditor is not None:
        _refuse_training_options(ctx)
    places.require_model(model, images)
    places.require_places(images, "IMAGES")
    places.require_places([place for place in (members, nonmembers) if place], "known images")
    complete = auditor is not None or bool(members and nonmembers)
    asked = places.settle(images, members, nonmembers, complete=complete)
    if not options["quiet"]:
        click.echo(visible(asked.found or f"reading {model} and {', '.join(images)}"), err=True)
    if not complete:
        places.require_questioned(asked, images[0], model)
    if auditor is not None or asked.nonmembers:
        options |= {"members": asked.members, "nonmembers": asked.nonmembers}
        return asked
    say_what_is_missing(model, asked)
    return None


def _known(options: dict[str, Any]) -> "Auditor | Known":
    """Return the auditor that was given, or the known images to train one on."""
    from onnxmint.workflows.auditing import Known

    if options["auditor_file"] is not None:
        return opened_auditor(options["auditor_file"], labels=options["labels"])
    training = settings_of(TrainSettings, options)
    return Known(members=options["members"], nonmembers=options["nonmembers"], training=training)


def _refuse_training_options(ctx: click.Context) -> None:
    """An option that would be ignored is a misunderstanding: say so."""
    fixed = ("preprocess", "answer", "classes", "layers", "module", "views", "limit", "folds")
    for name in fixed:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = {"layers": "layer"}.get(name, name)
            raise UsageError(f"--{option} is fixed in the auditor file; leave it out, or train another auditor")


def _words(model: Path, images: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the command's words for run.toml, less what was not given, and the folder that its paths start from."""
    from onnxmint.cli.outputs import words_of

    return words_of(model, {"images": images, **options})
