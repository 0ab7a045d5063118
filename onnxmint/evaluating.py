"""Comparing all that can tell members from non-members, on the same images. Read `evaluate` from top to bottom."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.comparisons import Counts, Evaluation, Method
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence import CALIBRATE, FIT, TEST, gather_evidence
from onnxmint.graph.layers import Layer, choose_layer, dense_input, list_layers
from onnxmint.images.preprocess import to_dict
from onnxmint.images.sources import ImageSource
from onnxmint.measuring import KnownScores, check_left, evidence_facts, evidence_warnings, measure, observe
from onnxmint.preparing import Prepared, Shown, check_labels, prepare, show, target_facts
from onnxmint.progress import Stage, quiet
from onnxmint.reading import ActivationStore, KnownImages, Reader
from onnxmint.references import find_references, reference_methods, score_references
from onnxmint.settings import EvaluateSettings
from onnxmint.signals import SIGNALS
from onnxmint.stats import metrics
from onnxmint.stats.compare import compare_auc
from onnxmint.stats.estimates import FloatArray
from onnxmint.training import fit_on, now, open_evidence, title

_BINS = 40
_DRAWN = (0.005, 0.995)  # quantiles between which scores are drawn in their own bins
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
    references = [] if settings.reference is None else find_references(settings.reference)
    prepared = prepare(model, settings)
    every = list_layers(prepared.target)
    layers = _wanted_layers(every, settings)
    sources = open_evidence(members, nonmembers, settings)
    table = gather_evidence(*sources, limit=settings.limit, rng=rng)
    check_labels(table.labels, prepared.target.answer.classes, sources[0].location)
    known = KnownImages(table=table, sources=sources, with_labels=table.labels is not None, stage=stage)
    penultimate = _penultimate(every, prepared)
    exposed = [*layers, *([penultimate] if penultimate and penultimate not in layers else [])]
    shown = show(prepared, exposed, views=settings.views, labels=known.with_labels)
    run = _Run(known=known, shown=shown, reader=shown.reader(settings.batch_size), penultimate=penultimate, clock=clock)

    contestants = [_Contestant(name=name, layer=layer) for name, layer in _contestants(settings, layers)]
    _fit(run, contestants, settings.seed)
    _score_heldout(run, contestants)
    found = [*_signal_methods(run, rng), *_module_methods(run, contestants, settings, rng)]
    if references:
        found.extend(_reference_methods(run, references, settings, sources, rng))
    found = _compared(found, run, rng)

    facts = evidence_facts(run.held, run.reader.skipped)
    return Evaluation(
        version=__version__,
        created=now(),
        target=target_facts(prepared.target, tuple(layer.tensor for layer in exposed), prepared.device),
        preprocess=to_dict(prepared.spec),
        settings=_settings(settings, references),
        evidence=facts,
        methods=tuple(method for method, _ in found),
        seconds=clock.seconds,
        warnings=(*evidence_warnings(facts), *_warnings(run)),
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

    name: str
    layer: Layer | None
    fitted: Any = None
    fit_auc: float | None = None
    score: FloatArray | None = None

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


def _contestants(settings: EvaluateSettings, layers: list[Layer]) -> Iterator[tuple[str, Layer | None]]:
    """Yield (module, layer); `cnn` only where there is a map."""
    for name in settings.modules:
        if name == "views":
            yield name, None
        elif name in ("cnn", "vanilla"):
            yield from ((name, layer) for layer in layers if name == "vanilla" or layer.kind == "map")
        else:
            raise UsageError(f"no module {name!r} to evaluate; there are views, cnn and vanilla")


def _fit(run: _Run, contestants: list[_Contestant], seed: int) -> None:
    """Stream the fit part once, then fit every module on what it reads."""
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
            fitted = fit_on(contestant.name, stores[contestant.output(shown)].values, run.known, rows, seed)
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


_Scored = tuple[Method, FloatArray | None]


def _signal_methods(run: _Run, rng: np.random.Generator) -> Iterator[_Scored]:
    """Yield every signal; the best on the fit part is what all others are compared with."""
    held = run.held
    fit_auc = {}
    for signal in SIGNALS:
        if signal.name not in held.skipped and _finite(held, held.signals[signal.name]):
            fit_auc[signal.name] = _fit_auc(held, held.signals[signal.name])
    best = max(fit_auc, key=lambda name: fit_auc[name])
    for signal in SIGNALS:
        score, skipped = held.signals[signal.name], held.skipped.get(signal.name)
        if skipped is None and signal.name not in fit_auc:
            skipped = "the target's answer holds NaN or infinity"
        method = Method(
            name=signal.name,
            kind="signal",
            title=signal.description,
            source=signal.source,
            chosen=signal.name == best,
            fit_auc=fit_auc.get(signal.name),
        )
        yield _measured(method, score, held, rng, skipped=skipped)
    if held.table.labels is not None and "modified_entropy" in fit_auc:
        method = Method(
            name="modified_entropy_by_class",
            kind="signal",
            title="low modified entropy, by class",
            source="Song and Mittal 2021, arXiv 2003.10595 (a threshold for each class, from the fit part)",
        )
        yield _measured(method, _by_class(held, held.signals["modified_entropy"]), held, rng)


def _by_class(held: KnownScores, score: FloatArray) -> FloatArray:
    """Return a score less the threshold of its class, found on the fit part (all classes' where one is missing)."""
    labels = held.table.labels
    if labels is None:
        raise EvidenceError("thresholds by class need labels")
    member, nonmember = held.rows(*FIT, member=True), held.rows(*FIT, member=False)
    common = metrics.best_threshold(score[member], score[nonmember])
    found = score - common
    for label in np.unique(labels):
        inside = [score[rows[labels[rows] == label]] for rows in (member, nonmember)]
        if min(map(len, inside)):
            rows = labels == label
            found[rows] = score[rows] - metrics.best_threshold(*inside)
    return found


def _module_methods(
    run: _Run, contestants: list[_Contestant], settings: EvaluateSettings, rng: np.random.Generator
) -> Iterator[_Scored]:
    for name in settings.modules:
        rivals = [contestant for contestant in contestants if contestant.name == name]
        best = max(rivals, key=lambda rival: rival.fit_auc or 0, default=None)
        for rival in rivals:
            layer = rival.layer
            method = Method(
                name=name if layer is None else f"{name}:{layer.name}",
                kind="module",
                title=title(name, layer, run.shown.views),
                source=_MINT,
                layer=None if layer is None else layer.name,
                depth=None if layer is None else layer.depth,
                fit_auc=rival.fit_auc,
                chosen=rival is best,
            )
            yield _measured(method, rival.score, run.held, rng)


def _reference_methods(
    run: _Run,
    references: list[Path],
    settings: EvaluateSettings,
    sources: tuple[ImageSource, ImageSource],
    rng: np.random.Generator,
) -> Iterator[_Scored]:
    """Show the references the same images; where labels are unknown, the target's top class stands for them."""
    held, table = run.held, run.known.table
    paths = [entry.path for entry in _entries(sources, run.known)]
    if table.labels is None:
        raise UsageError(
            "--reference needs labels of all known images: scores of different models must be of one class"
        )
    labels = np.where(held.read, table.labels, -1)
    known = replace(run.known, table=replace(table, part=np.where(held.read, table.part, -1).astype(np.int8)))
    scores = score_references(references, run.shown.prepared, known, paths, labels, settings)
    run.clock.mark("showing the references")
    population = held.rows(*FIT, member=False)
    for wanted in reference_methods():
        method = Method(name=wanted.name, kind="reference", title=wanted.title, source=wanted.source)
        signals = {name: score for name, score in held.signals.items() if name not in held.skipped}
        try:
            score = wanted.compute(signals, scores, population)
        except ValueError as problem:
            yield replace(method, skipped=str(problem)), None
        else:
            yield _measured(method, score, held, rng)


def _entries(sources: tuple[ImageSource, ImageSource], known: KnownImages) -> list[Any]:
    """Return what the sources say of each row of the table."""
    table, found = known.table, []
    for source, member in zip(sources, (True, False), strict=True):
        by_index = {entry.index: entry for entry in source.entries()}
        found += [by_index[index] for index in table.index[table.is_member == member].tolist()]
    return found


def _measured(
    method: Method, score: FloatArray | None, held: KnownScores, rng: np.random.Generator, skipped: str | None = None
) -> _Scored:
    if skipped is not None or score is None:
        return replace(method, skipped=skipped), None
    if not _finite(held, score):
        return replace(method, skipped="gives NaN or infinity"), None
    member, nonmember = (score[held.rows(TEST, member=side)] for side in (True, False))
    return replace(method, performance=measure(score, held, rng), counts=_counts(member, nonmember)), score


def _finite(held: KnownScores, score: FloatArray) -> bool:
    """Say whether a score of all images that count is a number."""
    used = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST) for member in (True, False)])
    return bool(np.isfinite(score[used]).all())


