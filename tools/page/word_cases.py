"""The words of an answer in every language, for the verdicts that the statistics' cases reach."""

from dataclasses import replace
from typing import Any

import numpy as np
from drawn import Case
from statistics_cases import controls_of, evidence_of, method_of

from onnxmint.page.words import spoken
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.report import answer, sentences
from onnxmint.report.language import NAMES, language
from onnxmint.results.audit import AuditResult, Histogram, IdentityFacts, QuestionedFacts, ScoreTable, Verdict
from onnxmint.results.facts import OpinionFacts, StatisticsFacts, TargetFacts
from onnxmint.results.json import Facts
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.share import PowerCost

NUMBERS = (
    0.0,
    0.5,
    1.5,
    2.5,
    0.04,
    0.0999,
    0.1,
    0.125,
    0.5005,
    0.9951,
    1.0,
    12.345,
    1234.5,
    1e-5,
    0.00005,
)


def verdict_of(found: dict[str, Any]) -> Verdict:
    """Return a verdict that lies in the vectors of the statistics."""
    share, cost = found["share_of_members"], found["cost"]
    return Verdict(
        **found
        | {
            "share_of_members": None if share is None else Estimate(**share),
            "cost": None if cost is None else PowerCost(**cost),
            "opinions": tuple(OpinionFacts(**one) for one in found["opinions"]),
            "stopped_by": tuple(found["stopped_by"]),
        }
    )


def result_of(case: Case, verdict: Verdict, *, flagged: int, drawn_from: int | None) -> AuditResult:
    """Return a result with this verdict; what words do not depend on is empty."""
    none = np.empty(0)
    return AuditResult(
        version="",
        created="",
        target=TargetFacts(
            path="", sha256="", input_name="", input_shape=(), input_dtype="", layers=(), device="cpu", provider="",
            device_reason="",
        ),
        preprocess=PreprocessSpec(name=""),
        method=method_of(case),
        statistics=StatisticsFacts(
            p_values="", false_discovery="", set_test="", at_least="", share_of_members="", likelihood_ratio="",
            prior="", units="images",
        ),
        evidence=evidence_of(case),
        identity=IdentityFacts(evidence="", questioned=""),
        performance=None,
        baselines=(),
        questioned=QuestionedFacts(
            images=case.asked, flagged=flagged, alpha=case.alpha, prior=None, drawn_from=drawn_from
        ),
        verdict=verdict,
        controls=tuple(controls_of(case.controls)),
        histogram=Histogram(
            edges=np.array([0.0, 1.0]), member=np.zeros(1, np.int64), nonmember=np.zeros(1, np.int64), questioned=None
        ),
        scores=ScoreTable(
            path=(), score=none, p_value=none, q_value=none, flagged=np.empty(0, np.bool_), likelihood_ratio=None,
            probability=None, label=None, predicted=np.empty(0, np.int64),
        ),
    )  # fmt: skip


def words(case: Case, verdict: Verdict) -> Facts:
    """Return what is said of a verdict, by language."""
    flagged, drawn_from = case.seed % 3, case.asked * 7 if case.seed % 2 else None
    result = result_of(case, verdict, flagged=flagged, drawn_from=drawn_from)
    found: Facts = {}
    for code in NAMES:
        said = language(code)
        found[code] = {
            "name": sentences.verdict_name(verdict.kind, said),
            "sentence": sentences.sentence(result, said),
            "not_meant": answer.not_meant(result, said),
            "error_rate": answer.error_rate(result, said),
            "second": answer.second_opinions(result, said),
            "share": answer.share_shown(result, said).words,
            "noticed": answer.share_shown(result, said).noticed_words,
            "units": answer.units_words(result, said),
            "drawn": answer.drawn_words(result, said),
            "flagged": answer.flagged_words(result, said),
        }
    return found


def numbers() -> Facts:
    """Return numbers as every language writes them."""
    found: Facts = {}
    for code in NAMES:
        said = language(code)
        found[code] = [
            [said.decimal(one, 0), said.decimal(one, 3), said.share(one), said.level(one), said.rounded(one),
             said.bare_p_value(one)]
            for one in NUMBERS
        ]  # fmt: skip
    return found


def written(statistics: list[Facts]) -> Facts:
    """Return the words of some cases, those of one image and of every reason among them."""
    cases, reasons = [], dict[tuple[str, bool, str], int]()
    for one in statistics:
        case, verdict = Case(**one["case"]), verdict_of(one["answer"]["verdict"])  # type: ignore[arg-type, index]
        reason = sentences.reason_of(result_of(case, verdict, flagged=0, drawn_from=None))
        key = (reason, case.asked == 1, verdict.units)
        reasons[key] = reasons.get(key, 0) + 1
        if reasons[key] <= 2:  # noqa: PLR2004 - two of each kind
            cases.append({"seed": case.seed, "words": words(case, verdict)})
    hidden = Case(**statistics[0]["case"])  # type: ignore[arg-type]
    doubtless = replace(verdict_of(statistics[0]["answer"]["verdict"]), preference=None)  # type: ignore[index]
    cases.append({"seed": hidden.seed, "without": "preference", "words": words(hidden, doubtless)})
    return {"numbers": list(NUMBERS), "written": numbers(), "spoken": spoken(), "cases": cases}
