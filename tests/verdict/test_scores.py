"""Questioned images judged: p-values of what counts once, priors, flags, and words about the methods."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.errors import UsageError
from onnxmint.evidence.questioned import Questioned
from onnxmint.results.audit import ScoreTable
from onnxmint.results.facts import Control
from onnxmint.settings import AuditSettings
from onnxmint.stats import conformal
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.metrics import evaluate
from onnxmint.verdict.scores import Named, QuestionedScores, flag_warnings, histogram, judge, prior_of, statistics
from onnxmint.verdict.units import Units, as_units
from onnxmint.verdict.yardstick import Yardstick
from tests.known import facts
from tests.sources import InMemory

DEFAULT = AuditSettings()
COUNT = 40


def _known(count: int = 300, *, category: np.ndarray | None = None) -> Yardstick:
    """Return members that score 1.5 deviations higher than non-members."""
    rng = np.random.default_rng(0)
    return Yardstick(
        score=np.concatenate([rng.normal(1.5, 1, count), rng.normal(size=count)]).astype(np.float32),
        is_member=np.arange(2 * count) < count,
        is_test=np.arange(2 * count) % 2 == 0,
        fold=np.zeros(2 * count, np.int8),
        category=np.zeros(2 * count, np.int32) if category is None else category.astype(np.int32),
        group=None,
        number=np.arange(2 * count, dtype=np.int32),
    )


def _asked(labels: np.ndarray | None = None, *, missing: tuple[int, ...] = ()) -> tuple[Questioned, QuestionedScores]:
    """Return questioned images, half of them as members, of which some could not be read."""
    source, looks = InMemory([b""] * COUNT, location="asked"), facts(COUNT)
    asked = Questioned(
        source=source, entries=source.entries(), labels=labels, facts=looks, described=looks.described, known=(),
        known_row=np.empty(0, np.int64),
    )  # fmt: skip
    row = np.setdiff1d(np.arange(COUNT), missing)
    score = np.random.default_rng(1).normal(size=(COUNT, 1)) + 3 * (np.arange(COUNT)[:, None] % 2)
    return asked, QuestionedScores(row=row, score=score[row], predicted=row % 3, skipped=())


def _named(asked: Questioned, scored: QuestionedScores) -> Named:
    labels = None if asked.labels is None else asked.labels[scored.row]
    return Named(path=tuple(asked.entries[row].path for row in scored.row), label=labels)


def _units(scored: QuestionedScores, known: Yardstick, groups: np.ndarray | None = None) -> Units:
    digest = facts(COUNT, seed=2).digest[scored.row]
    known_digest = facts(len(known.score), seed=3).digest
    return as_units(scored.score, scored.row, groups, known, digest=digest, known_digest=known_digest)


def _judged(
    settings: AuditSettings = DEFAULT,
    *,
    known: Yardstick | None = None,
    groups: np.ndarray | None = None,
    missing: tuple[int, ...] = (),
    told: np.ndarray | None = None,
) -> ScoreTable:
    asked, scored = _asked(told, missing=missing)
    units = _units(scored, known or _known(), groups)
    return judge(scored, _named(asked, scored), units, settings, 0.5, told, np.random.default_rng(3))


def test_each_image_has_the_p_value_of_its_score_among_held_out_non_members() -> None:
    found, (_, scored) = _judged(missing=(4, 9)), _asked(missing=(4, 9))
    outside = _known().nonmembers.score.astype(np.float64)
    np.testing.assert_array_equal(found.p_value, conformal.p_values(scored.score[:, 0], outside))
    np.testing.assert_array_equal(found.q_value, conformal.q_values(found.p_value))
    np.testing.assert_array_equal(found.score, scored.score[:, 0])
    assert found.path[3:5] == ("asked/3", "asked/5")
    assert len(found.path) == COUNT - 2


def test_flags_are_q_values_at_the_level_asked_for() -> None:
    for alpha in (0.01, 0.2):
        found = _judged(AuditSettings(alpha=alpha))
        np.testing.assert_array_equal(found.flagged, found.q_value <= alpha)
    assert 0 < _judged().flagged.sum() < COUNT
    assert _judged(AuditSettings(false_discovery="storey")).flagged.sum() >= _judged().flagged.sum()


def test_scores_of_several_networks_are_averaged_and_compared_each_with_its_own() -> None:
    asked, scored = _asked()
    known = _known()
    known = replace(known, fold=(np.arange(600) % 2).astype(np.int8))
    both = replace(scored, score=np.concatenate([scored.score, scored.score + 0.5], axis=1))
    found = judge(both, _named(asked, both), _units(both, known), DEFAULT, 0.5, None, np.random.default_rng(3))
    np.testing.assert_allclose(found.score, scored.score[:, 0] + 0.25)
    outside = known.nonmembers
    np.testing.assert_array_equal(found.p_value, conformal.p_values(both.score, outside.score, outside.fold))


def test_images_that_belong_together_are_judged_together() -> None:
    groups = np.arange(COUNT) // 4
    found = _judged(groups=groups)
    for values in (found.p_value, found.q_value, found.flagged):
        assert len({tuple(set(values[groups == group].tolist())) for group in range(10)}) <= 10
        assert all(len(set(values[groups == group].tolist())) == 1 for group in range(10))
    assert len(set(found.likelihood_ratio.tolist())) > 10


def test_p_values_within_classes_are_those_of_the_class() -> None:
    """Non-members of class 1 score two higher: within their class its images are less odd."""
    category = np.arange(600) % 2
    known = _known(category=category)
    known = replace(known, score=(known.score + 2 * category).astype(np.float32))
    told = np.arange(COUNT) // 20
    within = _judged(AuditSettings(per_class=True), known=known, told=told)
    outside = known.nonmembers
    for label in (0, 1):
        mine = outside.score[outside.category == label].astype(np.float64)
        expected = conformal.p_values(within.score[told == label], mine)
        np.testing.assert_array_equal(within.p_value[told == label], expected)


def test_classes_of_single_images_cannot_be_those_of_groups() -> None:
    known = replace(_known(), group=(np.arange(600) // 3).astype(np.int32))
    with pytest.raises(UsageError, match="--per-class judges single images, but these come in groups"):
        _judged(AuditSettings(per_class=True), known=known, groups=np.arange(COUNT) // 4)


def test_smoothed_p_values_are_no_larger() -> None:
    known = replace(_known(), score=np.round(_known().score))
    asked, scored = _asked()
    rounded = replace(scored, score=np.round(scored.score))
    plain, smooth = (
        judge(
            rounded,
            _named(asked, rounded),
            _units(rounded, known),
            AuditSettings(p_values=kind),
            0.5,
            None,
            np.random.default_rng(3),
        )
        for kind in ("conservative", "smoothed")
    )
    assert (smooth.p_value <= plain.p_value).all()
    assert (smooth.p_value < plain.p_value).any()


def test_the_prior_is_given_or_estimated_or_one_half() -> None:
    share = Estimate(value=0.3, low=0.2, high=0.4)
    assert prior_of(AuditSettings(prior=0.1), share, 100) == (0.1, "given")
    assert prior_of(DEFAULT, share, 100) == (0.3, "the estimated share of members")
    assert prior_of(DEFAULT, None, 100)[0] == 0.5
    for value, edge in ((0.0, 0.005), (1.0, 0.995)):
        assert prior_of(DEFAULT, Estimate(value=value, low=0, high=1), 100)[0] == edge


def test_a_prior_moves_probabilities_and_not_ratios() -> None:
    asked, scored = _asked()
    units = _units(scored, _known())
    low, high = (
        judge(scored, _named(asked, scored), units, DEFAULT, prior, None, np.random.default_rng(3))
        for prior in (0.1, 0.9)
    )
    np.testing.assert_array_equal(low.likelihood_ratio, high.likelihood_ratio)
    assert (low.probability < high.probability).all()


def test_every_score_is_in_a_bin() -> None:
    known = _known()
    found = histogram(known, np.array([-50.0, 0.0, 50.0]))
    assert found.questioned.sum() == 3
    assert found.member.sum() == found.nonmember.sum() == 150
    assert found.edges[-1] < 50
    assert histogram(replace(known, score=np.zeros(600, np.float32)), np.zeros(3)).questioned.sum() == 3


def test_methods_are_named() -> None:
    _, scored = _asked()
    alone, together = (_units(scored, _known(), groups) for groups in (None, np.arange(COUNT) // 4))
    said = statistics(1, AuditSettings(per_class=True, false_discovery="storey"), alone, "given")
    assert said.p_values == "conformal, conservative at ties, against held-out non-members of the same class"
    assert (said.false_discovery, said.prior, said.units) == ("Storey", "given", "images")
    crossed = statistics(3, AuditSettings(p_values="smoothed"), together, "")
    assert crossed.p_values.startswith("conformal, smoothed at ties")
    assert crossed.p_values.endswith("each by the network of its fold (cross-conformal)")
    assert crossed.units == "groups"


def test_flags_that_are_no_findings_come_with_a_warning() -> None:
    _, scored = _asked()
    groups = np.arange(COUNT) // 4
    units, found = _units(scored, _known(), groups), _judged(groups=groups)
    flagged = int(found.flagged.sum())
    rng = np.random.default_rng(0)
    able = evaluate(rng.normal(2, 1, 200), rng.normal(size=200), threshold=0, rng=rng, resamples=50)
    blind = evaluate(rng.normal(size=200), rng.normal(size=200), threshold=0, rng=rng, resamples=50)
    failed = Control(name="files", passed=False, text="", stops=True)
    number = len(set(groups[found.flagged].tolist()))
    together = f"Images that belong together are judged together: the {flagged} flagged images are {number} groups."
    assert flagged
    assert flag_warnings(able, found, units, ()) == [together]
    assert "images are flagged, but a control failed (files)" in flag_warnings(able, found, units, [failed])[0]
    assert "could not tell members from non-members" in flag_warnings(blind, found, units, ())[0]
    none = replace(found, flagged=np.zeros(COUNT, np.bool_))
    assert flag_warnings(blind, none, units, [failed]) == []
