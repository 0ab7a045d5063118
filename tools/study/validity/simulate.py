"""Simulated audits on scores: how often is a verdict wrong, does an interval cover, is a promise kept?

Scores come from families of distributions or from a pool of real scores; everything after the score is the package's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kstest, norm

from onnxmint.stats import conformal, metrics
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation
from onnxmint.stats.set_test import compare_sets
from onnxmint.stats.share import detectable_share, share_of_members
from onnxmint.stats.strength import Strength
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question

ALPHA = 0.05

Draw = Callable[[np.random.Generator, int, bool], np.ndarray]  # so many scores of members, or of non-members


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where scores come from."""

    name: str
    draw: Draw


def families(auc: float) -> Iterator[Family]:
    """Yield score distributions with about this AUC: light and heavy tails, skewed, a tail of members only, ties."""
    shift = float(np.sqrt(2) * norm.ppf(auc))
    yield Family(name="normal", draw=lambda rng, n, member: rng.normal(shift * member, 1, n))
    yield Family(name="heavy tails", draw=lambda rng, n, member: rng.standard_t(3, n) + 1.2 * shift * member)
    yield Family(name="skewed", draw=lambda rng, n, member: np.exp(rng.normal(shift * member, 1, n)))
    few = 2 * auc - 1  # a member is memorised with this probability, else it looks like a non-member
    yield Family(
        name="few memorised",
        draw=lambda rng, n, member: rng.normal(0, 1, n) + 6 * (rng.random(n) < few) * member,
    )
    yield Family(name="ties", draw=lambda rng, n, member: np.round(rng.normal(shift * member, 1, n), 0))


def pool(name: str, member: np.ndarray, nonmember: np.ndarray) -> Family:
    """Return real scores to draw from, without replacement within one call of `audit`."""
    return Family(name=name, draw=lambda rng, n, side: rng.choice(member if side else nonmember, n, replace=False))


def split_draw(family: Family, rng: np.random.Generator, counts: list[int], member: bool) -> list[np.ndarray]:
    """Draw several disjoint sets of one side at once."""
    drawn = family.draw(rng, sum(counts), member)
    drawn = rng.permutation(drawn)
    return np.split(drawn, np.cumsum(counts)[:-1])


def innocent_audits(family: Family, *, evidence: int, questioned: int, runs: int, seed: int) -> dict[str, Any]:
    """Audit sets without a member; count false verdicts and look at the p-values of single images."""
    rng = np.random.default_rng(seed)
    found, p_set, p_image = 0, [], []
    for _ in range(runs):
        held = evidence // 2
        outside, asked = split_draw(family, rng, [held, questioned], False)
        inside = family.draw(rng, held, True)
        verdict = _verdict(asked, inside, outside, rng)
        found += verdict.kind == "members-found"
        p_set.append(verdict.p_value)
        p_image.append(conformal.p_values(asked[:1], outside, rng=rng)[0])  # smoothed: exactly uniform
    return {
        "family": family.name,
        "evidence": evidence,
        "questioned": questioned,
        "runs": runs,
        "members_found": found / runs,
        "set_below_alpha": float(np.mean(np.array(p_set) <= ALPHA)),
        "image_ks_p": float(kstest(p_image, "uniform").pvalue),
    }


def _verdict(asked: np.ndarray, inside: np.ndarray, outside: np.ndarray, rng: np.random.Generator) -> Any:
    half = len(inside) // 2
    performance = metrics.evaluate(inside[:half], outside[:half], threshold=0.0, rng=rng, resamples=60)
    question = Question(scores=asked, images=len(asked), grouped=False, alpha=ALPHA, relevant_share=0.5)
    return reach_verdict(question, HeldOut.of(inside, outside), auc=performance.auc, controls=())


