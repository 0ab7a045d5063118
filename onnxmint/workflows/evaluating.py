"""Comparing all that can tell members from non-members, on the same images. Read `evaluate` from top to bottom."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.controls.panel import control_evidence
from onnxmint.controls.seen import Seen
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import Exposed, expose
from onnxmint.engine.target import MIXES, Target, target_facts, target_warnings
from onnxmint.errors import UsageError
from onnxmint.evidence.gathering import gather
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.layers import Layer, choose_layer, dense_input
from onnxmint.methods.measuring import Signals, evidence_facts, evidence_warnings
from onnxmint.methods.ranking import Ranked, compared, measured, signal_methods
from onnxmint.methods.references import Reference, open_references, references_in, score_references
from onnxmint.methods.with_references import doubtful_references, measured_with_references
from onnxmint.mint.contest import Contest, Ground, Rival, hold
from onnxmint.mint.reading import title
from onnxmint.progress import Stage, quiet
from onnxmint.results.evaluation import Evaluation, EvaluationFacts, repeated
from onnxmint.results.facts import now
from onnxmint.results.methods import Method, MethodScores, Part
from onnxmint.settings import EvaluateSettings, module_kind
from onnxmint.stats import metrics
from onnxmint.stats.limits import EPSILON, Limit, limits_of
from onnxmint.verdict.leak import judge_leak
from onnxmint.workflows.preparing import prepared
from onnxmint.workflows.privacy import privacy_of, require_declared, require_fair

_PARTS: dict[int, Part] = {**dict.fromkeys(FIT, "fit"), CALIBRATE: "calibrate", TEST: "test"}
_MINT = "Membership Inference Test, arXiv 2601.12929"


@with_model_here
def evaluate(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    *,
    settings: EvaluateSettings | None = None,
    stage: Stage = quiet,
    engine: Engine | None = None,
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
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or EvaluateSettings()
    require_declared(settings)
    limits, engine = _limits(settings), engine or Local(stage)
    first = _evaluate(model, members, nonmembers, settings, limits, engine)
    if settings.repeats == 1:
        return first
    seeds = [settings.seed + number for number in range(1, settings.repeats)]
    more = [_evaluate(model, members, nonmembers, replace(settings, seed=seed), limits, engine) for seed in seeds]
    return replace(first, repeated=repeated([first, *more]))


def _evaluate(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    settings: EvaluateSettings,
    limits: Sequence[Limit],
    engine: Engine,
) -> Evaluation:
    """Evaluate once, with one division of the known images."""
    clock, rng = _Clock(), np.random.default_rng(settings.seed)
    target, known = prepared(model, members, nonmembers, settings, engine)
    layers = _wanted_layers(target.layers, settings)
    rivals = tuple(_rivals(target, layers, settings))
    classes = target.model.answer.classes
    evidence, copies = gather(
        known.sources, classes, settings, rng=rng, stage=engine.stage, blind=settings.drawn_at_random
    )
    if settings.epsilon:
        require_fair(evidence.table)
    references = _references(target, evidence, settings)
    exposed, ground = _ground(target, evidence, layers, settings, engine, clock)

    contest = hold(ground, rivals)
    found = [*signal_methods(contest.held, rng), *_module_methods(contest, rivals, ground.shown, settings, rng)]
    doubts: list[str] = []
    if references:
        more, doubts = _reference_methods(contest, ground, references, rng)
        found.extend(more)
    found = compared(found, contest.held, rng)
    clock.mark("statistics")

    facts = evidence_facts(contest.held, contest.skipped, files=evidence.files)
    methods = tuple(method for method, _ in found)
    seen = Seen(evidence=evidence, copies=copies, facts=facts, classes=classes)
    controls = control_evidence(seen, rng, wanted=True)
    privacy = privacy_of(found, contest.held, copies, settings)
    return Evaluation(
        version=__version__,
        created=now(),
        target=target_facts(target.model, tuple(layer.tensor for layer in exposed), target.device),
        preprocess=target.spec,
        settings=_settings(settings, references),
        evidence=facts,
        controls=controls,
        verdict=judge_leak(methods, controls, limits, facts, privacy),
        methods=methods,
        privacy=privacy,
        seconds={name: round(spent, 2) for name, spent in clock.seconds.items()},
        scores=_scores(found, contest, evidence),
        warnings=(*target.notes, *known.notes, *evidence_warnings(facts), *_warnings(target, evidence), *doubts),
    )


def _limits(settings: EvaluateSettings) -> list[Limit]:
    try:
        limits = limits_of(settings.fail_above)
    except ValueError as problem:
        raise UsageError(f"--fail-above {problem}") from None
    if not settings.epsilon and any(limit.measure == EPSILON for limit in limits):
        raise UsageError(
            "--fail-above epsilon= needs --epsilon, and with it --drawn-at-random: nothing bounds it unless every "
            "known image became a member by a fair coin of its own; else limit auc= or tpr@1%="
        )
    return limits


def _scores(found: Sequence[Ranked], contest: Contest, evidence: Evidence) -> MethodScores:
    """Return what every method that was measured says of every image that was read."""
    table, rows = evidence.table, np.flatnonzero(contest.held.read)
    paths = evidence.paths()
    return MethodScores(
        path=tuple(paths[row] for row in rows.tolist()),
        side=tuple("member" if member else "non-member" for member in table.is_member[rows].tolist()),
        part=tuple(_PARTS[part] for part in table.part[rows].tolist()),
        scores={method.name: score[rows] for method, score in found if score is not None},
    )


def _ground(
    target: Target,
    evidence: Evidence,
    layers: list[Layer],
    settings: EvaluateSettings,
    engine: Engine,
    clock: "_Clock",
) -> tuple[list[Layer], Ground]:
    """Expose all that is read, and say what else is kept of the answers."""
    views = 0 if target.model.input.mixes else settings.views
    labels = evidence.table.labels is not None
    penultimate = _penultimate(target)
    exposed = [*layers, *([penultimate] if penultimate and penultimate not in layers else [])]
    return exposed, Ground(
        shown=expose(target, exposed, views=views, labels=labels and views > 0),
        evidence=evidence,
        signals=Signals(
            kind=target.model.answer.kind,
            labels=labels,
            views=views,
            penultimate=None if penultimate is None else penultimate.name,
        ),
        engine=engine,
        batch_size=settings.batch_size,
        seed=settings.seed,
        mark=clock.mark,
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


def _wanted_layers(every: tuple[Layer, ...], settings: EvaluateSettings) -> list[Layer]:
    if all(module_kind(name).reads == "odds" for name in settings.modules):
        return []
    if "all" in settings.layers:
        return list(every)
    chosen = [choose_layer(every, wanted) for wanted in settings.layers]
    return [layer for layer in every if layer in chosen]


def _penultimate(target: Target) -> Layer | None:
    tensor = dense_input(target.model)
    return next((layer for layer in target.layers if layer.tensor == tensor and layer.kind == "vector"), None)


def _rivals(target: Target, layers: list[Layer], settings: EvaluateSettings) -> Iterator[Rival]:
    """Yield every module on every layer that was asked for."""
    for kind in (module_kind(name) for name in settings.modules):
        if kind.reads == "odds":
            mixes = target.model.input.mixes
            yield Rival(name=kind.name, layer=None, skipped=f"the target {MIXES}" if mixes else None)
            continue
        for layer in layers:
            why = None if kind.fits(layer.shape) else "needs an activation map, which this layer is not"
            yield Rival(name=kind.name, layer=layer, skipped=why)


def _module_methods(
    contest: Contest, rivals: tuple[Rival, ...], shown: Exposed, settings: EvaluateSettings, rng: np.random.Generator
) -> Iterator[Ranked]:
    """Yield every rival, measured; of each module the layer that was best on the fit part is marked."""
    for name in settings.modules:
        mine = [rival for rival in rivals if rival.name == name]
        entered = [contest.entries[rival.key] for rival in mine if rival.key in contest.entries]
        best = max(entered, key=lambda entry: entry.fit_auc, default=None)
        for rival in mine:
            layer, entry = rival.layer, contest.entries.get(rival.key)
            method = Method(
                name=rival.key,
                module=name,
                kind="module",
                title=title(name, () if layer is None else (layer,), shown),
                source=_MINT,
                layer=None if layer is None else layer.name,
                depth=None if layer is None else layer.depth,
                fit_auc=None if entry is None else entry.fit_auc,
                chosen=best is not None and entry is best,
            )
            yield measured(method, contest.scores.get(rival.key), contest.held, rng, skipped=rival.skipped)


def _references(target: Target, evidence: Evidence, settings: EvaluateSettings) -> list[Reference]:
    """Open the references, if there are to be any."""
    if settings.reference is None:
        return []
    if evidence.table.labels is None:
        raise UsageError(
            "--reference needs labels of all known images: scores of different models must be of one class"
        )
    return open_references(references_in(settings.reference), target, evidence.paths(), settings)


def _reference_methods(
    contest: Contest, ground: Ground, references: list[Reference], rng: np.random.Generator
) -> tuple[list[Ranked], list[str]]:
    """Show the references the images that the target was shown; return what can be made of it, and what to doubt."""
    rows = np.flatnonzero(contest.held.read)
    found = score_references(references, ground.evidence, rows, ground.engine, ground.batch_size)
    ground.mark("showing the references")
    return measured_with_references(contest.held, found, rows, rng), list(
        doubtful_references(contest.held, found, rows)
    )


def _settings(settings: EvaluateSettings, references: list[Reference]) -> EvaluationFacts:
    return EvaluationFacts(
        modules=settings.modules,
        layers=settings.layers,
        views=settings.views,
        augmentation=settings.augmentation,
        references=tuple(reference.name for reference in references),
        seed=settings.seed,
        intervals=metrics.INTERVAL_METHOD,
        chosen_on="the fit part: signals on all of it, modules on the folds they did not learn from",
    )


def _warnings(target: Target, evidence: Evidence) -> list[str]:
    found = list(target_warnings(target.model))
    if evidence.table.labels is None:
        found.append(
            "Without labels, log-odds are of the target's own top class, and signals that need labels are missing."
        )
    return found
