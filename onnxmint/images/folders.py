"""Images in a folder and its sub-folders; those directly in it are the classes, links to folders are followed once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering, number_by, numbered_as_folders
from onnxmint.images.entries import ImageEntry, require_countable
from onnxmint.images.files import FileSource
from onnxmint.images.grouping import group_of, require_groups
from onnxmint.images.passed import Tally, in_words
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.selection import PACKED, Reading, Selection
from onnxmint.images.spelling import spelt
from onnxmint.places.remote import AnyPath, Facts, RemotePath

_Identity = tuple[int, int]  # of a folder, under whatever path: device and number on it


def open_folder(chosen: Selection, reading: Reading) -> FileSource:
    """Open a folder of images.

    Raises:
        ImagesError: there is no image in it, a sub-folder cannot be listed, or a class is not known.
        UsageError: the group pattern does not serve.
    """
    tally = Tally()
    root = chosen.path
    listed = _images_in_store(root, tally) if isinstance(root, RemotePath) else _images_here(root, tally)
    if not listed:
        there = in_words(tally.found())
        raise ImagesError(
            f"{chosen.path} holds no images ({', '.join(sorted(SUFFIXES))})"
            f"{f'; what is there: {there}' if there else ''}; {_mend(chosen.path, tally)}"
        )
    names = [one.name for one in listed]
    # Classes are numbered over the whole folder: a slice of its images must not renumber them.
    numbering, numbers = _numbered(names, chosen.words, reading)
    listed, names = listed[chosen.rows], names[chosen.rows]
    if not listed:
        raise ImagesError(f"{chosen.words} leaves no image; check the filter behind '?'")
    find = group_of(reading.group)
    groups = [find(name) for name in names]
    require_groups(groups, reading.group, chosen.words)
    entries = tuple(
        ImageEntry(index=index, path=name, label=numbers.get(_class_of(name)), group=groups[index])
        for index, name in enumerate(names)
    )
    sizes = {index: one.size for index, one in enumerate(listed) if one.size is not None}
    files = [root / one.name for one in listed]
    return FileSource(chosen.words, files, entries, numbering=numbering, passed_over=tally.found(), sizes=sizes)


def _images_here(root: Path, tally: Tally) -> list[Facts]:
    """Return the image files below a folder here, by their paths in it."""
    return [Facts(name=file.relative_to(root).as_posix(), size=None) for file in _images_below(root, tally)]


def _images_in_store(root: RemotePath, tally: Tally) -> list[Facts]:
    """Return the image files below a folder of a store, by the rules for a folder here; there are no links."""
    found = []
    for one in root.files():
        above, _, name = one.name.rpartition("/")
        image, hidden = Path(name).suffix.lower() in SUFFIXES, name.startswith(".")
        if any(part.startswith(".") for part in above.split("/")):
            tally.add("files in hidden folders", one.name)
        elif image and not hidden:
            found.append(one)
        elif image:
            tally.add("hidden files with the suffix of an image", one.name)
        elif not hidden:
            tally.add_file(name, one.name)
    require_countable(len(found), str(root))
    return sorted(found, key=lambda one: one.name.split("/"))


def _mend(folder: AnyPath, tally: Tally) -> str:
    """Return what to do about a folder without images: further down there may be tables or shards."""
    for one in tally.found():
        place = folder / one.examples[0]
        if place.suffix.lower() == ".csv":
            return f"give the table, {place}"
        if place.suffix.lower() in {".parquet", ".tar"}:
            return f"give the folder that holds them, {place.parent}"
        if place.suffix.lower() in PACKED:
            return "unpack what is packed"
        if not place.suffix:
            return "files are taken for images by their suffix: rename them if they are"
    return "check the path"


def _numbered(names: list[str], words: str, reading: Reading) -> tuple[Numbering | None, dict[str, int]]:
    """Return the classes of images by their paths, and the number of each class folder."""
    folders = sorted({folder for name in names if (folder := _class_of(name))})
    if not reading.labels or not folders:
        return None, {}
    if reading.classes is not None:
        return reading.classes, number_by(folders, reading.classes, words)
    try:
        numbering = numbered_as_folders(folders)
    except ValueError as problem:
        raise ImagesError(f"{words} {problem}") from None
    numbers = numbering.by_name()
    return numbering, {folder: numbers[spelt(folder)] for folder in folders}


def _class_of(name: str) -> str:
    """Return the class folder of a path in a folder, empty for an image beside these."""
    folder, slash, _ = name.partition("/")
    return folder if slash else ""


def _images_below(root: Path, tally: Tally) -> list[Path]:
    """Return the image files below a folder in the order of their paths; count all that is not among them.

    What lies in the folder itself comes first, then what links lead to: a folder that is there under its own path is
    not read under a link's. Hidden images and folders are counted; other hidden files are the system's.
    """
    seen: set[_Identity] = set()
    above = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}
    found: list[Path] = []
    links: list[Path] = []
    for file in _walk(root, seen, links, tally, root):
        found.append(file)
        require_countable(len(found), str(root))
    while links:
        link = links.pop(0)
        if _identity(link) in above:
            tally.add("links to a folder that holds this one", _shown(link, root))
        elif _identity(link) in seen:
            tally.add("links to folders that are read already", _shown(link, root))
        else:
            for file in _walk(link, seen, links, tally, root):
                found.append(file)
                require_countable(len(found), str(root))
    return sorted(found, key=lambda file: file.relative_to(root).parts)


def _walk(top: Path, seen: set[_Identity], links: list[Path], tally: Tally, root: Path) -> Iterator[Path]:
    """Yield image files below a folder; put the links to folders aside, and remember which folders were seen."""
    for place, folders, files in os.walk(top, onerror=refuse_folder):
        folder = Path(place)
        if _identity(folder) in seen:
            tally.add("folders that are read already under another path", _shown(folder, root))
            folders[:] = []
            continue
        seen.add(_identity(folder))
        for name in sorted(folders):
            if name.startswith("."):
                tally.add("hidden folders", _shown(folder / name, root))
            elif (folder / name).is_symlink():
                links.append(folder / name)
        folders[:] = sorted(n for n in folders if not n.startswith(".") and not (folder / n).is_symlink())
        for name in sorted(files):
            if _is_image(name, folder / name, tally, root):
                yield folder / name


def _is_image(name: str, file: Path, tally: Tally, root: Path) -> bool:
    """Return whether a file is taken for an image by its name; count it when it is not."""
    image, hidden = Path(name).suffix.lower() in SUFFIXES, name.startswith(".")
    if image and not hidden:
        return True
    if image:
        tally.add("hidden files with the suffix of an image", _shown(file, root))
    elif file.is_symlink() and not file.exists():
        tally.add("links that lead nowhere", _shown(file, root))
    elif not hidden:
        tally.add_file(name, _shown(file, root))
    return False


def _identity(folder: Path) -> _Identity:
    try:
        facts = folder.stat()
    except OSError as problem:
        refuse_folder(problem)
    return facts.st_dev, facts.st_ino


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def refuse_folder(problem: OSError) -> NoReturn:
    """Refuse a folder that cannot be listed: leaving its images out would go unseen.

    Raises:
        ImagesError: always.
    """
    raise ImagesError(
        f"cannot list {problem.filename}: {problem.strerror or problem}; make it readable or move it away"
    ) from None
