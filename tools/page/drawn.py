"""Images and scores that Python and TypeScript draw alike: a few numbers say how to make a case of the statistics."""

from dataclasses import dataclass

import numpy as np

from onnxmint.verdict.yardstick import Yardstick

_WORD = 1 << 32
_CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How a case is made; every draw comes from one row of pseudo-random numbers."""

    seed: int
    members: int
    nonmembers: int
    folds: int
    known_group: int  # images of a group of known ones; 0 without groups
    asked: int
    asked_group: int  # near copies that come together; 0 when all images stand for themselves
    share: float  # of members among the questioned
    shift: float  # of members' scores
    ease: float  # of the questioned images' confidence
    step: float  # to which scores are rounded, so that there are ties; 0 without
    labels: str  # "none", "true", "own", "wrong"
    levels: bool
    alpha: float
    relevant_share: float
    guarantee: str
    controls: str  # "usual", "failed", "none", "learned", "implausible"


class Draws:
    """A row of pseudo-random numbers that every language can make: a linear congruence of 32 bits."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def word(self) -> int:
        """Return the next 32 bits."""
        self._state = (self._state * 1664525 + 1013904223) % _WORD
        return self._state

    def uniform(self) -> float:
        """Return a number below 1."""
        return self.word() / _WORD

    def bell(self) -> float:
        """Return a number around 0."""
        return self.uniform() + self.uniform() + self.uniform() + self.uniform() - 2

    def below(self, count: int) -> int:
        """Return a whole number below another."""
        return int(self.uniform() * count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Columns of some images."""

    score: np.ndarray  # (n, K)
    free: np.ndarray  # (n, K)
    level: np.ndarray  # (n,)
    free_level: np.ndarray  # (n,)
    label: np.ndarray  # (n,)
    predicted: np.ndarray  # (n,)
    digest: np.ndarray  # (n,) uint64


def images(case: Case, draws: Draws, member: list[bool], *, networks: int, asked: bool) -> Images:
    """Draw images; those that are asked about may be easier, and have other labels."""
    scores, frees, levels, free_levels, labels, tops, digests = [], [], [], [], [], [], []
    for inside in member:
        level = draws.bell() + (case.ease if asked else 0)
        base = draws.bell() + level / 4 + (case.shift if inside else 0)
        right = draws.uniform() < (0.95 if inside else 0.75)
        label = draws.below(_CLASSES)
        top = label if right else (label + 1) % _CLASSES
        told = top if asked and case.labels == "own" else (label + 3) % _CLASSES
        label = told if asked and case.labels in ("own", "wrong") else label
        raised = 0.5 if asked and case.labels == "own" else -0.5 if asked and case.labels == "wrong" else 0
        noise = draws.bell() / 4
        row = [base + raised + draws.bell() / 8 for _ in range(networks)]
        scores.append([_rounded(one, case.step) for one in row])
        frees.append([_rounded(one - raised + noise, case.step) for one in row])
        levels.append(level + raised)
        free_levels.append(level)
        labels.append(label)
        tops.append(top)
        digests.append(draws.word() * _WORD + draws.word())
    return Images(
        score=np.array(scores, np.float64).reshape(len(member), networks),
        free=np.array(frees, np.float64).reshape(len(member), networks),
        level=np.array(levels),
        free_level=np.array(free_levels),
        label=np.array(labels, np.int64),
        predicted=np.array(tops, np.int64),
        digest=np.array(digests, np.uint64),
    )


def _rounded(value: float, step: float) -> float:
    return value if step == 0 else int(value / step) * step


def yardstick_of(case: Case, draws: Draws) -> tuple[Yardstick, np.ndarray]:
    """Return held-out known images and their digests."""
    member = [place < case.members for place in range(case.members + case.nonmembers)]
    found = images(case, draws, member, networks=1, asked=False)
    count, side = len(member), np.array(member, np.bool_)
    told, group = case.labels != "none", max(case.known_group, 1)
    yardstick = Yardstick(
        score=found.score[:, 0].astype(np.float32),
        is_member=side,
        is_test=np.arange(count) // 4 % 2 == 0,
        fold=(np.arange(count) // group % case.folds).astype(np.int8),
        category=found.label.astype(np.int32),
        group=(np.arange(count) // group).astype(np.int32) if case.known_group else None,
        number=np.arange(count, dtype=np.int32),
        free=found.free[:, 0].astype(np.float32) if told else None,
        level=found.level.astype(np.float32) if case.levels else None,
        free_level=found.free_level.astype(np.float32) if told and case.levels else None,
        right=found.label == found.predicted,
    )
    return yardstick, found.digest
