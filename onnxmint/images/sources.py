"""Where images come from: `open_source` finds out which form a place has and returns its images."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.files import open_csv, open_folder
from onnxmint.images.opening import decoded, in_mode
from onnxmint.images.parquet import ParquetSource
from onnxmint.images.tar import TarSource

__all__ = ["EncodedImage", "ImageEntry", "ImageSource", "open_source", "require_readable"]

_FIRST = 20  # images that are tried before anything long begins
FORMS = "a folder of images, a Parquet file or folder, a CSV of path,label, or WebDataset .tar shards"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of a place that is meant: `data.parquet?split=train&rows=0:4000`."""

    path: Path
    equals: tuple[tuple[str, str], ...] = ()  # column, value
    rows: slice = field(default_factory=lambda: slice(None))


def open_source(location: str | Path, *, group: str | None = None, labels: bool = True) -> ImageSource:
    """Open a set of images.

    Args:
        location: a folder (class sub-folders give labels), a Parquet file or folder in the Hugging Face form, a CSV of
            path,label or WebDataset tar shards. `?column=value` keeps the rows of a Parquet file or CSV that match,
            `&rows=0:4000` (or `?rows=`) a slice of what is left.
        group: column that says what belongs together; for folders and tar, a regular expression on the path whose
            first group (or whole match) names it.
        labels: false ignores all labels.

    Raises:
        ImagesError: the place is missing, empty or unreadable.
        UsageError: the filter or the group does not fit the place.
    """
    chosen = parse_location(str(location))
    path = chosen.path
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises on names that are too long
        raise ImagesError(f"{path} does not exist; give {FORMS}")
    words = str(location)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return open_csv(words, path, chosen.equals, chosen.rows, group, labels=labels)
    shards = suffix == ".tar" or _holds(path, "*.tar")  # img2dataset puts a Parquet file of facts beside each shard
    if suffix in {".parquet", ".pq"} or (_holds(path, "*.parquet") and not shards):
        return ParquetSource(words, path, chosen.equals, chosen.rows, group, labels=labels)
    if chosen.equals:
        raise UsageError(f"{words}: ?{chosen.equals[0][0]}= picks rows by a column, which only Parquet and CSV have")
    if shards:
        return TarSource(words, path, chosen.rows, group, labels=labels)
    if path.is_dir():
        return open_folder(words, path, chosen.rows, group, labels=labels)
    raise ImagesError(f"{path} is no set of images; give {FORMS}")


def parse_location(location: str) -> Selection:
    """Split a place into its path and what is to be taken from it.

    Raises:
        UsageError: a part behind `?` is not column=value, or `rows` is no slice.
    """
    if "?" not in location or os.path.exists(location):  # noqa: PTH110 - as above
        return Selection(path=Path(location))
    place, _, filters = location.rpartition("?")
    equals, rows = [], slice(None)
    for part in filters.split("&"):
        column, equal, value = part.partition("=")
        if not column or not equal:
            raise UsageError(f"{location}: {part!r} is not column=value; write for example ?split=train&rows=0:4000")
        if column == "rows":
            rows = _slice(value, location)
        else:
            equals.append((column, value))
    return Selection(path=Path(place), equals=tuple(equals), rows=rows)


def _slice(text: str, location: str) -> slice:
    found = re.fullmatch(r"(\d*):(\d*)", text)
    if not found:
        raise UsageError(f"{location}: rows={text} is no slice; write for example rows=0:4000")
    start, end = (int(number) if number else None for number in found.groups())
    return slice(start, end)


def _holds(path: Path, pattern: str) -> bool:
    return path.is_dir() and any(path.glob(pattern))


def require_readable(source: ImageSource) -> None:
    """Refuse a source of which the first images cannot be read: likely none can, and training comes first.

    Raises:
        ImagesError: with the first reason.
    """
    reasons: list[str] = []
    for image in source.read({entry.index for entry in source.entries()[:_FIRST]}):
        try:
            if image.data is not None:
                with decoded(image.data, _in_colours):
                    return
            reasons.append(f"{image.path} {image.error}")
        except ImagesError as problem:
            reasons.append(f"{image.path} {problem}")
    raise ImagesError(f"none of the first {len(reasons)} images of {source.location} could be read; {reasons[0]}")


def _in_colours(image: Any) -> Any:
    return in_mode(image, "RGB")
