"""onnxmint expose-layer: a model that gives out the activations of a layer."""

import re
import textwrap
from pathlib import Path
from typing import Any

import click

from onnxmint.cli.options import Here, answer_option, json_option, overwrite_option
from onnxmint.errors import UsageError


@click.command("expose-layer")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--layer", "layers", multiple=True, default=("auto",), show_default="auto", metavar="LAYER",
    help="Layer to expose: a name, exact tensor name or index of those that onnxmint layers lists, auto, penultimate, "
    "logits. May be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=Here(dir_okay=False), required=True, help="The ONNX file to write.",
)  # fmt: skip
@overwrite_option
@click.option("--cut", is_flag=True, help="Keep only what the layers need; otherwise the original outputs stay.")
@click.option("--pool", metavar="HxW", help="Average maps to this size inside the graph, as adaptive pooling does.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), help="Type of the exposed values.")
@answer_option
@json_option
def expose_command(model: Path, output: Path, pool: str | None, as_json: bool, **options: Any) -> None:
    """Write a copy of MODEL that also gives out the activations of a layer (graph surgery).

    The result is checked before it is written: by the ONNX checker, and by running it: kept outputs must equal the
    original's bit for bit with graph optimisation off, and within 1e-5 with it on; so must the exposed values.

    \b
    Examples:
      onnxmint expose-layer model.onnx --layer layer3.1 -o tapped.onnx
      onnxmint expose-layer model.onnx --layer auto --cut --pool 4x4 -o cut.onnx
    """
    from onnxmint.report.names import visible
    from onnxmint.results.layers import EXPOSED
    from onnxmint.workflows.exposing import expose

    found = expose(model, output, pool=_size(pool), **options)
    if as_json:
        click.echo(EXPOSED.write(found))
        return
    named = ", ".join(layer.name for layer in found.layers)
    click.echo(visible(f"{output}: {'cut at' if found.cut else 'tapped at'} {named}"))
    click.echo(visible(f"outputs: {', '.join(found.outputs)}"))
    for word, texts in (("note", found.notes), ("checked", found.checks)):
        for text in texts:
            click.echo(textwrap.fill(visible(f"{word}: {text}"), 80, subsequent_indent=" " * len(f"{word}: ")))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found or "0" in (found.group(1), found.group(2)):
        raise UsageError(f"--pool {text!r} is not HxW; write for example --pool 4x4")
    return int(found.group(1)), int(found.group(2))
