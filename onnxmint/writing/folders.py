"""A folder of results stands under its name only when it is whole; an old one is swapped for it, never mixed with it.

It is made in the folder `.NAME.onnxmint` beside, which one process at a time can have; in the moment of the swap the
old one is in there too. What is worth keeping whatever happens lies in `NAME.unfinished`.
"""

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.writing.files import atomic_write, cannot_write, free_name, make_folder, sync_folder, write_whole
from onnxmint.writing.inputs import Inputs, refuse_inputs
from onnxmint.writing.leftovers import clear, is_own, own_folder
from onnxmint.writing.scratch import Content

RUN_FILES = frozenset(
    {
        "report.html", "report.json", "answer.txt", "scores.parquet", "scores.csv", "thumbnails.json", "auditor.onnx",
        "run.toml", "registration.json", "manifest.json", "manifest.dsse.json", "evaluation.html", "evaluation.json",
        "evaluation.csv", "evaluation.parquet", "comparison.html", "comparison.json", "comparison.csv",
        "comparison.parquet", "sealed.html", "sealed.json", "sealed.parquet", "model.onnx", "images.parquet",
        "observed.json", "manifest.tsr", "registration.tsr", "manifest.json.sig",
    }
)  # fmt: skip
"""All that a folder of results may hold; one that holds anything else is somebody's, and is left alone."""
ADDED_FILES = frozenset({"manifest.dsse.json", "manifest.json.sig", "manifest.tsr", "registration.tsr"})
"""What may be put into a finished run later, beside what its manifest names."""
WHOLE = frozenset(
    {"run.toml", "evaluation.json", "comparison.json", "sealed.json", "observed.json"}
)  # written last: a folder with one of them was finished
_OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_BESIDE = re.compile(r"\.(.+)\.onnxmint")
_MOST = 1000  # runs begun in one second
_NEW, _OLD = "new", "old"  # in the folder beside


class _TakenError(UsageError):
    """Something stands, or is just being made, under the name."""


class NewFolder:
    """A folder of results that is being made."""

    def __init__(self, place: Path, beside: Path, *, overwrite: bool) -> None:
        """Make in `beside` what will stand at `place`."""
        self.place = place
        self.kept: list[Path] = []
        self._made, self._old = beside / _NEW, beside / _OLD
        self._target = _target(place)
        self._overwrite = overwrite

    def keep(self, name: str, content: bytes) -> None:
        """Write a file now that is worth keeping even if the rest fails; it is gone once the folder is whole.

        Raises:
            OnnxmintError: it cannot be written.
        """
        folder = _unfinished(self.place)
        make_folder(folder)
        atomic_write(folder / name, content)
        self.kept.append(folder / name)

    def finish(self, files: Mapping[str, Content]) -> list[Path]:
        """Write all files and give the folder its name; an old one is gone then. Return where they stand.

        Raises:
            OnnxmintError: a file cannot be written, or somebody else took the place.
        """
        try:
            self._made.mkdir()
            for name, content in files.items():
                with (self._made / name).open("xb") as file:
                    write_whole(file, content)
            sync_folder(self._made)
            self._swap()
        except OSError as problem:
            raise cannot_write(self.place, problem) from None
        for path in self.kept:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # holds more than what was kept of this run
                path.parent.rmdir()
        self.kept.clear()
        return [self.place / name for name in files]

    def _swap(self) -> None:
        """Put the new folder in the place of the old one, which stands aside until then."""
        target = self._target
        if target.exists():
            shutil.copymode(target, self._made)
        swaps = self._overwrite and target.is_dir() and _listed(target) and _why_not_ours(target) is None
        if swaps:
            target.rename(self._old)
        elif os.name == "nt" and target.is_dir() and not _listed(target):
            target.rmdir()  # elsewhere a rename takes the place of an empty folder
        try:
            self._made.rename(target)
        except OSError:
            if swaps:
                self._old.rename(target)
                raise
            kept = free_name(target)
            self._made.rename(kept)
            raise OnnxmintError(
                f"{self.place} was made by somebody else meanwhile and left alone; the results are in {kept}"
            ) from None
        sync_folder(target.parent)


@contextlib.contextmanager
def new_folder(
    place: Path,
    *,
    overwrite: bool = False,
    keeps: bool = False,
    inputs: Inputs = tuple,
) -> Iterator[NewFolder]:
    """Make a folder of results; unless it is finished nothing is left but what was kept.

    Args:
        place: where it will stand.
        overwrite: replace results that stand there.
        keeps: something will be kept of it whatever happens.
        inputs: what is read and must not be overwritten.

    Raises:
        UsageError: it may not stand there, or is just being made.
        OnnxmintError: it cannot be written.
    """
    target = _target(place)

    def look() -> None:
        _require_free(place, target, overwrite=overwrite, keeps=keeps, inputs=inputs)

    clear_beside(target.parent)
    look()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_parents_of(target))
            beside = stack.enter_context(_claimed(target))
        except OSError as problem:
            if isinstance(problem, FileExistsError) and Path(problem.filename) == _beside(target):
                raise _TakenError(
                    f"{place} is just being made by another onnxmint: wait for it, or choose another folder with -o "
                    f"(if none runs, remove {_beside(target)})"
                ) from None
            raise cannot_write(place, problem) from None
        look()  # again: somebody may have finished it before it was ours
        folder = NewFolder(place, beside, overwrite=overwrite)
        try:
            yield folder
        except BaseException as problem:
            if folder.kept:
                problem.add_note(f"what was made until then is kept: {', '.join(map(str, folder.kept))}")
            raise


