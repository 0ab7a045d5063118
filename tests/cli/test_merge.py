"""onnxmint audit --part and onnxmint merge: the words a user meets, and a run like any other at the end."""

import tomllib
from pathlib import Path

import pytest

from onnxmint.report.files import load_run
from tests.cli.conftest import Run
from tests.conftest import DEMO

MODEL, QUESTIONED = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:60"


@pytest.fixture
def words(phi_file: Path) -> list[object]:
    return ["audit", MODEL, QUESTIONED, "--auditor", phi_file, "--device", "cpu", "--no-controls", "-q"]


def test_parts_and_their_merge_are_a_run(call: Run, words: list[object], phi_file: Path, tmp_path: Path) -> None:
    one, two = ([*words, "--part", part, "--unit", 20, "-o", "run"] for part in ("1/2", "2/2"))
    code, out, _ = call(*one)
    assert (code, out) == (
        0,
        "part 1/2 is made: 2 of 3 files in run.parts; 1 of all are missing; when they are there: onnxmint merge run\n",
    )
    code, _, err = call("merge", "run", "-q")
    assert code == 1
    assert "run.parts: 1 of 3 parts are not there (part-00001.parquet). Make them with the command that" in err
    assert "and --part 2/2; what is there is not made again" in err
    code, out, _ = call(*two)
    assert (code, out) == (0, "part 2/2 is made: 1 of 3 files in run.parts; all are there: onnxmint merge run\n")
    code, out, _ = call(*one)
    assert "2 of 3 files in run.parts (2 from before); all are there" in out
    code, out, err = call("merge", "run.parts", "-q", "--device", "cpu", "--gate", "--title", "In parts", "--no-record")
    assert (code, err) == (
        {"members-found": 3, "inconclusive": 4, "no-evidence": 0}[load_run(Path("run")).verdict.kind],
        "",
    )
    facts = tomllib.loads(Path("run/run.toml").read_text())
    assert facts["page"]["title"] == "In parts"
    assert facts["command"]["images"] == ["questioned.parquet?rows=0:60"]
    assert (facts["command"]["auditor_file"], facts["command"]["controls"]) == ("auditor.onnx", False)
    assert Path("run/auditor.onnx").read_bytes() == phi_file.read_bytes()
    code, _, err = call("merge", "run", "-q")
    assert code == 2
    assert "run holds results already" in err
    assert "derivation    passed" in call("verify", "run")[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--part", "0/2", "-o", "run"], "0/2: parts are counted from 1, the last one is 2/2"),
        (["--part", "half", "-o", "run"], "'half' is no part of several; write for example 3/64"),
        (["--part", "1/2"], "--part needs -o RUN, the same for all parts"),
        (
            ["--part", "1/2", "-o", "s3://bucket/run"],
            "s3://bucket/run: parts are made in a folder that all processes see, not in a store",
        ),
        (["--part", "1/2", "-o", "run", "--title", "A"], "--title belongs to onnxmint merge, which makes the report"),
        (["--part", "1/2", "-o", "run", "--json"], "--json belongs to onnxmint merge, which makes the report"),
        (["--part", "1/2", "-o", "run", "--sequential"], "--sequential looks at one lot after the other and stops"),
    ],
)
def test_words_that_no_part_can_be_made_with(call: Run, words: list[object], given: list[object], said: str) -> None:
    code, out, err = call(*words, *given)
    assert (code, out) == (2, "")
    assert said in err
    assert not Path("run.parts").exists()


def test_a_part_needs_an_auditor(call: Run) -> None:
    code, _, err = call("audit", MODEL, QUESTIONED, "--members", DEMO / "members.parquet", "--part", "1/2", "-o", "run")
    assert code == 2
    assert "--part needs --auditor: train one first (onnxmint train), for each process would train another one" in err
