"""A module fitted on known images and scored on others: what is read, how it is fitted, what it gives.

One way serves the target and its placebo twin: `fit_and_score`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import KnownImages, Reader
from onnxmint.engine.stream import Batch
from onnxmint.engine.target import Prepared, Shown, show
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, divide
from onnxmint.graph.instrument import joined_name
from onnxmint.graph.layers import Layer, choose_layers
from onnxmint.graph.views import LABEL
from onnxmint.methods.measuring import COMPARED, NOT_FINITE, KnownScores, check_left, observe
from onnxmint.results.facts import Skipped
from onnxmint.settings import ModuleName, TrainSettings
from onnxmint.stats.compare import compare_auc
from onnxmint.verdict.yardstick import Yardstick

_ERRORS_WIDE = 2 * 1.96  # standard errors in a 95% interval

Rows = NDArray[np.int64]
Sample = tuple[NDArray[np.uint8], dict[str, Rows], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A graph and the one output of it that a module reads."""

    shown: Shown
    layers: tuple[Layer, ...]  # none: the log-odds in all views
    activation: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted module with what it gave on known images that it had not learnt from.

    Attributes:
        name: of the module.
        network: torch module that gives (N,) scores, or (N, K) of K cross-fitted networks.
        folds: K.
        best_epochs: of every network fitted.
        validation_loss: averaged over the networks, NaN when nothing was fitted.
        reading: what it reads.
        known: the images; with one network the fold of every row is 0.
        held: signals of the held-out rows.
        score: (n,) NaN where not held out or not read.
        predicted: (n,) the target's top class, -1 where not read.
        sample: pixels, labels and scores of a batch, against which an exported file is checked.
        skipped: images that could not be read.
    """

    name: ModuleName
    network: Any
    folds: int
    best_epochs: tuple[int, ...]
    validation_loss: float
    reading: Reading
    known: KnownImages
    held: KnownScores
    score: NDArray[np.float64]
    predicted: Rows
    sample: Sample
    skipped: list[Skipped]


def fit_and_score(prepared: Prepared, known: KnownImages, layers: tuple[Layer, ...], settings: TrainSettings) -> Fitted:
    """Fit a module on known images and score those that it did not learn from.

    Args:
        prepared: the target, or its twin.
        known: divided into parts, or into folds when `settings.folds` says so.
        layers: what the module reads; none for the log-odds.
        settings: module, views, seed.

    Raises:
        EvidenceError: too little could be read, or a score is not finite.
    """
    reading = open_reading(prepared, layers, views=1 if settings.module == "phi" else settings.views, known=known)
    _require_module(reading, settings)
    reader = reading.shown.reader(settings.batch_size)
    if settings.folds is not None and settings.module != "phi":
        return _cross_fitted(known, reader, reading, settings)
    found = _fit(known, reader, reading, settings) if settings.folds is None else _phi(known, settings)
    if found.name == "phi" and reading.shown.views > 1:  # one view is enough, at a fraction of the cost
        skipped = reader.skipped
        reading = open_reading(prepared, layers, views=1, known=known)
        reader = reading.shown.reader(settings.batch_size)
        reader.skipped.extend(skipped)
    alone = replace(known, table=replace(known.table, fold=np.zeros(len(known.table.index), np.int8)))
    return _scored(alone, reader, reading, found)


def yardstick_of(fitted: Fitted) -> Yardstick:
    """Return the held-out scores that questioned images are measured by, non-members by rising score."""
    table = fitted.known.table
    rows = np.flatnonzero(np.isfinite(fitted.score))
    rows = rows[np.lexsort((fitted.score[rows], ~table.is_member[rows]))]
    labels = fitted.known.labels_of(rows)
    return Yardstick(
        score=fitted.score[rows].astype(np.float32),
        is_member=table.is_member[rows],
        is_test=table.part[rows] == TEST,
        fold=table.fold[rows].astype(np.int8),
        category=(fitted.predicted[rows] if labels is None else labels).astype(np.int32),
        group=None if table.groups is None else table.groups[rows].astype(np.int32),
        number=rows.astype(np.int32),
    )


def what_is_read(layers: tuple[Layer, ...], settings: TrainSettings) -> tuple[Layer, ...]:
    """Return the layers whose activations the module reads, none for the log-odds in all views.

    Raises:
        UsageError: a layer was named for a module that reads the answer, or there is no such layer.
    """
    if settings.module in ("views", "phi"):
        if settings.layers != ("auto",):
            named = ", ".join(map(repr, settings.layers))
            raise UsageError(
                f"--module {settings.module} reads what the model says, not layer {named}: leave --layer out"
            )
        return ()
    if settings.module == "auto" and settings.layers == ("auto",):
        return ()
    return choose_layers(layers, settings.layers)


def open_reading(prepared: Prepared, layers: tuple[Layer, ...], *, views: int, known: KnownImages) -> Reading:
    """Build the graph that shows what a module reads."""
    if not layers:
        shown = show(prepared, [], views=views, labels=known.with_labels)
        return Reading(shown=shown, layers=(), activation=shown.graph.odds or "", shape=(views,))
    shown = show(prepared, layers, views=0, labels=False, joined=True)
    name = joined_name(layers)
    shape = shown.graph.activation_shapes[name]
    return Reading(shown=shown, layers=layers, activation=shown.graph.activations[name], shape=shape)


def title(name: str, layers: tuple[Layer, ...], views: int) -> str:
    """Return what a reader calls a module: its name and what it reads."""
    if layers:
        return f"{name} on {joined_name(layers)}"
    return f"{name} on {views} views" if views > 1 else f"{name}, one view"


def fit_on(name: str, activations: Any, known: KnownImages, rows: Rows, fold: NDArray[np.int8], seed: int) -> Any:
    """Fit a module on the activations of some rows, each in one of the folds FIT; a FittedModule."""
    from onnxmint.mint.fit import FitSettings, fit_module, networks_in

    settings = FitSettings(seed=seed)
    is_member = known.table.is_member[rows]
    if not networks_in(name):
        return fit_module(name, activations, is_member, fold, settings=settings, advance=lambda steps: None)
    with known.stage(f"fitting {name}", settings.epochs * networks_in(name)) as advance:
        return fit_module(name, activations, is_member, fold, settings=settings, advance=advance)


def _require_module(reading: Reading, settings: TrainSettings) -> None:
    """Refuse a module that cannot read its layer before any image is read."""
    if settings.module == "cnn" and len(reading.layers) > 1 and len(reading.shape) == 1:
        listed = ", ".join(f"{layer.name!r} ({'x'.join(map(str, layer.shape))})" for layer in reading.layers)
        raise UsageError(f"--module cnn needs maps of one size, these layers differ: {listed}; take one, or vanilla")
    if reading.layers:
        _module(reading, settings)


def _module(reading: Reading, settings: TrainSettings) -> str:
    """Return the module that reads a layer, or several beside each other."""
    from onnxmint.mint.fit import module_for

    return module_for(settings.module, reading.shape, joined_name(reading.layers))


def _fit(known: KnownImages, reader: Reader, reading: Reading, settings: TrainSettings) -> Any:
    """Stream the fit part's activations and fit a module on them; "auto" takes the better of `views` and `phi`."""
    from onnxmint.engine.store import ActivationStore

    store = ActivationStore(len(known.table.rows(*FIT)), reading.shape, reading.shown.prepared.device)
    read = [np.empty(0, np.int64)]
    try:
        for rows, batch in known.read(reader, *FIT, name="to fit on"):
            store.append(batch.outputs[reading.activation])
            read.append(rows)
        rows = np.concatenate(read)
        members = int(known.table.is_member[rows].sum())
        check_left([members, len(rows) - members], "to fit on")
        fold = known.table.part[rows]
        if settings.module == "auto" and not reading.layers:
            return _better_of_views_and_phi(store.values, known, rows, settings.seed)
        name = settings.module if not reading.layers else _module(reading, settings)
        return fit_on(name, store.values, known, rows, fold, settings.seed)
    finally:
        store.close()


