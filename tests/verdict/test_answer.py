"""Verdicts: every kind for its reason, in words that carry the numbers; tiny sets do not fail."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control, DifficultyFacts
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.gate import Gate
from onnxmint.stats.guarantee import Guarantee
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.metrics import evaluate
from onnxmint.verdict.answer import Question, reach_verdict
from onnxmint.verdict.words import ASSUMPTION, LEARNED_REFERENCE, NO_REFERENCE, SHARE_ASSUMPTION


def difficulty(*, learned: bool) -> DifficultyFacts:
    auc = Estimate(value=0.5, low=0.4, high=0.6)
    return DifficultyFacts(by="models", learned=learned, labels=True, before=auc, after=auc)


GIVEN = Control(name="reference", passed=True, stops=True, text="", difficulty=difficulty(learned=False))
NAMES = ("placebo", "files", "pixels", "exchangeability", "labels")
OTHERS = tuple(Control(name=name, passed=True, stops=True, text="") for name in NAMES)


def scores(mean: float, count: int) -> np.ndarray:
    """Return normal scores without chance."""
    return norm.ppf((np.arange(count) + 0.5) / count, loc=mean)


def performance(distance: float) -> Performance:
    return evaluate(scores(distance, 250), scores(0, 250), threshold=0, rng=np.random.default_rng(0), resamples=100)


def verdict(
    asked: np.ndarray,
    *,
    distance: float = 1.5,
    controls: tuple[Control, ...] = (GIVEN, *OTHERS),
    relevant: float = 0.5,
    known: int = 500,
    guarantee: Guarantee = "each",
    **more: Any,
) -> Verdict:
    question = Question(
        scores=asked, images=len(asked), grouped=False, alpha=0.05, relevant_share=relevant, guarantee=guarantee
    )
    held = HeldOut.of(scores(distance, known), scores(0, known))
    return reach_verdict(question, held, performance=performance(distance), controls=controls, **more)


def test_members_are_found_with_their_share_and_number() -> None:
    found = verdict(np.concatenate([scores(1.5, 100), scores(0, 100)]))
    assert found.kind == "members-found"
    assert found.share_of_members is not None
    assert found.share_of_members.low < 0.5 < found.share_of_members.high
    assert 0 < (found.at_least or 0) <= 100
    assert f"at least {found.at_least} of the images were" in found.text
    assert found.text.endswith(f"{ASSUMPTION} {SHARE_ASSUMPTION}")
    assert NO_REFERENCE not in found.text


def test_nothing_is_no_evidence_where_it_would_have_been_seen() -> None:
    found = verdict(scores(0, 300))
    assert found.kind == "no-evidence"
    assert found.detectable_share is not None
    assert found.detectable_share < 0.5
    assert "audits made like this one would have found it in 95% of cases, lucky and unlucky ones" in found.text


def test_nothing_is_inconclusive_where_it_would_not_have_been_seen() -> None:
    found = verdict(scores(0, 300), relevant=0.01)
    assert found.kind == "inconclusive"
    assert "No number of questioned images would do" in found.text
    few = verdict(scores(0, 10))
    assert few.kind == "inconclusive"
    assert "a share of 50% would be found in 95% of cases" in few.text


def test_an_audit_that_sees_nothing_says_so() -> None:
    found = verdict(scores(3, 300), distance=0.0)
    assert found.kind == "inconclusive"
    assert "could not tell members of the training set from non-members" in found.text
    assert found.share_of_members is None


@pytest.mark.parametrize("name", ["reference", *NAMES])
def test_a_failed_control_stops_every_verdict(name: str) -> None:
    failed = Control(name=name, passed=False, stops=True, text="It was the weather.")
    for asked in (scores(1.5, 200), scores(0, 200)):
        found = verdict(asked, controls=(failed,))
        assert (found.kind, found.stopped_by) == ("inconclusive", (name,))
        assert "It was the weather." in found.text


@pytest.mark.parametrize("name", ["duplicates", "plausibility"])
def test_other_controls_inform_only(name: str) -> None:
    found = verdict(scores(1.5, 200), controls=(GIVEN, Control(name=name, passed=False, text="")))
    assert found.kind == "members-found"


def test_what_was_not_excluded_is_said() -> None:
    off = Control(name="reference", passed=None, text="Not run.")
    learned = Control(name="reference", passed=True, text="", difficulty=difficulty(learned=True))
    assert NO_REFERENCE in verdict(scores(1.5, 100), controls=(off,)).text
    assert NO_REFERENCE in verdict(scores(1.5, 100), controls=()).text
    assert LEARNED_REFERENCE in verdict(scores(1.5, 100), controls=(learned, *OTHERS)).text
    assert "could exclude nothing" not in verdict(scores(1.5, 100)).text
    missing = [Control(name=name, passed=None, stops=True, text="Not run.") for name in ("pixels", "labels")]
    text = verdict(scores(1.5, 100), controls=(GIVEN, *OTHERS[:2], *missing)).text
    assert "Controls that were not run or could not look could exclude nothing: pixels, labels." in text


def test_a_sign_below_the_level_is_not_called_none() -> None:
    question = Question(scores=scores(0.25, 300), images=300, grouped=False, alpha=0.0001, relevant_share=0.5)
    held = HeldOut.of(scores(1.5, 500), scores(0, 500))
    found = reach_verdict(question, held, performance=performance(1.5), controls=(GIVEN, *OTHERS))
    assert found.kind == "inconclusive"
    assert "There is a sign that some of the 300 questioned images" in found.text


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_tiny_sets_get_an_answer(count: int) -> None:
    found = verdict(scores(5.0, count))
    assert found.kind in ("members-found", "inconclusive")
    if count == 1:
        assert found.share_of_members is None
        assert "The 1 questioned image" in found.text


def test_a_target_on_wrong_pixels_is_said_before_anything_else() -> None:
    wrong = Control(name="plausibility", passed=False, text="The model is right on 9%. The declared 0-255 is wrong.")
    found = verdict(scores(0, 300), distance=0.0, controls=(GIVEN, *OTHERS, wrong))
    assert found.kind == "inconclusive"
    assert found.text.startswith("First of all: The model is right on 9%. The declared 0-255 is wrong. The rest holds")


def test_no_share_is_spoken_of_where_none_is_stated() -> None:
    found = verdict(scores(0, 300), distance=0.0)
    assert (found.share_of_members, found.detectable_share) == (None, None)
    assert found.text.endswith(ASSUMPTION)


def test_the_level_is_said_with_those_for_whom_it_holds() -> None:
    asked = np.concatenate([scores(1.5, 40), scores(0, 160)])
    each, average = (verdict(asked, guarantee=kind) for kind in ("each", "average"))
    assert "at most 5 of 100 such sets so; that holds for 95% of audits made like this one" in each.text
    assert "at most 5 of 100 such sets so on average; one that drew unlucky known images, more" in average.text
    assert each.p_value is not None
    assert each.average_p_value == average.p_value == average.average_p_value
    assert each.p_value > (each.average_p_value or 0)


def test_the_selection_that_a_finding_stands_up_to_is_said() -> None:
    found = verdict(np.concatenate([scores(1.5, 150), scores(0, 150)]))
    assert found.sensitivity is not None
    assert found.sensitivity.preference > 1.2
    assert f"had been {found.sensitivity.preference:.2f} times as likely to be chosen as hard ones" in found.text
    assert verdict(scores(0, 300)).sensitivity is None


@pytest.mark.parametrize(("low", "kind"), [(0.45, "inconclusive"), (0.55, "members-found")])
def test_a_gate_decides_whether_members_can_be_told(low: float, kind: str) -> None:
    """Whatever the performance on the yardstick is, which the set test shares."""
    gate = Gate(auc=Estimate(value=0.6, low=low, high=0.65), members=250, nonmembers=250)
    found = verdict(scores(1.5, 200), gate=gate)
    assert found.kind == kind
    assert "AUC 0.600" in found.text


def in_classes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of two classes that differ, and the class of each."""
    stratum = np.arange(count) % 2
    return scores(0, count) + 3 * stratum, stratum


