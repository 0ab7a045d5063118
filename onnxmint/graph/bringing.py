"""Models of a store, and files that settings name: here while a workflow lasts, under the name that was given."""

import contextlib
import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import onnx
from google.protobuf.message import DecodeError

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.graph.guard import tensors_of
from onnxmint.places.fetching import brought_file, fetch
from onnxmint.places.names import as_given, renamed, standing_for
from onnxmint.places.remote import Facts, RemotePath, path_of
from onnxmint.places.words import local_path, uri_of
from onnxmint.writing.leftovers import temporary_folder

_SMALL = 16 << 20  # bytes of what may declare a preprocessing
_DECLARING = (".toml", ".json", ".txt")  # beside a model: preprocessing, class names, members of a reference
_FILES = ("classes", "preprocess", "preprocess_after")  # settings that name a file

Asked = ParamSpec("Asked")
Result = TypeVar("Result")
Value = TypeVar("Value")


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
    """Let a workflow take its model, its first argument, from anywhere, and all files that its settings name.

    Its result has the names that were given.
    """
    first = next(iter(inspect.signature(workflow).parameters))
    return _bringing(workflow, (first,))


def with_models_here(workflow: Callable[Asked, Result]) -> Callable[Asked, Result]:
    """Do the same for a workflow whose first two arguments are models."""
    return _bringing(workflow, tuple(inspect.signature(workflow).parameters)[:2])


def _bringing(workflow: Callable[Asked, Result], models: tuple[str, ...]) -> Callable[Asked, Result]:
    told = inspect.signature(workflow)

    @functools.wraps(workflow)
    def here(*args: Asked.args, **kwargs: Asked.kwargs) -> Result:
        try:
            words = told.bind(*args, **kwargs).arguments
        except TypeError:  # says itself what it lacks
            return workflow(*args, **kwargs)
        with contextlib.ExitStack() as stack:
            now = {name: _here(name in models, value, stack) for name, value in words.items()}
            if all(now[name] is words[name] for name in words):
                return workflow(*args, **kwargs)
            result: Result = renamed(_called(told, workflow, now))
            return result

    return here


def _called(told: inspect.Signature, workflow: Callable[..., Result], words: Mapping[str, Any]) -> Result:
    """Call a function with other values for the words it was called with."""
    bound = inspect.BoundArguments(told, OrderedDict(words))
    return workflow(*bound.args, **bound.kwargs)


def _here(is_model: bool, value: Any, stack: contextlib.ExitStack) -> Any:
    """Return a model, or settings, with what they name of a store brought here; others as they are."""
    if is_model:
        named = isinstance(value, (str, Path)) and _elsewhere(value)
        return stack.enter_context(brought(value)) if named else value
    return stack.enter_context(brought_settings(value))


@contextmanager
def brought_settings(value: Value) -> Iterator[Value]:
    """Bring the files of a store that settings name, or settings in a value: references, class names, preprocessing.

    Raises:
        OnnxmintError: one cannot be fetched.
    """
    if not is_dataclass(value) or isinstance(value, type):
        yield value
        return
    held = {one.name: getattr(value, one.name) for one in fields(value) if one.init}
    with contextlib.ExitStack() as stack:
        found = {name: _brought_field(name, old, stack) for name, old in held.items()}
        changed = {name: new for name, new in found.items() if new is not held[name]}
        yield replace(value, **changed) if changed else value


def _brought_field(name: str, value: Any, stack: contextlib.ExitStack) -> Any:
    """Return what a field of settings names, brought here where it lies in a store."""
    if name in ("training", "settings"):
        return stack.enter_context(brought_settings(value))
    if name == "reference" and isinstance(value, tuple):
        found = tuple(stack.enter_context(brought(one)) if _elsewhere(one) else one for one in value)
        return value if found == value else found
    if isinstance(value, (str, Path)) and _elsewhere(value):
        if name == "reference":
            return stack.enter_context(_brought_models(value))
        if name == "features":
            return stack.enter_context(brought(value))
        if name in _FILES:
            return type(value)(stack.enter_context(brought_file(value, most=_SMALL)))
    return value


@contextmanager
def _brought_models(place: str | Path) -> Iterator[Path]:
    """Bring the models of a folder and what lies beside them.

    Raises:
        ModelError: they cannot be fetched.
    """
    source = path_of(place)
    if isinstance(source, Path):
        yield source
        return
    with temporary_folder() as folder, standing_for(folder, str(source)):
        try:
            for one in sorted(source.glob("*.onnx")):
                if not (folder / one.name).exists():
                    _fetch_model(one, folder)
            yield folder
        except OSError as problem:
            raise ModelError(f"cannot read {source}: {problem.strerror or problem}") from None
        except OnnxmintError as problem:
            problem.args = (as_given(str(problem)),)
            raise


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
    """Fetch a file, unless it came with another model of its folder.

    Raises:
        ModelError: there is no room for it.
    """
    try:
        if not target.exists():
            fetch(source, target)
    except ModelError:
        raise
    except OnnxmintError as problem:
        raise ModelError(str(problem)) from None
