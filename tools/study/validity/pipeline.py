"""Whole audits, as a user runs them: train with all controls on clean evidence, audit innocent and half-guilty sets."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import real

from onnxmint import AuditSettings, TrainSettings, audit, train

EVIDENCE, QUESTIONED = 400, 200


def rows(shared: Path, *, runs: int) -> Iterator[dict[str, Any]]:
    """Yield for each target how often each control fails on clean evidence, and what the verdicts are."""
    for target in ("cifar10-paper",):
        members, nonmembers, table = real.sides(target, shared, 6000, np.random.default_rng(0))
        verdicts: dict[str, Counter[str]] = {"innocent": Counter(), "half": Counter()}
        failed: Counter[str] = Counter()
        stopped = 0
        for run in range(runs):
            rng = np.random.default_rng(run)
            found = _audit(target, shared, table, rng.permutation(members), rng.permutation(nonmembers), run)
            for name, result in found.items():
                verdicts[name][result.verdict.kind] += 1
            controls = [control for control in found["innocent"].controls if control.passed is False]
            failed.update(control.name for control in controls)
            stopped += any(control.name != "plausibility" for control in controls)
        yield {
            "target": target, "evidence": EVIDENCE, "questioned": QUESTIONED, "runs": runs,
            "failed": {name: count / runs for name, count in failed.items()}, "any_failed": stopped / runs,
            "verdicts": {name: {kind: n / runs for kind, n in found.items()} for name, found in verdicts.items()},
        }  # fmt: skip


def _audit(
    target: str, shared: Path, table: Any, members: np.ndarray, nonmembers: np.ndarray, seed: int
) -> dict[str, Any]:
    """Train once; audit a set without a member and one of which half are members."""
    half, asked = QUESTIONED // 2, EVIDENCE + QUESTIONED
    sets = {
        "members": members[:EVIDENCE],
        "nonmembers": nonmembers[:EVIDENCE],
        "innocent": nonmembers[EVIDENCE:asked],
        "half": np.concatenate([members[EVIDENCE : EVIDENCE + half], nonmembers[asked : asked + half]]),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, chosen in sets.items():
            pq.write_table(table.select(["image", "label"]).take(np.sort(chosen)), folder / f"{part}.parquet")
        settings = TrainSettings(
            preprocess=real.TARGETS[target].preprocess, module="views", views=2, device="cpu", seed=seed
        )
        model = real.model_of(target, shared)
        auditor = train(model, folder / "members.parquet", folder / "nonmembers.parquet", settings=settings)
        return {
            part: audit(model, folder / f"{part}.parquet", auditor, settings=AuditSettings(device="cpu", seed=seed))
            for part in ("innocent", "half")
        }
