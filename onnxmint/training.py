"""Training an auditor: known images in, one calibrated and tested ONNX file out. Read `train` from top to bottom."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__, signals
from onnxmint.errors import EvidenceError, ImagesError, ModelError, UsageError
from onnxmint.evidence import CALIBRATE, FIT, TEST, VALIDATE, EvidenceTable, gather_evidence
from onnxmint.graph.layers import Layer, choose_layer, list_layers
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import GraphPreprocess, Instrumented, instrument
from onnxmint.images.preprocess import PreprocessSpec, final_size, load_spec, resolve, to_dict
from onnxmint.images.sources import ImageSource, open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.reading import ActivationStore, Reader
from onnxmint.results import Baseline, EvidenceFacts
from onnxmint.runtime.session import Device, choose_device
from onnxmint.runtime.stream import Batch
from onnxmint.settings import TrainSettings
from onnxmint.stats import metrics

POOL = (8, 8)  # larger activation maps are averaged to this before they leave the graph
PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score
_FEW = 200

FloatArray = NDArray[np.float64]


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
    target = load_target(model)
    layer = choose_layer(list_layers(target), settings.layer)
    spec = prepare_spec(settings.preprocess, target)
    device = choose_device(settings.device)
    sources = tuple(open_source(place, group=settings.group, labels=settings.labels) for place in (members, nonmembers))
    table = gather_evidence(*sources, limit=settings.limit, rng=rng)
    check_labels(table.labels, target.answer.classes, sources[0].location)

    instrumented = instrument(target, [layer], graph_preprocess(spec, target), pool=POOL)
    outputs = (instrumented.activations[layer.name], instrumented.answer)
    reader = Reader(
        serialize(instrumented.model), outputs, spec=spec, device=device, batch_size=settings.batch_size
    )
    evidence = _Evidence(table=table, sources=sources, reader=reader, stage=stage)
    fitted = _fit(evidence, instrumented, layer, settings, device)
    held = _score_heldout(evidence, fitted, target, outputs)
    return _assemble(target, layer, instrumented, spec, evidence, fitted, held, settings, rng)


def prepare_spec(wanted: str | None, target: TargetModel) -> PreprocessSpec:
    """Return the preprocessing for a target, its size filled in from the graph.

    Raises:
        UsageError: none was declared and the target does not take raw pixels.
    """
    image = target.input
    if wanted is None and image.dtype != "uint8":
        raise UsageError(
            f"say how {target.path.name}'s images are prepared, with --preprocess: a preset (imagenet, cifar10, 0-1, "
            "-1-1, 0-255) or a TOML file; an audit with other pixels than the model was trained on finds nothing"
        )
    spec = load_spec("0-255" if wanted is None else wanted)
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

    def read(self, *parts: int, name: str) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        """Yield (row numbers of the table, batch) for all readable images of some parts."""
        for source, member, words in zip(self.sources, (True, False), ("members", "non-members"), strict=True):
            rows = self.table.rows(*parts, member=member)
            row_of = dict(zip(self.table.index[rows].tolist(), rows.tolist(), strict=True))
            batches = self.reader.read(source, wanted=row_of.keys(), stage=self.stage, name=f"{words}, {name}")
            for batch in batches:
                yield np.array([row_of[index] for index in batch.index.tolist()], np.int64), batch


def _fit(evidence: _Evidence, instrumented: Instrumented, layer: Layer, settings: TrainSettings, device: Device) -> Any:
    """Stream the fit part's activations and fit a module on them."""
    from onnxmint.mint.fit import FitSettings, fit_module, module_for

    shape = instrumented.activation_shapes[layer.name]
    name = module_for(settings.module, len(shape))
    fit_settings = FitSettings(seed=settings.seed)
    table = evidence.table
    rows = table.rows(FIT, VALIDATE)
    place = np.full(len(table.index), -1, np.int64)
    place[rows] = np.arange(len(rows))
    read = np.zeros(len(rows), bool)
    store = ActivationStore(len(rows), shape, device)
    try:
        for at, batch in evidence.read(FIT, VALIDATE, name="to fit on"):
            store.write(place[at], batch.outputs[instrumented.activations[layer.name]])
            read[place[at]] = True
        kept = rows[read]
        _check_left(table.is_member[kept], "to fit on")
        values = store.values if read.all() else store.values[np.flatnonzero(read)]
        with evidence.stage(f"fitting {name}", fit_settings.epochs) as advance:
            return fit_module(
                name,
                values,
                table.is_member[kept],
                table.part[kept] == VALIDATE,
                settings=fit_settings,
                advance=advance,
            )
    finally:
        store.close()


