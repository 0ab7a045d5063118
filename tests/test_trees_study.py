"""The study of trees: evidence and held-out images share none, and its table says what was drawn."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import ROOT


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for folder in ("study/validity", "study"):
        monkeypatch.syspath_prepend(str(ROOT / "tools" / folder))
    for name in ("data", "trees"):  # other studies have modules of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("trees")


def test_half_of_the_evidence_is_fitted_on_and_all_else_is_held_out(study: ModuleType) -> None:
    sides = tuple(np.arange(start, start + 60, dtype=np.float32)[:, None] for start in (0, 100))
    of = study.drawn(sides, 40, 0)
    for side, fit, held in zip(sides, of.fit, of.held, strict=True):
        assert (len(fit), len(held)) == (20, 40)
        assert sorted(np.concatenate([fit, held]).ravel()) == side.ravel().tolist()


def test_the_table_has_means_over_draws_and_an_interval_of_one(study: ModuleType, tmp_path: Path) -> None:
    tables = importlib.import_module("trees_tables")
    draw = {
        "phi": [0.55, 0.01], "views": [0.6, 0.02], "trees": [0.61, 0.03], "before": "views", "after": "trees",
        "seconds": {"phi": 0, "views": 2, "trees": 1}, "trees less views": [0.01, -0.01, 0.03],
    }  # fmt: skip
    (tmp_path / "a_100.json").write_text(json.dumps([draw, {**draw, "after": "phi", "trees": [0.59, 0.03]}]))
    (tmp_path / "a_4000.json").write_text(json.dumps([draw]))
    _, _, _, many, one, _ = tables.trees(tmp_path)
    assert many == (
        "| a | 100 | 2 | 0.550 (0.010) | 0.600 (0.020) | 0.600 (0.030) | +0.010 | 0.600 (0.020) | 0.580 (0.020) | 1 "
        "| 2.0 | 1.0 |"
    )
    assert "| +0.010 (-0.010 to +0.030) |" in one
    assert tables.trees(tmp_path / "none") == []


@pytest.mark.slow
def test_one_draw_is_measured_and_chosen_for(study: ModuleType) -> None:
    rng = np.random.default_rng(0)
    sides = tuple((rng.normal(size=(120, 2)) + up).astype(np.float32) for up in (1.5, 0))
    found = study.once(sides, 100, 0)
    assert found["before"] in ("phi", "views")
    assert found[found["after"]][0] > 0.8
    assert set(found["seconds"]) == {"phi", "views", "trees"}
