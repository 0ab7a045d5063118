"""The script for Ray Data runs as it stands, on a Ray that it starts itself: rows are those of the scorer alone."""

import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from onnxmint.mint.scorer import Scorer
from tests.clusters import variables_for
from tests.conftest import DEMO, ROOT

pytest.importorskip("ray.data", reason="Ray Data is not installed: pip install 'ray[data]' to run the script for it")
SCRIPT, IMAGES = ROOT / "examples" / "engines" / "ray_data.py", DEMO / "questioned.parquet"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_ray_data_takes_the_scorer_as_it_is(phi_file: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(IMAGES).slice(0, 200), tmp_path / "images.parquet")
    command = [sys.executable, SCRIPT, str(phi_file), "images.parquet", "scores"]
    done = subprocess.run(
        command, env=variables_for(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "200 images scored" in done.stdout
    whole = Scorer(phi_file, device="cpu")(pq.read_table(tmp_path / "images.parquet"))
    found = ds.dataset(tmp_path / "scores").to_table()
    assert sorted(map(repr, found.select(whole.column_names).to_pylist())) == sorted(map(repr, whole.to_pylist()))