def _fit_auc(held: KnownScores, score: FloatArray) -> float:
    return metrics.auc(*(score[held.rows(*FIT, member=member)] for member in (True, False)))


def _counts(member: FloatArray, nonmember: FloatArray) -> Counts:
    """Count in common bins; the outermost take the tails."""
    low, high = np.quantile(np.concatenate([member, nonmember]), _DRAWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counts = [
        np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0].astype(np.int64) for side in (member, nonmember)
    ]
    return Counts(edges=edges, member=counts[0], nonmember=counts[1])


def _compared(found: list[_Scored], run: _Run, rng: np.random.Generator) -> list[_Scored]:
    """Compare every method with the best signal on the test part."""
    held = run.held
    rows = held.rows(TEST, member=True), held.rows(TEST, member=False)
    groups = held.table.groups
    by_side = None if groups is None else (groups[rows[0]], groups[rows[1]])
    best = next(score for method, score in found if method.kind == "signal" and method.chosen)
    if best is None:
        raise EvidenceError("no signal can be computed of this target's answers")
    against = best[rows[0]], best[rows[1]]
    compared: list[_Scored] = []
    for method, score in found:
        if score is None or score is best:
            compared.append((method, score))
            continue
        difference = compare_auc((score[rows[0]], score[rows[1]]), against, groups=by_side, rng=rng)
        compared.append((replace(method, difference=difference), score))
    run.clock.mark("statistics")
    return compared


def _settings(settings: EvaluateSettings, references: list[Path]) -> dict[str, Any]:
    return {
        "modules": list(settings.modules),
        "layers": list(settings.layers),
        "views": settings.views,
        "references": [path.name for path in references],
        "seed": settings.seed,
        "intervals": metrics.INTERVAL_METHOD,
        "chosen_on": "the fit part: signals on all of it, modules on the folds they did not learn from",
    }


def _warnings(run: _Run) -> list[str]:
    if run.known.table.labels is None:
        return ["Without labels, log-odds are of the target's own top class, and signals that need labels are missing."]
    return []