def _check_left(is_member: NDArray[np.bool_], purpose: str) -> None:
    enough = 5
    if min(is_member.sum(), (~is_member).sum()) < enough:
        raise EvidenceError(
            f"of the known images {purpose}, only {is_member.sum()} members and {(~is_member).sum()} non-members could "
            "be read: give images in JPEG, PNG, WebP, BMP, GIF or TIFF that open"
        )


@dataclass(slots=True, kw_only=True)
class _HeldOut:
    """Scores of the images held out from fitting; rows that could not be read stay NaN and are left out."""

    score: FloatArray  # (n,) over all rows of the table
    signals: dict[str, FloatArray] = field(default_factory=dict)  # name -> (n,)
    correct: FloatArray | None = None  # (n,) 1 where the target's top class is the label
    sample: tuple[NDArray[np.uint8], FloatArray] | None = None  # pixels and scores of one batch, to check the file

    def rows(self, table: EvidenceTable, part: int, *, member: bool) -> NDArray[np.int64]:
        """Return the readable rows of one part and side."""
        rows = table.rows(part, member=member)
        return rows[np.isfinite(self.score[rows])]


def _score_heldout(evidence: _Evidence, fitted: Any, target: TargetModel, outputs: tuple[str, str]) -> _HeldOut:
    """Stream the calibration and test parts through the target, the module and the baselines."""
    from onnxmint.mint.fit import as_tensor

    table, (activation, answer) = evidence.table, outputs
    count = len(table.index)
    usable = [signal for signal in signals.SIGNALS if table.labels is not None or not signal.needs_labels]
    held = _HeldOut(score=np.full(count, np.nan))
    held.signals = {signal.name: np.full(count, np.nan) for signal in usable}
    for rows, batch in evidence.read(CALIBRATE, TEST, name="held out"):
        held.score[rows] = fitted.score(as_tensor(batch.outputs[activation]))
        if not np.isfinite(held.score[rows]).all():
            raise EvidenceError(
                "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another --layer"
            )
        said = to_numpy(batch.outputs[answer])
        labels = None if table.labels is None else table.labels[rows]
        for signal in usable:
            held.signals[signal.name][rows] = signal.compute(said, target.answer.kind, labels)
        if labels is not None:
            held.correct = np.full(count, np.nan) if held.correct is None else held.correct
            held.correct[rows] = said.argmax(axis=1) == labels
        if held.sample is None:
            held.sample = (batch.pixels, held.score[rows])
    for part, words in ((CALIBRATE, "to calibrate on"), (TEST, "to test on")):
        left = [held.rows(table, part, member=member) for member in (True, False)]
        _check_left(table.is_member[np.concatenate(left)], words)
    return held


def to_numpy(value: Any) -> NDArray[Any]:
    """Return an output as a NumPy array on the host."""
    if isinstance(value, np.ndarray):
        return value
    found: NDArray[Any] = value.cpu().numpy()
    return found


def _assemble(
    target: TargetModel,
    layer: Layer,
    instrumented: Instrumented,
    spec: PreprocessSpec,
    evidence: _Evidence,
    fitted: Any,
    held: _HeldOut,
    settings: TrainSettings,
    rng: np.random.Generator,
) -> Auditor:
    """Measure the module, then put target, module and facts into one file that agrees with torch."""
    from onnxmint.mint.export import export_module

    table = evidence.table
    calibration_rows = held.rows(table, CALIBRATE, member=False)
    calibration_rows = calibration_rows[np.argsort(held.score[calibration_rows], kind="stable")]
    calibration = held.score[calibration_rows].astype(np.float32)
    facts = _evidence_facts(table, held, evidence.reader)
    auditor = Auditor(
        model=b"",
        target_sha256=target.sha256,
        preprocess=to_dict(spec),
        method=_method(layer, instrumented, fitted, settings),
        evidence=facts,
        performance=_measure(held.score, table, held, rng),
        baselines=tuple(_baselines(table, held, rng)),
        calibration=calibration,
        calibration_groups=None if table.groups is None else table.groups[calibration_rows].astype(np.int32),
        test_members=_sorted_scores(held, table, member=True),
        test_nonmembers=_sorted_scores(held, table, member=False),
        version=__version__,
        created=now(),
        warnings=tuple(_warnings(facts)),
    )
    module = export_module(fitted.network, instrumented.activation_shapes[layer.name], target.opset)
    merged = append_module(
        instrumented, module, layer=layer.name, calibration=calibration, metadata=auditor.to_metadata()
    )
    auditor = replace(auditor, model=serialize(merged))
    _check_parity(auditor, held, spec, evidence.reader.device)
    return auditor


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _sorted_scores(held: _HeldOut, table: EvidenceTable, *, member: bool) -> NDArray[np.float32]:
    return np.sort(held.score[held.rows(table, TEST, member=member)]).astype(np.float32)


