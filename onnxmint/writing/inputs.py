"""An output is never an input, and a file that is there is never overwritten unasked: one rule for every command."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onnxmint.errors import UsageError
from onnxmint.writing.files import require_writable
from onnxmint.writing.leftovers import clear


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Something that a command reads.

    Attributes:
        name: what it is, as in "the model".
        path: its file, or the folder that holds it.
    """

    name: str
    path: Path


Inputs = Callable[[], Iterable[Input]]
"""What a command reads, found out only where something stands at its output already."""


def require_free(output: Path, *, inputs: Inputs, overwrite: bool) -> None:
    """Refuse a file to write that is an input, or is there and was not to be replaced, before the long work starts.

    Raises:
        UsageError: it may not be written.
        OnnxmintError: it cannot be.
    """
    if os.path.lexists(output):
        refuse_inputs(output, inputs())
        if output.exists() and not output.is_file():
            raise UsageError(f"{output} is no regular file, and is not replaced by one; choose another name with -o")
        if not overwrite:
            raise UsageError(f"{output} exists already: choose another name with -o, or replace it with --overwrite")
    clear(output.parent)
    require_writable(output.parent)


def refuse_inputs(output: Path, inputs: Iterable[Input]) -> None:
    """Refuse to write where something is read; links of both kinds are looked through.

    Args:
        output: a file or folder that will be written.
        inputs: what is read.

    Raises:
        UsageError: naming the input.
    """
    own = set(_files(output))
    for one in inputs:
        if _same(output, one.path) or _within(one.path, output) or own & set(_files(one.path)):
            raise UsageError(f"-o {output} would overwrite {one.name}{_where(output, one.path)}; choose another name")
        if output.is_file() and _within(output, one.path):
            raise UsageError(f"-o {output} would overwrite a file of {one.name}; choose another name")


def refuse_neighbours(folder: Path, suffix: str, inputs: Iterable[Input], why: str) -> None:
    """Refuse a folder to write into that lies in one of the images read, or holds a file read of the kind written.

    Args:
        folder: for results.
        suffix: of the files written.
        inputs: what is read.
        why: what would come of it, as it follows a name.

    Raises:
        UsageError: naming the input.
    """
    for one in inputs:
        if one.path.is_dir() and (_same(folder, one.path) or _within(folder, one.path)):
            raise UsageError(f"-o {folder} lies in {one.name}{_where(folder, one.path)}; choose another folder")
        if one.path.suffix == suffix and _same(folder, one.path.parent):
            raise UsageError(f"-o {folder} holds {one.name} ({one.path}), {why}; choose another folder")


def _same(first: Path, second: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of them is missing, or its name cannot be one
        return first.samefile(second)
    return False


def _within(path: Path, folder: Path) -> bool:
    """Say whether a path leads into a folder, by its words or by what its links mean."""
    with contextlib.suppress(OSError, ValueError):
        places = (Path(os.path.abspath(path)), Path(os.path.realpath(path)))  # noqa: PTH100 - keeps links
        return any(_same(parent, folder) for place in places for parent in place.parents)
    return False


def _files(path: Path) -> Iterator[tuple[int, int]]:
    """Yield what a file, or the files right in a folder, are to the system; hard links are the same."""
    with contextlib.suppress(OSError, ValueError):
        for one in (path,) if not path.is_dir() else path.iterdir():
            with contextlib.suppress(OSError):
                facts = one.stat()
                if stat.S_ISREG(facts.st_mode):
                    yield facts.st_dev, facts.st_ino


def _where(output: Path, path: Path) -> str:
    return "" if output == path else f" ({path})"
