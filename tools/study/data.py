"""Who is a member of what: the data sets of ../shared/data, cut into members and non-members of the study's targets.

Half splits: the target trains on one half of the official training split (`members`); the other half comes from the
same distribution and is never seen (`nonmembers`). GTSRB is cut by track, since the 30 frames of a track are near
copies. The official test split (`test`) is the non-member side of the papers' own protocol.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from onnxmint.evidence.table import EvidenceTable, divided

CLASSES = {"cifar10": 10, "cifar100": 100, "gtsrb": 43}
GROUP = {"gtsrb": "track"}  # the column of near copies


def read(shared: Path, data: str) -> pa.Table:
    return pq.read_table(shared / "data" / f"{data}.parquet")


def halves(table: pa.Table, data: str, members: int | None = None) -> dict[str, np.ndarray]:
    """Return the row numbers of `members` (at most that many), `nonmembers` and `test`."""
    train = np.flatnonzero(pc.equal(table["split"], "train").to_numpy(zero_copy_only=False))
    test = np.flatnonzero(pc.equal(table["split"], "test").to_numpy(zero_copy_only=False))
    if data in GROUP:
        tracks = table[GROUP[data]].to_numpy()
        order = np.random.default_rng(0).permutation(np.unique(tracks[train]))
        inside = np.isin(tracks[train], order[: len(order) // 2])
        return {"members": train[inside][:members], "nonmembers": train[~inside], "test": test}
    half = len(train) // 2  # the rows were shuffled when the file was made
    return {"members": train[:half][:members], "nonmembers": train[half:], "test": test}


def third_party(table: pa.Table, data: str) -> dict[str, np.ndarray]:
    """Return the rows of `members` and `nonmembers` of the models in ../shared/models.

    GTSRB: the model was trained on the competition rows of the training split, so its other training rows are
    non-members of nearly the same distribution. CIFAR-10: official train against test.
    """
    train = pc.equal(table["split"], "train").to_numpy(zero_copy_only=False)
    if data == "gtsrb":
        trained = np.array(table["competition_train"].to_pylist(), dtype=bool)
        return {"members": np.flatnonzero(train & trained), "nonmembers": np.flatnonzero(train & ~trained)}
    return {"members": np.flatnonzero(train), "nonmembers": np.flatnonzero(~train)}


def draw(table: pa.Table, data: str, rows: np.ndarray, count: int, rng: np.random.Generator) -> pa.Table:
    """Draw so many rows at random, in whole tracks where there are tracks, as a source of evidence.

    Test rows of GTSRB have no track (-1): each stands for itself.
    """
    columns = ["image", "label"]
    if data not in GROUP:
        return table.select(columns).take(rng.permutation(rows)[:count])
    tracks = table[GROUP[data]].to_numpy()[rows]
    order = np.arange(len(rows)) if (tracks < 0).all() else tracks
    places = {unit: place for place, unit in enumerate(rng.permutation(np.unique(order)))}
    picked = rows[np.argsort([places[unit] for unit in order], kind="stable")][:count]
    found = table.select(columns).take(picked)
    named = [None if track < 0 else str(track) for track in table[GROUP[data]].to_numpy()[picked]]
    return found.append_column(GROUP[data], pa.array(named, pa.string()))


def pixels(table: pa.Table, rows: np.ndarray) -> np.ndarray:
    """Return (n, 32, 32, 3) uint8 images."""
    images = table["image"].combine_chunks().field("bytes").take(pa.array(rows))
    decoded = [np.asarray(Image.open(io.BytesIO(item.as_py())).convert("RGB")) for item in images]
    return np.stack(decoded)


def labels(table: pa.Table, rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = table["label"].to_numpy()[rows].astype(np.int64)
    return found


def log_odds(answer: np.ndarray, label: np.ndarray, kind: str) -> np.ndarray:
    """Return (n, ...) log-odds of the label of (n, ..., classes) answers, logits or probabilities."""
    values = answer.astype(np.float64)
    values = values if kind == "logits" else np.log(np.maximum(values, 1e-45))
    index = label.reshape(-1, *([1] * (values.ndim - 1)))
    own = np.take_along_axis(values, np.broadcast_to(index, (*values.shape[:-1], 1)), axis=-1)[..., 0]
    rest = values.copy()
    np.put_along_axis(rest, np.broadcast_to(index, (*values.shape[:-1], 1)), -np.inf, axis=-1)
    top = rest.max(axis=-1)
    return own - (top + np.log(np.exp(rest - top[..., None]).sum(axis=-1)))


def evidence_of(
    label: np.ndarray, member: np.ndarray, rng: np.random.Generator, groups: np.ndarray | None = None
) -> EvidenceTable:
    """Return (n,) images as evidence, divided as an audit divides known images."""
    none = np.zeros(len(label), np.int8)
    table = EvidenceTable(
        index=np.arange(len(label)), is_member=member, labels=label, groups=groups, part=none, fold=none
    )
    return divided(table, rng)
