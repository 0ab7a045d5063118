"""Images in files of their own: folders, and CSV tables of paths."""

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NoReturn

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.entries import SUFFIXES, EncodedImage, ImageEntry, too_large
from onnxmint.images.filters import Filters
from onnxmint.images.grouping import group_of, require_groups


class FileSource:
    """Images that are files."""

    def __init__(
        self, location: str, files: Sequence[Path], entries: tuple[ImageEntry, ...], classes: tuple[str, ...] | None
    ) -> None:
        """Keep the files; `entries[i]` describes `files[i]`."""
        self.location = location
        self.classes = classes
        self._files = files
        self._entries = entries

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order; a file that cannot be read carries its reason."""
        for entry, file in zip(self._entries, self._files, strict=True):
            if wanted is not None and entry.index not in wanted:
                continue
            data, error = _read(file)
            yield EncodedImage(index=entry.index, path=entry.path, data=data, error=error)


def _read(file: Path) -> tuple[bytes | None, str | None]:
    """Return a file's bytes, or None and the reason; a pipe or device is not opened: it could block for ever."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            return None, "is no regular file"
        reason = too_large(facts.st_size)
        return (file.read_bytes(), None) if reason is None else (None, reason)
    except OSError as problem:
        return None, f"cannot be read: {problem.strerror or problem}"
    except ValueError as problem:  # a name with a null byte
        return None, f"cannot be read: {problem}"


def open_folder(location: str, path: Path, rows: slice, group: str | None, *, labels: bool) -> FileSource:
    """Open a folder of images, sub-folders included; the sub-folders directly in it are the classes.

    Raises:
        ImagesError: there is no image in it, or a sub-folder cannot be listed.
        UsageError: the group pattern does not serve.
    """
    files = sorted(_images_below(path), key=lambda file: file.relative_to(path).parts)
    if not files:
        listed = ", ".join(sorted(SUFFIXES))
        raise ImagesError(f"{path} holds no images ({listed}); check the path")
    # Classes are numbered over the whole folder: a slice of its images must not renumber them.
    classes = _class_names([file.relative_to(path).as_posix() for file in files]) if labels else None
    files = files[rows]
    if not files:
        raise ImagesError(f"{location} leaves no image; check the filter behind '?'")
    names = [file.relative_to(path).as_posix() for file in files]
    number = _class_numbers(classes)
    find = group_of(group)
    groups = [find(name) for name in names]
    require_groups(groups, group, location)
    entries = tuple(
        ImageEntry(
            index=index, path=name, label=number.get(name.split("/")[0]) if "/" in name else None, group=groups[index]
        )
        for index, name in enumerate(names)
    )
    return FileSource(location, files, entries, classes)


def _images_below(path: Path) -> Iterator[Path]:
    """Yield image files; hidden ones are left out, links to folders are not followed."""
    for folder, folders, files in os.walk(path, onerror=refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder) / name


def refuse_folder(problem: OSError) -> NoReturn:
    """Refuse a folder that cannot be listed: leaving its images out would go unseen.

    Raises:
        ImagesError: always.
    """
    raise ImagesError(
        f"cannot list {problem.filename}: {problem.strerror or problem}; make it readable or move it away"
    ) from None


def _class_names(names: Sequence[str]) -> tuple[str, ...] | None:
    found = {name.split("/")[0] for name in names if "/" in name}
    if found and all(name.isdecimal() for name in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found)) or None


def _class_numbers(classes: tuple[str, ...] | None) -> dict[str, int]:
    """Number the class folders: by their own number when all are numbers, else in alphabetical order."""
    if classes is None:
        return {}
    if all(name.isdecimal() for name in classes):
        return {name: int(name) for name in classes}
    return {name: number for number, name in enumerate(classes)}


def open_csv(
    location: str, path: Path, equals: Sequence[tuple[str, str]], rows: slice, group: str | None, *, labels: bool
) -> FileSource:
    """Open a CSV with the column `path` (relative to the CSV), optional `label` (integer) and group column.

    Raises:
        ImagesError: no such column, a row without path, a label that is no integer, or no row.
        UsageError: a filter or group column that the table lacks.
    """
    filters = Filters(equals)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            columns = list(table.fieldnames or [])
            require_columns(location, columns, [*filters.columns, *([group] if group else [])])
            if "path" not in columns:
                raise ImagesError(f"{path} has no column 'path' (columns: {', '.join(columns)}); add the image paths")
            kept = [
                (table.line_num, row) for row in table if filters.keeps([row[column] for column in filters.columns])
            ][rows]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ImagesError(f"cannot read {path}: {problem}") from None
    if not kept:
        raise ImagesError(f"{location} {filters.why_none()}")
    entries = tuple(
        ImageEntry(
            index=index,
            path=_path(row, path, line),
            label=_label(row, path, line) if labels else None,
            group=(row[group] or None) if group else None,
        )
        for index, (line, row) in enumerate(kept)
    )
    return FileSource(location, [path.parent / entry.path for entry in entries], entries, None)


def _path(row: dict[str, str], table: Path, line: int) -> str:
    if not row["path"]:
        raise ImagesError(f"{table}, line {line}: no path; write one image a line, or remove the line")
    return row["path"]


def _label(row: dict[str, str], table: Path, line: int) -> int | None:
    text = (row.get("label") or "").strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ImagesError(
            f"{table}, line {line}: label {text!r} is no class number; number the classes as the model's outputs, "
            "or use --no-labels"
        ) from None


def require_columns(location: str, columns: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a column that is not there.

    Raises:
        UsageError: naming it and those that are.
    """
    for column in wanted:
        if column not in columns:
            raise UsageError(f"{location} has no column {column!r}; its columns: {', '.join(columns)}")
