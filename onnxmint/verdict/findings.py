"""What a verdict is asked, and all numbers that it rests on."""

from dataclasses import dataclass

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.guarantee import DEFAULT, Guarantee
from onnxmint.stats.heldout import Numbers
from onnxmint.stats.set_test import SetTest
from onnxmint.stats.share import PowerCost
from onnxmint.stats.strength import Strength
from onnxmint.verdict.opinions import Opinions


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a set.

    Attributes:
        scores: (u,) or (u, K) scores of independent units: images, or means of groups.
        images: number of images.
        grouped: whether the units are groups.
        alpha: level of the test.
        relevant_share: share of members that the answer "no evidence" must have been able to notice.
        guarantee: of which auditors the level holds.
        strata: (u,) stratum of each unit, where the known ones have strata too.
        part: of alpha that this look at the set may spend, where there are several; p-values are divided by it.
        like: what units of a stratum have in common, as in "of the same class"; empty without strata.
    """

    scores: FloatArray
    images: int
    grouped: bool
    alpha: float
    relevant_share: float
    guarantee: Guarantee = DEFAULT
    strata: Numbers | None = None
    like: str = ""
    part: float = 1.0

    @property
    def words(self) -> str:
        """Return what was asked about."""
        images = "1 questioned image" if self.images == 1 else f"{self.images:,} questioned images"
        return f"{images} ({len(self.scores):,} when near copies and groups count once)" if self.grouped else images


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All numbers that a verdict rests on; `auc` and `strength` are None where no member is known.

    `equal` says whether the test compares with known images that the model is equally sure of; `detectable` is of that
    test, `strength` of the weakest that a finding needs; `cost` is that of the guarantee in power, for the relevant
    share.
    """

    test: SetTest
    equal: bool
    opinions: Opinions
    share: Estimate | None
    detectable: float | None
    strength: Strength | None
    cost: PowerCost | None = None
    auc: Estimate | None
