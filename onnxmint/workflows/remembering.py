"""A step of an audit: what was tried before with this evidence; who repeats until something is found proves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnxmint.results.audit import AuditResult, TriesFacts, TryFacts, VerdictKind
from onnxmint.writing.tries import record, recorded

_KINDS: tuple[VerdictKind, ...] = ("members-found", "no-evidence", "inconclusive")
_NAMED = 5  # earlier audits that a sentence names
UNRECORDED = "Whether this evidence was tried before, with another seed, module or layer, was not looked up."


def remembered(result: AuditResult, file: Path | None) -> AuditResult:
    """Return an audit with what was tried before with its evidence, and record it; the same again is no new try.

    Args:
        result: the audit.
        file: the record; None neither looks up nor records, and says so.
    """
    if file is None:
        return replace(result, warnings=(*result.warnings, UNRECORDED))
    how = _how(result)
    every = [line for line in recorded(file) if line.get("evidence") == result.identity.evidence]
    same = [line for line in every if line.get("questioned") == result.identity.questioned]
    before = tuple(found for line in same if line.get("how") != how and (found := _try(line)) is not None)
    others = len({str(line.get("questioned")) for line in every} - {result.identity.questioned})
    kept = any(line.get("how") == how for line in same) or record(file, _line(result, how))
    tries = TriesFacts(before=before, others=others, corrected=_corrected(result, before))
    said = (
        [] if kept else [f"This audit could not be recorded in {file.parent}, so that later ones will not know of it."]
    )
    return replace(result, tries=tries, warnings=(*result.warnings, *_words(tries), *said))


def _how(result: AuditResult) -> str:
    """Return what an audit was made by; of two that agree in it the second is no new try."""
    method, wanted = result.method, result.statistics
    evidence = result.evidence
    used = f"{evidence.members:,} + {evidence.nonmembers:,} known"
    told = "with labels" if method.labels else "without labels"
    return f"{method.title}, {told}, {used}, seed {method.seed}, {method.folds} networks, {wanted.set_test}"


def _line(result: AuditResult, how: str) -> dict[str, Any]:
    verdict = result.verdict
    return {
        "evidence": result.identity.evidence,
        "questioned": result.identity.questioned,
        "how": how,
        "created": result.created,
        "kind": verdict.kind,
        "p_value": verdict.p_value,
    }


def _try(line: Mapping[str, Any]) -> TryFacts | None:
    """Return a line as a value, None where it is none of ours."""
    kind, p_value = line.get("kind"), line.get("p_value")
    if kind not in _KINDS or not isinstance(line.get("how"), str) or not isinstance(line.get("created"), str):
        return None
    number = float(p_value) if isinstance(p_value, int | float) and 0 <= p_value <= 1 else None
    return TryFacts(created=line["created"], how=line["how"], kind=kind, p_value=number)


def _corrected(result: AuditResult, before: Sequence[TryFacts]) -> float | None:
    """Return the smallest p-value of all tries times their number (Bonferroni), None where nothing was tested."""
    found = [p for p in (result.verdict.p_value, *(one.p_value for one in before)) if p is not None]
    return min(1.0, min(found) * len(found)) if found else None


def _words(tries: TriesFacts) -> list[str]:
    if not tries.before:
        return []
    number = len(tries.before) + 1
    named = "; ".join(f"{one.kind} ({_p(one.p_value)}; {one.how})" for one in tries.before[-_NAMED:])
    last = f" (the last {_NAMED})" if len(tries.before) > _NAMED else ""
    return [
        f"This is audit number {number:,} of these images with this evidence on this machine; the earlier ones{last} "
        f"ended: {named}. Whoever tries until something is found will find it: the smallest p-value of all {number:,}, "
        f"times {number:,}, is {_p(tries.corrected)}, and only that may be held against the level."
    ]


def _p(value: float | None) -> str:
    return "nothing tested" if value is None else f"p = {value:.4f}"
