"""An audit for each reason that a verdict can have, made of one that found members."""

from dataclasses import replace
from typing import get_args

from onnxmint.report.sentences import Reason
from onnxmint.results.audit import AuditResult, Verdict
from onnxmint.results.facts import Control, OpinionFacts
from onnxmint.stats.estimates import Estimate

REASONS: tuple[Reason, ...] = get_args(Reason)
LANGUAGES = ("en", "de", "fr", "es")
_SHARE = Estimate(value=0.49, low=0.38, high=0.59)
_NONE = Estimate(value=0.02, low=0.0, high=0.124)
_ALL = Estimate(value=0.55, low=0.0, high=1.0)
_FOR = OpinionFacts(name="whatever the confidence", p_value=0.001, finds=True)
_AGAINST = OpinionFacts(name="whatever the confidence", p_value=0.4, finds=False)


def passing() -> tuple[Control, ...]:
    """Return controls that passed."""
    interval = Estimate(value=0.503, low=0.471, high=0.535)
    stopping = (
        Control(name=name, passed=True, text="Nothing.", stops=True, auc=interval) for name in ("reference", "files")
    )
    return (*stopping, Control(name="alignment", passed=None, text="Not needed.", hides=True))


def of_reason(result: AuditResult, reason: Reason, *, images: int = 400) -> AuditResult:
    """Return an audit whose verdict has a reason."""
    asked = replace(result.questioned, images=images)
    found = {"p_value": 1e-9, "share_of_members": _SHARE, "detectable_share": 0.22, "guarantee": "each"}
    unseen = {"p_value": 0.41, "share_of_members": _ALL, "detectable_share": None, "guarantee": "each"}
    verdicts = {
        "found": Verdict(
            kind="members-found", text="", **found, at_least=94, units="groups", preference=2.1,
            opinions=(OpinionFacts(name="without labels", p_value=1e-6, finds=True), _FOR),
        ),
        "none": Verdict(
            kind="no-evidence", text="", p_value=0.7, share_of_members=_NONE, detectable_share=0.25, guarantee="each"
        ),
        "nothing read": Verdict(kind="inconclusive", text=""),
        "stopped": Verdict(kind="inconclusive", text="", **found, stopped_by=("pixels", "exchangeability")),
        "doubted": Verdict(kind="inconclusive", text="", **found, opinions=(_AGAINST,)),
        "too weak": Verdict(kind="inconclusive", text="", **found | {"p_value": 0.07}),
        "nobody known": Verdict(kind="inconclusive", text="", p_value=0.3, guarantee="average"),
        "hidden": Verdict(kind="inconclusive", text="", **unseen | {"detectable_share": 0.2}),
        "blind": Verdict(kind="inconclusive", text="", **unseen),
        "part seen": Verdict(kind="inconclusive", text="", **unseen | {"detectable_share": 0.62}),
    }  # fmt: skip
    controls = passing()
    if reason == "hidden":
        controls = tuple(replace(one, passed=not one.hides) for one in controls)
    if reason == "stopped":
        controls += (Control(name="pixels", passed=False, text="Pixels.", stops=True),)
    evidence = replace(result.evidence, members=0 if reason == "nobody known" else 2000)
    return replace(result, verdict=verdicts[reason], controls=controls, evidence=evidence, questioned=asked)
