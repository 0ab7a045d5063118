"""Which place of an audit holds what, by its name: judged before anything heavy is imported."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.selection import missing, parse_location
from onnxmint.places.remote import RemotePath, exists
from onnxmint.places.words import uri_of
from onnxmint.report.names import visible

# Names as `_plain` leaves them. The first of each is the one that messages advise.
ROLES = {
    "members": ("members", "member", "knownmembers", "train", "training", "trained", "trainset", "trainingset", "seen"),
    "nonmembers": (
        "nonmembers", "nonmember", "knownnonmembers", "notmembers", "heldout", "holdout", "val", "valid", "validation",
        "test", "testset", "unseen", "later",
    ),
    "questioned": (
        "questioned", "questions", "question", "suspects", "suspect", "suspected", "asked", "unknown", "candidates",
        "toaudit",
    ),
}  # fmt: skip
WORDS = {"members": "known members", "nonmembers": "known non-members", "questioned": "questioned images"}
_TABLES = (".parquet", ".pq", ".csv", ".tar")
_MOST = 99_999  # images that are counted before an audit begins
_FEWEST_ROLES = 2  # by which a folder is known to hold the parts of an audit and not classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of an audit in one folder, None where there is none of a kind.

    Attributes:
        members: the known members.
        nonmembers: the known non-members.
        questioned: the questioned images.
        unused: what may be a part that another place was said to be.
    """

    members: str | None = None
    nonmembers: str | None = None
    questioned: str | None = None
    unused: tuple[str, ...] = ()


def parts_in(place: str, *, members: str | None = None, nonmembers: str | None = None) -> Parts | None:
    """Return the parts of an audit that a folder holds by their names, None where it is a set of images by itself.

    A single sub-folder of such a name is no part but a class or a folder of images, except one of questioned images.

    Args:
        place: the folder.
        members: what was said to be the known members, so that nothing in the folder has to be.
        nonmembers: the same of the known non-members.

    Raises:
        UsageError: several may be the same part, or something beside them may be a part too.
    """
    if not os.path.isdir(place):  # noqa: PTH112 - Path.is_dir raises on names that are too long
        return None
    try:
        inside = _listed(Path(place))
    except OSError:  # whoever reads the images says why they cannot be listed
        return None
    found = {role: [path for path in inside if _role(path) == role] for role in ROLES}
    named = [role for role, paths in found.items() if paths]
    if len(named) < _FEWEST_ROLES and (named != ["questioned"] or len(inside) > 1):
        return None
    said = {"members": members, "nonmembers": nonmembers}
    for role, paths in found.items():
        if len(paths) > 1 and said.get(role) is None:
            listed = ", ".join(_shown(path) for path in paths)
            raise UsageError(
                f"{place} holds several places that may be the {WORDS[role]}: {listed}; {_say_which(role)}, or rename "
                "the others"
            )
    others = [path for path in inside if _role(path) is None]
    if others:
        listed = ", ".join(_shown(path) for path in others[:3]) + (", ..." if len(others) > 3 else "")  # noqa: PLR2004
        known = " and ".join(_shown(found[role][0]) for role in named)
        raise UsageError(
            f"{place} holds {known}, and also {listed}, of which the name does not say what it is; name each "
            "members, nonmembers or questioned, or give them with --members, --nonmembers and as IMAGES"
        )
    left = [_shown(path) for role, paths in found.items() for path in paths if not _is_said(path, said, role)]
    first = {role: str(paths[0]) if paths else None for role, paths in found.items()}
    return Parts(
        members=first["members"],
        nonmembers=first["nonmembers"],
        questioned=first["questioned"],
        unused=tuple(left),
    )


def _is_said(path: Path, said: Mapping[str, str | None], role: str) -> bool:
    """Return whether a place is taken for its role: nothing else was said to have it."""
    other = said.get(role)
    if other is None:
        return True
    chosen = parse_location(other).path
    return isinstance(chosen, Path) and os.path.realpath(chosen) == os.path.realpath(path)


def _say_which(role: str) -> str:
    return "give the right one as IMAGES" if role == "questioned" else f"say which with --{role}"


def beside(place: str) -> Parts:
    """Return known images that lie beside a place, by their names; an ambiguous one is none."""
    folder = Path(place).absolute().parent
    try:
        inside = [path for path in _listed(folder) if _is_folder(path) and path != Path(place).absolute()]
    except OSError:
        return Parts()
    found = {role: [path for path in inside if _role(path) == role] for role in ("members", "nonmembers")}
    only = {role: os.path.relpath(paths[0]) if len(paths) == 1 else None for role, paths in found.items()}
    return Parts(members=only["members"], nonmembers=only["nonmembers"])


def _listed(folder: Path) -> list[Path]:
    """Return the sub-folders, and the files that hold images, of a folder; one entry stands for all images in it."""
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    kept = [path for path in paths if (_holds_any(path) if _is_folder(path) else path.suffix.lower() in _TABLES)]
    loose = next((path for path in paths if path.suffix.lower() in SUFFIXES and _is_file(path)), None)
    return kept if loose is None else [*kept, loose]


