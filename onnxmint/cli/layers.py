"""onnxmint layers: what can be exposed in a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxmint.cli.options import answer_option, json_option

if TYPE_CHECKING:
    from onnxmint.results.layers import LayerList


_WIDE = 100  # columns of a terminal from which on the size of a layer is shown too
_NAME = 14


@click.command("layers")
@click.argument("model", type=click.Path(path_type=Path))
@answer_option
@json_option
def layers_command(model: Path, answer: str | None, as_json: bool) -> None:
    """List the layers of MODEL that can be exposed: name, shape, depth and size.

    A layer is a tensor through which everything flows on the way from image to answer. Depth is the share of the
    model's multiply-accumulates spent up to it: what a cut there costs. The suggested one is what `auto` takes.
    Its role: the last of a stage (before the size changes), what the last dense layer reads, or the answer.

    \b
    Example:
      onnxmint layers model.onnx
    """
    from onnxmint.results.layers import LAYERS
    from onnxmint.workflows.exposing import layers

    found = layers(model, answer=answer)
    if as_json:
        click.echo(LAYERS.write(found))
    else:
        _print(found)


def _print(found: "LayerList") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from onnxmint.report.names import visible

    console = Console()
    shape = " x ".join("N" if size is None else str(size) for size in found.input_shape)
    head = f"{Path(found.model).name}   opset {found.opset}, {found.classes} classes, sha256 {found.sha256[:12]}"
    console.print(Text(visible(head)))
    console.print(Text(visible(f"input {found.input_name}   {found.input_dtype} {shape}   {found.input_layout}")))
    behind = "" if found.answer_tensor == found.answer else f", tensor {found.answer_tensor}"
    console.print(Text(visible(f"answer {found.answer}   {found.classes} {found.answer_kind}{behind}") + "\n"))
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    numbers = ("shape", "depth", "MACs", "size") if console.width >= _WIDE else ("shape", "depth", "MACs")
    table.add_column("#", justify="right", no_wrap=True, min_width=len(str(len(found.layers))) + 1)
    table.add_column("layer", overflow="fold", min_width=_NAME)
    table.add_column("made by", no_wrap=True, max_width=_NAME)
    table.add_column("role", no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for layer in found.layers:
        values = (
            "x".join(map(str, layer.shape)),
            f"{layer.depth:.0%}",
            _short(layer.macs, 1000, ("", " k", " M", " G", " T")),
            _short(layer.bytes, 1024, (" B", " kB", " MB", " GB")),
        )
        table.add_row(
            f"{'*' if layer.suggested else ''}{layer.index}",
            Text(visible(layer.name)),
            Text(visible(layer.op)),
            layer.role,
            *values[: len(numbers)],
            style="bold" if layer.suggested else "",
        )
    console.print(table)
    console.print("* is what auto takes. Exact tensor names: --json.", style="dim")
    if found.normalisation is not None:
        console.print(Text(found.normalisation.text))
    for note in found.notes:
        console.print(Text.assemble(("note", "yellow"), f"  {visible(note)}"))


def _short(value: float, step: int, units: tuple[str, ...]) -> str:
    """Return a number with two or three digits and a unit."""
    for unit in units[:-1]:
        if value < step:
            return f"{value:.3g}{unit}" if value < 1000 else f"{value:.0f}{unit}"  # noqa: PLR2004 - 3 digits
        value /= step
    return f"{value:.3g}{units[-1]}"
