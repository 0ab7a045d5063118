"""Verdicts: every kind for its reason, in words that carry the numbers; tiny sets do not fail."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control, DifficultyFacts
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.metrics import evaluate
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import SecondScores
from onnxmint.verdict.sentences import ASSUMPTION, LEARNED_REFERENCE, NO_REFERENCE, SHARE_ASSUMPTION


def difficulty(*, learned: bool) -> DifficultyFacts:
    auc = Estimate(value=0.5, low=0.4, high=0.6)
    return DifficultyFacts(by="models", learned=learned, labels=True, before=auc, after=auc)


GIVEN = Control(name="reference", passed=True, text="", stops=True, difficulty=difficulty(learned=False))
OTHERS = tuple(
    Control(name=name, passed=True, text="", stops=True) for name in ("placebo", "files", "pixels", "exchangeability")
)


def scores(mean: float, count: int) -> np.ndarray:
    """Return normal scores without chance."""
    return norm.ppf((np.arange(count) + 0.5) / count, loc=mean)


LEVELS = np.repeat(np.arange(10), 50).astype(float)  # of how sure a model is of 500 images


def rising(count: int) -> np.ndarray:
    """Return so many places among LEVELS, the more the higher."""
    return np.random.default_rng(1).choice(500, count, p=(LEVELS + 1) / (LEVELS + 1).sum())


def performance(distance: float) -> Performance:
    return evaluate(scores(distance, 250), scores(0, 250), threshold=0, rng=np.random.default_rng(0), resamples=100)


def verdict(
    asked: np.ndarray,
    *,
    distance: float = 1.5,
    controls: tuple[Control, ...] = (GIVEN, *OTHERS),
    relevant: float = 0.5,
    known: int = 500,
    views: bool = True,
) -> Verdict:
    question = Question(scores=asked, images=len(asked), grouped=False, alpha=0.05, relevant_share=relevant)
    held = HeldOut.of(scores(distance, known), scores(0, known))
    rng = np.random.default_rng(0)  # how sure the model is of a picture tells nothing here
    level, known_level = rng.normal(size=len(asked)), (rng.normal(size=known), rng.normal(size=known))
    others = SecondScores(level=level, known_level=known_level) if views else SecondScores()
    return reach_verdict(question, held, auc=performance(distance).auc, controls=controls, asked=others)


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
    assert "this audit would have noticed in 95% of cases" in found.text


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


@pytest.mark.parametrize("name", ["reference", "placebo", "files", "pixels", "exchangeability"])
def test_a_failed_control_stops_every_verdict(name: str) -> None:
    failed = Control(name=name, passed=False, text="It was the weather.", stops=True)
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
    idle = tuple(replace(control, passed=None) for control in OTHERS[2:])
    text = verdict(scores(1.5, 100), controls=(GIVEN, *OTHERS[:2], *idle)).text
    assert "Controls that were not run could exclude nothing: pixels, exchangeability." in text


def test_a_finding_is_none_where_images_may_have_been_chosen_for_being_easy() -> None:
    """They score high only as far as the model is surer of these pictures wherever they lie."""
    level, known_level, rng = LEVELS[rising(300)], (LEVELS, LEVELS), np.random.default_rng(0)
    held = HeldOut.of(LEVELS + rng.normal(1.5, 1.0, 500), LEVELS + rng.normal(0, 1.0, 500))
    question = Question(
        scores=level + rng.normal(0, 1.0, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5
    )
    easy = SecondScores(level=level, known_level=known_level)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=easy)
    assert found.kind == "inconclusive"
    assert "so would images that were chosen because they are clear, or easy" in found.text
    assert "held-out non-members that the model is equally sure of, p" in found.text
    assert [(one.name, one.finds) for one in found.opinions] == [("whatever the confidence", True)]


def test_what_is_found_beside_equals_alone_may_be_made_differently() -> None:
    """They score no higher than known non-members, but higher than those that the model is as unsure of."""
    level, known_level, rng = 9 - LEVELS[rising(300)], (LEVELS, LEVELS), np.random.default_rng(0)
    held = HeldOut.of(LEVELS + rng.normal(1.5, 1.0, 500), LEVELS + rng.normal(0, 1.0, 500))
    question = Question(
        scores=level + rng.normal(1.5, 1.0, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5
    )
    harder = SecondScores(level=level, known_level=known_level)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=harder)
    assert found.kind == "inconclusive"
    assert "but not than all of them, whatever the model's confidence" in found.text
    assert [(one.name, one.finds) for one in found.opinions] == [("whatever the confidence", False)]


def test_labels_and_confidence_are_left_aside_together() -> None:
    """Without labels the images are compared with those of equal label-free confidence: easy ones gain nothing."""
    level, known_level, rng = LEVELS[rising(300)], (LEVELS, LEVELS), np.random.default_rng(2)
    held = HeldOut.of(LEVELS + rng.normal(1.5, 1.0, 500), LEVELS + rng.normal(0, 1.0, 500))
    asked = SecondScores(
        free=(level + rng.normal(0, 1.0, 300))[:, None], level=rng.normal(size=300), free_level=level,
        known_free=held, known_level=(rng.normal(size=500), rng.normal(size=500)), known_free_level=known_level,
    )  # fmt: skip
    question = Question(scores=LEVELS[::-1][:300] + 1.5, images=300, grouped=False, alpha=0.05, relevant_share=0.5)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=asked)
    assert found.kind == "inconclusive"
    assert ("without labels", False) in [(one.name, one.finds) for one in found.opinions]
    unlevelled = replace(asked, free_level=None)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=unlevelled)
    assert ("without labels", True) in [(one.name, one.finds) for one in found.opinions]


def test_one_view_finds_members_only_with_a_given_reference_that_saw_the_images() -> None:
    asked, learned = scores(1.5, 200), Control(name="reference", passed=True, text="")
    blind = verdict(asked, controls=(learned, *OTHERS), views=False)
    assert blind.kind == "inconclusive"
    assert "this module is shown one view of an image" in blind.text
    auc = Estimate(value=0.5, low=0.45, high=0.55)
    shown = replace(GIVEN, difficulty=replace(difficulty(learned=False), questioned=auc))
    assert verdict(asked, controls=(shown, *OTHERS), views=False).kind == "members-found"


def test_labels_that_the_model_may_have_given_are_doubted() -> None:
    """Scores with labels are high, without them like those of non-members."""
    held = HeldOut.of(scores(1.5, 500), scores(0, 500))
    question = Question(scores=scores(1.5, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5)
    rng = np.random.default_rng(0)
    level = {"level": rng.normal(size=300), "known_level": (rng.normal(size=500), rng.normal(size=500))}
    own = SecondScores(free=rng.permutation(scores(0, 300))[:, None], known_free=held, **level)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=own)
    assert found.kind == "inconclusive"
    assert "Labels that the model itself has given would look the same" in found.text
    assert "an auditor trained with --no-labels asks without them." in found.text
    true = SecondScores(free=question.scores[:, None], known_free=held, **level)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=true)
    assert found.kind == "members-found"
    assert "so they do without their labels. Were none" in found.text
    assert found.preference is not None
    assert found.preference > 1
    assert f"have been chosen {found.preference:.1f} times as often as the others" in found.text


def test_where_no_member_is_known_the_label_free_opinion_must_be_surer() -> None:
    """A label-free p-value between half the level and the level is enough beside known members only."""
    rng, kinds = np.random.default_rng(0), {}
    level = {"level": rng.normal(size=300), "known_level": (rng.normal(size=0), rng.normal(size=500))}
    question = Question(scores=scores(1.5, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5)
    for members in (500, 0):
        held = HeldOut.of(scores(1.5, members), scores(0, 500))
        level["known_level"] = (rng.normal(size=members), level["known_level"][1])
        nearly = SecondScores(free=rng.permutation(scores(0.13, 300))[:, None], known_free=held, **level)
        auc = performance(1.5).auc if members else None
        found = reach_verdict(question, held, auc=auc, controls=(GIVEN, *OTHERS), asked=nearly)
        kinds[members] = next((one.p_value, one.finds) for one in found.opinions if one.name == "without labels")
    assert kinds[0][0] == kinds[500][0]
    assert 0.025 < kinds[0][0] < 0.05
    assert (kinds[500][1], kinds[0][1]) == (True, False)


def test_wrong_labels_do_not_acquit() -> None:
    held = HeldOut.of(scores(1.5, 500), scores(0, 500))
    question = Question(scores=scores(0, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5)
    wrong = SecondScores(free=scores(1.5, 300)[:, None], known_free=held)
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=wrong)
    assert found.kind == "inconclusive"
    assert "wrong labels hide members. Check them; an auditor trained with --no-labels asks without" in found.text


def test_what_could_hide_members_leaves_the_answer_open() -> None:
    moved = Control(name="alignment", passed=False, text="They are surer mirrored.", hides=True)
    found = verdict(scores(0, 300), controls=(GIVEN, *OTHERS, moved))
    assert found.kind == "inconclusive"
    assert "members could go unnoticed. They are surer mirrored." in found.text
    assert verdict(scores(1.5, 200), controls=(GIVEN, *OTHERS, moved)).kind == "members-found"


def test_the_old_rule_says_for_whom_it_holds() -> None:
    held = HeldOut.of(scores(1.5, 500), scores(0, 500))
    rng = np.random.default_rng(0)
    level = SecondScores(level=rng.normal(size=300), known_level=(rng.normal(size=500), rng.normal(size=500)))
    question = Question(
        scores=scores(1.5, 300), images=300, grouped=False, alpha=0.05, relevant_share=0.5, guarantee="average"
    )
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=level)
    assert "on average over auditors" in found.text
    assert found.guarantee == "average"


def test_a_sign_below_the_level_is_not_called_none() -> None:
    question = Question(scores=scores(0.25, 300), images=300, grouped=False, alpha=0.0001, relevant_share=0.5)
    held = HeldOut.of(scores(1.5, 500), scores(0, 500))
    found = reach_verdict(question, held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS))
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


def test_strata_reach_the_whole_verdict() -> None:
    """All questioned images are of the class that scores high: without strata that is a finding."""
    stratum = np.arange(400) % 2
    nonmember = scores(0, 400) + 3 * stratum
    known = HeldOut(
        member=nonmember + 1.5,
        nonmember=nonmember,
        member_fold=np.zeros(400, np.int8),
        nonmember_fold=np.zeros(400, np.int8),
        member_stratum=stratum,
        nonmember_stratum=stratum,
    )
    rng = np.random.default_rng(0)
    level = SecondScores(level=rng.normal(size=200), known_level=(rng.normal(size=400), rng.normal(size=400)))
    asked, one = scores(3, 200), np.ones(200, np.int64)
    within, across = (
        reach_verdict(
            Question(
                scores=asked, images=200, grouped=False, alpha=0.05, relevant_share=0.5, strata=strata,
                like="" if strata is None else "of the same class",
            ),
            held, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=level,
        )
        for strata, held in ((one, known), (None, HeldOut.of(known.member, known.nonmember)))
    )  # fmt: skip
    assert (within.kind, across.kind) == ("no-evidence", "members-found")
    assert within.share_of_members is not None
    assert within.share_of_members.low == 0
    assert "against held-out non-members of the same class and that the model is equally sure of, p" in within.text


def test_strata_reach_the_second_opinions() -> None:
    """Label-free scores of the high class are no second finding either."""
    stratum = np.arange(400) % 2
    nonmember = scores(0, 400) + 3 * stratum
    known = HeldOut(
        member=nonmember + 1.5,
        nonmember=nonmember,
        member_fold=np.zeros(400, np.int8),
        nonmember_fold=np.zeros(400, np.int8),
        member_stratum=stratum,
        nonmember_stratum=stratum,
    )
    free = HeldOut.of(known.member, known.nonmember)
    question = Question(
        scores=scores(4.5, 200), images=200, grouped=False, alpha=0.05, relevant_share=0.5,
        strata=np.ones(200, np.int64), like="of the same class",
    )  # fmt: skip
    asked = SecondScores(free=scores(3, 200)[:, None], known_free=free)
    found = reach_verdict(question, known, auc=performance(1.5).auc, controls=(GIVEN, *OTHERS), asked=asked)
    assert found.kind == "inconclusive"
    assert [(one.name, one.finds) for one in found.opinions] == [("without labels", False)]


def test_without_known_members_nothing_is_excluded() -> None:
    known, rng = HeldOut.of(np.empty(0), scores(0, 500)), np.random.default_rng(0)
    level = SecondScores(level=rng.normal(size=200), known_level=(np.empty(0), rng.normal(size=500)))
    found, none = (
        reach_verdict(
            Question(scores=asked, images=len(asked), grouped=False, alpha=0.05, relevant_share=0.5),
            known, auc=None, controls=(GIVEN, *OTHERS), asked=level,
        )
        for asked in (rng.permutation(scores(0.8, 200)), rng.permutation(scores(0, 200)))
    )  # fmt: skip
    assert (found.kind, none.kind) == ("members-found", "inconclusive")
    assert (found.at_least or 0) > 10
    assert (found.share_of_members, none.detectable_share) == (None, None)
    assert "that members are among them is not excluded, whatever their share" in none.text
    assert "no member is known" in found.text
    assert found.text.endswith(ASSUMPTION)