def _holds_any(folder: Path) -> bool:
    """Return whether there is an image, or a file that holds images, anywhere in a folder."""
    suffixes = {*SUFFIXES, *_TABLES}
    return any(Path(name).suffix.lower() in suffixes for _, _, files in os.walk(folder) for name in files)


def _role(path: Path) -> str | None:
    if path.suffix.lower() in SUFFIXES and _is_file(path):
        return None
    name = _plain(path.stem if path.suffix.lower() in _TABLES else path.name)
    return next((role for role, names in ROLES.items() if name in names), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _shown(path: Path) -> str:
    return f"{path.name}/" if _is_folder(path) else path.name


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where one may not look


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where one may not look


def counted(place: str) -> str:
    """Return a place with the number of its images where that takes no reading: "members/ 600 images"."""
    path = Path(place)
    if not path.is_dir() or _has_table(path):
        return f"{path.name}"
    count = 0
    for _, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        count += sum(Path(name).suffix.lower() in SUFFIXES and not name.startswith(".") for name in files)
        if count > _MOST:
            return f"{path.name}/ more than {_MOST:,} images"
    return f"{path.name}/ {count:,} image{'s' * (count != 1)}"


def _has_table(path: Path) -> bool:
    return any(inside.suffix.lower() in _TABLES for inside in path.iterdir())


def require_model(model: Path, images: Iterable[str]) -> None:
    """Refuse a model that is no file, and say so where model and images are swapped.

    Raises:
        UsageError: the images come first.
        ModelError: there is no such file.
    """
    if uri_of(model) is not None:
        return  # fetched, or refused, when it is opened
    swapped = [place for place in images if Path(place).suffix.lower() == ".onnx"]
    if swapped and model.suffix.lower() != ".onnx":
        raise UsageError(f"{model} and {swapped[0]} are swapped: the model comes first, then the images")
    if model.is_dir():
        inside = sorted(path.name for path in model.glob("*.onnx"))
        there = f"; in it: {', '.join(inside[:3])}" if inside else ""
        raise ModelError(f"{model} is a folder; expected an ONNX file, which comes before the images{there}")
    if not exists(model):
        raise ModelError(f"{model} does not exist; give the model's ONNX file first, then the images")


def require_places(places: Iterable[str], words: str) -> None:
    """Refuse a place that is not there; a store is asked when the place is opened.

    Raises:
        ImagesError: naming it.
    """
    for place in places:
        path = parse_location(place).path
        if not isinstance(path, RemotePath) and not exists(path):
            raise ImagesError(f"{place} does not exist ({words}); {missing(place)}")


def require_known(model: Path, places: Sequence[str]) -> None:
    """Refuse a model that is no file, or known images that are not there, see `require_model` and `require_places`."""
    require_model(model, places)
    require_places(places, "known images")


def say_what_is_read(model: Path, places: Sequence[str], *, quiet: bool) -> None:
    """Say on stderr, before anything heavy is imported, that work begins, and on what."""
    if not quiet:
        click.echo(visible(f"reading {model}, {' and '.join(places)}"), err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an audit is asked about, and what is known beside it; None where nothing is.

    Attributes:
        images: places of the questioned images; none where a folder holds known ones only.
        members: place of known members.
        nonmembers: place of known non-members.
        found: what was taken for what, None where the words of the command said it all.
    """

    images: tuple[str, ...]
    members: str | None
    nonmembers: str | None
    found: str | None = None


def settle(images: tuple[str, ...], members: str | None, nonmembers: str | None, *, complete: bool) -> Asked:
    """Take the parts of an audit out of one folder that holds several by their names; what was given wins.

    Args:
        images: places as given.
        members: as given.
        nonmembers: as given.
        complete: nothing more has to be known, so that a folder whose names are not clear is a set of images.

    Raises:
        UsageError: the names in the folder are not clear.
    """
    as_given = Asked(images=images, members=members, nonmembers=nonmembers)
    if len(images) != 1:
        return as_given
    try:
        parts = parts_in(images[0], members=members, nonmembers=nonmembers)
    except UsageError:
        if complete:
            return as_given
        raise
    if parts is None or (complete and parts.questioned is None):
        return as_given
    taken = {
        "members": None if complete or members else parts.members,
        "nonmembers": None if complete or nonmembers else parts.nonmembers,
        "questioned": parts.questioned,
    }
    said = "; ".join(f"{counted(place)} as {WORDS[role]}" for role, place in taken.items() if place)
    return Asked(
        images=() if parts.questioned is None else (parts.questioned,),
        members=members or taken["members"],
        nonmembers=nonmembers or taken["nonmembers"],
        found=f"found in {images[0]}: {said}{f'; not used: {unused}' if (unused := ', '.join(parts.unused)) else ''}",
    )


def require_questioned(asked: Asked, folder: str, model: Path) -> None:
    """Refuse a folder of known images only.

    Raises:
        UsageError: saying what to do instead.
    """
    if asked.images:
        return
    raise UsageError(
        f"{asked.found}, and nothing questioned: put the images that you ask about into {Path(folder) / 'questioned'}; "
        f"or, to learn how much the model gives away: onnxmint evaluate {shlex.quote(str(model))} --members "
        f"{shlex.quote(str(asked.members))} --nonmembers {shlex.quote(str(asked.nonmembers))}"
    )
