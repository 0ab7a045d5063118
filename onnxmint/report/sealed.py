"""Sealing, and an audit of sealed pictures: lines on the terminal, a page, files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxmint.places.remote import AnyPath
from onnxmint.report.html import environment
from onnxmint.report.manifest import sealed_manifest
from onnxmint.report.names import visible
from onnxmint.report.terminal import WIDEST, print_files, print_warnings
from onnxmint.results.manifest import NAME
from onnxmint.results.seal import Sealing
from onnxmint.results.sealed import SEALED, SealedAudit, SealedKind
from onnxmint.results.sealed_file import NAME as SCORES
from onnxmint.results.sealed_file import write_sealed

_COLOURS: dict[SealedKind, str] = {"members-found": "red", "inconclusive": "magenta"}
_SHOWN = 5  # pictures that were left out and are named


def sealing_words(found: Sealing) -> str:
    """Return what sealing did, and what to do now."""
    close = "" if found.psnr is None else f", {found.psnr:.1f} dB from the pictures (PSNR, median)"
    many = f"{found.pictures:,} picture{'' if found.pictures == 1 else 's'}"
    lines = [
        f"{many} sealed, {found.variants} variants of each ({found.change.words}{close})",
        f"publish   {found.public}: nothing else, and never the pictures themselves or other variants",
        f"keep      {found.private}: secret, and with a copy; without it nothing can be shown",
        "commitment, to be given now to somebody who will remember when it came (the other side, a notary, a time "
        "stamping service):",
        found.commitment,
        *(f"left out  {one.path} {one.reason}" for one in found.skipped[:_SHOWN]),
        *([f"left out  {len(found.skipped) - _SHOWN:,} more"] if len(found.skipped) > _SHOWN else []),
        *(f"note      {note}" for note in found.notes),
    ]
    return "\n".join(visible(line) for line in lines)


def print_sealed(found: SealedAudit, console: Console, *, files: Sequence[AnyPath] = ()) -> None:
    """Print an audit of sealed pictures, the answer last."""
    wide = min(console.width, WIDEST)
    table = Table.grid(padding=(0, 2))
    for name, words in facts(found):
        table.add_row(Text(name, "dim"), Text(visible(words), overflow="fold"))
    console.print(table, width=wide)
    console.print()
    print_warnings(found.warnings, console)
    print_files(files, console)
    if files:
        console.print()
    mark = "*" if console.options.ascii_only else "\N{BLACK SQUARE}"
    console.print(Text.assemble((mark, _COLOURS[found.kind]), " ", (found.headline.upper(), "bold")), width=wide)
    console.print(Text(visible(found.text), "bold"), width=wide)


def facts(found: SealedAudit) -> list[tuple[str, str]]:
    """Return what the answer rests on, by name."""
    target, seal, test = found.target, found.seal, found.test
    held = "the same as the one that was given" if seal.committed else "of the folder that was kept; none was given"
    compared = f"{seal.compared:,} published files are the drawn variants" if seal.compared else "no published files"
    score = "the pictures' own classes" if found.labels else "the model's top class for each variant"
    return [
        ("model", f"{Path(target.path).name}, SHA-256 {target.sha256[:12]}"),
        ("ran on", f"{target.device} ({target.provider}); {target.device_reason}"),
        ("seal", f"{seal.created}, by the clock of who made it; {seal.pictures:,} pictures"),
        ("commitment", f"{seal.commitment}, {held}"),
        ("compared", compared),
        ("variants", f"{test.variants} of each picture: {seal.change.words}"),
        ("judged", f"{test.pictures:,} pictures by log-odds of {score}{_left_out(found)}"),
        ("by rank", f"{', '.join(f'{count:,}' for count in found.ranks)} pictures, lowest to highest; "
                    f"{test.pictures / test.variants:,.1f} each by chance"),
    ]  # fmt: skip


def _left_out(found: SealedAudit) -> str:
    if not found.skipped:
        return ""
    return f"; {len(found.skipped):,} left out, such as {found.skipped[0].path}, as {found.skipped[0].reason}"


def render_sealed(found: SealedAudit) -> str:
    """Return the page of an audit of sealed pictures."""
    most = max(*found.ranks, found.test.pictures / found.test.variants)
    return (
        environment("en")
        .get_template("sealed.html")
        .render(
            result=found,
            model=Path(found.target.path).name,
            facts=facts(found),
            ranks=[(rank, count, 100 * count / most) for rank, count in enumerate(found.ranks, start=1)],
            chance=found.test.pictures / found.test.variants,
        )
    )


def sealed_files(found: SealedAudit, command: Mapping[str, object] | None = None) -> dict[str, bytes]:
    """Return the files of an audit of sealed pictures by name: the page, all of it as JSON, a row a picture, hashes.

    Args:
        found: the audit.
        command: its words, for the manifest.
    """
    files = {
        "sealed.html": render_sealed(found).encode(),
        SCORES: write_sealed(found),
        "sealed.json": (SEALED.write(found) + "\n").encode(),
    }
    return files | {NAME: sealed_manifest(found, files, command or {})}
