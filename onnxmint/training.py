"""Training an auditor: known images in, one calibrated and tested ONNX file out. Read `train` from top to bottom."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.errors import EvidenceError, ImagesError, ModelError, UsageError
from onnxmint.evidence import CALIBRATE, FIT, TEST, VALIDATE, EvidenceTable, gather_evidence
from onnxmint.graph.instrument import GraphPreprocess, Instrumented, instrument, instrument_views, settle_label
from onnxmint.graph.layers import Layer, choose_layer, list_layers
from onnxmint.graph.load import TargetModel, at_size, load_target
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import LABEL, VIEWS
from onnxmint.images.preprocess import PreprocessSpec, final_size, load_spec, resolve, to_dict
from onnxmint.images.sources import ImageSource, open_source
from onnxmint.measuring import (
    HeldOut,
    check_left,
    evidence_facts,
    evidence_warnings,
    held_out,
    measure,
    measure_baselines,
)
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.reading import ActivationStore, Reader
from onnxmint.runtime.session import Device, choose_device
from onnxmint.runtime.stream import Batch
from onnxmint.settings import TrainSettings
from onnxmint.stats import metrics

POOL = (8, 8)  # larger activation maps are averaged to this before they leave the graph
PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """The target made ready: what is read, how, and where it runs."""

    target: TargetModel
    layer: Layer
    spec: PreprocessSpec
    device: Device
    instrumented: Instrumented
    settings: TrainSettings

    @property
    def activation(self) -> str:
        """Return the output that holds the layer's activations."""
        return self.instrumented.activations[self.layer.name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the activations' shape per image."""
        return self.instrumented.activation_shapes[self.layer.name]


def train(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    *,
    settings: TrainSettings | None = None,
    stage: Stage = quiet,
) -> Auditor:
    """Train an auditor of a target on known members and non-members.

    Args:
        model: the target classifier, an ONNX file.
        members: images known to be in its training set (folder, Parquet, CSV or tar).
        nonmembers: images known not to be.
        settings: what to fit and how; the defaults when None.
        stage: told of the progress.

    Returns:
        The auditor, calibrated, and tested on images that neither fitting nor calibration saw.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or TrainSettings()
    rng = np.random.default_rng(settings.seed)
    prepared = _prepare(model, settings)
    sources = tuple(open_source(place, group=settings.group, labels=settings.labels) for place in (members, nonmembers))
    table = gather_evidence(*sources, limit=settings.limit, rng=rng)
    check_labels(table.labels, prepared.target.answer.classes, sources[0].location)
    with_labels = settings.module == "views" and table.labels is not None
    if settings.module == "views":
        settled = settle_label(prepared.instrumented, given=with_labels)
        prepared = replace(prepared, instrumented=settled)
    reader = Reader(
        serialize(prepared.instrumented.model),
        (prepared.activation, prepared.instrumented.answer),
        spec=prepared.spec,
        device=prepared.device,
        batch_size=batch_for(settings.batch_size, settings.module),
    )
    evidence = _Evidence(table=table, sources=sources, reader=reader, stage=stage, with_labels=with_labels)
    fitted = _fit(evidence, prepared)
    held = _score_heldout(evidence, fitted, prepared)
    return _assemble(prepared, evidence, fitted, held, rng)


def _prepare(model: str | Path, settings: TrainSettings) -> _Prepared:
    """Load the target, choose layer, preprocessing and device, and build the graph that reads raw pixels."""
    target = load_target(model)
    spec = prepare_spec(settings.preprocess, target)
    target = at_size(target, final_size(spec))
    device = choose_device(settings.device)
    pixels = graph_preprocess(spec, target)
    if settings.module == "views":
        layer = _answer_layer(target, settings.layer)
        instrumented = instrument_views(target, layer.name, pixels)
    else:
        layer = choose_layer(list_layers(target), settings.layer)
        instrumented = instrument(target, [layer], pixels, pool=POOL)
    return _Prepared(target=target, layer=layer, spec=spec, device=device, instrumented=instrumented, settings=settings)


def _answer_layer(target: TargetModel, wanted: str) -> Layer:
    """Return the layer that `views` reads: what the target says."""
    layers = list_layers(target)
    if wanted != "auto" and choose_layer(layers, wanted) is not layers[-1]:
        raise UsageError(f"--module views reads what the model says, not layer {wanted!r}: leave --layer out")
    return layers[-1]


def batch_for(batch_size: int, module: str) -> int:
    """Return the images in one run: fewer for `views`, which shows the target each of them 26 times."""
    return max(1, batch_size // 8) if module == "views" else batch_size


def prepare_spec(wanted: str | None, target: TargetModel) -> PreprocessSpec:
    """Return the preprocessing for a target, its size filled in from the graph.

    Raises:
        UsageError: none was declared and the target does not take raw pixels, or it does and scaling was declared.
    """
    image = target.input
    if wanted is None and image.dtype != "uint8":
        raise UsageError(
            f"say how {target.path.name}'s images are prepared, with --preprocess: a preset (imagenet, cifar10, 0-1, "
            "-1-1, 0-255) or a TOML file; an audit with other pixels than the model was trained on finds nothing"
        )
    spec = load_spec("0-255" if wanted is None else wanted)
    if image.dtype == "uint8" and (
        spec.scale != 1 or any(spec.mean) or set(spec.std) != {1.0} or spec.channels == "bgr"
    ):
        raise UsageError(
            f"{target.path.name} takes raw uint8 pixels and prepares them itself, so --preprocess {spec.name} would "
            "prepare them twice: leave it out, or give a TOML file with size, resize, filter and crop only"
        )
    return resolve(spec, height=image.height, width=image.width, channels=image.channels, layout=image.layout)


def graph_preprocess(spec: PreprocessSpec, target: TargetModel) -> GraphPreprocess:
    """Return the part of the preprocessing that runs inside the graph (all after resizing and cropping)."""
    size = final_size(spec)
    if size is None:
        raise UsageError("the preprocessing leaves the image size open; set size in a preprocessing file")
    return GraphPreprocess(
        height=size[0],
        width=size[1],
        channels=target.input.channels,
        channel_order=spec.channels,
        scale=spec.scale,
        mean=spec.mean,
        std=spec.std,
    )


def check_labels(labels: NDArray[np.int64] | None, classes: int | None, place: str) -> None:
    """Refuse labels that the target has no output for.

    Raises:
        ImagesError: naming the label and the number of outputs.
    """
    if labels is None or classes is None or len(labels) == 0:
        return
    if labels.min() < 0 or labels.max() >= classes:
        odd = labels.max() if labels.max() >= classes else labels.min()
        raise ImagesError(
            f"{place} and its counterpart hold label {odd}, but the target has outputs 0 to {classes - 1}: renumber "
            "the labels, or use --no-labels"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """The known images with the means to read them."""

    table: EvidenceTable
    sources: tuple[ImageSource, ...]  # members, non-members
    reader: Reader
    stage: Stage
    with_labels: bool  # whether the graph is told the labels

    def read(self, *parts: int, name: str) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        """Yield (row numbers of the table, batch) for all readable images of some parts."""
        for source, member, words in zip(self.sources, (True, False), ("members", "non-members"), strict=True):
            rows = self.table.rows(*parts, member=member)
            row_of = dict(zip(self.table.index[rows].tolist(), rows.tolist(), strict=True))
            labels = self.table.labels if self.with_labels else None
            batches = self.reader.read(
                source,
                wanted=row_of.keys(),
                stage=self.stage,
                name=f"{words}, {name}",
                labels=None if labels is None else {index: int(labels[row]) for index, row in row_of.items()},
            )
            for batch in batches:
                yield np.array([row_of[index] for index in batch.index.tolist()], np.int64), batch


def _fit(evidence: _Evidence, prepared: _Prepared) -> Any:
    """Stream the fit part's activations and fit a module on them."""
    from onnxmint.mint.fit import FitSettings, fit_module, module_for

    name = module_for(prepared.settings.module, len(prepared.shape))
    fit_settings = FitSettings(seed=prepared.settings.seed)
    table = evidence.table
    store = ActivationStore(len(table.rows(FIT, VALIDATE)), prepared.shape, prepared.device)
    read = []
    try:
        for rows, batch in evidence.read(FIT, VALIDATE, name="to fit on"):
            store.append(batch.outputs[prepared.activation])
            read.append(rows)
        kept = np.concatenate([np.empty(0, np.int64), *read])
        members = int(table.is_member[kept].sum())
        check_left([members, len(kept) - members], "to fit on")
        with evidence.stage(f"fitting {name}", fit_settings.epochs) as advance:
            return fit_module(
                name,
                store.values,
                table.is_member[kept],
                table.part[kept] == VALIDATE,
                settings=fit_settings,
                advance=advance,
            )
    finally:
        store.close()


def _score_heldout(evidence: _Evidence, fitted: Any, prepared: _Prepared) -> HeldOut:
    """Stream the calibration and test parts through the target, the module and the baselines."""
    from onnxmint.mint.fit import as_tensor

    held = held_out(evidence.table)
    for rows, batch in evidence.read(CALIBRATE, TEST, name="held out"):
        score = fitted.score(as_tensor(batch.outputs[prepared.activation]))
        held.record(rows, score, to_numpy(batch.outputs[prepared.instrumented.answer]), prepared.target.answer.kind)
        if held.sample is None:
            labels = evidence.table.labels if evidence.with_labels else None
            held.sample = (batch.pixels, {} if labels is None else {LABEL: labels[rows]}, score)
    held.check_complete()
    return held


def to_numpy(value: Any) -> NDArray[Any]:
    """Return an output as a NumPy array on the host."""
    if isinstance(value, np.ndarray):
        return value
    found: NDArray[Any] = value.cpu().numpy()
    return found


def _assemble(
    prepared: _Prepared, evidence: _Evidence, fitted: Any, held: HeldOut, rng: np.random.Generator
) -> Auditor:
    """Measure the module, then put target, module and facts into one file that agrees with torch."""
    from onnxmint.mint.export import export_module

    rows = held.rows(CALIBRATE, member=False)
    rows = rows[np.argsort(held.score[rows], kind="stable")]
    groups = evidence.table.groups
    facts = evidence_facts(held, evidence.reader.skipped)
    auditor = Auditor(
        model=b"",
        target_sha256=prepared.target.sha256,
        preprocess=to_dict(prepared.spec),
        method=_method(prepared, fitted, with_labels=evidence.with_labels),
        evidence=facts,
        performance=measure(held.score, held, rng),
        baselines=tuple(measure_baselines(held, rng)),
        calibration=held.score[rows].astype(np.float32),
        calibration_groups=None if groups is None else groups[rows].astype(np.int32),
        test_members=np.sort(held.score[held.rows(TEST, member=True)]).astype(np.float32),
        test_nonmembers=np.sort(held.score[held.rows(TEST, member=False)]).astype(np.float32),
        version=__version__,
        created=now(),
        warnings=tuple(evidence_warnings(facts)),
    )
    merged = append_module(
        prepared.instrumented,
        export_module(fitted.network, prepared.shape, prepared.target.opset),
        layer=prepared.layer.name,
        calibration=auditor.calibration,
        metadata=auditor.to_metadata(),
    )
    auditor = replace(auditor, model=serialize(merged))
    _check_parity(auditor, held, prepared)
    return auditor


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _method(prepared: _Prepared, fitted: Any, *, with_labels: bool) -> dict[str, Any]:
    views = {"views": len(VIEWS), "labels": with_labels} if fitted.name == "views" else {}
    return {
        "name": fitted.name,
        "layer": prepared.layer.name,
        "tensor": prepared.layer.tensor,
        "activation_shape": list(prepared.shape),
        **views,
        "seed": prepared.settings.seed,
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "validation_loss": fitted.validation_loss,
        "source": "Membership Inference Test, arXiv 2601.12929",
        "intervals": metrics.INTERVAL_METHOD,
        "p_values": "conformal, conservative at ties, against the calibration non-members",
        "false_discovery": "Benjamini-Hochberg",
        "set_test": "one-sided Mann-Whitney, questioned images against the calibration non-members",
    }


def _check_parity(auditor: Auditor, held: HeldOut, prepared: _Prepared) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured."""
    if held.sample is None:
        raise EvidenceError("no held-out image could be read; see the skipped images")
    pixels, labels, expected = held.sample
    reader = Reader(auditor.model, ("score",), spec=prepared.spec, device=prepared.device, batch_size=len(pixels))
    found = to_numpy(reader.run(pixels, labels)["score"]).astype(np.float64)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
