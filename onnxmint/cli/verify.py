"""onnxmint verify: is a run whole, and does what it says follow from what it rests on?"""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from onnxmint.cli.options import Anywhere, Here, device_option, json_option, quiet_option

_NAMES = ("integrity", "authenticity", "order", "derivation", "inputs")
NOT_VERIFIED = 5


@click.command("verify")
@click.argument("run", type=Anywhere(), metavar="RUN")
@click.option(
    "--step", "steps", multiple=True, type=click.Choice(_NAMES), default=_NAMES, show_default="all",
    help="Do only this step; can be repeated.",
)  # fmt: skip
@click.option(
    "--key", type=Here(), metavar="FILE",
    help="Public Ed25519 key that you trust (PEM, or as ssh-keygen writes it), to check who signed.",
)  # fmt: skip
@click.option("--model", type=click.Path(path_type=Path), help="Where the model is now.")
@click.option("--images", multiple=True, metavar="SRC", help="Where the questioned images are now; can be repeated.")
@click.option(
    "--registration", type=Anywhere(exists=True), metavar="FILE",
    help="The registration that you got before the run.",
)  # fmt: skip
@click.option(
    "--tsa", type=Here(exists=True), metavar="FILE",
    help="Certificates of the time stamping authority that you trust (PEM), to check tokens of time (RFC 3161).",
)  # fmt: skip
@click.option("--members", metavar="SRC", help="Where the known members are now.")
@click.option("--nonmembers", metavar="SRC", help="Where the known non-members are now.")
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N",
    help="Score N images again, drawn now, so that who made the run cannot have known which.",
)  # fmt: skip
@click.option(
    "--retrain", is_flag=True,
    help="Train the auditor again from the known images, and hold it against that of the run.",
)  # fmt: skip
@click.option("--after", type=Here(), metavar="MODEL", help="Where the second model of a comparison is now.")
@click.option("--forget", metavar="SRC", help="Where the images to be forgotten of a comparison are now.")
@click.option(
    "--sealed", type=Here(exists=True, file_okay=False), metavar="DIR",
    help="Where the folder that onnxmint seal wrote with --keep is now, of an audit of sealed pictures.",
)  # fmt: skip
@click.option(
    "--redaction-key", type=Here(exists=True), metavar="FILE",
    help="The key to the names of a redacted run, which scoring and training again need.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Seed of that draw.  [default: a fresh one, which is printed]")
@device_option
@quiet_option
@json_option
@click.pass_context
def verify_command(ctx: click.Context, /, run: Path, **options: Any) -> None:
    """Check the folder RUN of an audit, evaluation or comparison, as somebody who did not make it.

    \b
    integrity      every file is the one that manifest.json names, nothing was added
    authenticity   who signed it
    order          what was fixed before scores were computed
    derivation     verdict, share, p-values and flags follow from the scores
    inputs         model and images are still the files that the run names
    recomputation  images drawn now give the scores of the run (--sample)
    retraining     the known images give the auditor of the run (--retrain)

    Inputs are looked for where the run's command named them, or where --model, --images, --members, --nonmembers and
    --sealed say. A step that could not be done says so and never counts as passed.

    \b
    Examples:
      onnxmint verify run
      onnxmint verify run --step integrity --step derivation
      onnxmint verify run --images suspects/ --sample 200

    \b
    Exit status: 0 every step asked for passed, 1 the check itself failed,
    2 wrong usage, 5 not verified: a step failed or could not be done.
    """
    from rich.console import Console

    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.places.fetching import brought_file, brought_run
    from onnxmint.places.names import renamed
    from onnxmint.report.again import readable_files
    from onnxmint.report.verification import print_verification
    from onnxmint.results.verification import VERIFICATION
    from onnxmint.workflows.rehashing import Places
    from onnxmint.workflows.verifying import Checking, verify

    as_json, stage = options.pop("as_json"), stage_on_stderr(silent=options.pop("quiet"))
    places = Places(
        **{
            name: options.pop(name)
            for name in ("model", "images", "members", "nonmembers", "sealed", "after", "forget")
        }
    )
    checking = Checking(places=places, **options | {"steps": tuple(dict.fromkeys(options["steps"]))})
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(brought_run(run))
        if checking.registration is not None:
            checking = replace(checking, registration=stack.enter_context(brought_file(checking.registration)))
        found = renamed(verify(here, checking=checking, rendered=readable_files, stage=stage))
    if as_json:
        click.echo(VERIFICATION.write(found))
    else:
        print_verification(found, Console())
    ctx.exit(0 if found.verified else NOT_VERIFIED)
