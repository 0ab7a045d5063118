"""What a command reads, so that it writes over none of it, and the folder that its results go into."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from onnxmint.errors import OnnxmintError
from onnxmint.places.keeping import RemoteFolder, remote_folder
from onnxmint.places.remote import RemotePath, path_of
from onnxmint.places.words import stored
from onnxmint.writing.folders import NewFolder, dated_folder, new_folder
from onnxmint.writing.inputs import Input, Inputs

_FILES = {
    "auditor_file": "the auditor",
    "first": "the first auditor",
    "registration": "the registration",
    "preprocess": "the preprocessing",
    "preprocess_after": "the preprocessing of the second model",
    "classes": "the class names",
}
_SOURCES = {
    "images": "the images",
    "members": "the known members",
    "nonmembers": "the known non-members",
    "forget": "the images to be forgotten",
}


def inputs_of(model: Path, options: Mapping[str, Any]) -> Inputs:
    """Return what a command reads, by its options: the model, an auditor, references, sources, a preprocessing."""

    def found() -> Iterator[Input]:
        yield from _model("the model", model)
        if options.get("after") is not None:
            yield from _model("the second model", Path(options["after"]))
        for path in _several(options.get("reference")):
            yield from _model("a reference", Path(path))
        if options.get("features") is not None:
            yield from _model("the model of the features", Path(options["features"]))
        for option, name in _FILES.items():
            if options.get(option) is not None:
                yield Input(name=name, path=Path(options[option]))
        for option, name in _SOURCES.items():
            for place in _several(options.get(option)):
                yield from _source(name, str(place))

    return found


def results_folder(
    output: Path | None, stem: str, *, overwrite: bool, inputs: Inputs, keeps: bool = False
) -> AbstractContextManager[NewFolder | RemoteFolder]:
    """Return the folder that results go into: the one asked for, or a new one named by date and time.

    Args:
        output: as asked for.
        stem: how the name of a new one begins.
        overwrite: replace results that are there.
        inputs: what must not be written over.
        keeps: something of it will be kept even if the rest fails.
    """
    if output is None:
        return dated_folder(stem, keeps=keeps)
    place = path_of(output)
    if isinstance(place, RemotePath):
        return remote_folder(place, overwrite=overwrite)
    return new_folder(place, overwrite=overwrite, keeps=keeps, inputs=inputs)


def _several(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    return given if isinstance(given, (tuple, list)) else (given,)


def _model(name: str, path: Path) -> Iterator[Input]:
    """Yield a model, or a folder of models, with the files beside that belong to it."""
    yield Input(name=name, path=path)
    if path.is_dir():
        for inside in sorted(path.glob("*.onnx")):
            yield from _model(name, inside)
    elif path.is_file():
        for weights in _weights(path):
            yield Input(name=f"weights of {name}", path=weights)
        for declared in (path.with_suffix(".toml"), *path.parent.glob("*config.json")):
            yield Input(name=f"what is declared of {name}", path=declared)
        yield Input(name=f"the members of {name}", path=path.with_suffix(".members.txt"))


def _weights(path: Path) -> list[Path]:
    """Return the files beside that hold weights; a model that cannot be read is refused later, with its reason."""
    import onnx
    from google.protobuf.message import DecodeError

    from onnxmint.graph.weights import find_weights

    try:
        found = find_weights(onnx.load(str(path), load_external_data=False), path)
        return [weights.place for weights in found.values()]
    except (OSError, DecodeError, OnnxmintError):
        return []


def _source(name: str, place: str) -> Iterator[Input]:
    """Yield a place of images, and the images that a table names elsewhere."""
    from onnxmint.images.sources import parse_location

    try:
        path = parse_location(place).path
    except OnnxmintError:  # refused later, with its reason
        return
    if isinstance(path, RemotePath):  # written there is only what `remote_folder` refuses to put over anything
        return
    yield Input(name=name, path=path)
    if path.suffix.lower() == ".csv" and path.is_file():
        try:
            with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                for row in csv.DictReader(file, skipinitialspace=True):
                    yield Input(name=f"one of {name}", path=path.parent / (row.get("path") or ""))
        except (OSError, csv.Error):
            return


def words_of(model: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command's words for its run, less what was not given, and the folder that their paths start from."""
    kept = {name: _plain(value) for name, value in options.items()}
    return {"folder": str(Path.cwd()), "model": stored(model)} | {
        name: value for name, value in kept.items() if value not in (None, [])
    }


def _plain(value: Any) -> Any:
    """Return a value that TOML can hold."""
    if isinstance(value, tuple):
        return [stored(str(part)) for part in value]
    return stored(str(value)) if isinstance(value, (str, Path, RemotePath)) else value
