"""Where images come from: `open_source` finds out which form a place has and returns its images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.classes import Numbering, in_order
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.facts import Unreadable
from onnxmint.images.files import open_file
from onnxmint.images.folders import open_folder
from onnxmint.images.joined import open_joined
from onnxmint.images.observed import is_observation
from onnxmint.images.parquet import ParquetSource
from onnxmint.images.passed import why_fewer
from onnxmint.images.pillow import SUFFIXES, decoded, in_mode
from onnxmint.images.remote import RemoteSource
from onnxmint.images.selection import FORMS, KEYS, PACKED, Reading, Selection, missing, parse_location
from onnxmint.images.tables import open_csv
from onnxmint.images.tar import TarSource
from onnxmint.places.remote import AnyPath, RemotePath, exists, forget_listings

__all__ = ["EncodedImage", "ImageEntry", "ImageSource", "open_source", "parse_location", "require_readable"]

Place = str | Path
_FIRST = 20  # images that are tried before anything long begins


def open_source(
    location: Place | Sequence[Place],
    *,
    group: str | None = None,
    labels: bool = True,
    classes: Numbering | Sequence[str] | None = None,
) -> ImageSource:
    """Open a set of images.

    Args:
        location: here or as a URI, a folder (class sub-folders give labels), an image file, a Parquet file or folder
            in the Hugging Face form, a CSV of path,label or WebDataset tar shards; or several of them. `?column=value`
            keeps the rows of a Parquet file or CSV that match, `&rows=0:4000` (or `?rows=`) a slice of what is left,
            `?labels=column` names the column of labels; `?key=last-dot` takes each picture of a tar shard for itself.
        group: column that says what belongs together; for folders and tar, a regular expression on the path whose
            first group (or whole match) names it.
        labels: false ignores all labels.
        classes: the number of each class name, or the names from number 0 on: class folders and names in tables are
            numbered by them, whichever of them are there, and others refused. None: each place numbers its own.

    Raises:
        ImagesError: a place is missing, empty or unreadable, or has a class that is not known.
        UsageError: the filter or the group does not fit the place.
    """
    known = classes if classes is None or isinstance(classes, Numbering) else in_order(classes)

    def opener(place: str, numbering: Numbering | None) -> ImageSource:
        return _open_one(parse_location(place), Reading(group=group, labels=labels, classes=numbering))

    places = [location] if isinstance(location, (str, Path)) else list(location)
    return open_joined([str(place) for place in places], opener, known)


def _open_one(chosen: Selection, reading: Reading) -> ImageSource:
    if not isinstance(chosen.path, RemotePath):
        return _open_form(chosen, reading)
    forget_listings()  # what lies there may be another now, and a listing of millions is not kept
    try:
        place = chosen.path.parent if chosen.path.suffix.lower() == ".csv" else chosen.path
        return RemoteSource(_open_form(chosen, reading), str(place))
    except OSError as problem:
        raise ImagesError(f"{chosen.path}: {problem.strerror or problem}") from None
    finally:
        forget_listings()


def _open_form(chosen: Selection, reading: Reading) -> ImageSource:
    path, suffix = chosen.path, chosen.path.suffix.lower()
    try:
        there = exists(path)
    except PermissionError as problem:
        raise ImagesError(f"cannot look at {path}: {problem.strerror}; make the folder above it readable") from None
    if not there:
        raise ImagesError(f"{path} does not exist; {missing(chosen.words)}")
    if suffix == ".csv":
        return open_csv(chosen, reading)
    shards = suffix == ".tar" or _holds(path, "*.tar")  # img2dataset puts a Parquet file of facts beside each shard
    if suffix in {".parquet", ".pq"} or (_holds(path, "*.parquet") and not shards):
        return ParquetSource(chosen, reading)
    if chosen.equals:
        raise UsageError(
            f"{chosen.words}: ?{chosen.equals[0][0]}= picks rows by a column, which only Parquet and CSV have"
        )
    if shards:
        return TarSource(chosen, reading)
    if chosen.labels is not None or chosen.key != KEYS[0]:
        raise UsageError(f"{chosen.words}: ?labels= is of tables and shards, ?key= of shards; leave it out")
    if path.is_dir():
        return open_folder(chosen, reading)
    if suffix in SUFFIXES:
        return open_file(chosen.words, path, reading.group)
    mend = "unpack it, and give the folder or .tar file" if suffix in PACKED else f"give {FORMS}"
    raise ImagesError(f"{path} is no set of images; {mend}")


def _holds(path: AnyPath, pattern: str) -> bool:
    return path.is_dir() and any(True for _ in path.glob(pattern))


def require_readable(source: ImageSource) -> None:
    """Refuse a source of which the first images cannot be read: likely none can, and training comes first.

    Raises:
        ImagesError: with the first reason.
    """
    reasons: list[Unreadable] = []
    for image in source.read({entry.index for entry in source.entries()[:_FIRST]}):
        try:
            if is_observation(image.data):
                return
            if image.data is not None:
                with decoded(image.data, _in_colours):
                    return
            reasons.append(Unreadable(index=image.index, path=image.path, reason=image.error or "is unreadable"))
        except ImagesError as problem:
            reasons.append(Unreadable(index=image.index, path=image.path, reason=str(problem)))
    raise ImagesError(
        f"none of the first {len(reasons)} images of {source.location} could be read"
        f"{why_fewer(source, reasons, none=True)}"
    )


def _in_colours(image: Any) -> Any:
    return in_mode(image, "RGB")