def cross_fitted_audits(*, evidence: int, questioned: int, features: int, shift: float, runs: int, seed: int) -> dict:
    """Audit innocent sets with logistic regression cross-fitted in five folds on features of little or no signal."""
    from sklearn.linear_model import LogisticRegression

    rng, folds = np.random.default_rng(seed), 5
    p_set, p_image, covered = [], [], 0
    for _ in range(runs):
        inside, outside, asked = (rng.normal(size=(n, features)) for n in (evidence, evidence, questioned))
        inside[:, 0] += shift
        fold = np.arange(evidence) % folds
        score = {True: np.empty(evidence), False: np.empty(evidence)}
        of_asked = np.empty((questioned, folds))
        for number in range(folds):
            learn, held = fold != number, fold == number
            values = np.concatenate([inside[learn], outside[learn]])
            fitted = LogisticRegression(C=0.1).fit(values, np.arange(len(values)) < learn.sum())
            score[True][held] = fitted.decision_function(inside[held])
            score[False][held] = fitted.decision_function(outside[held])
            of_asked[:, number] = fitted.decision_function(asked)
        known = HeldOut(
            member=score[True], nonmember=score[False], member_fold=fold, nonmember_fold=fold,
            inflation=cross_fitting_inflation(folds),
        )  # fmt: skip
        p_set.append(compare_sets(of_asked, known, alpha=ALPHA).p_value)
        p_image.append(conformal.p_values(of_asked[:1], score[False], fold)[0])
        share = share_of_members(of_asked, known)
        covered += share.low <= 0 <= share.high
    return {
        "family": f"cross-fitted, {features} features, shift {shift}",
        "evidence": evidence,
        "questioned": questioned,
        "runs": runs,
        "set_below_alpha": float(np.mean(np.array(p_set) <= ALPHA)),
        "image_below_alpha": float(np.mean(np.array(p_image) <= ALPHA)),
        "share_covers": covered / runs,
    }


def false_discoveries(family: Family, *, evidence: int, questioned: int, share: float, runs: int, seed: int) -> dict:
    """Flag images of mixtures; the share of false flags, averaged over audits."""
    rng = np.random.default_rng(seed)
    rates: dict[str, list[float]] = {method: [] for method in conformal.FALSE_DISCOVERY}
    power: dict[str, list[float]] = {method: [] for method in conformal.FALSE_DISCOVERY}
    members = round(share * questioned)
    for _ in range(runs):
        outside, innocent = split_draw(family, rng, [evidence // 2, questioned - members], False)
        asked = np.concatenate([family.draw(rng, members, True), innocent])
        p = conformal.p_values(asked, outside)
        for method in rates:
            flagged = conformal.q_values(p, method) <= ALPHA
            rates[method].append(flagged[members:].sum() / max(1, flagged.sum()))
            power[method].append(flagged[:members].mean() if members else 0.0)
    return {
        "family": family.name,
        "evidence": evidence,
        "questioned": questioned,
        "share": share,
        "runs": runs,
        "false_discovery_rate": {method: float(np.mean(rate)) for method, rate in rates.items()},
        "found": {method: float(np.mean(rate)) for method, rate in power.items()},
    }


def share_coverage(family: Family, auc: float, *, evidence: int, questioned: int, share: float, runs: int, seed: int):
    """How often does the interval of the share hold the truth, and how wide is it?"""
    rng = np.random.default_rng(seed)
    members, held = round(share * questioned), evidence // 2
    covered, width, error = 0, [], []
    for _ in range(runs):
        outside, innocent = split_draw(family, rng, [held, questioned - members], False)
        inside, guilty = split_draw(family, rng, [held, members], True)
        found = share_of_members(np.concatenate([guilty, innocent]), HeldOut.of(inside, outside))
        covered += found.low <= members / questioned <= found.high
        width.append(found.high - found.low)
        error.append(found.value - share)
    return {
        "family": family.name, "auc": auc, "evidence": evidence, "questioned": questioned, "share": share,
        "runs": runs, "covered": covered / runs, "width": float(np.mean(width)), "bias": float(np.mean(error)),
    }  # fmt: skip


def promises(family: Family, auc: float, *, evidence: int, questioned: int, runs: int, seed: int) -> dict[str, Any]:
    """Make the power statement from the evidence, then audit a set with just that share."""
    rng = np.random.default_rng(seed)
    held, made, kept, shares = evidence // 2, 0, 0, []
    for _ in range(runs):
        outside, innocent = split_draw(family, rng, [held, questioned], False)
        inside, guilty = split_draw(family, rng, [held, questioned], True)
        known = HeldOut.of(inside, outside)
        share = detectable_share(Strength.measured(known), questioned, alpha=ALPHA)
        if share is None:
            continue
        made += 1
        shares.append(share)
        members = int(np.ceil(share * questioned))
        asked = np.concatenate([guilty[:members], innocent[members:]])
        kept += compare_sets(asked, known, alpha=ALPHA).p_value <= ALPHA
    return {
        "family": family.name, "auc": auc, "evidence": evidence, "questioned": questioned, "runs": runs,
        "made": made / runs, "kept": kept / made if made else None, "share": float(np.mean(shares)) if shares else None,
    }  # fmt: skip
