"""Where a preprocessing is declared: what --preprocess names, and what lies beside a model or inside its file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnxmint.errors import UsageError
from onnxmint.places.remote import exists
from onnxmint.preprocess.declared.huggingface import read_preprocessor_config
from onnxmint.preprocess.declared.keras import KERAS, keras_mode
from onnxmint.preprocess.declared.metadata import read_metadata
from onnxmint.preprocess.declared.timm import is_timm, read_pretrained_cfg
from onnxmint.preprocess.declared.toml import read_toml
from onnxmint.preprocess.declared.torchvision import weights_named
from onnxmint.preprocess.declared.values import read_json, said_by
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.preprocess.spec import PreprocessSpec

NAMES = ", ".join((*PRESETS, *(f"keras:{mode}" for mode in KERAS), "torchvision:WEIGHTS"))
# Files of these names declare a preprocessing always (None), or when their content does: a processor_config.json may
# be of a tokenizer alone, a config.json of anything.
_NAMES_OF_LIBRARIES: Mapping[str, Callable[[Mapping[str, Any]], bool] | None] = {
    "preprocessor_config.json": None,
    "processor_config.json": lambda values: "image_processor" in values,
    "config.json": is_timm,
}
_SUBFOLDER = "onnx"  # of a Hugging Face repository: its preprocessor_config.json lies one folder up
_LONGEST_METADATA = 1 << 31  # bytes; what protobuf can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A declaration that nobody pointed to.

    Attributes:
        place: the file that declares it, as --preprocess takes it.
        spec: what it declares, None when it cannot be reproduced.
        problem: why not.
    """

    place: str
    spec: PreprocessSpec | None
    problem: str | None = None


def load_spec(text: str) -> PreprocessSpec:
    """Return the preprocessing that a user names: a preset, weights, a mode, a file or a folder.

    Raises:
        UsageError: there is no such thing, or it declares what cannot be reproduced.
    """
    if text in PRESETS:
        return PRESETS[text]
    source, _, name = text.partition(":")
    if source == "torchvision":
        return weights_named(name)
    if source == "keras":
        return keras_mode(name)
    path = Path(text)
    if not exists(path):
        raise UsageError(
            f"--preprocess {text!r} is neither a preset ({NAMES}) nor a file or folder that declares one (TOML, "
            "preprocessor_config.json, timm's config.json, .onnx with metadata)"
        )
    if path.is_dir():
        return _only(_in_folder(path), path)
    return _read(path)


def declared_beside(model: Path, metadata: Mapping[str, str]) -> tuple[Found, ...]:
    """Return what is declared beside a model and inside it; declarations that say the same are one.

    Args:
        model: its file. `NAME.toml`, Hugging Face's and timm's files in its folder count.
        metadata: its metadata_props.
    """
    found = [_try(own)] if (own := model.with_suffix(".toml")).is_file() else []
    found += [_try(path) for path in _files(model.parent)]
    if model.absolute().parent.name == _SUBFOLDER:
        found += [_try(path) for path in _files(model.absolute().parent.parent)]
    try:
        with said_by(str(model)):
            spec = read_metadata(metadata, str(model))
        found += [Found(place=str(model), spec=spec)] if spec is not None else []
    except UsageError as problem:
        found.append(Found(place=str(model), spec=None, problem=str(problem)))
    return _distinct(found)


def _distinct(found: list[Found]) -> tuple[Found, ...]:
    """Return the declarations without those that say what an earlier one says."""
    kept: list[Found] = []
    for one in found:
        said = [replace(other.spec, name="") for other in kept if other.spec is not None]
        if one.spec is None or replace(one.spec, name="") not in said:
            kept.append(one)
    return tuple(kept)


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder that declare a preprocessing."""
    files = {folder / name: declares for name, declares in _NAMES_OF_LIBRARIES.items()}
    return [path for path, declares in files.items() if path.is_file() and _holds(path, declares)]


def _holds(path: Path, declares: Callable[[Mapping[str, Any]], bool] | None) -> bool:
    """Return whether a file of a name that libraries share declares a preprocessing."""
    if declares is None:
        return True
    try:
        return declares(read_json(path))
    except UsageError:  # not even JSON: nobody's declaration
        return False


def _in_folder(folder: Path) -> tuple[Found, ...]:
    files = _files(folder) + sorted(folder.glob("*.toml"))
    found = [_try(path) for path in files]
    for model in sorted(folder.glob("*.onnx")):
        spec = _metadata_of(model)
        found += [Found(place=str(model), spec=spec)] if spec is not None else []
    return _distinct(found)


def _only(found: tuple[Found, ...], folder: Path) -> PreprocessSpec:
    """Return the one thing that a folder declares."""
    if not found:
        raise UsageError(
            f"--preprocess {folder}: the folder declares no preprocessing; expected preprocessor_config.json, timm's "
            "config.json, a TOML file, or an .onnx file with metadata"
        )
    if len(found) > 1:
        raise UsageError(
            f"--preprocess {folder}: {' and '.join(Path(one.place).name for one in found)} declare different things; "
            "name one of them"
        )
    if found[0].spec is None:
        raise UsageError(found[0].problem or "")
    return found[0].spec


def _try(path: Path) -> Found:
    try:
        return Found(place=str(path), spec=_read(path))
    except UsageError as problem:
        return Found(place=str(path), spec=None, problem=str(problem))


def _read(path: Path) -> PreprocessSpec:
    """Return what a file declares, by its name and content."""
    with said_by(str(path)):
        return _read_as(path, path.suffix.lower())


def _read_as(path: Path, suffix: str) -> PreprocessSpec:
    if suffix == ".onnx":
        spec = _metadata_of(path)
        if spec is None:
            raise UsageError(f"--preprocess {path}: its metadata_props declare no preprocessing")
        return spec
    if suffix != ".json":
        return read_toml(path)
    return read_pretrained_cfg(path) if is_timm(read_json(path)) else read_preprocessor_config(path)


def _metadata_of(model: Path) -> PreprocessSpec | None:
    import onnx
    from google.protobuf.message import DecodeError

    from onnxmint.graph.mending import read_texts

    if model.stat().st_size > _LONGEST_METADATA:
        return None
    try:
        proto = onnx.load(str(model), load_external_data=False)
    except (DecodeError, OSError) as problem:
        raise UsageError(f"--preprocess {model}: no readable ONNX file: {problem}") from None
    read_texts(proto)
    return read_metadata({prop.key: prop.value for prop in proto.metadata_props}, str(model))
