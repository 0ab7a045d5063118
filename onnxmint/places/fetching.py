"""Files and runs of a store, brought into a temporary folder while they are used, under the name that the user gave."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnxmint.errors import OnnxmintError
from onnxmint.places.names import as_given, standing_for
from onnxmint.places.remote import RemotePath, path_of
from onnxmint.writing.files import no_room_for
from onnxmint.writing.folders import RUN_FILES
from onnxmint.writing.leftovers import temporary_folder

_BLOCK = 4 << 20
_LARGEST = 64 << 30  # bytes of a file


def fetch(source: RemotePath, target: Path, *, most: int = _LARGEST) -> None:
    """Fetch a file block by block.

    Raises:
        OSError: it cannot be read.
        OnnxmintError: it is larger than what is taken, or than the room there is.
    """
    with source.reader() as remote:
        short = f"allowed are {most / 1e9:.1f} GB" if remote.size > most else no_room_for(remote.size)
        if short is not None:
            raise OnnxmintError(f"{source} has {remote.size / 1e9:.1f} GB, and {short}; bring it here yourself")
        with target.open("xb") as file:
            shutil.copyfileobj(remote, file, _BLOCK)


@contextmanager
def brought_file(place: str | Path, *, most: int = _LARGEST) -> Iterator[Path]:
    """Bring a file here; gone at the end. One that is here already is left where it is.

    Raises:
        OnnxmintError: it cannot be fetched.
    """
    source = path_of(place)
    if isinstance(source, Path):
        yield source
        return
    with _folder_for(source, source.parent) as folder:
        target = folder / (source.name or "file")
        try:
            fetch(source, target, most=most)
        except OSError as problem:
            raise OnnxmintError(f"cannot read {source}: {problem.strerror or problem}; give a file") from None
        yield target


@contextmanager
def brought_run(place: str | Path) -> Iterator[Path]:
    """Bring the files of a run here; gone at the end. A run that is here already is left where it is.

    Raises:
        OnnxmintError: it cannot be fetched, or is none.
    """
    source = path_of(place)
    if isinstance(source, Path):
        yield source
        return
    with _folder_for(source, source) as folder:
        try:
            names = sorted(one.name for one in source.listed())
            for name in names:
                if name in RUN_FILES:
                    fetch(source / name, folder / name)
                elif "/" not in name:
                    (folder / name).touch()  # a stranger's file: it counts, its content does not
        except FileNotFoundError:
            names = []
        except OSError as problem:
            raise OnnxmintError(f"cannot read {source}: {problem.strerror or problem}") from None
        if not names:
            raise OnnxmintError(f"{source} holds nothing; give the folder of a run, as -o of onnxmint audit named it")
        yield folder


@contextmanager
def _folder_for(source: RemotePath, meant: RemotePath) -> Iterator[Path]:
    """Make a temporary folder that stands for a place of a store, in errors too."""
    with temporary_folder() as folder, standing_for(folder, str(meant)):
        try:
            yield folder
        except OnnxmintError as problem:
            problem.args = (as_given(str(problem)),)
            raise
