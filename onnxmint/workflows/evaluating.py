"""Comparing all that can tell members from non-members, on the same images. Read `evaluate` from top to bottom."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import control_without_a_module
from onnxmint.engine.local import KnownImages, Reader
from onnxmint.engine.target import MIXES, Prepared, Shown, prepare, show, target_facts, target_warnings
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.graph.layers import Layer, choose_layer, dense_input, list_layers
from onnxmint.images.sources import ImageSource
from onnxmint.methods.measuring import KnownScores, check_left, evidence_facts, evidence_warnings, observe
from onnxmint.methods.ranking import Scored, compared, measured, signal_methods
from onnxmint.methods.references import Reference, open_references, reference_methods, references_in, score_references
from onnxmint.mint.fitting import fit_on, title
from onnxmint.progress import Stage, quiet
from onnxmint.results.evaluation import Evaluation, EvaluationFacts, Method
from onnxmint.results.facts import now
from onnxmint.settings import EvaluateSettings, ModuleName
from onnxmint.stats import metrics
from onnxmint.stats.estimates import FloatArray
from onnxmint.workflows.training import look_and_divide, open_evidence

_MINT = "Membership Inference Test, arXiv 2601.12929"


def evaluate(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    *,
    settings: EvaluateSettings | None = None,
    stage: Stage = quiet,
) -> Evaluation:
    """Measure every signal, module and reference method on the same held-out known images.

    The images are shown to the target once. Layers and the signal that the others are compared with are chosen on the
    fit part; the test part is used for the numbers reported, and for nothing else.

    Args:
        model: the target classifier, an ONNX file.
        members: images known to be in its training set (folder, Parquet, CSV or tar).
        nonmembers: images known not to be.
        settings: layers, modules, views, references; the defaults when None.
        stage: told of the progress.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or EvaluateSettings()
    rng = np.random.default_rng(settings.seed)
    clock = _Clock()
    prepared = prepare(model, settings)
    every = list_layers(prepared.target)
    layers = _wanted_layers(every, settings)
    sources = open_evidence(members, nonmembers, settings)
    looked, duplicates = look_and_divide(prepared, sources, settings, rng=rng, stage=stage)
    table = looked.table
    views = 0 if prepared.target.input.mixes else settings.views
    told = table.labels is not None and views > 0
    known = KnownImages(table=table, sources=sources, with_labels=told, stage=stage)
    references = _references(prepared, known, sources, settings)
    penultimate = _penultimate(every, prepared)
    exposed = [*layers, *([penultimate] if penultimate and penultimate not in layers else [])]
    shown = show(prepared, exposed, views=views, labels=told)
    run = _Run(known=known, shown=shown, reader=shown.reader(settings.batch_size), penultimate=penultimate, clock=clock)

    contestants = [_Contestant(name=name, layer=layer) for name, layer in _contestants(settings, layers)]
    for contestant in contestants:
        contestant.mixes = prepared.target.input.mixes
    able = [contestant for contestant in contestants if contestant.skipped is None]
    _fit(run, able, settings.seed)
    _score_heldout(run, able)
    found = [*signal_methods(run.held, rng), *_module_methods(run, contestants, settings, rng)]
    if references:
        found.extend(_reference_methods(run, references, settings, rng))
    found = compared(found, run.held, rng)
    clock.mark("statistics")

    facts = evidence_facts(run.held, run.reader.skipped)
    return Evaluation(
        version=__version__,
        created=now(),
        target=target_facts(prepared.target, tuple(layer.tensor for layer in exposed), prepared.device),
        preprocess=prepared.spec,
        settings=_settings(settings, references),
        evidence=facts,
        controls=control_without_a_module(looked, duplicates, facts, prepared.target.answer.classes, rng),
        methods=tuple(method for method, _ in found),
        seconds={name: round(spent, 2) for name, spent in clock.seconds.items()},
        warnings=(
            *prepared.notes,
            *evidence_warnings(facts),
            *target_warnings(run.shown.prepared.target),
            *_warnings(run),
        ),
    )


