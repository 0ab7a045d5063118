"""A way to a reference: the features of a model that never saw the images, and a linear layer fitted on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ANSWER, expose
from onnxmint.engine.target import Target
from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.answers import Answer
from onnxmint.graph.heads import Trunk, deepest, trunk_of, with_head
from onnxmint.graph.layer import choose_layer
from onnxmint.images.chosen import Decoded, Images
from onnxmint.methods.references import ready_reference
from onnxmint.preprocess.declared.toml import spec_toml
from onnxmint.preprocess.declaring import resolved_for
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Skipped
from onnxmint.settings import EvidenceSettings, ReferenceSettings
from onnxmint.stats.linear import fit_head
from onnxmint.workflows.labelled import Labelled

_FEATURES, _AUTO = "features", "auto"
_CLOSE = 1e-3  # of the largest logit; the file computes in float32 what was fitted in float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model whose features are taken.

    Attributes:
        target: it, made ready.
        trunk: it with its features as one vector.
        layer: name of the layer that these are.
        toml: how its images are prepared, where that is not as the target's.
    """

    target: Target
    trunk: Trunk
    layer: str
    toml: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A reference made of features.

    Attributes:
        model: the graph.
        row: (k,) int64, images that it was fitted on.
        right: share of these that it is right on.
        unseen: images that were held out in turn.
        right_unseen: share of these that a fit without them is right on.
        skipped: images that could not be shown.
    """

    model: ir.Model
    row: NDArray[np.int64]
    right: float
    unseen: int
    right_unseen: float
    skipped: tuple[Skipped, ...]


def source_of(path: Path, layers: Sequence[str], target: Target, settings: EvidenceSettings) -> Source:
    """Open the model whose features are taken.

    Args:
        path: its file; what is declared beside it as NAME.toml says how its images are prepared.
        layers: of it; "auto" for the deepest.
        target: what the reference is for, prepared as which images are where nothing is declared.
        settings: device, and preprocessing as it was declared.

    Raises:
        OnnxmintError: one of its kinds, for files that do not serve.
    """
    try:
        other = ready_reference(path, target, settings)
    except UsageError as problem:
        beside = path.with_suffix(".toml")
        if beside.exists():
            raise
        raise UsageError(
            f"{path} cannot be shown images as the target is ({problem}): say how its images are prepared in {beside} "
            "(onnxmint help preprocessing)"
        ) from None
    if other.model.sha256 == target.model.sha256:
        raise ModelError(
            f"{path} is the target itself, which knows its members: give a classifier that was trained on other images"
        )
    if len(other.layers) == 1 and _AUTO in layers:
        raise ModelError(
            f"{path} shows nothing of an image but its answer (decision trees hold no layers): give --features a "
            "neural network"
        )
    penultimate = choose_layer(other.layers, "penultimate") if _AUTO in layers else None
    chosen = {} if penultimate is None else {layer.index: layer for layer in deepest(other.layers, penultimate)}
    named = (choose_layer(other.layers, layer) for layer in layers if layer != _AUTO)
    chosen |= {layer.index: layer for layer in named}
    trunk = trunk_of(other.model, [chosen[index] for index in sorted(chosen)])
    toml = None if _same_as_target(other, target) else spec_toml(other.spec)
    return Source(target=other, trunk=trunk, layer=trunk.layer.name, toml=toml)


def _same_as_target(other: Target, target: Target) -> bool:
    """Say whether a model's images are prepared as they are where nothing is declared beside it."""
    try:
        own = resolved_for(replace(target.spec, layout=None), other.model)
    except UsageError:
        return False
    return _plain(own) == _plain(other.spec)


def _plain(spec: PreprocessSpec) -> PreprocessSpec:
    return replace(spec, name="", layout=None)


def probe_features(
    source: Source, images: Labelled, classes: int, engine: Engine, settings: ReferenceSettings
) -> Probed:
    """Show a model all images, fit a linear layer to their classes, and return both as one graph.

    Raises:
        ImagesError: too few images can be shown.
        ModelError: the graph does not give what was fitted.
    """
    other = replace(source.target, model=source.trunk.model)
    exposed = expose(other, [source.trunk.layer], views=0, labels=False)
    output = exposed.graph.activations[source.trunk.layer.name]
    probe = exposed.probe(batch_size=settings.batch_size, columns={_FEATURES: output}, leaves_out_odd=True)
    seen = images.observed(probe, engine, f"by {other.model.path.name}")
    features = seen.columns[_FEATURES]
    if not np.isfinite(features).all():
        raise ImagesError(f"{other.model.path}: its layer {source.layer!r} gives NaN or infinity: take another --layer")
    labels = images.labels[seen.row]
    with engine.stage("features, fitted", 0):
        head = fit_head(features, labels, classes, np.random.default_rng(settings.seed))
    model = with_head(source.trunk, head.weight, head.bias)
    _require_same(model, source.target, seen.sample, head.logits(features[: len(seen.sample)]), engine)
    return Probed(
        model=model,
        row=seen.row,
        right=float((head.logits(features).argmax(axis=1) == labels).mean()),
        unseen=head.unseen,
        right_unseen=head.right_unseen,
        skipped=seen.skipped,
    )


def _require_same(
    model: ir.Model, source: Target, pixels: NDArray[np.uint8], logits: NDArray[np.float64], engine: Engine
) -> None:
    """Run the graph that will be written on some images, and hold it against what was fitted."""
    said = model.graph.outputs[0].name or ""
    answer = Answer(tensor=said, kind="logits", classes=logits.shape[1], output=said)
    made = replace(source, model=replace(source.model, model=model, answer=answer))
    probe = expose(made, [], views=0, labels=False).probe(batch_size=None)
    shown = Decoded(pixels=pixels, row=np.arange(len(pixels)), label=None)
    found = engine.observe(probe, Images(parts=(shown,), count=len(pixels)), name="the reference").columns[ANSWER]
    far = float(np.abs(found - logits).max() / max(np.abs(logits).max(), 1.0))
    if not far <= _CLOSE:
        raise ModelError(
            f"{source.model.path}: with a new last layer its graph gives other numbers than were fitted (apart by "
            f"{far:.2g} of the largest); take another --layer"
        )
