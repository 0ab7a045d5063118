"""The study of sealed pictures runs, and what it found keeps what help and README say; results in tools/study/seal."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scipy.stats import binomtest

from tests.conftest import ROOT

STUDY = ROOT / "tools" / "study" / "seal"


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (STUDY / "results" / "cells.jsonl").read_text().splitlines()]


def _tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("seal_tables", STUDY / "seal_tables.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.slow
def test_a_small_target_is_trained_and_asked(shared: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(STUDY / "seal.py"), "--shared", str(shared), "--quick"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row.get("kind") for row in rows][-2:] == ["crop 1/8, mirror, colour 0.1", None]
    assert all(row["signals"]["odds of the label"]["p"] < 1e-6 for row in rows if "kind" in row)


def test_the_page_is_made_of_the_results(tmp_path: Path) -> None:
    _tables().write_tables(STUDY / "results" / "cells.jsonl", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == (STUDY / "README.md").read_text()


def test_false_alarms_are_at_level_on_targets_that_were_trained_without_the_pictures() -> None:
    sets = [found for row in _rows() for found in row.get("innocent", {}).values()]
    p_values = [p for found in sets for p in found["p"]["largest probability"] + found["p"]["odds of the label"]]
    alarms = sum(p <= 0.05 for p in p_values)
    assert binomtest(alarms, len(p_values), 0.05, alternative="greater").pvalue > 0.001
    for place, level in enumerate((0.05, 0.001)):
        draws = 10_000 * len(sets)
        again = round(sum(found["redrawn"][place] * 10_000 for found in sets))
        assert binomtest(again, draws, level, alternative="greater").pvalue > 0.001


def test_cut_pictures_are_found_in_few_hundred() -> None:
    """What onnxmint help sealing says of the default."""
    cut = [row for row in _rows() if row.get("kind") == "crop 1/8" and not row["augment"]]
    assert cut
    assert all(row["signals"]["largest probability"]["power"]["200"][0] > 0.95 for row in cut)
