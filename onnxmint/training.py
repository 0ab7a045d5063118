"""Training an auditor: known images in, one calibrated and tested ONNX file out. Read `train` from top to bottom."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.errors import EvidenceError, ModelError, UsageError
from onnxmint.evidence import CALIBRATE, FIT, TEST, gather_evidence
from onnxmint.graph.layers import Layer, choose_layer, list_layers
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import LABEL
from onnxmint.images.preprocess import to_dict
from onnxmint.images.sources import ImageSource, open_source
from onnxmint.measuring import (
    KnownScores,
    check_left,
    evidence_facts,
    evidence_warnings,
    measure,
    measure_baselines,
    observe,
)
from onnxmint.mint.auditor import Auditor
from onnxmint.preparing import Prepared, Shown, check_labels, prepare, show
from onnxmint.progress import Stage, quiet
from onnxmint.reading import ActivationStore, KnownImages, Reader, to_numpy
from onnxmint.results import EvidenceFacts
from onnxmint.settings import EvidenceSettings, TrainSettings
from onnxmint.stats import metrics
from onnxmint.stats.compare import compare_auc

PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score
_ERRORS_WIDE = 2 * 1.96  # standard errors in a 95% interval
COMPARED = ("max_probability", "entropy", "correct", "loss", "modified_entropy", "phi")
"""Signals that every auditor is compared with: those of one view, from the answer alone."""


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
    prepared = prepare(model, settings)
    layers = list_layers(prepared.target)
    source = _what_is_read(layers, settings)
    sources = open_evidence(members, nonmembers, settings)
    table = gather_evidence(*sources, limit=settings.limit, rng=rng)
    check_labels(table.labels, prepared.target.answer.classes, sources[0].location)
    known = KnownImages(
        table=table, sources=sources, with_labels=source is None and table.labels is not None, stage=stage
    )
    graph = _graph(prepared, source, views=1 if settings.module == "phi" else settings.views, known=known)
    _require_module(graph, settings)
    reader = graph.shown.reader(settings.batch_size)
    fitted = _fit(known, reader, graph, settings)
    if fitted.name == "phi" and graph.shown.views > 1:  # one view is enough, at a fraction of the cost
        graph = _graph(prepared, source, views=1, known=known)
        reader = graph.shown.reader(settings.batch_size)
    held, score, sample = _score_heldout(known, reader, graph, fitted)
    facts = evidence_facts(held, reader.skipped)
    auditor = _auditor(prepared, held, score, facts, _method(graph, layers, fitted, settings), rng)
    auditor = replace(auditor, model=_merge(graph, fitted, auditor))
    _check_parity(auditor, sample, graph.shown)
    return auditor


def open_evidence(
    members: str | Path, nonmembers: str | Path, settings: EvidenceSettings
) -> tuple[ImageSource, ImageSource]:
    """Open the sources of known members and of known non-members."""
    first, second = (
        open_source(place, group=settings.group, labels=settings.labels) for place in (members, nonmembers)
    )
    return first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """A graph and the one output of it that a module reads."""

    shown: Shown
    layer: Layer | None  # None: the log-odds in all views
    activation: str
    shape: tuple[int, ...]


def _what_is_read(layers: tuple[Layer, ...], settings: TrainSettings) -> Layer | None:
    """Return the layer whose activations the module reads, None for the log-odds in all views."""
    if settings.module in ("views", "phi"):
        if settings.layer != "auto":
            raise UsageError(
                f"--module {settings.module} reads what the model says, not layer {settings.layer!r}: leave --layer out"
            )
        return None
    if settings.module == "auto" and settings.layer == "auto":
        return None
    return choose_layer(layers, settings.layer)


def _graph(prepared: Prepared, layer: Layer | None, *, views: int, known: KnownImages) -> _Graph:
    if layer is None:
        shown = show(prepared, [], views=views, labels=known.with_labels)
        return _Graph(shown=shown, layer=None, activation=shown.graph.odds or "", shape=(views,))
    shown = show(prepared, [layer], views=0, labels=False)
    shape = shown.graph.activation_shapes[layer.name]
    return _Graph(shown=shown, layer=layer, activation=shown.graph.activations[layer.name], shape=shape)


def _require_module(graph: _Graph, settings: TrainSettings) -> None:
    """Refuse a module that cannot read its layer before any image is read."""
    from onnxmint.mint.fit import module_for

    if graph.layer is not None:
        module_for(settings.module, len(graph.shape))


def _fit(known: KnownImages, reader: Reader, graph: _Graph, settings: TrainSettings) -> Any:
    """Stream the fit part's activations and fit a module on them; "auto" takes the better of `views` and `phi`."""
    from onnxmint.mint.fit import module_for

    store = ActivationStore(len(known.table.rows(*FIT)), graph.shape, graph.shown.prepared.device)
    read = []
    try:
        for rows, batch in known.read(reader, *FIT, name="to fit on"):
            store.append(batch.outputs[graph.activation])
            read.append(rows)
        rows = np.concatenate([np.empty(0, np.int64), *read])
        members = int(known.table.is_member[rows].sum())
        check_left([members, len(rows) - members], "to fit on")
        if settings.module == "auto" and graph.layer is None:
            return _better_of_views_and_phi(store.values, known, rows, settings.seed)
        name = settings.module if graph.layer is None else module_for(settings.module, len(graph.shape))
        return fit_on(name, store.values, known, rows, settings.seed)
    finally:
        store.close()


