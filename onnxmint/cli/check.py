"""onnxmint check: which of the known preprocessings fits a model."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxmint.cli.grouped import GroupedCommand
from onnxmint.cli.options import (
    PREPROCESS,
    Here,
    answer_option,
    batch_option,
    classes_option,
    device_option,
    json_option,
    labels_option,
    overwrite_option,
    quiet_option,
    seed_option,
)

if TYPE_CHECKING:
    from rich.console import Console

    from onnxmint.results.check import CheckResult, VariantResult
    from onnxmint.writing.inputs import Inputs

_UNTOLD = "~"  # before rows of which none is best
_LACKING = {"file": "no preparation fits", "classes_file": "the labels do not show the order of all classes"}


@click.command("check", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", metavar="SRC...", nargs=-1, required=True)
@click.option(
    "--preprocess", metavar="PRESET|FILE",
    help=f"What you mean to declare: {PREPROCESS}. It is tried and judged.",
)  # fmt: skip
@click.option(
    "--sample", type=click.IntRange(1, 4096), default=256, show_default=True, metavar="N",
    help="Try at most N images, drawn at random with --seed.",
)  # fmt: skip
@answer_option
@classes_option
@click.option(
    "-o", "--output", type=Here(dir_okay=False), metavar="FILE",
    help="Write what fits best as a TOML file for --preprocess.",
)  # fmt: skip
@click.option(
    "--write-classes", type=Here(dir_okay=False), metavar="FILE",
    help="Write the class names in the order of the model's outputs, as the labels show it, for --classes.",
)  # fmt: skip
@overwrite_option
@labels_option
@device_option
@batch_option
@seed_option
@quiet_option
@json_option
def check_command(model: Path, images: tuple[str, ...], overwrite: bool, **options: Any) -> None:
    """Try the known preprocessings of MODEL on some images of SRC and rank them.

    An audit with other pixels than the model was trained on finds nothing. This command shows the model a sample
    under every preset, red first and blue first, under what is declared beside the model or in its metadata, and
    under other ways to resize where images need it. With labels the accuracy decides, and labels that number the
    classes differently from the model are recognised: --write-classes writes the order that --classes takes.

    \b
    Example:
      onnxmint check model.onnx train/ --preprocess imagenet -o preprocess.toml
    """
    from rich.console import Console

    from onnxmint.cli.outputs import inputs_of
    from onnxmint.cli.progress import stage_on_stderr
    from onnxmint.report.names import visible
    from onnxmint.results.check import CHECK
    from onnxmint.settings import EvidenceSettings
    from onnxmint.workflows.checking import check
    from onnxmint.writing.files import atomic_write

    as_json, stage = options.pop("as_json"), stage_on_stderr(silent=options.pop("quiet"))
    sample = options.pop("sample")
    wanted = {"file": options.pop("output"), "classes_file": options.pop("write_classes")}
    _require_free([one for one in wanted.values() if one], inputs_of(model, options | {"images": images}), overwrite)
    settings = EvidenceSettings(**options)
    found = check(model, images, settings=settings, sample=sample, stage=stage)
    files = {output: content for key, output in wanted.items() if output and (content := _content(found, key, output))}
    for output, content in files.items():
        atomic_write(output, content.encode(), overwrite=overwrite)
    if as_json:
        facts = {key: str(output) if output in files else None for key, output in wanted.items()}
        click.echo(json.dumps(CHECK.facts(found) | facts, indent=1, allow_nan=False))
        return
    _print(found, Console())
    for key, output in wanted.items():
        if output is not None:
            click.echo(visible(str(output) if output in files else f"{output} was not written: {_LACKING[key]}"))


def _require_free(outputs: list[Path], inputs: "Inputs", overwrite: bool) -> None:
    """Refuse files that may not be written, before the long work starts."""
    from onnxmint.errors import UsageError
    from onnxmint.writing.inputs import require_free

    for output in outputs:
        require_free(output, inputs=inputs, overwrite=overwrite)
    if len({output.absolute() for output in outputs}) < len(outputs):
        raise UsageError(f"-o and --write-classes are both {outputs[0]}; choose another name for one")


def _content(found: "CheckResult", key: str, output: Path) -> str | None:
    """Return the text of a file, None where there is nothing to write."""
    from onnxmint.errors import ModelError
    from onnxmint.images.classes import names_file

    best = found.best
    if best.skipped is not None:
        raise ModelError(f"no preparation gave an answer ({best.skipped}), so {output} was not written")
    if key == "classes_file":
        order = found.order
        as_json = output.suffix.lower() == ".json"
        return None if order is None else names_file(order, found.classes, as_json=as_json)
    return _toml(found) if found.fits else None


def _toml(found: "CheckResult") -> str:
    """Return the file that declares what fits best, with a comment that names what may fit as well."""
    from onnxmint.preprocess.declared.toml import spec_toml
    from onnxmint.report.names import visible

    rivals = "".join(f"#   {visible(name)}\n" for name in found.rivals)
    head = f"# onnxmint check could not tell this from the following on {found.images:,} images:\n" if rivals else ""
    return head + rivals + spec_toml(found.best.spec)


def _print(found: "CheckResult", console: "Console") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from onnxmint.report.names import visible
    from onnxmint.report.terminal import WIDEST

    left = f", {found.unreadable:,} unreadable" if found.unreadable else ""
    head = f"{Path(found.model).name}   {found.images:,} images of {found.source}{left}, {found.classes:,} classes"
    console.print(Text(f"{visible(head)}\n", overflow="fold"))
    columns = _columns(found)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("preprocessing", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.variants:
        best, mark = _sign(found, row), " (declared)" if row.name == found.declared else ""
        cells = [_cell(row, key) for key in columns.values()]
        if row.skipped is not None:
            cells = ["skipped", *[""] * (len(columns) - 1)]
        name = f"{best} {visible(row.name)}{mark}"
        table.add_row(Text(name), *cells, style="bold" if best == "*" else "")
    console.print(table)
    if found.noise:
        console.print(Text(f"{_UNTOLD} cannot be told apart by these images"))
    for text in (found.advice, *found.notes):
        console.print(Text(visible(text)), width=min(console.width, WIDEST))
    if found.best.toml is not None and found.fits:
        console.print(Text("\nA file for --preprocess with what fits best:", "dim"))
        console.print(Text("".join(f"  {line}\n" for line in _toml(found).splitlines())), end="")


def _sign(found: "CheckResult", row: "VariantResult") -> str:
    """Return what stands before a row: a star is for what fits best, beyond noise."""
    if found.noise:
        return _UNTOLD if row is found.best or row in found.noise else " "
    return "*" if row is found.best and found.fits else " "


def _columns(found: "CheckResult") -> dict[str, str]:
    """Return heads of columns and the attributes that they show: first what ranks."""
    columns = {"confidence": "confidence", "entropy": "entropy"}
    if found.ranked_by == "score":
        return {"score": "score", **columns}
    if found.ranked_by == "accuracy":
        return {"accuracy": "accuracy", "loss": "loss", **columns}
    return {"renumbered": "best_permutation_accuracy", "as labelled": "accuracy", **columns}


def _cell(row: "VariantResult", key: str) -> str:
    value: float | None = getattr(row, key)
    if value is None:
        return "-"
    return f"{value:.2f}" if key in ("score", "entropy", "loss") else f"{value:.1%}"
