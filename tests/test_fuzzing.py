"""The fuzzer in tools/fuzz sees what it is there to see, and its committed counts hold no failure."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

FUZZ = ROOT / "tools" / "fuzz"


def load(name: str) -> ModuleType:
    """Import a module of the fuzzer by its file: its folder is no package."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for what annotations mean
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Error: m.onnx is not an ONNX file: download it again", None),
        ("", "says nothing"),
        ("Error: first\nsecond", "2 lines"),
        ("Error: no layer " + "x" * 300, "a word of 300 letters"),
        ("Error: unexpected KeyError: 'a'. This is a defect: run again", "says 'This is a defect' of a foreign file"),
        ("Error: the copy differs; report this", "says 'report this' of a foreign file"),
    ],
)
def test_a_message_that_is_no_clean_line_is_noticed(text: str, wrong: str | None) -> None:
    assert load("judging").wrong_message(text) == wrong


def test_letters_that_act_on_a_terminal_are_noticed() -> None:
    hidden_in = load("judging").hidden_in
    assert hidden_in("plain text\nin two lines, with é and \u4e2d") is None
    for letter in "\x1b\x07\x9b\u202e\u2066\u2028\x00\r":
        assert hidden_in(f"a{letter}b").startswith(f"U+{ord(letter):04X}")


def test_the_first_failure_of_a_case_counts() -> None:
    worst = load("judging").worst
    assert worst([("fine", "a", ""), ("wrong", "b", ""), ("left", "c", "")]) == ("wrong", "b", "")
    assert worst([("fine", "a", ""), ("fine", "b", "")]) == ("fine", "b", "")


def test_a_file_that_was_read_or_changed_is_noticed(tmp_path: Path) -> None:
    watching = load("watching")
    watching.set_canaries(tmp_path, b"canary")
    assert watching.touched_canaries(tmp_path) == []
    (tmp_path / "secret.png").write_bytes(b"other")
    (tmp_path / "secret.bin").unlink()
    assert watching.touched_canaries(tmp_path) == ["changes secret.bin", "changes secret.png"]


def test_what_a_killed_run_leaves_is_noticed(tmp_path: Path) -> None:
    for name in ("run", ".run.onnxmint", "run.unfinished", ".onnxmint-12-0123456789ab", "auditor.onnx"):
        (tmp_path / name).mkdir()
    found = load("watching").left_in(tmp_path)
    assert sorted(found) == [".onnxmint-12-0123456789ab", ".run.onnxmint", "run.unfinished"]


CASES = """
import os, signal, sys, tempfile, time
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import supervising, waiting
waiting._STILL = 2

class Odd:
    name, share, limit = "odd", 1, 2.0

    def case(self, trial, rng):
        work = [
            lambda: None, lambda: time.sleep(100), self.turn, lambda: os.kill(os.getpid(), signal.SIGSEGV),
            lambda: os.write(1, b"noise"), lambda: (trial.folder.parent / "x").write_text(""),
            lambda: (trial.temporary / "onnxmint-12-0123456789ab").mkdir(), lambda: 1 / 0,
            lambda: trial.same([1, 2], [1, 3], "a number"), lambda: None,
        ][trial.number]
        trial.call(work)

    def turn(self):
        while True:
            pass

until = time.monotonic() + 100
for found in supervising.outcomes(Odd(), range(10), seed=1, work=Path(tempfile.mkdtemp(dir=sys.argv[3])), until=until):
    print(found.verdict)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer reads /proc")
def test_every_kind_of_failure_is_seen_and_the_next_case_is_run(tmp_path: Path) -> None:
    words = [sys.executable, "-c", CASES, str(FUZZ), str(ROOT), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [
        "fine", "hang", "hang", "crash", "defect", "outside", "left", "defect", "wrong", "fine",
    ], done.stderr  # fmt: skip


PARTS, ON_RAY = FUZZ / "results" / "kill_parts.json", FUZZ / "results" / "kill_ray.json"


def test_committed_kills_of_parts_lost_nothing() -> None:
    found = json.loads(PARTS.read_text())
    assert sum(found["kills"].values()) >= 100
    assert not any(found[name] for name in ("parts_touched", "parts_broken", "rows_lost", "rows_doubled", "left_over"))
    assert found["results_that_differ"] == 0


def test_committed_kills_on_a_ray_cluster_lost_nothing() -> None:
    found = json.loads(ON_RAY.read_text())
    assert sum(found.pop("kills").values()) >= 6
    good = {name: found.pop(name) for name in ("seed", "inside_a_write", "rounds", "commands")}
    assert good["inside_a_write"] > 0
    assert set(found.values()) == {0}


@pytest.mark.parametrize(
    "file", sorted({*(FUZZ / "results").glob("*.json")} - {PARTS, ON_RAY}), ids=lambda file: file.stem
)
def test_committed_counts_hold_no_failure(file: Path) -> None:
    found = json.loads(file.read_text())
    assert found["verdicts"].pop("fine") == found["cases"]
    assert set(found["verdicts"].values()) == {0}
    if found["kind"] == "models":
        assert found["marks"]["past the checker"] > found["cases"] / 2