@dataclass(slots=True)
class _Clock:
    """Adds up wall time by what it was spent on."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def mark(self, name: str) -> None:
        """Count the time since the last mark for `name`."""
        at = time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + at - self._last
        self._last = at


@dataclass(slots=True, kw_only=True)
class _Run:
    """The known images, the graph they are shown to, and what it said."""

    known: KnownImages
    shown: Shown
    reader: Reader
    penultimate: Layer | None
    clock: _Clock
    held: KnownScores = field(init=False)

    def __post_init__(self) -> None:
        self.held = KnownScores.of(self.known.table)

    def read(self, *parts: int, name: str) -> Iterator[tuple[NDArray[np.int64], dict[str, Any]]]:
        """Yield (rows, outputs) of some parts, having noted the signals."""
        kind = self.shown.prepared.target.answer.kind
        labels = self.known.table.labels
        for rows, batch in self.known.read(self.reader, *parts, name=name):
            of_rows = None if labels is None else labels[rows]
            behind = None if self.penultimate is None else self.penultimate.name
            self.held.record(rows, observe(batch, self.shown.graph, kind, of_rows, behind))
            yield rows, batch.outputs


@dataclass(slots=True, kw_only=True)
class _Contestant:
    """A module and the layer it reads (None: the log-odds in all views), before and after it is fitted."""

    name: ModuleName
    layer: Layer | None
    fitted: Any = None
    fit_auc: float | None = None
    score: FloatArray | None = None
    mixes: bool = False  # the target, whose answer to an image hangs on the others beside it

    @property
    def skipped(self) -> str | None:
        """Return why it cannot be fitted."""
        if self.name == "cnn" and self.layer is not None and self.layer.kind != "map":
            return "needs an activation map, which this layer is not"
        if self.layer is None and self.mixes:
            return f"the target {MIXES}"
        return None

    def output(self, shown: Shown) -> str:
        """Return the output that the module reads."""
        return shown.graph.odds or "" if self.layer is None else shown.graph.activations[self.layer.name]

    def shape(self, shown: Shown) -> tuple[int, ...]:
        """Return what it reads of one image."""
        return (shown.views,) if self.layer is None else shown.graph.activation_shapes[self.layer.name]


def _wanted_layers(every: tuple[Layer, ...], settings: EvaluateSettings) -> list[Layer]:
    if not {"cnn", "vanilla"} & set(settings.modules):
        return []
    if "all" in settings.layers:
        return list(every)
    chosen = [choose_layer(every, wanted) for wanted in settings.layers]
    return [layer for layer in every if layer in chosen]


def _penultimate(every: tuple[Layer, ...], prepared: Prepared) -> Layer | None:
    tensor = dense_input(prepared.target)
    return next((layer for layer in every if layer.tensor == tensor and layer.kind == "vector"), None)


def _contestants(settings: EvaluateSettings, layers: list[Layer]) -> Iterator[tuple[ModuleName, Layer | None]]:
    """Yield (module, layer) of all that was asked for."""
    for name in settings.modules:
        if name == "views":
            yield name, None
        else:
            yield from ((name, layer) for layer in layers)


def _fit(run: _Run, contestants: list[_Contestant], seed: int) -> None:
    """Stream the fit part once, then fit every module on what it reads."""
    from onnxmint.engine.store import ActivationStore

    shown, table = run.shown, run.known.table
    count = len(table.rows(*FIT))
    shapes = {contestant.output(shown): contestant.shape(shown) for contestant in contestants}
    stores = {output: ActivationStore(count, shape, shown.prepared.device) for output, shape in shapes.items()}
    try:
        read = [np.empty(0, np.int64)]
        for rows, outputs in run.read(*FIT, name="to fit on"):
            for output, store in stores.items():
                store.append(outputs[output])
            read.append(rows)
        rows = np.concatenate(read)
        is_member = table.is_member[rows]
        check_left([int(is_member.sum()), int((~is_member).sum())], "to fit on")
        run.clock.mark("showing the fit part")
        for contestant in contestants:
            fitted = fit_on(
                contestant.name, stores[contestant.output(shown)].values, run.known, rows, table.part[rows], seed
            )
            seen = np.isfinite(fitted.unseen)
            contestant.fitted = fitted
            contestant.fit_auc = metrics.auc(fitted.unseen[seen & is_member], fitted.unseen[seen & ~is_member])
            contestant.score = np.full(len(table.index), np.nan)
            run.clock.mark(f"fitting {contestant.name}")
    finally:
        for store in stores.values():
            store.close()


def _score_heldout(run: _Run, contestants: list[_Contestant]) -> None:
    from onnxmint.mint.fit import as_tensor

    for rows, outputs in run.read(CALIBRATE, TEST, name="held out"):
        for contestant in contestants:
            scores = contestant.fitted.score(as_tensor(outputs[contestant.output(run.shown)]))
            if contestant.score is None or not np.isfinite(scores).all():
                where = "the answer" if contestant.layer is None else f"layer {contestant.layer.name!r}"
                raise EvidenceError(f"{where} holds NaN or infinity; check --preprocess, or take other --layers")
            contestant.score[rows] = scores
    run.held.check_complete()
    run.clock.mark("showing the held-out part")


def _module_methods(
    run: _Run, contestants: list[_Contestant], settings: EvaluateSettings, rng: np.random.Generator
) -> Iterator[Scored]:
    for name in settings.modules:
        rivals = [contestant for contestant in contestants if contestant.name == name]
        able = [rival for rival in rivals if rival.skipped is None]
        best = max(able, key=lambda rival: rival.fit_auc or 0, default=None)
        for rival in rivals:
            layer = rival.layer
            method = Method(
                name=name if layer is None else f"{name}:{layer.name}",
                kind="module",
                title=title(name, () if layer is None else (layer,), settings.views),
                source=_MINT,
                module=name,
                layer=None if layer is None else layer.name,
                depth=None if layer is None else layer.depth,
                fit_auc=rival.fit_auc,
                chosen=rival is best,
            )
            yield measured(method, rival.score, run.held, rng, skipped=rival.skipped)


def _references(
    prepared: Prepared, known: KnownImages, sources: tuple[ImageSource, ImageSource], settings: EvaluateSettings
) -> list[Reference]:
    """Open the references, if there are to be any."""
    if settings.reference is None:
        return []
    table, names = known.table, []
    if table.labels is None:
        raise UsageError(
            "--reference needs labels of all known images: scores of different models must be of one class"
        )
    for source, member in zip(sources, (True, False), strict=True):
        path_of = {entry.index: entry.path for entry in source.entries()}
        names += [path_of[index] for index in table.index[table.is_member == member].tolist()]
    return open_references(references_in(settings.reference), prepared, names, settings)


def _reference_methods(
    run: _Run, references: list[Reference], settings: EvaluateSettings, rng: np.random.Generator
) -> Iterator[Scored]:
    """Show the references the images that the target was shown, and make all that can be made of it."""
    held = run.held
    rows = np.flatnonzero(held.read)
    found = score_references(references, run.known, rows, settings.batch_size)
    run.clock.mark("showing the references")
    signals = {name: score[rows] for name, score in held.signals.items() if name not in held.skipped}
    population = np.searchsorted(rows, held.rows(*FIT, member=False))
    for wanted in reference_methods():
        method = Method(name=wanted.name, kind="reference", title=wanted.title, source=wanted.source)
        try:
            of_read = wanted.compute(signals, found, population)
        except ValueError as problem:
            yield replace(method, skipped=str(problem)), None
        else:
            score = np.full(len(held.read), np.nan)
            score[rows] = of_read
            yield measured(method, score, held, rng)


def _settings(settings: EvaluateSettings, references: list[Reference]) -> EvaluationFacts:
    return EvaluationFacts(
        modules=settings.modules,
        layers=settings.layers,
        views=settings.views,
        references=tuple(reference.prepared.target.path.name for reference in references),
        seed=settings.seed,
        intervals=metrics.INTERVAL_METHOD,
        chosen_on="the fit part: signals on all of it, modules on the folds they did not learn from",
    )


def _warnings(run: _Run) -> list[str]:
    if run.known.table.labels is None:
        return ["Without labels, log-odds are of the target's own top class, and signals that need labels are missing."]
    return []
