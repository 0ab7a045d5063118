"""The second opinion without labels: true labels pass, the model's own and wrong ones are called what they are."""

import numpy as np
import pytest

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.opinions import Opinion, Ratio, SecondOpinion, compare_effects, second_opinion
from onnxmint.stats.set_test import SetTest, compare_sets


def scores(rng: np.random.Generator, count: int, member: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with and without labels, and whether the model is wrong: then the labelled score is low."""
    sure = rng.normal(2.5 + 0.6 * member, 1, count)
    wrong = rng.random(count) < (0.02 if member else 0.17)
    return np.where(wrong, -0.6 * sure, sure), sure, wrong


def audit(rng: np.random.Generator, *, share: float, own: float = 0.0, spoilt: float = 0.0) -> SecondOpinion:
    """Judge 300 images of which some labels are the model's own, or wrong."""
    inside, outside = scores(rng, 500, True), scores(rng, 500, False)
    members = scores(rng, int(300 * share), True)
    others = scores(rng, 300 - int(300 * share), False)
    labelled, free, _ = (np.concatenate(both) for both in zip(members, others, strict=True))
    labelled = np.where(rng.random(300) < own, free, labelled)
    labelled = np.where(rng.random(300) < spoilt, -rng.normal(4, 1, 300), labelled)
    known = [HeldOut.of(inside[way], outside[way]) for way in (0, 1)]
    tests = [compare_sets(asked, held, alpha=0.05) for asked, held in zip((labelled, free), known, strict=True)]
    return second_opinion(*tests, compare_effects((labelled, known[0]), (free, known[1])), alpha=0.05)


def rate(kinds: set[Opinion], runs: int = 150, **how: float) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([audit(rng, **how).kind in kinds for _ in range(runs)]))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_effects_of_true_labels_keep_their_ratio_for_any_share(share: float) -> None:
    rng = np.random.default_rng(1)
    found = [audit(rng, share=share).ratio for _ in range(400)]
    for tail in ([one.raised for one in found if one], [one.lowered for one in found if one]):
        assert len(tail) == 400
        assert np.mean(np.array(tail) <= 0.05) < 0.09


def test_the_models_own_labels_find_no_members() -> None:
    """With labels alone nine of ten such sets are found."""
    assert rate({"only-labelled", "labels-raise"}, share=0.0, own=1.0) > 0.8
    for own in (0.25, 0.5, 1.0):
        rng, found = np.random.default_rng(2), 0
        for _ in range(150):
            one = audit(rng, share=0.0, own=own)
            found += one.kind == "agree" and one.free.average <= 0.05
        assert found / 150 <= 0.07


@pytest.mark.parametrize(("share", "spoilt"), [(1.0, 0.25), (0.5, 0.25), (1.0, 0.5)])
def test_wrong_labels_hide_nothing(share: float, spoilt: float) -> None:
    """Where labels make the test fail, the second opinion says so: no set is acquitted."""
    rng = np.random.default_rng(4)
    found = [audit(rng, share=share, spoilt=spoilt) for _ in range(150)]
    acquitted = [one.kind == "agree" and one.free.p_value > 0.05 for one in found]
    assert np.mean(acquitted) <= 0.05
    assert np.mean([one.kind in ("only-free", "labels-lower") for one in found]) > 0.75


def test_members_with_true_labels_are_found_by_both() -> None:
    assert rate({"agree"}, share=1.0) > 0.95


def a_test(p_value: float, average: float) -> SetTest:
    return SetTest(p_value=p_value, average=average, effect=0.5, needed=0.6, at_least=0, compared=9, guarantee="each")


@pytest.mark.parametrize(
    ("labelled", "free", "ratio", "level", "kind"),
    [
        (0.01, 0.04, None, None, "agree"),
        (0.01, 0.06, None, None, "only-labelled"),
        (0.01, 0.06, None, 0.1, "agree"),
        (0.01, 0.04, Ratio(value=0.7, raised=0.001, lowered=0.9), None, "labels-raise"),
        (0.2, 0.04, None, None, "only-free"),
        (0.2, 0.3, Ratio(value=0.7, raised=0.9, lowered=0.01), None, "labels-lower"),
        (0.2, 0.3, Ratio(value=0.7, raised=0.001, lowered=0.9), None, "agree"),
    ],
)
def test_every_opinion_for_its_reason(
    labelled: float, free: float, ratio: Ratio | None, level: float | None, kind: Opinion
) -> None:
    found = second_opinion(a_test(labelled, labelled), a_test(free, free), ratio, alpha=0.05, level=level)
    assert found.kind == kind


def test_no_ratio_is_made_of_nothing() -> None:
    rng = np.random.default_rng(3)
    same = HeldOut.of(rng.normal(size=100), rng.normal(size=100))
    strong = HeldOut.of(rng.normal(3, 1, 100), rng.normal(size=100))
    asked = rng.normal(size=50)
    assert compare_effects((asked, HeldOut.of(-np.ones(100), np.ones(100))), (asked, strong)) is None
    assert compare_effects((asked[:1], strong), (asked[:1], strong)) is None
    assert compare_effects((asked, strong), (asked, strong)) == Ratio(value=1.0, raised=1.0, lowered=1.0)
    with pytest.raises(ValueError, match="of the same images"):
        compare_effects((asked, strong), (asked[:9], same))
