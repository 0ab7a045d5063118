"""Models of a store: brought into a temporary folder while a workflow lasts, under the name that the user gave."""

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import onnx
from google.protobuf.message import DecodeError

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.graph.guard import tensors_of
from onnxmint.places.names import as_given, renamed, standing_for
from onnxmint.places.remote import Facts, RemotePath, path_of
from onnxmint.places.words import local_path, uri_of
from onnxmint.writing.files import no_room_for
from onnxmint.writing.leftovers import temporary_folder

_BLOCK = 4 << 20
_SMALL = 16 << 20  # bytes of what may declare a preprocessing
_DECLARING = (".toml", ".json", ".txt")  # beside a model: preprocessing, class names, members of a reference
_LARGEST = 64 << 30  # bytes of weights beside a model

Asked = ParamSpec("Asked")
Result = TypeVar("Result")


@contextmanager
def brought(model: str | Path) -> Iterator[Path]:
    """Bring a model, the weights that it names beside it and what declares its preprocessing; gone at the end.

    A model that is here already is left where it is.

    Raises:
        ModelError: it cannot be fetched, or names weights that are not in its folder.
    """
    source = path_of(model)
    if isinstance(source, Path):
        yield source
        return
    with temporary_folder() as folder, standing_for(folder, str(source.parent)):
        try:
            yield _fetch_model(source, folder)
        except OnnxmintError as problem:
            problem.args = (as_given(str(problem)),)
            raise


def with_model_here(workflow: Callable[Asked, Result]) -> Callable[Asked, Result]:
    """Let a workflow take its model, its first argument, from anywhere; its result has the name that was given."""

    @functools.wraps(workflow)
    def here(*args: Asked.args, **kwargs: Asked.kwargs) -> Result:
        model = kwargs["model"] if "model" in kwargs else args[0] if args else None
        if not isinstance(model, (str, Path)) or not _elsewhere(model):
            return workflow(*args, **kwargs)
        with brought(model) as path:
            words = {**kwargs, "model": path} if "model" in kwargs else kwargs
            rest = args if "model" in kwargs else (path, *args[1:])
            return renamed(workflow(*rest, **words))  # type: ignore[arg-type, no-any-return]

    return here


def _elsewhere(model: str | Path) -> bool:
    """Return whether a model is named by a URI, be it one of a file here."""
    return uri_of(model) is not None or local_path(str(model)) != str(model)


def _fetch_model(source: RemotePath, folder: Path) -> Path:
    """Fetch a model and what belongs to it, and return where it is."""
    try:
        if source.is_dir():
            raise ModelError(f"{source} is a folder; give the .onnx file in it")
        path = folder / (source.name or "model.onnx")
        _fetch(source, path)
        beside = {one.name: one for one in _beside(source)}
        for name in _weights_of(path):
            if name in beside:  # one that is not is refused as it would be here, with its name
                _fetch(source.parent / name, folder / name)
        for one in beside.values():
            if one.name.endswith(_DECLARING) and "/" not in one.name and (one.size or 0) <= _SMALL:
                _fetch(source.parent / one.name, folder / one.name)
    except FileNotFoundError:
        raise ModelError(f"{source} does not exist; give the address of an ONNX file") from None
    except OSError as problem:
        raise ModelError(f"cannot read {source}: {problem.strerror or problem}") from None
    return path


def _beside(source: RemotePath) -> tuple[Facts, ...]:
    """Return what lies in the model's folder; a store that lists nothing has nothing beside."""
    try:
        return source.parent.files()
    except FileNotFoundError:
        return ()


def _weights_of(path: Path) -> list[str]:
    """Return the names of weights in other files that stay in the model's folder; other names are refused later."""
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError):
        return []
    names = {
        entry.value
        for tensor in tensors_of(proto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(name for name in names if name and "/" not in name and "\\" not in name and name not in (".", ".."))


def _fetch(source: RemotePath, target: Path) -> None:
    """Fetch a file block by block."""
    with source.reader() as remote:
        if remote.size > _LARGEST or (short := no_room_for(remote.size)) is not None:
            short = f"allowed are {_LARGEST >> 30} GiB" if remote.size > _LARGEST else short
            raise ModelError(f"{source} has {remote.size / 1e9:.1f} GB, and {short}; bring it here yourself")
        with target.open("xb") as file:
            shutil.copyfileobj(remote, file, _BLOCK)