def _phi(known: KnownImages, settings: TrainSettings) -> Any:
    """Return the module that learns nothing, so that all evidence is held out."""
    import torch

    none = np.empty(0, np.int64)
    return fit_on("phi", torch.zeros(0, 1), known, none, none.astype(np.int8), settings.seed)


def _better_of_views_and_phi(odds: Any, known: KnownImages, rows: Rows, seed: int) -> Any:
    """Return `views` when it tells the fit part's images apart better than the log-odds of one view, else `phi`.

    Each image is scored by the network that did not learn from its fold, and folds keep groups whole. In doubt, within
    one standard error, the simple and cheap one is taken.
    """
    found = [fit_on(name, odds, known, rows, known.table.part[rows], seed) for name in ("views", "phi")]
    is_member, groups = known.table.is_member[rows], known.table.groups
    views, phi = ((fitted.unseen[is_member], fitted.unseen[~is_member]) for fitted in found)
    belongs = None if groups is None else (groups[rows][is_member], groups[rows][~is_member])
    gain = compare_auc(views, phi, groups=belongs, rng=np.random.default_rng(seed))
    standard_error = (gain.high - gain.low) / _ERRORS_WIDE
    return found[0] if gain.value > standard_error else found[1]


def _scored(known: KnownImages, reader: Reader, reading: Reading, found: Any) -> Fitted:
    """Stream the held-out parts through target, module and signals."""
    from onnxmint.mint.fit import as_tensor

    taken = _Taken.of(known, reading)
    for rows, batch in known.read(reader, CALIBRATE, TEST, name="held out"):
        score = found.score(as_tensor(batch.outputs[reading.activation]))
        taken.take(rows, batch, score)
        taken.keep(rows, batch, score)
    return taken.fitted(
        name=found.name,
        network=found.network,
        folds=1,
        best_epochs=found.best_epochs,
        validation_loss=found.validation_loss,
        skipped=reader.skipped,
    )


