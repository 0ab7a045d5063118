"""Difficulty: "members" that nobody trained on against non-members that are merely harder images.

Hard is what a third model finds hard. The target has seen none of these images; what it "detects" is difficulty, and an
audit must say so: by references that are given, or by small classifiers learned from the known images.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import real

from onnxmint.mint.difficulty import cross_fitted_log_odds
from onnxmint.results.audit import Control
from onnxmint.stats import metrics
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.two_sample import auc_of
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question

THIRD, REFERENCES = "cifar10-small", ("cifar10-small-augment", "cifar10-small-nodropout")
_HALF = 0.5


def rows(shared: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield, for each target and size, how often controls catch it and what the verdict is with and without."""
    for target in ("cifar10-paper",) if quick else ("cifar10-paper", "cifar10-resnet20", "cifar10-large-nhwc"):
        _, nonmembers, table = real.sides(target, shared, 600 if quick else 9000, np.random.default_rng(0))
        pixels, labels = real.data.pixels(table, nonmembers), real.data.labels(table, nonmembers)
        phi = {name: real.log_odds(name, shared, pixels, labels)[:, 0] for name in (target, THIRD, *REFERENCES)}
        for count, runs, learned in (
            ((100, 2, 0),) if quick else ((500, 200, 0), (1000, 200, 0), (500, 10, 10), (1000, 10, 10))
        ):
            yield _measure(target, phi, pixels, labels, count=count, runs=runs, learned=bool(learned))


def _measure(
    target: str,
    phi: dict[str, np.ndarray],
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    count: int,
    runs: int,
    learned: bool,
) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    hard = phi[THIRD] < np.median(phi[THIRD])
    caught, false, without, aucs = 0, 0, 0, []
    for run in range(runs):
        others = rng.permutation(np.flatnonzero(hard))[:count]
        rest = rng.permutation(np.setdiff1d(np.arange(len(hard)), others))
        claimed, asked = rest[:count], rest[count : count + 300]
        easy = (
            _learned(pixels, labels, claimed, others, run)
            if learned
            else HeldOut.of(*(np.mean([phi[name][side] for name in REFERENCES], axis=0) for side in (claimed, others)))
        )
        reference = auc_of(easy)
        passed = reference.low <= _HALF
        control = Control(name="reference", passed=passed, text="", auc=reference)
        kinds = [_verdict(phi[target], claimed, others, asked, controls, rng) for controls in ((control,), ())]
        caught += not passed
        false += kinds[0] == "members-found"
        without += kinds[1] == "members-found"
        aucs.append([metrics.auc(phi[target][claimed], phi[target][others]), reference.value])
    target_auc, reference_auc = np.mean(aucs, axis=0).tolist()
    return {
        "target": target, "reference": "learned" if learned else "given", "evidence": count, "runs": runs,
        "caught": caught / runs, "members_found": false / runs, "members_found_without_control": without / runs,
        "target_auc": target_auc, "reference_auc": reference_auc,
    }  # fmt: skip


def _learned(pixels: np.ndarray, labels: np.ndarray, claimed: np.ndarray, others: np.ndarray, seed: int) -> HeldOut:
    chosen = np.concatenate([claimed, others])
    is_member = np.arange(len(chosen)) < len(claimed)
    fold = np.arange(len(chosen)) % 2
    images = np.ascontiguousarray(pixels[chosen].transpose(0, 3, 1, 2))
    score = cross_fitted_log_odds(images, labels[chosen], fold, seed=seed, advance=lambda steps: None)
    return HeldOut(
        member=score[is_member], nonmember=score[~is_member], member_fold=fold[is_member],
        nonmember_fold=fold[~is_member],
    )  # fmt: skip


def _verdict(
    phi: np.ndarray, claimed: np.ndarray, others: np.ndarray, asked: np.ndarray, controls: Any, rng: Any
) -> str:
    inside, outside = phi[claimed], phi[others]
    half = len(inside) // 2
    performance = metrics.evaluate(inside[:half], outside[:half], threshold=0.0, rng=rng, resamples=60)
    question = Question(scores=phi[asked], images=len(asked), grouped=False, alpha=0.05, relevant_share=0.5)
    return reach_verdict(question, HeldOut.of(inside, outside), auc=performance.auc, controls=controls).kind
