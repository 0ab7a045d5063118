"""What would help an audit that cannot tell: ranked, with the numbers of a plan."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control, EvidenceFacts
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.needed import evidence_needed, expected, scaled, smallest_auc, tells_apart
from onnxmint.verdict.next_steps import Standing, foreseen, next_steps
from onnxmint.workflows.planning import plan_measured
from tests.report.conftest import method_facts

BLIND = Verdict(kind="inconclusive", text="", p_value=0.4, detectable_share=None)

EVIDENCE = EvidenceFacts(
    members=600, nonmembers=600, fit=600, calibrate=300, test=300, groups=None, accuracy_members=0.99,
    accuracy_nonmembers=0.9,
)  # fmt: skip


def _standing(auc: float = 0.6, *, low: float = 0.55, verdict: Verdict = BLIND, **changed: object) -> Standing:
    found = Standing(
        verdict=verdict,
        controls=(),
        evidence=EVIDENCE,
        method=replace(method_facts(), name="views", labels=True, views=26, references=()),
        strength=expected(auc, 600, 600),
        auc=Estimate(value=auc, low=low, high=auc + 0.05),
        questioned=100,
        settings=AuditSettings(),
    )
    return replace(found, **changed)  # type: ignore[arg-type]


def test_an_audit_that_sees_what_matters_needs_nothing() -> None:
    seeing = Verdict(kind="no-evidence", text="", p_value=0.4, detectable_share=0.3)
    assert next_steps(_standing(verdict=seeing)) == ()
    weak = replace(seeing, kind="members-found", detectable_share=0.9)
    assert next_steps(_standing(verdict=weak))


def test_numbers_are_those_of_a_plan() -> None:
    found = _standing(low=0.49)
    (known,) = [step for step in next_steps(found) if step.kind in ("known", "questioned")]
    assert found.strength is not None
    assert known.needed == plan_measured(found.strength, 600, share=0.5, alpha=0.05).evidence_needed
    assert (known.there, f"{known.needed:,} known members" in known.text) == (600, True)
    rich = replace(found, strength=expected(0.6, 2000, 2000), auc=Estimate(value=0.6, low=0.55, high=0.65))
    assert rich.strength is not None
    first, second = (step for step in next_steps(rich) if step.kind in ("known", "questioned"))
    assert (first.kind, first.needed, second.kind) == ("known", 1200, "questioned")
    assert second.needed == plan_measured(rich.strength, 2000, share=0.5, alpha=0.05).questioned_needed[0]
    assert second.needed is not None
    assert int(first.text.split("then ")[1].split()[0].replace(",", "")) < second.needed


def test_labels_come_first_where_there_are_none_and_what_failed_before_them() -> None:
    blind = _standing(low=0.49)
    unlabelled = replace(blind, method=replace(blind.method, labels=False, views=2))
    assert [step.kind for step in next_steps(unlabelled)] == ["labels", "known", "views", "references"]
    failed = Control(name="plausibility", passed=False, text="")
    stopped = replace(unlabelled, controls=(failed,), verdict=replace(BLIND, stopped_by=("pixels",)))
    assert [step.kind for step in next_steps(stopped)][:3] == ["preprocessing", "controls", "labels"]
    assert "(pixels)" in next_steps(stopped)[1].text


def test_a_number_that_nobody_would_bring_comes_last() -> None:
    tight = next_steps(_standing(0.51, low=0.49, strength=expected(0.51, 600, 600)))
    assert [step.kind for step in tight] == ["references", "known"]
    assert (tight[-1].needed or 0) > 10 * 600
    assert [step.kind for step in next_steps(_standing(low=0.49))] == ["known", "references"]


def test_without_any_difference_more_known_images_are_no_remedy() -> None:
    found = next_steps(_standing(0.48, low=0.4, strength=replace(expected(0.55, 600, 600), effect=-0.02)))
    (known,) = [step for step in found if step.kind == "known"]
    assert "would hardly help: members do not stand out at all (AUC 0.48, at most 0.53)" in known.text
    assert known.needed is None


def test_without_known_members_no_number_is_told() -> None:
    kinds = [step.kind for step in next_steps(replace(_standing(), strength=None, auc=None))]
    assert kinds == ["references"]


@given(st.floats(0.52, 0.9), st.integers(20, 5000))
@settings(deadline=None, max_examples=15)
def test_the_evidence_needed_is_just_enough(auc: float, known: int) -> None:
    strength = expected(auc, known, known)
    needed = evidence_needed(strength, known, 1.0, 0.05)
    if needed is not None:
        assert tells_apart(scaled(strength, needed / known))


@pytest.mark.parametrize(("known", "auc"), [(60, 0.88), (600, 0.62), (2000, 0.57)])
def test_what_few_known_images_can_show_is_known_before(known: int, auc: float) -> None:
    assert smallest_auc(known, known) == pytest.approx(auc, abs=0.01)


def test_what_is_known_before_anything_is_shown() -> None:
    def kinds(members: int, *, labelled: bool, questioned: int) -> list[str]:
        found = foreseen(
            members=members, nonmembers=members, labelled=labelled, questioned=questioned, references=False,
            settings=AuditSettings(),
        )  # fmt: skip
        return [step.kind for step in found]

    assert kinds(2000, labelled=True, questioned=1000) == []
    assert kinds(2000, labelled=False, questioned=1000) == ["labels", "references"]
    assert kinds(150, labelled=True, questioned=12) == ["known", "questioned", "references"]
