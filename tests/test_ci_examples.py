"""The files for continuous integration: YAML that parses, shell steps that run and end as they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEMO, KNOWN, ROOT

CI = ROOT / "examples" / "ci"
ACTION, TEMPLATE = CI / "github" / "action.yml", CI / "gitlab" / "leak.yml"
GIVEN = {
    "MODEL": str(DEMO / "target.onnx"),
    "MEMBERS": f"{KNOWN[0]}?rows=0:60",
    "NONMEMBERS": f"{KNOWN[1]}?rows=0:60",
    "PREPROCESS": "0-1",
    "LIMIT": "60",
    "VIEWS": "2",
    "OUTPUT": "leak",
}


def _block(path: Path, head: str) -> str:
    """Return the literal block after the last line that begins with `head`."""
    lines = path.read_text("utf-8").splitlines()
    start = max(number for number, line in enumerate(lines) if line.strip() == head) + 1
    depth = len(lines[start]) - len(lines[start].lstrip())
    kept = []
    for line in lines[start:]:
        if line.strip() and len(line) - len(line.lstrip()) < depth:
            break
        kept.append(line[depth:])
    return "\n".join(kept).rstrip() + "\n"


def _run(script: str, shell: list[str], folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does, with an `onnxmint` that is this checkout's."""
    tools = folder / "bin"
    tools.mkdir()
    command = tools / "onnxmint"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m onnxmint "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, **GIVEN, **given, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    return subprocess.run(
        [*shell, script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "unsure", "status", "words"),
    [
        ("auc=0.99", "fail", 0, "Leak below the limit"),
        ("auc=0.51 tpr@1%=0.5", "fail", 4, "Cannot tell whether the leak"),
        ("auc=0.51", "pass", 0, "Cannot tell whether the leak"),
        ("auc=0.2", "pass", 2, None),
    ],
)
def test_the_step_of_the_action_writes_the_summary_and_ends_as_the_gate_does(
    limits: str, unsure: str, status: int, words: str | None, tmp_path: Path
) -> None:
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c"]
    done = _run(_block(ACTION, "run: |"), shell, tmp_path, FAIL_ABOVE=limits, CANNOT_TELL=unsure)
    assert done.returncode == status, done.stderr
    summary = (tmp_path / "summary.md").read_text("utf-8")
    if words is None:
        assert (summary, "a limit lies above 0.5" in done.stderr) == ("", True)
        return
    assert summary.startswith(f"### {words}")
    assert (tmp_path / "leak" / "evaluation.html").is_file()
    assert ("::warning::" in done.stdout) == (unsure == "pass")


@pytest.mark.slow
def test_the_script_of_the_template_ends_as_the_gate_does(tmp_path: Path) -> None:
    done = _run(_block(TEMPLATE, "- |"), ["sh", "-e", "-c"], tmp_path, FAIL_ABOVE="auc=0.99")
    assert done.returncode == 0, done.stderr
    assert "Leak below the limit" in done.stdout


def test_every_variable_of_the_steps_is_given_and_every_file_parses(tmp_path: Path) -> None:
    for path, head in ((ACTION, "run: |"), (TEMPLATE, "- |")):
        script, text = _block(path, head), path.read_text("utf-8")
        for name in set(re.findall(r"\$\{?([A-Z_]+)", script)) - {"GITHUB_STEP_SUMMARY"}:
            assert re.search(rf"^ *(# +)?{name}: ", text, flags=re.MULTILINE), f"{path.name} gives no {name}"
        assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the files are not parsed")
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    assert action["runs"]["steps"][-1]["run"] == _block(ACTION, "run: |")
    used = set(re.findall(r"inputs\.([a-z-]+)", ACTION.read_text("utf-8")))
    assert used == set(action["inputs"])
    workflow = yaml.safe_load((CI / "github" / "workflow.yml").read_text("utf-8"))
    (step,) = [step for step in workflow["jobs"]["leak"]["steps"] if step["uses"].startswith("./")]
    assert set(step["with"]) <= used
    assert {name for name, one in action["inputs"].items() if one.get("required")} <= set(step["with"])
    template = yaml.safe_load(TEMPLATE.read_text("utf-8"))[".leak"]
    assert template["script"] == [_block(TEMPLATE, "- |")]
    assert template["allow_failure"] == {"exit_codes": 4}
