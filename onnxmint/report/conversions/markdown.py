"""Markdown: a section for a pull request, a model card or a ticket."""

import re

from onnxmint.report.names import visible
from onnxmint.report.registration import registration_words
from onnxmint.results.audit import AuditResult
from onnxmint.results.facts import Control
from onnxmint.results.gate import GateRule, gate_of

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@$])")
OUTCOMES = {True: "passed", False: "failed", None: "not run"}


def markdown(result: AuditResult, rule: GateRule) -> str:
    """Return an audit as a section of Markdown; what comes from files or users is text there, whatever it holds."""
    gate = gate_of(result, rule)
    gated = "passed" if gate.passed else f"did not pass: {'; '.join(gate.reasons)}"
    return f"{model_card(result, rule)}\nGate ({escaped(gate.rule)}): {escaped(gated)}.\n"


def model_card(result: AuditResult, _: GateRule) -> str:
    """Return the section without the gate, whose rule is not the model's."""
    verdict = result.verdict
    rows = "\n".join(f"| {name} | {escaped(value)} |" for name, value in _numbers(result))
    lines = [
        f"## Membership audit: {escaped(verdict.kind)}",
        escaped(verdict.text),
        f"| | |\n| --- | --- |\n{rows}",
        "### Other explanations",
        "| control | outcome | what was found |\n| --- | --- | --- |\n" + "\n".join(map(_row, result.controls)),
        "An audit says which images a model was trained on, with error rates; it is no legal advice.",
    ]
    return "\n\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))


def _row(control: Control) -> str:
    return f"| {escaped(control.name)} | {OUTCOMES[control.passed]} | {escaped(control.text)} |"


def _numbers(result: AuditResult) -> list[tuple[str, str]]:
    verdict, asked, share = result.verdict, result.questioned, result.verdict.share_of_members
    return [
        ("model", f"{result.target.path}, SHA-256 {result.target.sha256}"),
        ("questioned images", f"{asked.images:,} judged, {asked.left_out:,} skipped"),
        (
            "share of members",
            "not estimated" if share is None else f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})",
        ),
        ("members at least", "none" if not verdict.at_least else f"{verdict.at_least:,} {verdict.units}"),
        ("p-value of the set", "none" if verdict.p_value is None else f"{verdict.p_value:.3g} (level {asked.alpha:g})"),
        ("registered before", registration_words(result.registration)),
        ("onnxmint", f"{result.version}, {result.created}"),
    ]
