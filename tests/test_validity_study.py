"""The validity study runs from end to end on a few of everything; its full results are in tools/study/validity."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.stats import binomtest

from tests.conftest import ROOT

STUDY = ROOT / "tools" / "study" / "validity"


@pytest.mark.slow
def test_every_part_runs(shared: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(STUDY / "validity.py"), "--shared", str(shared), "--quick"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert {name for name, _ in rows} == {
        "null", "crossed", "discoveries", "share", "power", "difficulty", "pipeline", "confounds",
    }  # fmt: skip
    flagged = {
        row["kind"]: row["flagged"]["either"] for row in map(json.loads, (t for n, t in rows if n == "confounds"))
    }
    assert flagged.pop("clean") == 0
    assert set(flagged.values()) == {1.0}


def test_committed_results_keep_what_the_readme_promises() -> None:
    """The numbers that the documents are made of, held against the promises."""
    found = {name: json.loads((STUDY / "results" / f"{name}.json").read_text()) for name in
             ("null", "discoveries", "share", "power", "difficulty", "confounds", "pipeline")}  # fmt: skip
    assert max(row["members_found"] for row in found["null"]) <= 0.065
    assert max(max(row["false_discovery_rate"].values()) for row in found["discoveries"]) <= 0.05
    covered = [row["covered"] for row in found["share"]]
    assert sum(0.93 <= one <= 0.975 for one in covered) >= 0.97 * len(covered)
    kept = [row["kept"] for row in found["power"] if row["made"] >= 0.9]
    assert min(kept) >= 0.92
    for row in found["difficulty"]:  # learned references are measured in few audits
        assert row["caught"] >= (0.95 if row["reference"] == "given" else 0.85)
        assert row["members_found"] <= 1 - row["caught"] + 1e-9
    confounds = found["confounds"]
    assert all(row["flagged"]["either"] >= 0.99 for row in confounds if row["kind"] != "clean")
    assert all(row["flagged"]["either"] <= 0.05 for row in confounds if row["kind"] == "clean")
    assert all(row["any_failed"] <= 0.05 for row in found["pipeline"])
    for row in found["pipeline"]:  # too few audits for a share to be held against 5%: a true 5% often shows more
        wrong = round(row["verdicts"]["innocent"].get("members-found", 0) * row["runs"])
        assert binomtest(wrong, row["runs"], 0.05, alternative="greater").pvalue >= 0.05


def test_committed_results_of_audits_in_lots_keep_what_they_promise() -> None:
    simulated = json.loads((STUDY / "results" / "sequential_simulated.json").read_text())
    innocent = next(row for row in simulated["sets"] if row["share"] == 0)
    assert innocent["audits"] >= 2000
    assert max(innocent[f"growth 2, early 0.2, {guarantee}"]["found"] for guarantee in ("each", "average")) <= 0.05
    for row in simulated["room"]:  # of a tenth more images, measured in 2,000 audits
        assert row["in lots: found"] >= row["power"] - 2 * (0.9 * 0.1 / 2000) ** 0.5
    judged = [json.loads(line) for line in (STUDY / "results" / "sequential_audits.jsonl").read_text().splitlines()]
    wrong = [row["ever found"] for row in judged if not row["guilty"]]
    assert sum(wrong) <= 0.05 * len(wrong)
    guilty = [row for row in judged if row["guilty"]]
    assert not [row for row in guilty if row["kind"] == "no-evidence"]


def test_committed_audits_of_innocent_sets_keep_the_level_in_every_row() -> None:
    """No row of innocent sets is called members more often than 5%, and no guilty one is acquitted more often."""
    for name, fewest in (("audits_2views", 100), ("alone", 100)):
        kinds: dict[str, list[str]] = {}
        for line in (STUDY / "results" / f"{name}.jsonl").read_text().splitlines():
            for row, found in json.loads(line)["sets"].items():
                kinds.setdefault(row.rstrip(" 012") if ", plain" in row else row, []).append(found["kind"])
        assert min(map(len, kinds.values())) >= fewest
        assert len(kinds["innocent, plain"]) >= 300
        for row, found in kinds.items():
            wrong = "members-found" if row.startswith("innocent") else "no-evidence"
            # Of 30 rows at 5% one shows more by chance: none may show significantly more, and all together far less.
            assert binomtest(found.count(wrong), len(found), 0.05, alternative="greater").pvalue >= 0.05, row
        innocent = [kind for row, found in kinds.items() if row.startswith("innocent") for kind in found]
        assert innocent.count("members-found") <= 0.02 * len(innocent)
        guilty = [kind for row, found in kinds.items() if row.startswith("guilty") for kind in found]
        assert guilty.count("no-evidence") <= 0.01 * len(guilty)


def test_committed_shares_cover_what_they_promise() -> None:
    """Of targets that leak, one by one; of the weak one an open gate chooses lucky auditors, and the page says so."""
    for name in ("shares_2views", "shares_26views"):
        lines = [json.loads(line) for line in (STUDY / "results" / f"{name}.jsonl").read_text().splitlines()]
        told = [one for line in lines if line["target"] != "cifar10-resnet20" for one in line["sets"] if one["share"]]
        covered = [one["share"][1] <= one["truth"] <= one["share"][2] for one in told]
        assert sum(covered) >= 0.93 * len(covered)
        made = [line["promised"] for line in lines if line["promised"]]
        assert binomtest(sum(one["p"] <= 0.05 for one in made), len(made), 0.95, alternative="less").pvalue >= 0.05


def test_committed_audits_of_weak_models_are_right_where_the_gate_opened() -> None:
    lines = [json.loads(line) for line in (STUDY / "results" / "scarce.jsonl").read_text().splitlines()]
    sets = [one for line in lines for auditor in line["auditors"] for one in auditor["sets"]]
    answered = [one["kind"] for one in sets if one["set"] == "innocent" and one["open"]]
    assert len(answered) > 100
    assert answered.count("members-found") <= 0.05 * len(answered)
