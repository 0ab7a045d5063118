"""What controls look at, made by hand: the target, its twin, questioned images; and a reference model."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
from PIL import Image

from onnxmint.controls.seen import Seen, SeenQuestioned, Twin
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.questioned import Questioned
from onnxmint.results.facts import EvidenceFacts
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import Traces
from tests.conftest import DEMO
from tests.known import facts, noise, scored, yardstick
from tests.sources import InMemory

NONE = Copies(known=400, on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=())


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
) -> SeenQuestioned:
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
    return SeenQuestioned(
        questioned=Questioned(
            source=source, entries=names, labels=None, facts=looks, described=looks.described,
            known=(), known_row=np.empty(0, np.int64),
        ),
        units=as_units(
            rng.normal(size=(count, 1)), np.arange(count), groups, measured, digest=looks.digest,
            known_digest=evidence.facts.digest,
        ),
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
        aligned=None,
        scored=np.arange(count),
        predicted=np.zeros(count, np.int64),
        told=False,
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
