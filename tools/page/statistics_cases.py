"""Cases for the statistics of the page: small numbers say how to make one, the same way in Python and in TypeScript."""

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from drawn import Case, Draws, Images, images, yardstick_of

from onnxmint.controls.labels import Labelled, compare_labels, labels_control
from onnxmint.results.audit import ScoreTable
from onnxmint.results.facts import Control, DifficultyFacts, EvidenceFacts, MethodFacts
from onnxmint.results.json import Facts, plain
from onnxmint.settings import AuditSettings
from onnxmint.stats.gate import gate_of
from onnxmint.verdict.judging import Judgement, Measure, Sighting, judge_set
from onnxmint.verdict.next_steps import Standing, next_steps
from onnxmint.verdict.opinions import strength_of
from onnxmint.verdict.scores import Named, QuestionedScores
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import Yardstick

_SHOWN = 6  # images of which every number is kept; of all there are sums


def controls_of(kind: str) -> list[Control]:
    """Return controls other than that of labels."""
    learned = DifficultyFacts(by="", learned=True, labels=False, before=None, after=None) if kind == "learned" else None
    reference = Control(
        name="reference", passed=None if kind == "none" else True, text="Reference.", stops=True, difficulty=learned
    )
    return [
        reference,
        Control(name="placebo", passed=kind != "failed", text="Placebo text.", stops=True),
        Control(name="exchangeability", passed=None, text="Not run.", stops=True),
        Control(name="alignment", passed=None, text="Not run.", hides=True),
        Control(name="plausibility", passed=kind != "implausible", text="Plausibility text."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A case as an audit sees it."""

    sighting: Sighting
    measure: Measure
    controls: list[Control]


def asked_of(case: Case) -> Asked:
    """Draw the known and the questioned images of a case."""
    draws = Draws(case.seed)
    yardstick, known_digest = yardstick_of(case, draws)
    member = [draws.uniform() < case.share for _ in range(case.asked)]
    found, told = images(case, draws, member, networks=case.folds, asked=True), case.labels != "none"
    groups = np.array([draws.below(case.asked) // case.asked_group for _ in member]) if case.asked_group else None
    scored = QuestionedScores(
        row=np.arange(case.asked),
        score=found.score,
        predicted=found.predicted,
        skipped=(),
        free=found.free if told else None,
        level=found.level if case.levels else None,
        free_level=found.free_level if told and case.levels else None,
    )
    units = as_units(found.score, scored.row, groups, yardstick, digest=found.digest, known_digest=known_digest)
    controls = [*controls_of(case.controls), _labels_control(case, found, groups, yardstick)]
    named = Named(path=tuple(map(str, range(case.asked))), label=found.label if told else None)
    gate = gate_of(yardstick.groups()) if case.members else None
    return Asked(
        sighting=Sighting.of(scored, units, named, subjects=None, controls=controls),
        measure=Measure(yardstick=yardstick, gate=gate, performance=None, folds=case.folds, labels=told),
        controls=controls,
    )


def answer(case: Case) -> Facts:
    """Return what onnxmint says of a case."""
    asked = asked_of(case)
    settings = AuditSettings(alpha=case.alpha, relevant_share=case.relevant_share, guarantee=case.guarantee)
    judged, units, gate = judge_set(asked.sighting, asked.measure, settings), asked.sighting.units, asked.measure.gate
    return {
        "auc": None if gate is None else plain(gate.auc),
        "verdict": plain(judged.verdict),
        "units": len(units.score),
        "prior": judged.prior,
        "prior_words": judged.statistics.prior,
        "labels": plain(asked.controls[-1]),
        "next_steps": [plain(step) for step in next_steps(_standing(case, asked, judged, settings))],
        "columns": _columns(judged.scores),
    }


def _standing(case: Case, asked: Asked, judged: Judgement, settings: AuditSettings) -> Standing:
    units = asked.sighting.units
    known = units.known.groups()
    return Standing(
        verdict=judged.verdict,
        controls=asked.controls,
        evidence=evidence_of(case),
        method=method_of(case),
        strength=strength_of(units.known) if min(len(known.member), len(known.nonmember)) > 1 else None,
        auc=judged.auc,
        questioned=len(units.score),
        settings=settings,
    )


def _columns(table: ScoreTable) -> Facts:
    columns = {
        "score": table.score,
        "p_value": table.p_value,
        "q_value": table.q_value,
        "flagged": table.flagged.astype(np.float64),
        "likelihood_ratio": table.likelihood_ratio,
        "probability": table.probability,
    }
    return {name: None if one is None else _summary(one) for name, one in columns.items()}


def _labels_control(case: Case, found: Images, groups: np.ndarray | None, known: Yardstick) -> Control:
    if case.labels == "none" or known.right is None:
        return labels_control(None)
    sides = [_known(known.take(known.is_member == inside)) for inside in (True, False)]
    asked = Labelled(label=found.label, predicted=found.predicted, group=groups, digest=found.digest)
    return labels_control(compare_labels(asked, *sides))


def _known(side: Yardstick) -> Labelled:
    right = np.zeros(0, np.int64) if side.right is None else side.right.astype(np.int64)
    return Labelled(label=np.ones(len(right), np.int64), predicted=right)


def evidence_of(case: Case) -> EvidenceFacts:
    """Return the evidence, as far as anything here depends on it."""
    return EvidenceFacts(
        members=case.members,
        nonmembers=case.nonmembers,
        fit=0,
        calibrate=0,
        test=0,
        groups=None,
        accuracy_members=None,
        accuracy_nonmembers=None,
    )


def method_of(case: Case) -> MethodFacts:
    """Return the method, as far as anything here depends on it."""
    return MethodFacts(
        name="views" if case.levels else "phi",
        title="",
        layer="",
        tensors=(),
        answer="",
        activation_shape=(),
        views=14 if case.levels else 1,
        labels=case.labels != "none",
        folds=case.folds,
        seed=0,
        networks=1,
        best_epochs=(),
        validation_loss=None,
        source="",
        references=(),
        intervals="",
        controls="",
    )


def _summary(values: np.ndarray) -> Facts:
    """Return the first values of a column, and two sums that show a change or an exchange of any."""
    weights = np.arange(1, len(values) + 1) / len(values)
    return {
        "first": values[:_SHOWN].tolist(),
        "sum": float(values.sum()),
        "weighted": float((values * weights).sum()),
    }


def cases() -> Iterator[Case]:
    """Yield the cases: by hand those at the edges, then others by chance."""
    usual = Case(
        seed=1, members=150, nonmembers=150, folds=1, known_group=0, asked=60, asked_group=0, share=0.5, shift=1.5,
        ease=0.0, step=0.0, labels="true", levels=True, alpha=0.05, relevant_share=0.5, guarantee="each",
        controls="usual",
    )  # fmt: skip
    every = asdict(usual)
    edges: list[dict[str, object]] = [
        {}, {"asked": 1}, {"asked": 1, "share": 1.0, "shift": 4.0}, {"asked": 2}, {"asked": 2, "share": 1.0},
        {"asked": 3, "levels": False}, {"asked": 8, "levels": False, "step": 0.25}, {"asked": 5000},
        {"members": 0}, {"members": 0, "share": 1.0}, {"members": 1}, {"nonmembers": 2}, {"nonmembers": 8},
        {"nonmembers": 5, "levels": False, "labels": "none"}, {"shift": 0.0, "share": 0.0}, {"step": 0.5},
        {"folds": 5}, {"folds": 5, "known_group": 3}, {"known_group": 3, "asked_group": 3}, {"known_group": 4},
        {"asked_group": 1}, {"asked_group": 5, "known_group": 2}, {"labels": "own"}, {"labels": "wrong"},
        {"labels": "own", "share": 0.0}, {"labels": "wrong", "share": 1.0}, {"ease": 2.0, "share": 0.0},
        {"ease": -2.0, "share": 1.0}, {"controls": "failed"}, {"controls": "none"}, {"controls": "implausible"},
        {"controls": "learned", "share": 0.0, "asked": 800}, {"guarantee": "average"}, {"alpha": 0.2, "asked": 9},
        {"share": 0.0, "asked": 900, "members": 900, "nonmembers": 900}, {"labels": "none", "levels": False},
        {"step": 0.25, "asked": 6, "nonmembers": 100, "labels": "none"}, {"step": 1.0, "asked": 400},
        {"levels": False, "asked": 7, "labels": "none"}, {"shift": 0.05}, {"shift": 6.0}, {"share": 1.0, "shift": 6.0},
    ]  # fmt: skip
    for number, changed in enumerate(edges):
        yield Case(**(every | changed | {"seed": 100 + number}))
    rng = random.Random(18)
    for number in range(180):
        yield _drawn(rng, 1000 + number)


def _drawn(rng: random.Random, seed: int) -> Case:
    asked = round(10 ** rng.uniform(0, 2.7))
    members = rng.choice([0, 20, 60, 150, 400])
    return Case(
        seed=seed,
        members=members,
        nonmembers=rng.choice([12, 40, 150, 400]),
        folds=rng.choice([1, 1, 1, 2, 5]),
        known_group=rng.choice([0, 0, 0, 2, 3]) if members else 0,
        asked=asked,
        asked_group=rng.choice([0, 0, 0, 1, 2, 4]),
        share=rng.choice([0.0, 0.0, 0.2, 0.5, 1.0]),
        shift=rng.choice([0.0, 0.3, 0.8, 1.5, 3.0]),
        ease=rng.choice([0.0, 0.0, 0.0, 0.8, -0.8]),
        step=rng.choice([0.0, 0.0, 0.0, 0.25]),
        labels=rng.choice(["none", "true", "true", "own", "wrong"]),
        levels=rng.random() < 0.75,  # noqa: PLR2004 - three of four modules see several views
        alpha=rng.choice([0.05, 0.05, 0.01, 0.2]),
        relevant_share=rng.choice([0.5, 0.5, 0.1, 1.0]),
        guarantee=rng.choice(["each", "each", "average"]),
        controls=rng.choice(["usual", "usual", "usual", "failed", "none", "learned", "implausible"]),
    )


def written() -> list[Facts]:
    """Return all cases with their answers, as they lie in vectors/statistics.json."""
    return [{"case": asdict(case), "answer": answer(case)} for case in cases()]
