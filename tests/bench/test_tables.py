"""The page of benchmarks is what the committed results give, and nothing in it is typed."""

import importlib
import json

import pytest

from tests.conftest import ROOT

BENCH = ROOT / "tools" / "bench"


def test_the_page_is_made_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    assert (BENCH / "README.md").read_text() == importlib.import_module("tables").page()


def test_costs_on_paper_grow_as_the_images_do_and_a_sample_saves_passes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    billion = importlib.import_module("billion")
    rows = {(row["images"], row["form"], row["way"]): row for row in billion.costs()}
    few, many = (rows[count, "parquet", "all scored"] for count in (10**6, 10**9))
    assert float(many["egress, TB"]) == pytest.approx(1000 * float(few["egress, TB"]), rel=0.1)
    sampled = rows[10**9, "parquet", "--sample 1,000"]
    assert float(sampled["core-hours of passes"]) < 1
    assert 2 * float(sampled["egress, TB"]) == pytest.approx(float(many["egress, TB"]), rel=0.1)
    assert billion.limits()[0]["what"]


def test_hours_of_a_device_are_told_only_where_one_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    billion = importlib.import_module("billion")
    if not (BENCH / "results" / "gpu-cuda.json").exists():
        assert {row["GPU-hours of passes"] for row in billion.costs()} == {"not measured"}
    speeds = json.loads('{"images per second": {"ours": 1000.0}}')
    assert billion._gpu_hours(36_000_000, speeds) == "260"
