"""Class names that are declared of a model: in its metadata, or in the config.json beside it."""

from collections.abc import Mapping
from pathlib import Path

from onnxmint.images.classes import Numbering, names_said
from onnxmint.images.foreign import ForeignError, read_json
from onnxmint.images.together import Declared
from onnxmint.preprocess.declared.metadata import parsed

_KEYS = ("names", "id2label", "label2id", "class_names", "classes", "labels")  # of metadata_props
_CONFIG = "config.json"  # Hugging Face's and timm's
_SUBFOLDER = "onnx"  # of a Hugging Face repository: its config.json lies one folder up


def declared_names(model: Path, metadata: Mapping[str, str]) -> tuple[Declared, ...]:
    """Return the class names that are declared inside a model, then beside it; those that say the same are one.

    A file beside it that cannot be read is returned too, with the reason: it may have named them.

    Args:
        model: its file.
        metadata: its metadata_props.
    """
    found: list[Declared] = []
    for key in _KEYS:
        said = names_said(parsed(metadata[key])) if key in metadata else None
        found += [Declared(place=f"{model}, metadata {key}", numbering=said)] if said is not None else []
    found += [one for folder in _folders(model) if (one := _in_config(folder / _CONFIG)) is not None]
    distinct: dict[tuple[Numbering, str | None], Declared] = {}
    for one in found:
        distinct.setdefault((one.numbering, one.problem), one)
    return tuple(distinct.values())


def _folders(model: Path) -> tuple[Path, ...]:
    folder = model.absolute().parent
    return (model.parent, folder.parent) if folder.name == _SUBFOLDER else (model.parent,)


def _in_config(file: Path) -> Declared | None:
    """Return the names in a config.json; timm keeps them as label_names, in a list."""
    if not file.is_file():
        return None
    try:
        facts = read_json(file)
    except ForeignError as problem:
        nothing = Numbering(names=(), numbers=(), order="declared")
        return Declared(place=str(file), numbering=nothing, problem=str(problem))
    facts = facts if isinstance(facts, dict) else {}
    inner = facts.get("pretrained_cfg")
    for values in (facts, inner if isinstance(inner, dict) else {}):
        for key in ("id2label", "label2id", "label_names", "names"):
            if key in values and (said := names_said(values[key])) is not None:
                return Declared(place=str(file), numbering=said)
    return None
