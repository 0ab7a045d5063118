"""What the columns of a Parquet file mean: their types are asked for when it is opened, not when a value surprises."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering, in_order, names_said
from onnxmint.images.foreign import ForeignError, parse_json
from onnxmint.images.labels import likely_columns
from onnxmint.images.selection import Reading, Selection, require_columns
from onnxmint.images.spelling import spelt
from onnxmint.places.remote import AnyPath

_IMAGES = (
    "image",
    "img",
    "bytes",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "photo",
    "picture",
)  # what a column of images is called; else the only one of such a type
_LABEL = "label"
_LONGEST = 4096  # letters of a name of an image or of a group
_TYPE = 80  # letters of a type in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of one file that are read.

    Attributes:
        image: the column of images.
        data: the leaf that holds their bytes: `image`, or `image.bytes`.
        path: the leaf that holds their names, None without one.
        label: None where there is none, or none is wanted.
        group: the same.
        numbering: the class names that the file says, None if it says none.
        unread: why what may name the classes cannot be read, None where it can.
        likely: columns that may hold labels where none is called so.
        further: columns that hold images too, as structures with bytes, and are not read.
    """

    image: str
    data: str
    path: str | None
    label: str | None
    group: str | None
    numbering: Numbering | None
    unread: str | None
    likely: tuple[str, ...]
    further: tuple[str, ...]


def find_columns(file: AnyPath, schema: Any, chosen: Selection, reading: Reading) -> Columns:
    """Return what the columns of a file mean.

    Args:
        file: named in errors.
        schema: pyarrow's.
        chosen: what of the place is meant, for a table of these columns.
        reading: whether labels are wanted, and groups.

    Raises:
        ImagesError: there is no column of images, one of a wrong type, or two of a name.
        UsageError: the group column is not there.
    """
    names = schema.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ImagesError(f"{file} has two columns {twice!r}; rename or drop one")
    require_columns(chosen.words, names, [reading.group] if reading.group else [])
    image = _image_column(file, schema)
    kind = schema.field(image).type
    label = (chosen.labels or (_LABEL if _LABEL in names else None)) if reading.labels else None
    if label is not None:
        _require_labels(file, label, schema.field(label).type)
    numbering, unread = (None, None) if label is None else _said(schema.metadata or {}, label)
    return Columns(
        image=image,
        data=f"{image}.bytes" if _is_struct(kind) else image,
        path=f"{image}.path" if _is_struct(kind) and _names(kind) else None,
        label=label,
        group=reading.group,
        numbering=numbering,
        unread=unread,
        likely=likely_columns(names) if reading.labels and label is None else (),
        further=tuple(
            field.name
            for field in schema
            if field.name != image and (_is_struct(field.type) or field.name in _IMAGES) and _holds_bytes(field.type)
        ),
    )


def _image_column(file: AnyPath, schema: Any) -> str:
    """Return the name of the column of images."""
    serving = [field.name for field in schema if _holds_bytes(field.type)]
    named = [name for name in _IMAGES if name in serving]
    structs = [name for name in serving if _is_struct(schema.field(name).type)]
    if named or len(structs) == 1:
        return str((named or structs)[0])
    shown = (field for field in schema if field.name in _IMAGES or field.name in serving)
    listed = ", ".join(f"{field.name} of {str(field.type)[:_TYPE]}" for field in shown)
    raise ImagesError(
        f"{file} has no image column (columns: {', '.join(schema.names)}{f'; {listed}' if listed else ''}); expected "
        "`image` with encoded bytes, as Hugging Face datasets write it"
    )


def _holds_bytes(kind: Any) -> bool:
    """Return whether a type is bytes, or a structure with bytes as Hugging Face's Image."""
    if _is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type))
    return _is_binary(kind)


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "binary" in str(kind) and not pa.types.is_nested(kind)


def _names(kind: Any) -> bool:
    """Return whether a structure has a name that can be shown: text, bytes or numbers."""
    import pyarrow as pa

    place = kind.get_field_index("path")
    return place >= 0 and not pa.types.is_nested(kind.field(place).type)


def _require_labels(file: AnyPath, column: str, kind: Any) -> None:
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    good = types.is_integer(inner) or types.is_floating(inner) or types.is_null(inner)
    if not (good or types.is_string(inner) or types.is_large_string(inner) or "string" in str(inner)[:12]):
        raise ImagesError(
            f"{file}: the label column {column!r} is of type {str(kind)[:_TYPE]}, which is no class number; store "
            "integers, name another column with ?labels=COLUMN, or use --no-labels"
        )


def shown_name(value: Any) -> str | None:
    """Return a value of a column of names as text, None for none."""
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text[:_LONGEST]


def _said(metadata: Mapping[bytes, bytes], label: str) -> tuple[Numbering | None, str | None]:
    """Return class names from our own metadata (`classes`) or Hugging Face's features, and why they cannot be read."""
    try:
        if b"classes" in metadata and label == _LABEL:
            return _ordered(parse_json(metadata[b"classes"])), None
        if b"huggingface" in metadata:
            facts = parse_json(metadata[b"huggingface"])
            return _ordered(facts["info"]["features"][label]["names"]), None
    except ForeignError as problem:
        return None, str(problem)
    except (KeyError, TypeError):  # other facts than class names
        return None, None
    return None, None


def _ordered(names: Any) -> Numbering | None:
    """Return the numbering of a list of names; those that come twice tell nothing."""
    if not isinstance(names, list):
        return None
    texts = [spelt(str(name)) for name in names]
    return in_order(texts, "declared") if len(set(texts)) == len(texts) else names_said(texts)