@contextlib.contextmanager
def dated_folder(stem: str, *, keeps: bool = False) -> Iterator[NewFolder]:
    """Make a folder of results in the current one, named by date and time and as nothing else is.

    Raises:
        OnnxmintError: it cannot be written.
    """
    name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    with contextlib.ExitStack() as stack:
        for number in range(1, _MOST + 1):
            place = Path(name if number == 1 else f"{name}-{number}")
            try:
                folder = stack.enter_context(new_folder(place, keeps=keeps))
                break
            except _TakenError:
                if number == _MOST:
                    raise
        yield folder


def _require_free(place: Path, target: Path, *, overwrite: bool, keeps: bool, inputs: Inputs) -> None:
    """Refuse a place that holds an input, somebody's files, or results that nobody asked to replace."""
    if os.path.lexists(target):
        refuse_inputs(place, inputs())
        try:
            why, found = _why_not_ours(target), target.is_dir() and _listed(target)
        except FileNotFoundError:  # another run is just swapping it, and has it
            why, found = None, False
        except OSError as problem:
            raise cannot_write(place, problem) from None
        if why is not None:
            raise _TakenError(f"{place} {why}")
        if found and not overwrite:
            raise _TakenError(
                f"{place} holds results already: choose another folder with -o, or replace them with --overwrite"
            )
    unfinished = _unfinished(place)
    if keeps and os.path.lexists(unfinished):
        refuse_inputs(unfinished, inputs())
        if not overwrite:
            raise _TakenError(
                f"{unfinished} keeps what a run had made that did not end: go on with that, choose another folder with "
                "-o, or begin again with --overwrite"
            )


def _why_not_ours(target: Path) -> str | None:
    """Return why what stands there is not replaced, None for results and for an empty folder."""
    if not stat.S_ISDIR(target.stat().st_mode):
        return "is a file, and results are a folder: choose another name with -o"
    here = Path.cwd()
    if target == here or target in here.parents or target.is_mount():
        return "is the current or a mounted folder, which no other can take the place of: name a new folder in it"
    found = _listed(target)
    foreign = sorted(found - RUN_FILES)
    if foreign:
        return f"holds {foreign[0]!r}, which no run wrote: choose another folder with -o"
    if found and not found & WHOLE:
        return "holds no finished run: choose another folder with -o"
    return None


def _listed(folder: Path) -> frozenset[str]:
    """Return what is in a folder, but for what the system puts there; folders within have a slash."""
    with os.scandir(folder) as entries:
        return frozenset(
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
            if entry.name not in _OF_THE_SYSTEM and not is_own(entry.name)
        )


def _target(place: Path) -> Path:
    """Return what a place means once its links are followed."""
    try:
        return Path(os.path.realpath(place))
    except OSError as problem:
        raise cannot_write(place, problem) from None


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.onnxmint")


def _unfinished(place: Path) -> Path:
    """Return the folder beside of what is kept, in the user's words where they are no link."""
    near = place if place.name not in ("", "..") and not place.is_symlink() else _target(place)
    return near.with_name(f"{near.name}.unfinished")


def _claimed(target: Path) -> AbstractContextManager[Path]:
    """Make the folder beside, as the only one who does; what a killed run left half swapped is brought to an end.

    Raises:
        FileExistsError: somebody else has it.
        OSError: it cannot be made.
    """
    beside = _beside(target)

    def give_back() -> bool:
        if (beside / _OLD).exists() and not os.path.lexists(target):
            with contextlib.suppress(OSError):
                (beside / _OLD).rename(target)
            return os.path.lexists(target)
        return True

    return own_folder(beside, rescue=give_back)


def clear_beside(folder: Path) -> None:
    """Remove from a folder what killed runs left there, whatever their results were to be called."""
    clear(folder)
    with contextlib.suppress(OSError):
        for found in {match[1] for name in os.listdir(folder) if (match := _BESIDE.fullmatch(name))}:  # noqa: PTH208
            with contextlib.suppress(OSError), _claimed(folder / found):
                pass  # nobody is making it: that was all there is to do


@contextlib.contextmanager
def _parents_of(target: Path) -> Iterator[None]:
    """Make the folders above, and remove them if they stay empty."""
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