def _better_of_views_and_phi(odds: Any, known: KnownImages, rows: NDArray[np.int64], seed: int) -> Any:
    """Return `views` when it tells the fit part's images apart better than the log-odds of one view, else `phi`.

    Each image is scored by the network that did not learn from its fold, and folds keep groups whole. In doubt, within
    one standard error, the simple and cheap one is taken.
    """
    found = [fit_on(name, odds, known, rows, seed) for name in ("views", "phi")]
    is_member, groups = known.table.is_member[rows], known.table.groups
    views, phi = ((fitted.unseen[is_member], fitted.unseen[~is_member]) for fitted in found)
    belongs = None if groups is None else (groups[rows][is_member], groups[rows][~is_member])
    gain = compare_auc(views, phi, groups=belongs, rng=np.random.default_rng(seed))
    standard_error = (gain.high - gain.low) / _ERRORS_WIDE
    return found[0] if gain.value > standard_error else found[1]


def fit_on(name: str, activations: Any, known: KnownImages, rows: NDArray[np.int64], seed: int) -> Any:
    """Fit a module on the activations of some rows of the fit part; a FittedModule."""
    from onnxmint.mint.fit import FitSettings, fit_module, networks_in

    settings = FitSettings(seed=seed)
    table = known.table
    fold, is_member = table.part[rows], table.is_member[rows]
    if not networks_in(name):
        return fit_module(name, activations, is_member, fold, settings=settings, advance=lambda steps: None)
    with known.stage(f"fitting {name}", settings.epochs * networks_in(name)) as advance:
        return fit_module(name, activations, is_member, fold, settings=settings, advance=advance)


_Sample = tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]], NDArray[np.float64]]


def _score_heldout(
    known: KnownImages, reader: Reader, graph: _Graph, fitted: Any
) -> tuple[KnownScores, NDArray[np.float64], _Sample]:
    """Stream the calibration and test parts through target, module and signals.

    Returns:
        The signals, the module's scores (NaN where an image was not read), and pixels, labels and scores of a batch,
        against which the exported file is checked.

    Raises:
        EvidenceError: too little could be read, or a score is not finite.
    """
    from onnxmint.mint.fit import as_tensor

    table, shown = known.table, graph.shown
    wanted = (*COMPARED, "view_gap") if shown.views > 1 else COMPARED
    held, score = KnownScores.of(table, wanted), np.full(len(table.index), np.nan)
    sample: _Sample | None = None
    for rows, batch in known.read(reader, CALIBRATE, TEST, name="held out"):
        score[rows] = fitted.score(as_tensor(batch.outputs[graph.activation]))
        if not np.isfinite(score[rows]).all():
            raise EvidenceError(
                "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another "
                "--layer"
            )
        labels = None if table.labels is None else table.labels[rows]
        held.record(rows, observe(batch, shown.graph, shown.prepared.target.answer.kind, labels))
        if sample is None:
            told = known.labels_of(rows)
            sample = (batch.pixels, {} if told is None else {LABEL: told}, score[rows])
    held.check_complete()
    if sample is None:
        raise EvidenceError("no held-out image could be read; see the skipped images")
    return held, score, sample


