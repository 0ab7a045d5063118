"""Several places and single files on the command line: one set, every image named and counted once."""

import json
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN

MODEL = str(DEMO / "target.onnx")
FEW = ["--members", f"{KNOWN[0]}?rows=0:60", "--nonmembers", f"{KNOWN[1]}?rows=0:60", "--module", "phi"]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of six questioned images each, in folders of their class; equal names in both."""
    found = tmp_path / "a", tmp_path / "b"
    for number, row in enumerate(pq.read_table(DEMO / "questioned.parquet").slice(0, 12).to_pylist()):
        folder = found[number % 2] / str(row["label"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number // 2}.png").write_bytes(row["image"]["bytes"])
    return found


def test_several_folders_are_audited_as_one_set(
    call: Run, places: tuple[Path, Path], phi_file: Path, tmp_path: Path
) -> None:
    code, _, err = call("audit", MODEL, "a", "b", "--auditor", phi_file, "-q", "-o", "run")
    assert (code, err) == (0, "")
    paths = pq.read_table(tmp_path / "run" / "scores.parquet")["path"].to_pylist()
    assert len(set(paths)) == 12
    assert {path.partition("/")[0] for path in paths} == {"a", "b"}
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text())["command"]["images"] == ["a", "b"]


def test_folders_and_single_files_are_audited_and_what_is_there_twice_is_counted(
    call: Run, places: tuple[Path, Path], tmp_path: Path
) -> None:
    single = next((tmp_path / "b").rglob("*.png")).relative_to(tmp_path)
    twice = next((tmp_path / "a").rglob("*.png")).relative_to(tmp_path)
    words = ["--preprocess", "0-1", "--no-labels", "--no-controls", "-q", "--json", "-o", "run"]
    code, out, _ = call("audit", MODEL, "a", single, twice, *FEW, *words)
    assert code == 0
    report = json.loads(out)
    assert report["questioned"]["images"] == 7
    assert any(
        f"1 images that are given twice, and were taken once (for example {twice})" in one for one in report["warnings"]
    )
    paths = pq.read_table(tmp_path / "run" / "scores.parquet")["path"].to_pylist()
    assert str(single) in paths


def test_a_place_of_several_is_no_output(call: Run, places: tuple[Path, Path], phi_file: Path, tmp_path: Path) -> None:
    code, _, err = call("audit", MODEL, "a", "b", "--auditor", phi_file, "-q", "-o", "b", "--overwrite")
    assert code == 2
    assert "-o b would overwrite the images" in err
    assert len(list((tmp_path / "b").rglob("*.png"))) == 6


def test_a_place_named_twice_or_missing_is_one_line(call: Run, places: tuple[Path, Path], phi_file: Path) -> None:
    assert "a is given twice; name each place once" in call("audit", MODEL, "a", "a", "--auditor", phi_file)[2]
    assert "c does not exist" in call("audit", MODEL, "a", "c", "--auditor", phi_file)[2]
    assert "Missing argument 'IMAGES" in call("audit", MODEL, "--auditor", phi_file)[2]


def test_check_takes_several_places(call: Run, places: tuple[Path, Path]) -> None:
    code, out, _ = call("check", MODEL, "a", "b", "-q", "--json")
    assert code == 0
    assert json.loads(out)["images"] == 12
    assert json.loads(out)["source"] == "a + b"


def test_what_was_given_as_known_is_never_questioned_whatever_the_limit(call: Run, tmp_path: Path) -> None:
    words = ["--preprocess", "0-1", "--no-controls", "-q", "--limit", "45", "-o", "run", "--json"]
    code, out, _ = call("audit", MODEL, f"{KNOWN[0]}?rows=50:80", *FEW, *words)
    assert code == 0
    report = json.loads(out)
    assert report["questioned"]["images"] == 20
    assert len(report["questioned"]["skipped"]) == 10
    assert all(one["reason"].startswith("is a known member of the evidence") for one in report["questioned"]["skipped"])
    code, out, _ = call("audit", MODEL, f"{KNOWN[0]}?rows=50:80", "--auditor", "run/auditor.onnx", "-q", "--json")
    assert json.loads(out)["questioned"]["images"] == 20


def test_labels_that_lack_are_told_with_the_columns_that_may_be_meant(
    call: Run, phi_file: Path, tmp_path: Path
) -> None:
    table = pq.read_table(DEMO / "questioned.parquet").slice(0, 9).select(["image", "label"])
    pq.write_table(table.rename_columns(["image", "target"]), tmp_path / "t.parquet")
    code, _, err = call("audit", MODEL, "t.parquet", "--auditor", phi_file, "-q")
    assert code == 1
    assert "no image in t.parquet has a label" in err
    assert "target may be meant: name it behind the place, with ?labels=target" in err
