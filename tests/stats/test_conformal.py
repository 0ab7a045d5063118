"""P-values are valid and false discoveries stay below the level, by slow twins and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxmint.stats.conformal import is_known_enough, p_values, p_values_by_class, q_values, share_of_nulls

tied_scores = hnp.arrays(np.float64, st.integers(1, 15), elements=st.integers(-3, 3).map(float))


@given(tied_scores, tied_scores)
def test_p_values_count_the_calibration_scores_at_or_above(scores: np.ndarray, calibration: np.ndarray) -> None:
    expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]
    assert p_values(scores, calibration).tolist() == pytest.approx(expected, abs=1e-15)


@settings(deadline=None)  # the first one imports scipy.stats
@given(hnp.arrays(np.float64, st.integers(1, 15), elements=st.floats(1e-3, 1)))
def test_q_values_are_benjamini_and_hochbergs(p: np.ndarray) -> None:
    order = np.argsort(p)
    raw = p[order] * len(p) / np.arange(1, len(p) + 1)
    expected = np.empty(len(p))
    expected[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1)
    assert q_values(p) == pytest.approx(expected)


def test_nothing_in_nothing_out() -> None:
    assert len(q_values(np.empty(0))) == 0


def test_single_precision_calibration_ties_with_the_same_score() -> None:
    calibration = np.array([0.1, 0.2, 0.3], np.float32)
    assert p_values(calibration.astype(np.float64), calibration).tolist() == [1.0, 0.75, 0.5]


def test_a_non_member_rarely_gets_a_small_p_value() -> None:
    rng, runs = np.random.default_rng(0), 4000
    found = np.array([p_values(rng.normal(size=1), rng.normal(size=99))[0] for _ in range(runs)])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(found <= level) == pytest.approx(level, abs=4 * np.sqrt(level / runs))


def test_p_values_stay_valid_with_heavy_ties() -> None:
    rng, runs = np.random.default_rng(1), 2000
    found = np.array([p_values(rng.integers(0, 3, 1) * 1.0, rng.integers(0, 3, 50) * 1.0)[0] for _ in range(runs)])
    assert np.mean(found <= 0.34) <= 0.34 + 0.03


def test_false_discoveries_stay_below_the_level() -> None:
    rng, level, shares = np.random.default_rng(2), 0.1, []
    for _ in range(300):
        scores = np.concatenate([rng.normal(3, 1, 60), rng.normal(0, 1, 140)])
        flagged = q_values(p_values(scores, rng.normal(0, 1, 1000))) <= level
        shares.append(flagged[60:].sum() / max(flagged.sum(), 1))
    assert 0.02 < np.mean(shares) <= level + 0.01


@given(st.lists(st.floats(0.0005, 1), min_size=1, max_size=40))
def test_storey_flags_no_image_that_looks_like_a_non_member(p: list[float]) -> None:
    found = q_values(np.array(p), "storey")
    assert (found[np.array(p) > 0.5] == 1).all()
    assert (found <= 1).all()
    if share_of_nulls(np.array(p)) < 1:
        small = np.array(p) <= 0.5
        assert (found[small] <= q_values(np.array(p))[small] + 1e-12).all()


@pytest.mark.parametrize("count", [5, 10])
def test_storey_keeps_the_level_for_few_images(count: int) -> None:
    """Cut at 1 the estimate flagged 5.8% of sets of five images without a member at 5%."""
    rng, runs = np.random.default_rng(5), 12_000
    order = np.sort(rng.random((runs, 500)), axis=1)
    asked = rng.random((runs, count))
    p = np.array([(1 + 500 - np.searchsorted(row, one)) / 501 for row, one in zip(order, asked, strict=True)])
    flagged = np.mean([(q_values(one, "storey") <= 0.05).any() for one in p])
    assert flagged <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_another_correction_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of bh, storey"):
        q_values(np.array([0.1]), "holm")


def test_smoothed_p_values_of_non_members_are_uniform() -> None:
    rng = np.random.default_rng(3)
    found = [p_values(np.round(rng.normal(size=1)), np.round(rng.normal(size=20)), rng=rng)[0] for _ in range(4000)]
    for level in (0.05, 0.3, 0.7):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.025)


def test_p_values_hold_within_every_class() -> None:
    """A class whose non-members score higher gets its own yardstick."""
    rng = np.random.default_rng(4)
    known_class = np.repeat([0, 1, 2, 3], [500, 500, 30, 40])
    known = rng.normal(3 * (known_class == 1), 1)
    asked_class = np.repeat([0, 1], 2000)
    asked = rng.normal(3 * (asked_class == 1), 1)
    within = p_values_by_class(asked, asked_class, known, known_class)
    for number in (0, 1):
        assert np.mean(within[asked_class == number] <= 0.1) == pytest.approx(0.1, abs=0.04)
    assert np.mean(p_values(asked, known)[asked_class == 1] <= 0.1) > 0.15


def test_images_of_small_classes_are_never_flagged() -> None:
    """Taken together small classes are a yardstick of another mix: what scores high in one of them is not strange."""
    rng = np.random.default_rng(6)
    known_class = np.repeat([0, 1, 2], [500, 60, 40])
    known = rng.normal(3 * (known_class == 2), 1)
    asked_class = np.repeat([0, 2], 300)
    found = p_values_by_class(rng.normal(3 * (asked_class == 2), 1), asked_class, known, known_class)
    assert (found[asked_class == 2] == 1).all()
    assert np.mean(found[asked_class == 0] <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert is_known_enough(np.array([0, 1, 2, 9]), known_class).tolist() == [True, False, False, False]


def test_cross_conformal_compares_under_the_same_network() -> None:
    scores, known, fold = np.array([[1.0, 10.0]]), np.array([0.5, 1.5, 9.0, 11.0]), np.array([0, 0, 1, 1])
    assert p_values(scores, known, fold).tolist() == [(1 + 1 + 1) / 5]