def _auditor(
    prepared: Prepared,
    held: KnownScores,
    score: NDArray[np.float64],
    facts: EvidenceFacts,
    method: dict[str, Any],
    rng: np.random.Generator,
) -> Auditor:
    """Measure the module and write down what is known of it; the graph comes later."""
    rows = held.rows(CALIBRATE, member=False)
    rows = rows[np.argsort(score[rows], kind="stable")]
    groups = held.table.groups
    return Auditor(
        model=b"",
        target_sha256=prepared.target.sha256,
        preprocess=to_dict(prepared.spec),
        method=method,
        evidence=facts,
        performance=measure(score, held, rng),
        baselines=tuple(measure_baselines(held, rng)),
        calibration=score[rows].astype(np.float32),
        calibration_groups=None if groups is None else groups[rows].astype(np.int32),
        test_members=np.sort(score[held.rows(TEST, member=True)]).astype(np.float32),
        test_nonmembers=np.sort(score[held.rows(TEST, member=False)]).astype(np.float32),
        version=__version__,
        created=now(),
        warnings=tuple(evidence_warnings(facts)),
    )


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _method(graph: _Graph, layers: tuple[Layer, ...], fitted: Any, settings: TrainSettings) -> dict[str, Any]:
    shown, layer = graph.shown, graph.layer or layers[-1]
    views = {"views": shown.views, "labels": shown.with_labels} if shown.views else {}
    return {
        "name": fitted.name,
        "title": title(fitted.name, graph.layer, shown.views),
        "layer": layer.name,
        "tensor": layer.tensor,
        "activation_shape": list(graph.shape),
        **views,
        "seed": settings.seed,
        "networks": len(fitted.best_epochs),
        "best_epochs": list(fitted.best_epochs),
        "validation_loss": fitted.validation_loss if fitted.best_epochs else None,
        "source": "Membership Inference Test, arXiv 2601.12929",
        "intervals": metrics.INTERVAL_METHOD,
        "p_values": "conformal, conservative at ties, against the calibration non-members",
        "false_discovery": "Benjamini-Hochberg",
        "set_test": "one-sided Mann-Whitney, questioned images against the calibration non-members",
    }


def title(name: str, layer: Layer | None, views: int) -> str:
    """Return what a reader calls a module: its name and what it reads."""
    if layer is not None:
        return f"{name} on {layer.name}"
    return f"{name} on {views} views" if views > 1 else f"{name}, one view"


def _merge(graph: _Graph, fitted: Any, auditor: Auditor) -> bytes:
    """Put target, module and facts into one file."""
    from onnxmint.mint.export import export_module

    opset = graph.shown.prepared.target.opset
    merged = append_module(
        graph.shown.graph,
        export_module(fitted.network, graph.shape, opset),
        activation=graph.activation,
        calibration=auditor.calibration,
        metadata=auditor.to_metadata(),
    )
    return serialize(merged)


def _check_parity(auditor: Auditor, sample: _Sample, shown: Shown) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured."""
    pixels, labels, expected = sample
    prepared = shown.prepared
    reader = Reader(auditor.model, ("score",), spec=prepared.spec, device=prepared.device, batch_size=len(pixels))
    found = to_numpy(reader.run(pixels, labels)["score"]).astype(np.float64)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
