"""What controls look at, made by hand: known images, scores of them, questioned images; and a reference model."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
from PIL import Image

from onnxmint.controls.seen import Asked, Seen, Twin
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.questioned import Questioned
from onnxmint.evidence.table import UNUSED, EvidenceTable, divided
from onnxmint.images.facts import FILE_FACTS, PIXEL_FACTS, ImageFacts
from onnxmint.images.pixels import THUMB
from onnxmint.results.facts import EvidenceFacts
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import Scored, Traces, Yardstick
from tests.conftest import DEMO
from tests.sources import InMemory

NONE = Copies(known=400, on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=())


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
    )


def few_columns(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) noise of which all but three columns are the same for all images."""
    return rng.normal(size=(count, width)) * (np.arange(width) < 3)


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


def scored(evidence: Evidence, score: np.ndarray, **options: Any) -> Scored:
    """Return scores as a module gives them."""
    count = len(score)
    given = {"folds": 1, "surest": -np.abs(noise(evidence, seed=5)), "predicted": np.zeros(count, np.int64)}
    return Scored(table=evidence.table, score=score, **given | options)


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


def twin(evidence: Evidence, score: np.ndarray, **options: Any) -> Twin:
    """Return what a twin gave on all images."""
    given = {"surest": -np.abs(noise(evidence, seed=6))} | options
    return Twin(
        scored=scored(evidence, score, **given),
        yardstick=yardstick(evidence.table, score),
        row=np.arange(len(score)),
    )


def counted(evidence: Evidence, **options: Any) -> EvidenceFacts:
    """Return numbers of the evidence, of a target that is right on almost all of it."""
    inside = int(evidence.table.is_member.sum())
    given = {
        "members": inside, "nonmembers": len(evidence.table.index) - inside, "fit": 200, "calibrate": 100, "test": 100,
        "groups": None, "accuracy_members": 0.99, "accuracy_nonmembers": 0.91,
    }  # fmt: skip
    return EvidenceFacts(**given | options)


def seen(evidence: Evidence, **options: Any) -> Seen:
    """Return what is known of the evidence."""
    return Seen(**{"evidence": evidence, "copies": NONE, "facts": counted(evidence), "classes": 10} | options)


def asked(
    evidence: Evidence,
    features: tuple[Any, np.ndarray],
    *,
    easy: Any = None,
    difficulty: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Asked:
    """Return what is known of questioned images.

    Args:
        evidence: the known ones.
        features: of the questioned images (or why there are none), and of the first known non-members.
        easy: how easy questioned images are.
        difficulty: (n,) how easy the first known non-members are.
        groups: of the questioned images.
    """
    count = len(features[0]) if isinstance(features[0], np.ndarray) else 100
    looks, source = facts(count, seed=9), InMemory([b""] * count, location="asked")
    names = source.entries()
    if groups is not None:
        names = tuple(replace(name, group=str(group)) for name, group in zip(names, groups.tolist(), strict=True))
    measured = yardstick(evidence.table, noise(evidence, 1.0))
    outside = np.flatnonzero(~evidence.table.is_member).astype(np.int32)
    odds = np.empty(0, np.float32) if difficulty is None else difficulty.astype(np.float32)
    rng = np.random.default_rng(0)
    return Asked(
        questioned=Questioned(
            source=source, entries=names, labels=None, facts=looks, described=looks.described,
            known=(), known_row=np.empty(0, np.int64),
        ),
        units=as_units(rng.normal(size=(count, 1)), np.arange(count), groups, measured, rng),
        yardstick=measured,
        traces=Traces(
            digest=evidence.facts.digest,
            is_member=evidence.table.is_member,
            features=features[1].astype(np.float32),
            described=outside[: len(features[1])],
            difficulty=odds,
            judged=outside[: len(odds)],
        ),
        row=np.arange(count),
        features=features[0],
        easy=easy,
        seed=0,
    )  # fmt: skip


TEMPLATES = """
<ir_version: 8, opset_import: ["" : 17]>
templates (float[N,1,{size},{size}] image) => (float[N,10] logits)
<float[{count},10] mean, float sharp = {{20.0}}>
{{
  flat = Flatten (image)
  level = ReduceMean <axes=[1]> (flat)
  free = Sub (flat, level)
  length = ReduceL2 <axes=[1]> (free)
  unit = Div (free, length)
  alike = MatMul (unit, mean)
  logits = Mul (alike, sharp)
}}
"""


def templates(path: Path, size: int = 28) -> Path:
    """Write a classifier that correlates an image with the mean of each class; scale and offset of pixels are free."""
    pixels, labels = [], []
    for name in ("members", "nonmembers"):
        table = pq.read_table(DEMO / f"{name}.parquet")
        labels += table["label"].to_pylist()
        for row in table["image"].to_pylist():
            image = Image.open(io.BytesIO(row["bytes"])).convert("L").resize((size, size), Image.Resampling.BILINEAR)
            pixels.append(np.asarray(image, np.float64).ravel())
    of = np.array(labels)
    mean = np.stack([np.mean(np.stack(pixels)[of == label], axis=0) for label in range(10)], axis=1)
    mean -= mean.mean(axis=0)
    mean /= np.linalg.norm(mean, axis=0)
    model = onnx.parser.parse_model(TEMPLATES.format(size=size, count=size * size))
    del model.graph.value_info[:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(mean.astype(np.float32), "mean"))
    onnx.save(model, path)
    return path
