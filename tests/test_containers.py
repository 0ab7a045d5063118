"""Images for containers: who runs in them, what they may write, what they hold, and that they run with no network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import DEMO, ROOT
from tests.installs import environment, needed

FOLDER = ROOT / "examples" / "container"
FILES = sorted(FOLDER.glob("*.Dockerfile"))
_LINE = re.compile(r"([A-Z]+)\s+(.*)", re.DOTALL)
_CLOSED = (
    'mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro / && cd "$1" && shift && exec "$@"'
)


def steps(file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a file with their words."""
    joined = re.sub(r"\\\n", " ", file.read_text())
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    found = [_LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [(one[1], one[2]) for one in found if one]


def worker_names() -> set[str]:
    lines = (FOLDER / "worker.txt").read_text().split("\n")
    return {Requirement(line).name for line in lines if line}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_image_is_small_tagged_and_runs_as_nobody(file: Path) -> None:
    told = steps(file)
    last = max(number for number, (word, _) in enumerate(told) if word == "FROM")
    bases = [words.split()[0] for word, words in told if word == "FROM"]
    assert all(re.fullmatch(r"[a-z]+:[\w.-]+", base) and not base.endswith(":latest") for base in bases)
    final = told[last:]
    assert ("USER", "10001:10001") in final
    assert json.loads(next(words for word, words in final if word == "ENTRYPOINT")) == ["onnxmint"]
    assert not [words for word, words in final if word == "RUN"]  # what built it stays behind
    assert not {"ADD", "VOLUME", "EXPOSE"} & {word for word, _ in told}
    assert any("HOME=/tmp" in words for word, words in final if word == "ENV")
    assert not re.search(r"secret|token|password", file.read_text(), re.IGNORECASE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_copied_is_there_and_let_through(file: Path) -> None:
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().split("\n") if line.startswith("!")}
    sources = [words.split()[:-1] for word, words in steps(file) if word == "COPY" and "--from" not in words]
    for source in {one for words in sources for one in words}:
        assert (ROOT / source).exists()
        assert source in let


def test_the_worker_has_no_pytorch_and_the_others_have() -> None:
    assert not needed(worker_names() - {"onnxruntime"}) & {"torch", "onnxscript", "pandas"}
    installs = {file.name: " ".join(words for word, words in steps(file) if word == "RUN") for file in FILES}
    assert "torch" not in installs["worker.Dockerfile"]
    assert "--no-deps" in installs["worker.Dockerfile"]
    assert "torch" in installs["cpu.Dockerfile"]
    assert '".[cuda]"' in installs["cuda.Dockerfile"]


def test_commands_that_are_advised_close_the_container() -> None:
    commands = re.findall(r"^docker run .*?[^\\]\n", (FOLDER / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    assert all("--read-only --tmpfs /tmp" in command for command in commands)
    assert "--network none" in commands[0]
    assert "--cap-drop ALL" in commands[0]
    assert not re.search(r"-e \w+=", "".join(commands))  # a value would stand in the history of the shell


@pytest.mark.slow
def test_a_worker_audits_with_no_network_and_nothing_to_write_but_its_folder(phi_file: Path, tmp_path: Path) -> None:
    """What the worker's image holds, without one: its packages only, in name spaces as a container has them."""
    closed = [shutil.which("unshare") or "unshare", "--mount", "--net", "sh", "-c", _CLOSED, "sh"]
    if subprocess.run([*closed, str(tmp_path), "true"], capture_output=True, check=False).returncode:
        pytest.skip("no name spaces without a network here (unshare --mount --net)")
    runtime = {"onnxruntime-gpu"} if sys.platform != "darwin" else {"onnxruntime"}
    variables = environment(tmp_path / "packages", needed(worker_names() - {"onnxruntime"} | runtime))
    case = tmp_path / "case"
    case.mkdir()
    (case / "tmp").mkdir()
    shutil.copy(phi_file, case / "auditor.onnx")
    words = ["audit", f"{DEMO}/target.onnx", f"{DEMO}/questioned.parquet", "--auditor", "auditor.onnx", "-o", "run"]
    variables |= {"TMPDIR": str(case / "tmp"), "HOME": str(case / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    variables |= {"ONNXMINT_STATE": str(case / "tmp" / "state")}
    command = [*closed, str(case), sys.executable, "-S", "-m", "onnxmint", *words, "-q"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (case / "run" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_image_is_built_and_runs(file: Path) -> None:
    if file.stem != "worker" and os.environ.get("ONNXMINT_CONTAINERS") != "all":
        pytest.skip("images with PyTorch take minutes and GB to build: ONNXMINT_CONTAINERS=all builds them too")
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no builder at hand: docker is not installed, or its daemon does not answer")
    if subprocess.run([docker, "pull", "python:3.13-slim"], capture_output=True, check=False).returncode:
        pytest.skip("no base image at hand: python:3.13-slim cannot be pulled")
    tag = f"onnxmint-test:{file.stem}"
    subprocess.run([docker, "build", "-q", "-f", str(file), "-t", tag, str(ROOT)], check=True, timeout=1200)
    run = [docker, "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", tag]
    said = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.startswith("onnxmint")
    words = ["plan", "--auc", "0.6"]
    assert subprocess.run([*run, *words], capture_output=True, check=False, timeout=120).returncode == 0
