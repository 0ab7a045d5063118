"""What is declared of a target's preprocessing: by the user, beside the model, in its file, and by its graph."""

from dataclasses import dataclass, replace

import msgspec

from onnxmint.errors import UndeclaredError, UsageError
from onnxmint.graph.load import TargetModel
from onnxmint.graph.normalisation import find_normalisation
from onnxmint.graph.observed import told_of
from onnxmint.preprocess.declared.finding import NAMES, Found, declared_beside, load_spec
from onnxmint.preprocess.decoding import PRESETS, final_size, resolve
from onnxmint.preprocess.spec import PreprocessSpec, layout_named
from onnxmint.preprocess.variants import Variant, declared_variant
from onnxmint.settings import CHECK

_GEOMETRY_ONLY = "only size, resizing and cropping were taken; scaling is left to the graph"


def declared_spec(wanted: str | None, target: TargetModel) -> tuple[PreprocessSpec, tuple[str, ...]]:
    """Return what a user declared, or what is declared beside the target or inside its file, with notes about that.

    Raises:
        UndeclaredError: neither, or several that differ, or what known images tell was asked for.
        UsageError: what cannot be reproduced.
    """
    told = told_of(target.model.metadata_props, target.path)
    if told is not None:
        return _as_observed(told.preprocess, wanted, target), ()
    if wanted == CHECK:
        raise UndeclaredError(f"what --preprocess {CHECK} asks for, labelled known images of {target.path.name} tell")
    if wanted is not None:
        declared = load_spec(wanted)
        spec = _left_to_graph(declared, target)
        note = f"{target.path.name} takes raw pixels: of what {spec.name} declares, {_GEOMETRY_ONLY}."
        return spec, () if spec == declared else (note,)
    name, found = target.path.name, declared_beside(target.path, target.model.metadata_props)
    places = " or ".join(f"--preprocess {one.place}" for one in found)
    if target.input.raw:
        return _declared_of_raw(found, target)
    start = f"say how {name}'s images are prepared, with --preprocess: "
    if not found:
        raise UndeclaredError(
            f"{start}a preset ({NAMES}), a TOML file, or a file or folder of Hugging Face or timm; an audit with other "
            "pixels than the model was trained on finds nothing"
        )
    if len(found) > 1:
        raise UndeclaredError(f"{start}beside the model lie declarations that differ; use {places}")
    if found[0].spec is None:
        raise UsageError(f"{start}what is declared beside the model does not serve ({found[0].problem})")
    return found[0].spec, (f"--preprocess was not given; taken as declared by {found[0].place}.",)


def _as_observed(text: str, wanted: str | None, target: TargetModel) -> PreprocessSpec:
    """Return how images were prepared when they were observed."""
    try:
        spec = msgspec.json.decode(text, type=PreprocessSpec)
    except (msgspec.DecodeError, ValueError) as problem:
        raise UsageError(f"{target.path}: what is told of its preprocessing is damaged ({problem})") from None
    if wanted is not None:
        raise UsageError(f"images were prepared as {spec.name} when they were observed: leave --preprocess out")
    return spec


def _declared_of_raw(found: tuple[Found, ...], target: TargetModel) -> tuple[PreprocessSpec, tuple[str, ...]]:
    """Return what the one library's file beside a target of raw pixels says of size; else pixels as they are."""
    problems = {one.place: _refusal(one, target) for one in found}
    good = [one for one in found if problems[one.place] is None]
    if len(found) == 1 and good and good[0].spec is not None and good[0].spec.of_library:
        spec = _left_to_graph(good[0].spec, target)
        return spec, (f"--preprocess was not given; of what {spec.name} declares, {_GEOMETRY_ONLY}.",)
    start = f"{target.path.name} takes raw pixels, so what is declared beside it was not taken"
    if good:
        places = " or ".join(f"--preprocess {one.place}" for one in good)
        return PRESETS["0-255"], (f"{start}; it can be, with {places}.",)
    return PRESETS["0-255"], tuple(f"{start}: {problem}." for problem in problems.values())


def _left_to_graph(spec: PreprocessSpec, target: TargetModel) -> PreprocessSpec:
    """Return a declaration without its scaling where the target scales its pixels itself and a library declared it.

    A library's file always says how pixels are scaled, wherever that happens; a user's own TOML file means it.
    """
    if not target.input.raw or not spec.of_library:
        return spec
    return replace(spec, scale=1.0, mean=(0.0,), std=(1.0,), channels="gray" if spec.channels == "gray" else "rgb")


