"""onnxmint redact: a finished run without the names of its images."""

from pathlib import Path

import click

from onnxmint.cli.options import Here, overwrite_option


@click.command("redact")
@click.argument("run", type=Here(), metavar="RUN")
@click.option("-o", "--output", type=Here(), metavar="NEW", required=True, help="The folder of the run without names.")
@overwrite_option
def redact_command(run: Path, output: Path, overwrite: bool) -> None:
    """Write the audit in the folder RUN again as NEW, without names, folders and classes of images.

    Pseudonyms stand for them, and the key, in NEW.redaction-key beside it, looks them up (onnxmint lookup). What
    follows from the scores is as before; signatures and tokens of time are not, as they are of other bytes. RUN stays.

    \b
    Example:
      onnxmint redact run -o run-to-send
    """
    import json

    from onnxmint.cli.outputs import results_folder
    from onnxmint.cli.redacted import files_of
    from onnxmint.errors import OnnxmintError
    from onnxmint.mint.auditor import load_auditor
    from onnxmint.report.again import presented_as
    from onnxmint.report.files import load_run
    from onnxmint.report.names import visible
    from onnxmint.workflows.integrity import check_files
    from onnxmint.writing.inputs import Input
    from onnxmint.writing.regular import regular_bytes

    result, (manifest, whole) = load_run(run), check_files(run)
    if manifest is None or whole.outcome != "passed":
        raise OnnxmintError(f"{run} is not redacted: {'; '.join(whole.differences)}; make the run again")
    if manifest.redaction is not None:
        raise OnnxmintError(f"{run} is redacted already; copy it")
    if "auditor.onnx" not in manifest.files:
        raise OnnxmintError(f"{run} has no auditor.onnx, by which it could be judged again; run onnxmint audit again")
    registration = regular_bytes(run / "registration.json") if "registration.json" in manifest.files else None
    words = {name: json.loads(word) for name, word in manifest.command.items()}
    options = {"redact": True, "paths": False}
    with results_folder(
        output, "onnxmint-run", overwrite=overwrite, inputs=lambda: [Input(name="the run", path=run)]
    ) as folder:
        _, files = files_of(
            result, load_auditor(run / "auditor.onnx"), words, place=folder.place, shown=presented_as(run),
            options=options, registration=registration,
        )  # fmt: skip
        for file in folder.finish(files):
            click.echo(visible(str(file)))
