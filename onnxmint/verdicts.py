"""From numbers to an answer about the set of questioned images, in words that say what they rest on."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.results import Verdict
from onnxmint.stats.estimates import Performance
from onnxmint.stats.set_test import SetTest, compare_sets

CHANCE = 0.5
_ENOUGH_POWER = 0.8
ASSUMPTION = (
    "This holds if the questioned images, had they not been trained on, would be images like the known non-members "
    "(same source, same preparation); no test after the fact can prove that."
)


def reach_verdict(
    questioned: NDArray[np.float64],
    calibration: NDArray[np.float64],
    test_members: NDArray[np.float64],
    *,
    performance: Performance,
    alpha: float,
    rng: np.random.Generator,
    questioned_groups: NDArray[np.int64] | None = None,
    calibration_groups: NDArray[np.int32] | None = None,
) -> Verdict:
    """Say whether members are among the questioned images.

    Args:
        questioned: (q,) scores.
        calibration: (n,) scores of non-members held out from fitting.
        test_members: (m,) scores of members held out from fitting.
        performance: of this score on the test part.
        alpha: level of the test.
        rng: source of the simulated power.
        questioned_groups: (q,) groups of images that are not independent.
        calibration_groups: (n,) the same.
    """
    if len(questioned) == 0:
        return Verdict(
            kind="inconclusive", p_value=None, text="No questioned image could be read, so nothing was tested."
        )
    found = compare_sets(
        questioned,
        calibration,
        heldout_member=test_members,
        alpha=alpha,
        rng=rng,
        questioned_groups=questioned_groups,
        nonmember_groups=calibration_groups,
    )
    kind, text = _judge(found, performance, alpha, len(questioned))
    return Verdict(kind=kind, text=f"{text} {ASSUMPTION}", p_value=found.p_value)


def _judge(found: SetTest, performance: Performance, alpha: float, count: int) -> tuple[str, str]:
    auc = performance.auc
    measured = f"AUC {auc.value:.3f}, 95% interval {auc.low:.3f} to {auc.high:.3f}"
    images = "1 questioned image" if count == 1 else f"{count:,} questioned images"
    if auc.low <= CHANCE:
        return "inconclusive", (
            f"On images it had not seen, this audit could not tell members of the training set from non-members "
            f"({measured}; 0.5 is chance), so it can say nothing about the {images}. More evidence, another layer or "
            "module may help; or this model gives its training images away too little."
        )
    compared = f"one-sided Mann-Whitney test against held-out non-members, p {_p(found.p_value)}"
    if found.p_value <= alpha:
        return "members-found", (
            f"Some of the {images} were in the model's training set: as a set they score higher than images that were "
            f"not trained on ({compared}). Were none of them trained on, a set would be called so at most "
            f"{alpha:.0%} of the time. How many and which ones is another question: single images can be told "
            f"apart only as well as {measured}."
        )
    power = f"{found.power_all_members:.0%}"
    if found.power_all_members < _ENOUGH_POWER:
        return "inconclusive", (
            f"The {images} do not score higher than images that were not trained on ({compared}), but so few would "
            f"have been noticed in only {power} of cases even if all were members ({measured}). More questioned "
            "images or more evidence would settle it."
        )
    return "no-evidence", (
        f"The {images} do not score higher than images that were not trained on ({compared}). Had all of them been "
        f"trained on, this audit would have noticed in {power} of cases ({measured}); a small share of members can "
        "still be among them unnoticed."
    )


def _p(value: float) -> str:
    floor = 1e-4
    return "< 0.0001" if value < floor else f"= {value:.4f}"