def settle(spec: PreprocessSpec, target: TargetModel) -> PreprocessSpec:
    """Return a declared preprocessing with what the target leaves no choice about filled in.

    Raises:
        UsageError: they contradict each other, or the target scales its pixels itself and scaling was declared.
    """
    if target.input.raw and (spec.scale != 1 or any(spec.mean) or set(spec.std) != {1.0} or spec.channels == "bgr"):
        raise UsageError(
            f"{target.path.name} takes raw {target.input.dtype} pixels and prepares them itself, so --preprocess "
            f"{spec.name} would prepare them twice: leave it out, or give a TOML file of size, resize, filter and crop"
        )
    return resolved_for(spec, target)


def resolved_for(spec: PreprocessSpec, target: TargetModel) -> PreprocessSpec:
    """Return a preprocessing with what the target leaves no choice about filled in.

    Raises:
        UsageError: the size is open, or declaration and target contradict each other.
    """
    image = target.input
    if image.features is not None:  # rows of pixels: the declared size says what they are
        image = image.settled(final_size(spec), spec.layout)
        spec = replace(spec, layout=layout_named(image.layout))
    return resolve(spec, height=image.height, width=image.width, channels=image.channels, layout=image.layout)


def row_warnings(declared: PreprocessSpec, settled: PreprocessSpec, target: TargetModel) -> tuple[str, ...]:
    """Return a warning when the target takes rows of coloured pixels and nobody said how they are laid out."""
    if target.input.features is None or declared.layout is not None or settled.channels == "gray":
        return ()
    return (
        'Rows were read with channels last, as numpy flattens images; layout = "flat-chw" in a preprocessing file says '
        "otherwise; onnxmint check tries both.",
    )


def normalisation_warnings(spec: PreprocessSpec, target: TargetModel) -> tuple[str, ...]:
    """Return a warning when the graph normalises its image itself and the settled preprocessing does not fit that."""
    own = None if target.input.raw else find_normalisation(target)
    wrong = own.contradiction(spec.scale, spec.mean, spec.std) if own is not None else None
    return () if wrong is None else (wrong,)


def orientation_note(turned: int, images: int, spec: PreprocessSpec, place: str) -> str | None:
    """Return what to know where images say that they are to be shown turned; None where none does.

    Args:
        turned: how many do (`ImageFacts.turned`).
        images: of how many.
        spec: how they are read.
        place: where they are.
    """
    if not turned:
        return None
    start = f"{turned:,} of {images:,} images of {place} carry an EXIF orientation"
    if spec.orientation == "apply":
        return f"{start} and were turned as it says."
    return (
        f"{start} and were read as they are stored, as torchvision does; Hugging Face's datasets turn them: if the "
        'model was trained so, say orientation = "apply" in a TOML file (onnxmint check tries both).'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All that is declared of a target before anything is tried."""

    meant: Variant | None  # by the user, or by the one file beside the model that an audit would take
    others: tuple[Variant, ...]  # declared beside the model and not meant
    notes: tuple[str, ...]


def declarations(wanted: str | None, target: TargetModel) -> Declarations:
    """Collect what the user declared and what is declared beside the model.

    Raises:
        UsageError: what the user declared does not serve.
    """
    meant = None if wanted is None else declared_variant(load_spec(wanted))
    if meant is not None:
        meant = declared_variant(_left_to_graph(meant.spec, target))
        settle(meant.spec, target)  # refuses what contradicts the target
    notes, others = [], []
    for found in declared_beside(target.path, target.model.metadata_props):
        problem = _refusal(found, target)
        if found.spec is not None and problem is None:
            others.append(declared_variant(_left_to_graph(found.spec, target)))
        else:
            notes.append(f"{found.place} is declared beside the model and not tried: {problem}.")
    if meant is None and len(others) == 1 and (not target.input.raw or others[0].spec.of_library):
        (meant,) = others
        notes.append(f"--preprocess was not given; what {meant.name} declares counts as declared.")
    own = None if target.input.raw else find_normalisation(target)
    notes += [own.text] if own is not None else []
    return Declarations(meant=meant, others=tuple(one for one in others if one != meant), notes=tuple(notes))


def _refusal(found: Found, target: TargetModel) -> str | None:
    """Return why what is declared beside a target does not serve, None when it does."""
    if found.spec is None:
        return found.problem
    try:
        settle(_left_to_graph(found.spec, target), target)
    except UsageError as problem:
        return str(problem)
    return None
