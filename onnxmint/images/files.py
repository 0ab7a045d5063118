"""Images in files of their own: folders, and CSV tables of paths."""

import csv
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.entries import SUFFIXES, EncodedImage, ImageEntry
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
            try:
                data, error = file.read_bytes(), None
            except OSError as problem:
                data, error = None, f"cannot be read: {problem.strerror or problem}"
            yield EncodedImage(index=entry.index, path=entry.path, data=data, error=error)


def open_folder(location: str, path: Path, rows: slice, group: str | None, *, labels: bool) -> FileSource:
    """Open a folder of images, sub-folders included; the sub-folders directly in it are the classes.

    Raises:
        ImagesError: there is no image in it.
        UsageError: the group pattern does not serve.
    """
    files = sorted(_images_below(path), key=lambda file: file.relative_to(path).parts)[rows]
    if not files:
        listed = ", ".join(sorted(SUFFIXES))
        raise ImagesError(f"{path} holds no images ({listed}); check the path")
    names = [file.relative_to(path).as_posix() for file in files]
    classes = _class_names(names) if labels else None
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
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder) / name


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
        ImagesError: no such column, a label that is no integer, or no row.
        UsageError: a filter or group column that the table lacks.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = list(table.fieldnames or [])
            require_columns(location, columns, [*(column for column, _ in equals), *([group] if group else [])])
            if "path" not in columns:
                raise ImagesError(f"{path} has no column 'path' (columns: {', '.join(columns)}); add the image paths")
            kept = [row for row in table if all(row[column] == value for column, value in equals)][rows]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ImagesError(f"cannot read {path}: {problem}") from None
    if not kept:
        raise ImagesError(f"{location} leaves no row; check the filter behind '?'")
    entries = tuple(
        ImageEntry(
            index=index,
            path=row["path"],
            label=_label(row, path, index) if labels else None,
            group=(row[group] or None) if group else None,
        )
        for index, row in enumerate(kept)
    )
    return FileSource(location, [path.parent / row["path"] for row in kept], entries, None)


def _label(row: dict[str, str], path: Path, index: int) -> int | None:
    text = (row.get("label") or "").strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ImagesError(
            f"{path}, row {index + 1}: label {text!r} is no class number; number the classes as the model's outputs, "
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