def _measure(score: FloatArray, table: EvidenceTable, held: _HeldOut, rng: np.random.Generator) -> metrics.Performance:
    """Measure one score: threshold from the calibration part, everything else from the test part."""
    sides = {
        (part, member): held.rows(table, part, member=member) for part in (CALIBRATE, TEST) for member in (True, False)
    }
    groups = table.groups
    return metrics.evaluate(
        score[sides[TEST, True]],
        score[sides[TEST, False]],
        threshold=metrics.best_threshold(score[sides[CALIBRATE, True]], score[sides[CALIBRATE, False]]),
        rng=rng,
        member_groups=None if groups is None else groups[sides[TEST, True]],
        nonmember_groups=None if groups is None else groups[sides[TEST, False]],
    )


def _baselines(table: EvidenceTable, held: _HeldOut, rng: np.random.Generator) -> Iterator[Baseline]:
    for signal in signals.SIGNALS:
        found = held.signals.get(signal.name)
        yield Baseline(
            name=signal.name,
            description=signal.description,
            performance=None if found is None else _measure(found, table, held, rng),
            skipped="needs labels of all known images" if found is None else None,
        )


def _evidence_facts(table: EvidenceTable, held: _HeldOut, reader: Reader) -> EvidenceFacts:
    def accuracy(member: bool) -> float | None:
        if held.correct is None:
            return None
        rows = np.concatenate([held.rows(table, part, member=member) for part in (CALIBRATE, TEST)])
        return float(np.mean(held.correct[rows]))

    parts = {part: int((table.part == part).sum()) for part in (FIT, VALIDATE, CALIBRATE, TEST)}
    return EvidenceFacts(
        members=int(table.is_member.sum()),
        nonmembers=int((~table.is_member).sum()),
        fit=parts[FIT] + parts[VALIDATE],
        calibrate=parts[CALIBRATE],
        test=parts[TEST],
        groups=None if table.groups is None else len(np.unique(table.groups)),
        accuracy_members=accuracy(True),
        accuracy_nonmembers=accuracy(False),
        skipped=tuple(reader.skipped),
    )


def _method(layer: Layer, instrumented: Instrumented, fitted: Any, settings: TrainSettings) -> dict[str, Any]:
    return {
        "name": fitted.name,
        "layer": layer.name,
        "tensor": layer.tensor,
        "activation_shape": list(instrumented.activation_shapes[layer.name]),
        "seed": settings.seed,
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "validation_loss": fitted.validation_loss,
        "source": "Membership Inference Test, arXiv 2601.12929",
        "intervals": metrics.INTERVAL_METHOD,
        "p_values": "conformal, conservative at ties, against the calibration non-members",
        "false_discovery": "Benjamini-Hochberg",
        "set_test": "one-sided Mann-Whitney, questioned images against the calibration non-members",
    }


def _warnings(facts: EvidenceFacts) -> Iterator[str]:
    fewest = min(facts.members, facts.nonmembers)
    if fewest < _FEW:
        yield f"Only {fewest} known images on one side: intervals are wide and small effects stay unseen."
    if facts.skipped:
        yield f"{len(facts.skipped)} known images could not be read and were left out; the report names them."
    members, nonmembers = facts.accuracy_members, facts.accuracy_nonmembers
    if members is None or nonmembers is None:
        yield "Not all known images have labels, so loss and correctness could not be compared as baselines."
    elif members < nonmembers - 0.02:
        yield (
            f"The target is right on {members:.1%} of the known members and {nonmembers:.1%} of the non-members: a "
            "model is usually better on what it was trained on, so check that the two sets were not swapped."
        )
    elif members < 0.5:  # noqa: PLR2004 - half of the images it was trained on
        yield (
            f"The target is right on only {members:.1%} of the known members: check --preprocess, the numbering of "
            "the classes, and that the images are not re-compressed."
        )


def _check_parity(auditor: Auditor, held: _HeldOut, spec: PreprocessSpec, device: Device) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured."""
    if held.sample is None:
        raise EvidenceError("no held-out image could be read; see the skipped images")
    pixels, expected = held.sample
    reader = Reader(auditor.model, ("score",), spec=spec, device=device, batch_size=len(pixels))
    found = to_numpy(reader.run(pixels)["score"]).astype(np.float64)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