def test_strata_reach_the_whole_verdict() -> None:
    """All questioned images are of the class that scores high: without strata that is a finding."""
    nonmember, stratum = in_classes(400)
    known = HeldOut(
        member=nonmember + 1.5,
        nonmember=nonmember,
        member_fold=np.zeros(400, np.int8),
        nonmember_fold=np.zeros(400, np.int8),
        member_stratum=stratum,
        nonmember_stratum=stratum,
    )
    bare = HeldOut.of(known.member, known.nonmember)
    asked, one = scores(3, 200), np.ones(200, np.int64)
    within, across = (
        reach_verdict(
            Question(
                scores=asked, images=200, grouped=False, alpha=0.05, relevant_share=0.5, strata=strata,
                like="" if strata is None else "of the same class",
            ),
            held, performance=performance(1.5), controls=(GIVEN, *OTHERS),
        )
        for strata, held in ((one, known), (None, bare))
    )  # fmt: skip
    assert (within.kind, across.kind) == ("no-evidence", "members-found")
    assert within.share_of_members is not None
    assert within.share_of_members.low == 0
    assert "against held-out non-members of the same class, p" in within.text


def test_without_known_members_nothing_is_excluded() -> None:
    known = HeldOut.of(np.empty(0), scores(0, 500))
    found, none = (
        reach_verdict(
            Question(scores=asked, images=len(asked), grouped=False, alpha=0.05, relevant_share=0.5),
            known, performance=None, controls=(GIVEN, *OTHERS),
        )
        for asked in (scores(0.8, 200), scores(0, 200))
    )  # fmt: skip
    assert (found.kind, none.kind) == ("members-found", "inconclusive")
    assert (found.at_least or 0) > 10
    assert (found.share_of_members, none.detectable_share) == (None, None)
    assert "that members are among them is not excluded, whatever their share" in none.text
    assert found.text.endswith(ASSUMPTION)


def with_free(asked: np.ndarray, free: np.ndarray) -> Verdict:
    return verdict(asked, free=(free, HeldOut.of(scores(1.2, 500), scores(0, 500))))


def test_members_that_only_labels_show_are_not_found() -> None:
    found = with_free(scores(1.0, 200), scores(0, 200))
    assert found.kind == "inconclusive"
    assert found.opinion is not None
    assert found.opinion.kind == "only-labelled"
    assert "Labels that the model itself gave" in found.text
    assert with_free(scores(1.5, 200), scores(1.2, 200)).kind == "members-found"


def test_no_set_is_acquitted_whose_labels_hide_something() -> None:
    hidden = with_free(scores(-0.5, 300), scores(1.2, 300))
    assert (hidden.kind, hidden.opinion and hidden.opinion.kind) == ("inconclusive", "only-free")
    assert "Wrong labels do that to images that were trained on" in hidden.text
    lowered = with_free(scores(-0.8, 300), scores(0.05, 300))
    assert (lowered.kind, lowered.opinion and lowered.opinion.kind) == ("inconclusive", "labels-lower")
    assert with_free(scores(0, 300), scores(0, 300)).kind == "no-evidence"
