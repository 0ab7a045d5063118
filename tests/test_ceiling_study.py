"""The study of the ceiling: what makes its comparison fair, and its table from results of one small world."""

import gzip
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest

from tests.conftest import ROOT


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "study"))
    for name in ("data", "targets"):  # other studies have modules of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("ceiling_models")


def test_every_image_is_in_exactly_half_of_a_targets_shadow_models(study: ModuleType) -> None:
    world = replace(study.WORLDS["fashion"], pool=100, models=8)
    inside = study.trained(world)
    for target in range(world.models):
        others = study.shadows(world, target)
        assert target not in others
        assert len(others) == world.models - 2
        assert (inside[others].sum(axis=0) == len(others) // 2).all()


def test_an_exported_model_says_what_the_trained_one_did(study: ModuleType, tmp_path: Path) -> None:
    import torch

    world = replace(study.WORLDS["fashion-augmented"], epochs=1)
    images, labels = torch.rand(40, 1, 28, 28), torch.arange(40) % 10
    net = study.targets.fold(study.fit(world, images, labels, 0))
    study.export(net, (1, 28, 28), tmp_path / "m.onnx")
    said = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"image": images.numpy()})[0]
    with torch.inference_mode():
        np.testing.assert_allclose(said, net(images).numpy(), atol=1e-5)


def test_moved_images_hold_black_where_nothing_was(study: ModuleType) -> None:
    import torch

    torch.manual_seed(0)
    moved = study.moved(torch.ones(64, 1, 6, 6), 2)
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert int(moved.sum(dim=(1, 2, 3)).min()) == 16  # moved by 2 both ways


def test_the_table_gives_shares_of_the_best_attack(study: ModuleType) -> None:
    tables = importlib.import_module("ceiling_tables")
    method = {"pooled": [0.01, 0.0, 0.02], "models": 0, "passes": 1, "seconds": 10.0}
    world = {
        "world": "fashion", "shadows": 64, "held": 1500, "targets": 3, "validation": 8, "pooled": 4500, "pool": 6000,
        "accuracy": {"members": 1.0, "nonmembers": 0.8},
        "methods": {
            "LiRA online": {**method, "each": [[0.7, 0.2], [0.7, 0.2], [0.7, 0.2]], "seconds": 1000.0, "models": 64},
            "LiRA offline": {**method, "each": [[0.6, 0.1], [0.6, 0.1], [0.6, 0.1]], "models": 64},
            "views": {**method, "each": [[0.68, 0.1], [0.66, 0.1], [0.64, 0.1]]},
        },
    }  # fmt: skip
    lines = list(tables.table(world))
    assert "| views | 0.660 (0.610 to 0.710) | 0.100 (0.100 to 0.100) |" in lines[-1]
    assert "| 80% (" in lines[-1]
    said = tables.sentence(world)
    assert "finds 80% (" in said
    assert "50% (50% to 50%) of its TPR at 1 % FPR, at 1.0% of its CPU time" in said


def test_differences_are_paired_by_target(study: ModuleType) -> None:
    tables = importlib.import_module("ceiling_tables")
    each = [
        {"target": 0, "held": 10, "phi": [0.5, 0.0], "views": [0.6, 0.1], "views of crop2": [0.61, 0.1]},
        {"target": 1, "held": 10, "phi": [0.6, 0.0], "views": [0.7, 0.1], "views of crop2": [0.71, 0.1]},
    ]
    lines = list(tables.paired(each))
    assert lines[3].endswith("|  |  |")  # against itself
    assert lines[4].endswith("| +0.010 (+0.010 to +0.010) | +0.000 (+0.000 to +0.000) |")


def test_references_learn_from_images_that_are_in_no_pool(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importlib.import_module("ceiling_outside")
    monkeypatch.setattr(made, "OUTSIDE", 12)
    images = np.zeros((30, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(30)
    for kind, head, values in (("images-idx3", 16, images), ("labels-idx1", 8, np.arange(30, dtype=np.uint8) % 10)):
        (tmp_path / f"train-{kind}-ubyte.gz").write_bytes(gzip.compress(bytes(head) + values.tobytes()))
    world = replace(study.WORLDS["fashion"], pool=10)
    inside, _ = study.pool(world, tmp_path, tmp_path)
    outside, labels = made.outside(world, tmp_path)
    numbers = (outside[:, 0, 0, 0] * 255).round().int().tolist()
    assert len(set(numbers)) == 12
    assert not set(numbers) & set(inside[:, 0, 0, 0].tolist())
    assert labels.tolist() == [number % 10 for number in numbers]


def test_shares_are_of_what_was_measured_on_every_target(study: ModuleType) -> None:
    tables = importlib.import_module("ceiling_tables")
    rows = {"views": [0.6, 0.1], "LiRA online": [0.7, 0.2], "relative, 4 references": [0.65, 0.15]}
    each = [{"target": 0, **rows, "relative, 1 student": [0.9, 0.9]}, {"target": 1, **rows}]
    views, relative = tables.shares(each)
    assert views.startswith("- views: 50% (50% to 50%) of what LiRA online finds")
    assert "relative, 4 references: 75% (75% to 75%)" in relative
    assert "75% (75% to 75%) of its TPR" in relative


def test_what_was_tried_has_intervals_where_targets_allow_one(study: ModuleType) -> None:
    tables = importlib.import_module("ceiling_tables")
    found = {
        "views": {"targets": 4, "mean": [0.7, 0.1], "difference": [0.0, 0.0], "reach": [0.0, 0.0]},
        "trees": {"targets": 4, "mean": [0.69, 0.1], "difference": [-0.01, 0.0], "reach": [0.005, 0.01]},
        "student": {"targets": 2, "mean": [0.72, 0.1], "difference": [0.02, 0.0], "reach": None},
    }
    views, trees, student = list(tables.tried_table(found))[-4:-1]
    assert views == "| views | 4 | 0.700 | 0.100 |  |  |"
    assert trees.endswith("| -0.010 (-0.015 to -0.005) | +0.000 (-0.010 to +0.010) |")
    assert student.endswith("| +0.020 | +0.000 |")
