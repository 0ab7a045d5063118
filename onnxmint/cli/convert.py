"""onnxmint convert: a finished audit in the form of another tool."""

from pathlib import Path

import click

from onnxmint.cli.options import Anywhere, Here, overwrite_option

# Those of report.conversions.CONVERSIONS, which are too much to import for --help.
_FORMS = ("junit", "sarif", "markdown", "attestation", "cyclonedx", "ro-crate", "model-card")
_KINDS = ("members-found", "inconclusive", "no-evidence")


@click.command("convert")
@click.argument("run", type=Anywhere(), metavar="RUN")
@click.option("--to", "form", type=click.Choice(_FORMS), required=True, help="The form.")
@click.option(
    "-o", "--output", type=Here(dir_okay=False), metavar="FILE", show_default="stdout",
    help="The file to write.",
)  # fmt: skip
@overwrite_option
@click.option(
    "--gate-on", multiple=True, type=click.Choice(_KINDS), default=_KINDS[:2], show_default=True,
    help="A verdict that does not pass; can be repeated.",
)  # fmt: skip
@click.option(
    "--gate-share-upper", type=click.FloatRange(0, 1), metavar="S",
    help="Nor does a share of members whose upper limit exceeds S.",
)  # fmt: skip
@click.option("--model-path", metavar="PATH", help="The model's file in the repository, for sarif.")
def convert_command(
    run: Path,
    form: str,
    output: Path | None,
    overwrite: bool,
    gate_on: tuple[str, ...],
    gate_share_upper: float | None,
    model_path: str | None,
) -> None:
    """Write the audit in the folder RUN in the form of another tool; the same run always gives the same bytes.

    \b
    junit        tests of a CI server: the verdict and every control
    sarif        findings of code scanning, at the model's file
    markdown     a section for a pull request or a model card
    attestation  in-toto statement with a Test Result, to be signed
    cyclonedx    CycloneDX 1.6: the model with what was measured of it
    ro-crate     ro-crate-metadata.json, for archives
    model-card   a section for a model card, without the gate

    \b
    Examples:
      onnxmint convert run --to junit -o onnxmint.xml
      onnxmint convert run --to sarif --model-path models/net.onnx -o onnxmint.sarif
      onnxmint convert run --to markdown --gate-share-upper 0.05
    """
    from dataclasses import replace

    from onnxmint.places.fetching import brought_run
    from onnxmint.report.conversions.table import CONVERSIONS
    from onnxmint.report.files import load_run
    from onnxmint.results.gate import GateRule
    from onnxmint.writing.files import atomic_write
    from onnxmint.writing.inputs import Input, require_free

    if output is not None:
        require_free(output, inputs=lambda: [Input(name="the run", path=run)], overwrite=overwrite)
    with brought_run(run) as here:
        result = load_run(here)
    if model_path is not None:
        result = replace(result, target=replace(result.target, path=model_path))
    rule = GateRule(on=gate_on, share_upper=gate_share_upper)  # type: ignore[arg-type]  # as click.Choice checked
    text = CONVERSIONS[form](result, rule)
    if output is None:
        click.echo(text, nl=False)
    else:
        atomic_write(output, text.encode(), overwrite=overwrite)