def _cross_fitted(known: KnownImages, reader: Reader, reading: Reading, settings: TrainSettings) -> Fitted:
    """Show every image once; fit one module for each fold on the others, and score the fold with it."""
    from onnxmint.engine.store import ActivationStore, choose
    from onnxmint.mint.modules import Beside

    table, folds = known.table, settings.folds or 0
    name = "views" if not reading.layers else _module(reading, settings)
    store = ActivationStore(len(table.index), reading.shape, reading.shown.prepared.device)
    taken, read, first = _Taken.of(known, reading), [np.empty(0, np.int64)], None
    try:
        for part, batch in known.read(reader, TEST, name="in folds"):
            store.append(batch.outputs[reading.activation])
            taken.take(part, batch, None)
            read.append(part)
            first = first or (part, batch)
        rows = np.concatenate(read)
        made = []
        for number in range(folds):
            learn = table.fold[rows] != number
            members = int(table.is_member[rows[learn]].sum())
            check_left([members, int(learn.sum()) - members], "to fit on")
            inner = _inner_folds(known, rows[learn], settings.seed)
            values, unseen = (choose(store.values, np.flatnonzero(part)) for part in (learn, ~learn))
            found = fit_on(name, values, known, rows[learn], inner, settings.seed + number)
            taken.put(rows[~learn], found.score(unseen))
            made.append(found)
        network = Beside([found.network for found in made]).eval()
        if first is not None:
            part, batch = first
            taken.keep(part, batch, np.mean([found.score(store.values[: len(part)]) for found in made], axis=0))
    finally:
        store.close()
    return taken.fitted(
        name=name,
        network=network,
        folds=folds,
        best_epochs=tuple(epoch for found in made for epoch in found.best_epochs),
        validation_loss=float(np.mean([found.validation_loss for found in made])),
        skipped=reader.skipped,
    )


def _inner_folds(known: KnownImages, rows: Rows, seed: int) -> NDArray[np.int8]:
    """Divide the rows that a network learns from once more, so that one fold can say when to stop."""
    table, rng = known.table.take(rows), np.random.default_rng(seed)
    return divide(table.is_member, table.labels, table.groups, rng, shares=[1 / len(FIT)] * len(FIT))


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What is noted of held-out images while they stream by."""

    known: KnownImages
    reading: Reading
    held: KnownScores
    score: NDArray[np.float64]
    predicted: Rows
    sample: Sample | None = None

    @classmethod
    def of(cls, known: KnownImages, reading: Reading) -> "_Taken":
        count = len(known.table.index)
        wanted = (*COMPARED, "view_gap") if reading.shown.views > 1 else COMPARED
        return cls(
            known=known,
            reading=reading,
            held=KnownScores.of(known.table, wanted),
            score=np.full(count, np.nan),
            predicted=np.full(count, -1, np.int64),
        )

    def take(self, rows: Rows, batch: Batch, score: NDArray[np.float64] | None) -> None:
        """Note a batch's signals and, when they are known already, its scores."""
        shown, labels = self.reading.shown, self.known.table.labels
        observed = observe(
            batch, shown.graph, shown.prepared.target.answer.kind, None if labels is None else labels[rows]
        )
        self.held.record(rows, observed)
        self.predicted[rows] = observed.answer.argmax(axis=1)
        if score is not None:
            self.put(rows, score)

    def put(self, rows: Rows, score: NDArray[np.float64]) -> None:
        if not np.isfinite(score).all():
            raise EvidenceError(NOT_FINITE)
        self.score[rows] = score

    def keep(self, rows: Rows, batch: Batch, score: NDArray[np.float64]) -> None:
        """Keep the first batch to check the exported file against."""
        if self.sample is None:
            told = self.known.labels_of(rows)
            self.sample = (batch.pixels, {} if told is None else {LABEL: told}, score)

    def fitted(self, **of_module: Any) -> Fitted:
        """Return everything, once all has streamed by."""
        self.held.check_complete()
        if self.sample is None:
            raise EvidenceError("no held-out image could be read; see the skipped images")
        return Fitted(
            reading=self.reading,
            known=self.known,
            held=self.held,
            score=self.score,
            predicted=self.predicted,
            sample=self.sample,
            **of_module,
        )
