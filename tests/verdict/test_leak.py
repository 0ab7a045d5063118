"""The verdict on a leak: one method chosen before the test part, the number first, and what would settle it."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.results.evaluation import PrivacyFacts
from onnxmint.results.facts import Control, EvidenceFacts
from onnxmint.results.leak import LeakVerdict
from onnxmint.results.methods import Method
from onnxmint.stats.epsilon import PrivacyBound
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.limits import limits_of
from onnxmint.stats.metrics import evaluate
from onnxmint.verdict.leak import judge_leak, judged_method

EVIDENCE = EvidenceFacts(
    members=400, nonmembers=200, fit=300, calibrate=150, test=150, groups=None, accuracy_members=None,
    accuracy_nonmembers=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> Performance:
    rng = np.random.default_rng(0)
    return evaluate(rng.normal(0.5, 1, 100), rng.normal(0, 1, 50), threshold=0, rng=rng, resamples=50)


def _method(name: str, measured: Performance, fit_auc: float | None, low: float, high: float) -> Method:
    auc = Estimate(value=(low + high) / 2, low=low, high=high)
    return Method(
        name=name, kind="signal", title=f"title of {name}", source="", fit_auc=fit_auc,
        performance=replace(measured, auc=auc),
    )  # fmt: skip


def _judge(measured: Performance, low: float, high: float, *limits: str, failed: bool = False) -> LeakVerdict:
    methods = [_method("loss", measured, 0.7, low, high), _method("views", measured, 0.6, 0.9, 0.99)]
    controls = [Control(name="pixels", passed=not failed, text="", stops=True)]
    return judge_leak(methods, controls, limits_of(limits), EVIDENCE)


def test_what_the_test_part_says_does_not_choose(measured: Performance) -> None:
    assert _judge(measured, 0.5, 0.6).method == "loss"
    unlearned = [_method("best", measured, None, 0.9, 0.99), _method("loss", measured, 0.55, 0.4, 0.6)]
    assert "title of views has more, AUC 0.945 (0.900 to 0.990), but it was not" in _judge(measured, 0.5, 0.6).text
    assert "has more" not in _judge(measured, 0.9, 0.95).text
    skipped = Method(name="none", kind="signal", title="", source="", fit_auc=0.9, skipped="needs labels")
    assert judged_method([*unlearned, skipped]).method.name == "loss"


@pytest.mark.parametrize(
    ("low", "high", "kind", "headline"),
    [
        (0.548, 0.652, "leak", "Leak: AUC 0.600 (0.548 to 0.652), from title of loss"),
        (0.498, 0.722, "no-leak-seen", "No leak above AUC 0.722 (95%), by title of loss"),
    ],
)
def test_the_number_comes_first(measured: Performance, low: float, high: float, kind: str, headline: str) -> None:
    found = _judge(measured, low, high)
    assert (found.kind, found.headline, found.bound) == (kind, headline, high)
    assert "chosen on the fit part as the best of 2 methods" in found.text
    assert "100 members and 50 non-members of the test part" in found.text
    assert ("may find more" in found.text) == (kind == "no-leak-seen")


@pytest.mark.parametrize(
    ("low", "high", "kind", "words"),
    [
        (0.50, 0.59, "below", "Below the limit: AUC 0.545, 95% interval 0.500 to 0.590; limit 0.600."),
        (0.61, 0.69, "above", "Above the limit: AUC 0.650, 95% interval 0.610 to 0.690; limit 0.600."),
    ],
)
def test_a_limit_is_decided_in_a_sentence(
    measured: Performance, low: float, high: float, kind: str, words: str
) -> None:
    found = _judge(measured, low, high, "auc=0.6")
    assert found.kind == kind == found.limits[0].decision
    assert found.limits[0].text == words
    assert found.limits[0].members is None
    assert found.headline.startswith(f"Leak {kind} the limit. ")


def test_what_is_not_settled_says_how_many_images_would_do(measured: Performance) -> None:
    (limit,) = _judge(measured, 0.45, 0.65, "auc=0.6").limits
    times = (0.1 * (1 + 1.6449 / 1.96) / 0.05) ** 2
    assert (limit.members, limit.nonmembers) == (5500, 2800)
    assert limit.members / 400 == pytest.approx(times, rel=0.05)
    assert "About 5,500 known members and 2,800 known non-members would settle it in 95 of 100" in limit.text
    (at_it,) = _judge(measured, 0.5, 0.7, "auc=0.6").limits
    assert "so no number of images would settle it" in at_it.text
    (rate,) = _judge(measured, 0.5, 0.7, "tpr@1%=0.05").limits
    assert "Too few false alarms are expected to say more: give at least 8,000 known members and 4,000" in rate.text


def test_a_failed_control_settles_nothing(measured: Performance) -> None:
    for low, high in ((0.5, 0.55), (0.7, 0.8)):
        found = _judge(measured, low, high, "auc=0.6", failed=True)
        assert (found.kind, found.stopped_by) == ("unsettled", ("pixels",))
        assert "A control failed: pixels." in found.limits[0].text
        assert "differ in more than having been trained on (pixels failed)" in found.text


def test_an_epsilon_can_be_refuted_and_never_proved(measured: Performance) -> None:
    methods = [_method("loss", measured, 0.7, 0.5, 0.6)]

    def judged(epsilon: float, *, failed: bool = False) -> LeakVerdict:
        bound = PrivacyBound(epsilon=epsilon, delta=1e-5, confidence=0.95, canaries=90, guesses=60, right=50)
        privacy = PrivacyFacts(bound=bound, by="loss", condition="")
        controls = [Control(name="pixels", passed=not failed, text="", stops=True)]
        return judge_leak(methods, controls, limits_of(["epsilon=1"]), EVIDENCE, privacy)

    assert judged(1.2).kind == "above"
    assert judged(1.2).limits[0].text == "Above the limit: epsilon at least 1.20 (95% confidence); limit 1."
    assert judged(0.0).kind == "unsettled"
    assert "no audit can prove that epsilon is below one" in judged(0.0).limits[0].text
    assert judged(1.2, failed=True).kind == "unsettled"
    for words in ("epsilon=0", "epsilon=inf", "epsilon=nan"):
        with pytest.raises(ValueError, match="a limit on epsilon is a number above 0"):
            limits_of([words])
