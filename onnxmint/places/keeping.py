"""A folder of results in a store: what says that it is whole is written last, for nothing there is renamed.

`NAME.unfinished/begun` tells others that it is being made; what is worth keeping whatever happens lies beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.places.calls import again
from onnxmint.places.remote import RemotePath
from onnxmint.places.stores import connected
from onnxmint.writing.folders import RUN_FILES, WHOLE
from onnxmint.writing.scratch import Content, blocks

_BEGUN = "begun"


class RemoteFolder:
    """A folder of results that is being made in a store."""

    def __init__(self, place: RemotePath, unfinished: RemotePath) -> None:
        """Make what will stand at `place`."""
        self.place = place
        self.kept: list[RemotePath] = []
        self._unfinished = unfinished

    def keep(self, name: str, content: bytes) -> None:
        """Write a file now that is worth keeping even if the rest fails; it is gone once the folder is whole.

        Raises:
            OnnxmintError: it cannot be written.
        """
        put(self._unfinished / name, content)
        self.kept.append(self._unfinished / name)

    def finish(self, files: Mapping[str, Content]) -> list[RemotePath]:
        """Write all files, last those by which a run is known to be whole. Return where they stand.

        Raises:
            OnnxmintError: a file cannot be written, or is not there as it was written.
        """
        before = _sizes(self.place)
        for name in sorted(before, key=lambda name: name not in WHOLE):  # first those: it is no run any more
            remove(self.place / name)
        for name in sorted(files, key=lambda name: name in WHOLE):
            put(self.place / name, files[name])
        found = _sizes(self.place)
        for name, content in files.items():
            if found.get(name) != len(content):
                raise OnnxmintError(
                    f"{self.place / name} is not there as it was written; somebody else writes there, or the store "
                    "lost it: choose another place with -o"
                )
        for path in self.kept:
            remove(path)
        self.kept.clear()
        return [self.place / name for name in files]


@contextmanager
def remote_folder(place: RemotePath, *, overwrite: bool = False) -> Iterator[RemoteFolder]:
    """Make a folder of results in a store; unless it is finished nothing is left but what was kept.

    Args:
        place: where it will stand.
        overwrite: replace results that stand there.

    Raises:
        UsageError: it may not stand there, or is just being made.
        OnnxmintError: it cannot be written.
    """
    unfinished = place.parent / f"{place.name}.unfinished"
    _require_free(place, unfinished, overwrite=overwrite)
    put(unfinished / _BEGUN, b"A run of onnxmint was begun.\n")  # and it is known that one may write there
    folder = RemoteFolder(place, unfinished)
    try:
        yield folder
    except BaseException as problem:
        if folder.kept:
            problem.add_note(f"what was made until then is kept: {', '.join(map(str, folder.kept))}")
        raise
    finally:
        with suppress(OnnxmintError):
            _clear(unfinished, keep=bool(folder.kept))


def _require_free(place: RemotePath, unfinished: RemotePath, *, overwrite: bool) -> None:
    found = _sizes(place)
    foreign = sorted(set(found) - RUN_FILES)
    if foreign:
        raise UsageError(f"{place} holds {foreign[0]!r}, which no run wrote: choose another folder with -o")
    if found and not overwrite:
        raise UsageError(
            f"{place} holds results already: choose another folder with -o, or replace them with --overwrite"
        )
    left = _sizes(unfinished)
    if left and not overwrite:
        raise UsageError(
            f"{unfinished} holds {sorted(left)[0]!r}: another onnxmint is at work there, or was stopped. Wait for it, "
            "choose another folder with -o, or begin again with --overwrite"
        )
    for name in left:
        remove(unfinished / name)


def _clear(unfinished: RemotePath, *, keep: bool) -> None:
    """Remove what says that a run was begun, and the mark of the folder that a store may have made for it."""
    remove(unfinished / _BEGUN)
    if not keep:
        store, base = _store_of(unfinished)
        with suppress(FileNotFoundError):
            _written(lambda: store.delete_dir(base), unfinished)


def put(path: RemotePath, content: Content) -> None:
    """Write a file of a store, whole or not at all.

    Raises:
        OnnxmintError: it cannot be written.
    """
    store, base = _store_of(path)

    def write() -> None:
        with store.open_output_stream(base) as out:
            for block in blocks(content):
                out.write(block)

    try:
        _written(write, path)
    except FileNotFoundError:
        why = "there is no such bucket; create it, or choose another place with -o"
        raise OnnxmintError(f"cannot write {path}: {why}") from None


def remove(path: RemotePath) -> None:
    """Remove a file of a store, if it is there.

    Raises:
        OnnxmintError: it cannot be.
    """
    store, base = _store_of(path)
    with suppress(FileNotFoundError):
        _written(lambda: store.delete_file(base), path)


def _written(call: Callable[[], None], path: RemotePath) -> None:
    try:
        again(call, str(path))
    except FileNotFoundError:
        raise
    except OSError as problem:
        why = problem.strerror or problem
        raise OnnxmintError(f"cannot write {path}: {why}; or choose another place with -o") from None


def _store_of(path: RemotePath) -> tuple[Any, str]:
    store, base = connected(path.address)
    return store, path.within(base)


def _sizes(folder: RemotePath) -> dict[str, int | None]:
    """Return what is below a folder, by name."""
    try:
        return {one.name: one.size for one in folder.listed()}
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise OnnxmintError(f"cannot look into {folder}: {problem.strerror or problem}; choose another place") from None
