"""The scripts for Slurm and Kubernetes: they parse, and their commands, run as written, share an audit and merge it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEMO, ROOT

SLURM, KUBERNETES = ROOT / "examples" / "slurm" / "audit.sbatch", ROOT / "examples" / "kubernetes" / "audit.yaml"


@pytest.fixture
def place(tmp_path: Path, phi_file: Path) -> Path:
    """A folder as the scripts find it, with an `onnxmint` that is this checkout's."""
    (tmp_path / "shards").mkdir()
    shutil.copy(DEMO / "questioned.parquet", tmp_path / "shards")
    shutil.copy(DEMO / "target.onnx", tmp_path / "model.onnx")
    shutil.copy(phi_file, tmp_path / "auditor.onnx")
    command = tmp_path / "bin" / "onnxmint"
    command.parent.mkdir()
    # Without controls and in one process a part: what is proved here is how parts are called.
    command.write_text(f'#!/bin/sh\nwords=$1; shift\n[ $words = merge ] || set -- "$@" --no-controls\n'
                       f'exec "{sys.executable}" -m onnxmint $words "$@" --device cpu -q\n')  # fmt: skip
    command.chmod(0o755)
    return tmp_path


def _run(words: list[str], place: Path, **given: str) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "ONNXMINT_STATE": str(place / "state"), **given}
    variables["PATH"] = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, cwd=place, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_tasks_of_a_slurm_array_share_an_audit(place: Path) -> None:
    given = {"MODEL": "model.onnx", "AUDITOR": "auditor.onnx", "IMAGES": "shards", "RUN": "run"}
    array = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MIN": "0"}
    _run(["bash", str(SLURM)], place, **given, **array)
    _run(["bash", str(SLURM)], place, **given)
    assert (place / "run" / "report.html").is_file()


@pytest.mark.slow
def test_the_pods_of_a_kubernetes_job_share_an_audit(place: Path) -> None:
    parts, merge = _jobs()
    (pod,) = parts["spec"]["template"]["spec"]["containers"]
    _run([*pod["command"], pod["args"][0].replace("/64", "/1")], place, JOB_COMPLETION_INDEX="0")
    assert (place / "run.parts" / "part-00000.parquet").is_file()
    (pod,) = merge["spec"]["template"]["spec"]["containers"]
    assert pod["command"] == ["onnxmint", "merge", "run"]


def test_the_scripts_parse_and_agree_with_themselves() -> None:
    assert subprocess.run(["bash", "-n", str(SLURM)], check=False).returncode == 0
    parts, merge = _jobs()
    (pod,) = parts["spec"]["template"]["spec"]["containers"]
    assert re.findall(r"/(\d+)\"", pod["args"][0]) == [str(parts["spec"]["completions"])]
    for job in (parts, merge):
        inside = job["spec"]["template"]["spec"]
        (one,) = inside["containers"]
        assert {mount["name"] for mount in one["volumeMounts"]} == {volume["name"] for volume in inside["volumes"]}
        assert one["securityContext"]["readOnlyRootFilesystem"]
        assert one["securityContext"]["runAsNonRoot"]


def _jobs() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the jobs are not parsed")
    return list(yaml.safe_load_all(KUBERNETES.read_text("utf-8")))
