"""When a pipeline is to stop: a rule that is stated, and what it says of an audit."""

from dataclasses import dataclass

from onnxmint.results.audit import AuditResult, VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """What does not pass.

    Attributes:
        on: verdicts that do not.
        share_upper: nor does a share of members whose upper limit exceeds this; None asks for no share.
    """

    on: tuple[VerdictKind, ...] = ("members-found", "inconclusive")
    share_upper: float | None = None

    @property
    def words(self) -> str:
        """Return the rule as it is stated."""
        share = "" if self.share_upper is None else f", share of members at most {self.share_upper:g} (upper limit)"
        return f"not {', '.join(self.on) or 'stopped by any verdict'}{share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What a rule says of an audit.

    Attributes:
        passed: whether the pipeline may go on.
        reasons: why not, each in a line.
        rule: in words.
    """

    passed: bool
    reasons: tuple[str, ...]
    rule: str


def gate_of(result: AuditResult, rule: GateRule) -> GateFacts:
    """Hold an audit against a rule; a share that could not be estimated does not pass a rule on shares."""
    verdict, reasons = result.verdict, []
    if verdict.kind in rule.on:
        reasons.append(f"the verdict is {verdict.kind}")
    share = verdict.share_of_members
    if rule.share_upper is not None and share is None:
        reasons.append("the share of members could not be estimated")
    elif rule.share_upper is not None and share is not None and share.high > rule.share_upper:
        reasons.append(f"the share of members may be {share.high:.3g}, at most {rule.share_upper:g} was allowed")
    return GateFacts(passed=not reasons, reasons=tuple(reasons), rule=rule.words)
