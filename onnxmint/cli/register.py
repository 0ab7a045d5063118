"""onnxmint register: fix an audit before anything is scored."""

from pathlib import Path
from typing import Any

import click

from onnxmint.cli.audit import audit_command, opened
from onnxmint.cli.options import Here, overwrite_option, settings_of
from onnxmint.settings import AuditSettings

_OF_A_RUN = (
    "output", "overwrite", "gate", "as_json", "language", "title", "case", "note", "thumbnails", "paths", "redact",
    "no_record", "registration", "deviate", "sealed", "commitment", "part", "unit", "engine", "address",
    "cpus_per_task", "insecure_cluster",
)  # fmt: skip
"""Options of audit that say nothing of what is asked."""


def _as_for_audit(command: click.Command) -> click.Command:
    """Take all words of the audit that is registered."""
    command.params = [*(one for one in audit_command.params if one.name not in _OF_A_RUN), *command.params]
    return command


@_as_for_audit
@click.command("register")
@click.option(
    "-o", "--output", type=Here(dir_okay=False), default=Path("registration.json"),
    show_default=True, help="The registration to write.",
)  # fmt: skip
@click.option(
    "--time-query", type=Here(dir_okay=False), metavar="FILE",
    help="Write what a time stamping authority is asked for the registration (RFC 3161); nobody is asked from here.",
)  # fmt: skip
@overwrite_option
@click.pass_context
def register_command(ctx: click.Context, /, model: Path, images: tuple[str, ...], **options: Any) -> None:
    """Fix an audit of MODEL and IMAGES before anything is scored: its settings, and every input by its hash.

    Takes the words of the audit. Nothing is shown to the model. Send the hash that is printed, or the file, to
    somebody who will remember when it came (the other side, a notary, a time stamping service); the audit is made
    later with --registration, and refuses to be another one unless --deviate says why. A reply to --time-query is put
    into the finished run: onnxmint sign run --time-reply FILE.

    \b
    Examples:
      onnxmint register model.onnx suspects/ --members train/ --nonmembers heldout/ \\
          --preprocess imagenet -o registration.json
      onnxmint audit model.onnx suspects/ --members train/ --nonmembers heldout/ \\
          --preprocess imagenet --registration registration.json -o run
    """
    from onnxmint.cli.outputs import inputs_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.results.registration import canonical, digest_of
    from onnxmint.workflows.registering import register
    from onnxmint.workflows.stamping import query
    from onnxmint.writing.files import atomic_write
    from onnxmint.writing.inputs import require_free

    output, overwrite, asked = options.pop("output"), options.pop("overwrite"), options.pop("time_query")
    images, known = opened(ctx, model, images, options)
    stage = stage_on_stderr(silent=options.pop("quiet"))
    require_free(output, inputs=inputs_of(model, options | {"images": images}), overwrite=overwrite)
    found = register(model, images, known, settings=settings_of(AuditSettings, options), stage=stage)
    atomic_write(output, canonical(found), overwrite=overwrite)
    if asked is not None:
        atomic_write(asked, query(canonical(found)))
    click.echo(f"{output} fixes the audit; its SHA-256 is\n{digest_of(found)}")
