"""Comparing all that can tell members from non-members, on the same images. Read `evaluate` from top to bottom."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.controls.panel import control_evidence
from onnxmint.controls.seen import Seen
from onnxmint.engine.choosing import engine_for
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import Exposed, expose
from onnxmint.engine.target import Target, target_facts, target_warnings
from onnxmint.errors import UsageError
from onnxmint.evidence.gathering import gather
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.layers import Layer
from onnxmint.methods.measuring import Signals, evidence_facts, evidence_warnings
from onnxmint.methods.ranking import Ranked, compared, measured, signal_methods
from onnxmint.methods.references import Reference, open_references, references_in, score_references
from onnxmint.methods.with_references import doubtful_references, measured_with_references
from onnxmint.mint.contest import Contest, Ground, Rival, hold
from onnxmint.mint.reading import title
from onnxmint.progress import Stage, Step, quiet
from onnxmint.results.evaluation import Evaluation, EvaluationFacts, repeated
from onnxmint.results.facts import now
from onnxmint.results.methods import Method, MethodScores, Part
from onnxmint.settings import EvaluateSettings
from onnxmint.stats import metrics
from onnxmint.stats.limits import EPSILON, Limit, limits_of
from onnxmint.verdict.leak import judge_leak
from onnxmint.workflows.clock import Clock
from onnxmint.workflows.contestants import beside_references, penultimate, rivals_of, wanted_layers
from onnxmint.workflows.evaluation_stages import foreseen_steps
from onnxmint.workflows.preparing import prepared
from onnxmint.workflows.privacy import privacy_of, require_declared, require_fair
from onnxmint.workflows.stages import COMPARED, MEASURED

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
    before: Callable[[tuple[Step, ...]], None] | None = None,
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
        before: told the steps before anything long begins, for which the speed of the target is measured.
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or EvaluateSettings()
    require_declared(settings)
    limits, engine = _limits(settings), engine or engine_for(model, stage)
    first = _evaluate(model, members, nonmembers, settings, limits, engine, before)
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
    before: Callable[[tuple[Step, ...]], None] | None = None,
) -> Evaluation:
    """Evaluate once, with one division of the known images."""
    clock, rng = Clock(), np.random.default_rng(settings.seed)
    target, known = prepared(model, members, nonmembers, settings, engine)
    layers = wanted_layers(target.layers, settings)
    rivals = tuple(rivals_of(target, layers, settings))
    if before is not None:
        before(foreseen_steps(target, known, rivals, settings))
    evidence, copies = gather(
        known.sources,
        target.model.answer.classes,
        settings,
        rng=rng,
        stage=engine.stage,
        blind=settings.drawn_at_random,
    )
    if settings.epsilon:
        require_fair(evidence.table)
    references = _references(target, evidence, settings)
    target, rivals = beside_references(target, rivals, references)
    exposed, ground = _ground(target, evidence, layers, settings, engine, clock)

    contest = hold(ground, rivals)
    found, doubts = _measured(contest, ground, rivals, references, settings, rng)
    with engine.stage(MEASURED, 0):
        found = compared(found, contest.held, rng)
        clock.mark("statistics")
        facts = evidence_facts(contest.held, contest.skipped, files=evidence.files)
        seen = Seen(evidence=evidence, copies=copies, facts=facts, classes=target.model.answer.classes)
        controls = control_evidence(seen, rng, wanted=True)
    methods = tuple(method for method, _ in found)
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


def _measured(
    contest: Contest,
    ground: Ground,
    rivals: tuple[Rival, ...],
    references: list[Reference],
    settings: EvaluateSettings,
    rng: np.random.Generator,
) -> tuple[list[Ranked], list[str]]:
    """Return every method with what it measures, and what is to be doubted of the references."""
    with ground.engine.stage(COMPARED, 0):
        found = [*signal_methods(contest.held, rng), *_module_methods(contest, rivals, ground.shown, settings, rng)]
    if not references:
        return found, []
    more, doubts = _reference_methods(contest, ground, references, rng)
    return [*found, *more], doubts


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
    clock: Clock,
) -> tuple[list[Layer], Ground]:
    """Expose all that is read, and say what else is kept of the answers."""
    views = 0 if target.model.input.mixes else settings.views
    labels = evidence.table.labels is not None
    last = penultimate(target)
    exposed = [*layers, *([last] if last and last not in layers else [])]
    return exposed, Ground(
        shown=expose(target, exposed, views=views, labels=labels and views > 0),
        evidence=evidence,
        signals=Signals(
            kind=target.model.answer.kind,
            labels=labels,
            views=views,
            penultimate=None if last is None else last.name,
        ),
        engine=engine,
        batch_size=settings.batch_size,
        seed=settings.seed,
        mark=clock.mark,
    )


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
            yield measured(
                method,
                contest.scores.get(rival.key),
                contest.held,
                rng,
                skipped=rival.skipped or contest.withheld.get(rival.key),
            )


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
