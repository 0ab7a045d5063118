"""What is installed decides what works, and what is missing is said in one line."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement

from tests.conftest import DEMO, KNOWN, ROOT
from tests.installs import environment, needed, pretend, run

TARGET = DEMO / "target.onnx"
LEFT_OUT = {"torch", "onnxscript"}  # a worker trains nothing
RUNTIMES = {"onnxruntime", "onnxruntime-gpu"}


def _declared() -> set[str]:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    found = [Requirement(words) for words in listed]
    return {one.name for one in found if one.marker is None or one.marker.evaluate()}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An environment of what pyproject declares and what that needs, but PyTorch."""
    folder = tmp_path_factory.mktemp("worker") / "packages"
    names = needed(_declared() - LEFT_OUT)
    assert not names & {"torch", "onnxscript", "networkx"}
    return folder, environment(folder, names)


@pytest.mark.slow
def test_a_worker_without_pytorch_audits_with_all_controls(
    worker: tuple[Path, dict[str, str]], phi_file: Path, tmp_path: Path
) -> None:
    words = ["audit", TARGET, DEMO / "questioned.parquet", "--auditor", phi_file, "-q", "--json", "-o", "run"]
    done = run(words, worker[1], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    here = json.loads(done.stdout)
    not_run = {one["name"]: one["text"] for one in here["controls"] if one["passed"] is None}
    assert not [text for text in not_run.values() if "install" in text], not_run
    assert run(["report", "run"], worker[1], tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["layers", TARGET],
        ["expose-layer", TARGET, "-o", "x.onnx"],
        ["check", TARGET, KNOWN[0]],
        ["plan", "--auc", "0.6"],
    ],
    ids=lambda words: str(words[0]),
)
def test_a_worker_does_all_but_fit(worker: tuple[Path, dict[str, str]], words: list[object], tmp_path: Path) -> None:
    done = run(words, worker[1], tmp_path)
    assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr


SCORE = """
import pyarrow.parquet as pq
import onnxmint
found = onnxmint.Scorer("auditor.onnx", device="cpu")(pq.read_table("images.parquet"))
print(found["error"].null_count, found["score"].null_count)
"""


@pytest.mark.slow
def test_images_are_scored_where_nothing_is_installed_that_fits_or_tests(phi_file: Path, tmp_path: Path) -> None:
    names = needed({"numpy", "pyarrow", "pillow", "onnx", "onnx-ir", "msgspec"} | (_declared() & RUNTIMES))
    assert not names & {"torch", "scipy", "scikit-learn", "pandas"}
    variables = environment(tmp_path / "packages", names)
    shutil.copy(phi_file, tmp_path / "auditor.onnx")
    shutil.copy(DEMO / "questioned.parquet", tmp_path / "images.parquet")
    command = [sys.executable, "-S", "-c", SCORE]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    count = pq.read_metadata(DEMO / "questioned.parquet").num_rows
    assert done.stdout == f"{count} 0\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_worker_that_is_to_fit_says_what_it_lacks(
    worker: tuple[Path, dict[str, str]], command: str, tmp_path: Path
) -> None:
    known = ["--members", KNOWN[0], "--nonmembers", KNOWN[1], "--preprocess", "0-1"]
    done = run([command, TARGET, *known], worker[1], tmp_path)
    assert done.returncode == 1
    said = "Error: this needs torch, which is not installed; install onnxmint again, with what it depends on\n"
    first, last = done.stderr.splitlines(keepends=True)
    assert first.startswith("reading ")
    assert last == said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_runtimes_installed_over_each_other_are_used_and_named(
    worker: tuple[Path, dict[str, str]], phi_file: Path, tmp_path: Path
) -> None:
    with_both = environment(tmp_path / "packages", needed(_declared() - LEFT_OUT))
    pretend(tmp_path / "packages", "onnxruntime-directml", "1.2.3", "onnxruntime/__init__.py", "onnxruntime/capi/x.so")
    pretend(tmp_path / "packages", "onnxruntime-extensions", "4.5.6", "onnxruntime_extensions/__init__.py")
    words = ["audit", TARGET, DEMO / "questioned.parquet", "--auditor", phi_file, "-q", "--no-controls", "--json"]
    done = run(words, with_both, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    reason = json.loads(done.stdout)["target"]["device_reason"]
    told = (
        r"; onnxruntime(-gpu)? (\S+) and onnxruntime-directml 1.2.3 are installed over each other, and (\S+) was taken"
    )
    told += (
        r"|; onnxruntime-directml 1.2.3 and onnxruntime(-gpu)? (\S+) are installed over each other, and (\S+) was taken"
    )
    found = re.search(told, reason)
    assert found, reason
    versions = [group for group in found.groups() if group and group != "-gpu"]
    assert versions[0] == versions[1]


def _without_runtime(folder: Path) -> dict[str, str]:
    return environment(folder, needed(_declared() - LEFT_OUT - RUNTIMES))


@pytest.mark.parametrize("command", ["layers", "audit", "check"])
def test_no_runtime_is_one_line(command: str, phi_file: Path, tmp_path: Path) -> None:
    words = {"audit": [DEMO / "questioned.parquet", "--auditor", phi_file], "check": [KNOWN[0]]}.get(command, [])
    done = run([command, TARGET, *words, *(["-q"] if words else [])], _without_runtime(tmp_path / "packages"), tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: onnxruntime is not installed; pip install onnxruntime(-gpu)?\n", done.stderr)


@pytest.mark.parametrize("kind", ["files are missing", "cannot be imported", "crashes"])
def test_a_runtime_that_does_not_work_is_one_line_with_the_way_out(kind: str, tmp_path: Path) -> None:
    """As after one of two packages was uninstalled, which takes files of the other with it."""
    folder = tmp_path / "packages"
    variables = _without_runtime(folder)
    (folder / "onnxruntime" / "capi").mkdir(parents=True)
    if kind != "files are missing":
        code = "import nowhere_to_be_found" if kind == "cannot be imported" else "import os; os.abort()"
        (folder / "onnxruntime" / "__init__.py").write_text(code)
    pretend(folder, "onnxruntime-gpu", "1.2.3", "onnxruntime/__init__.py")
    done = run(["layers", TARGET], variables, tmp_path)
    assert done.returncode == 1
    mend = "; pip uninstall -y onnxruntime-gpu, then pip install onnxruntime-gpu\n"
    assert re.fullmatch(rf"Error: onnxruntime cannot be used \(.+\){mend}", done.stderr), done.stderr
