"""Folders of images: which files of them are images, in which order, and of which class."""

import tempfile
from pathlib import Path

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering, in_order, numbering_of
from onnxmint.images.labelled import lacking_labels, only_labelled
from onnxmint.images.sources import open_source
from onnxmint.results.json import Facts

_NAMED = in_order(("disc", "triangle", "Ring"))
_NUMBERED = numbering_of({"0": 0, "1": 1, "2": 2, "10": 10}, "numbers")
_FROM_ONE = numbering_of({"1": 0, "2": 1, "3": 2}, "from one")
_ACCENTS = in_order(("caf\u00e9", "the"))

CASES: tuple[tuple[str, Numbering | None, tuple[str, ...]], ...] = (
    ("numbers by themselves", None, ("0/a.png", "2/a.png", "10/a.png", "1/b.jpg")),
    ("numbers written long", None, ("07/a.png", "3/a.png", "12/a.png")),
    ("one number in two ways", None, ("07/a.png", "7/a.png", "8/a.png")),
    ("names by the alphabet", None, (
        "b/1.png", "a/1.png", "C/1.png", "\u00e9/1.png", "\U0001f600/1.png", "\uff21/1.png",
    )),
    ("names and numbers", None, ("1/a.png", "dog/a.png", "10/a.png")),
    ("known names", _NAMED, ("triangle/1.png", "disc/2.png")),
    ("a number among names", _NAMED, ("2/1.png", "disc/2.png")),
    ("a number that no name has", _NAMED, ("3/1.png",)),
    ("an unknown name", _NAMED, ("disc/1.png", "ring/1.png")),
    ("known numbers written long", _NUMBERED, ("010/1.png", "02/1.png")),
    ("an unknown number", _NUMBERED, ("7/1.png",)),
    ("numbers from one", _FROM_ONE, ("1/a.png", "03/a.png")),
    ("an accent apart", _ACCENTS, ("cafe\u0301/1.png", "the/1.png")),
    ("no class folders", _NAMED, ("1.png", "2.png")),
    ("one without a class", _NAMED, ("0.png", *(f"disc/{number}.png" for number in range(30)))),
    ("many without a class", _NAMED, (
        *(f"{number}.png" for number in range(4)), *(f"disc/{number}.png" for number in range(20)),
    )),
    ("order and suffixes", None, (
        "b/10.png", "b/9.PNG", "b/a/1.jpeg", "b/a.png", "a b/1.webp", "a/1.JFIF", "a/notes.txt", "a/1.bmp", "B/1.gif",
        "a/.hidden.png", ".git/1.png", "a/png", "a/x.tar.gz", "a-b/1.tiff", "a/deep/er/1.heic",
    )),
)  # fmt: skip


def answer(known: Numbering | None, paths: tuple[str, ...]) -> Facts:
    """Return the images with their classes, or that they are refused."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            (place := Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        try:
            (source,) = only_labelled((open_source(folder, classes=known),))
        except ImagesError:
            return {"refused": True}
        if lacking_labels(source) is not None:
            return {"refused": True}
        return {"images": [[entry.path, entry.label] for entry in source.entries()]}


def written() -> list[Facts]:
    """Return all cases with their answers, as they lie in vectors/folders.json."""
    return [
        {
            "name": name,
            "paths": paths,
            "known": None if known is None else {"names": known.names, "numbers": known.numbers},
            "answer": answer(known, paths),
        }
        for name, known, paths in CASES
    ]
