"""Known images made by hand: what they look like, which part each is in, and scores of them."""

from typing import Any

import numpy as np

from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import UNUSED, EvidenceTable, divided
from onnxmint.images.facts import FILE_FACTS, HASH, PIXEL_FACTS, ImageFacts
from onnxmint.images.pixels import THUMB
from onnxmint.verdict.yardstick import HeldOutScores, Yardstick
from tests.sources import InMemory


def facts(count: int, *, seed: int = 0, file: np.ndarray | None = None, pixel: np.ndarray | None = None) -> ImageFacts:
    """Return facts of different images; files and pixels are noise in three columns unless they are given."""
    rng = np.random.default_rng(seed)
    return ImageFacts(
        index=np.arange(count),
        file=(few_columns(rng, count, len(FILE_FACTS)) if file is None else file).astype(np.float32),
        statistics=(few_columns(rng, count, len(PIXEL_FACTS)) if pixel is None else pixel).astype(np.float32),
        place=np.arange(count, dtype=np.int32),
        digest=rng.integers(0, 1 << 63, count, np.uint64),
        phash=rng.integers(0, 1 << 63, count, np.uint64),
        thumb=rng.integers(0, 256, (count, THUMB * THUMB * 3), np.uint8),
        encoded=rng.integers(0, 256, (count, HASH), np.uint8),
        size=np.full(count, 100),
        more=np.zeros(count, np.bool_),
    )


def few_columns(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) noise of which all but three columns are the same for all images."""
    return np.concatenate([rng.normal(size=(count, 3)), np.zeros((count, width - 3))], axis=1)


def known(count: int = 200, *, groups: np.ndarray | None = None, **looks: Any) -> Evidence:
    """Return so many members, then as many non-members, of ten classes, divided."""
    table = EvidenceTable(
        index=np.tile(np.arange(count), 2),
        is_member=np.arange(2 * count) < count,
        labels=np.arange(2 * count) % 10,
        groups=groups,
        part=np.full(2 * count, UNUSED, np.int8),
        fold=np.zeros(2 * count, np.int8),
    )
    return Evidence(
        table=divided(table, np.random.default_rng(0)),
        sources=(InMemory([b""] * count, location="members"), InMemory([b""] * count, location="nonmembers")),
        facts=facts(2 * count, **looks),
    )


def noise(evidence: Evidence, shift: float = 0.0, *, seed: int = 1) -> np.ndarray:
    """Return a normal number for each image, those of members moved."""
    is_member = evidence.table.is_member
    return np.random.default_rng(seed).normal(size=len(is_member)) + shift * is_member


def scored(evidence: Evidence, score: np.ndarray, **options: Any) -> HeldOutScores:
    """Return scores as a module gives them."""
    count = len(score)
    given = {"folds": 1, "surest": -np.abs(noise(evidence, seed=5)), "predicted": np.zeros(count, np.int64)}
    return HeldOutScores(table=evidence.table, score=score, **given | options)


def yardstick(table: EvidenceTable, score: np.ndarray) -> Yardstick:
    """Return all images as held out."""
    count = len(score)
    return Yardstick(
        score=score.astype(np.float32),
        is_member=table.is_member,
        is_test=np.ones(count, np.bool_),
        fold=np.zeros(count, np.int8),
        category=np.zeros(count, np.int32),
        group=None if table.groups is None else table.groups.astype(np.int32),
        number=np.arange(count, dtype=np.int32),
    )
