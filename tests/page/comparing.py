"""What a page said in a browser is held against an audit, against the vectors, and against who cannot see it."""

import csv
import json
from typing import Any

import pytest

from onnxmint.results.audit import AUDIT, AuditResult, ScoreTable
from tests.conftest import ROOT

SOURCES = ROOT / "tools" / "page"
NEAR = 1e-4  # of scores, whose sums another runtime adds in another order


def require_same_answer(said: dict[str, Any], result: AuditResult) -> None:
    """Hold what a page said against an audit."""
    wanted, found = json.loads(AUDIT.write(result)), said["result"]
    AUDIT.read(json.dumps(found), "report.json", scores=result.scores, basis=None)
    assert found["verdict"]["text"] == wanted["verdict"]["text"]
    for key in ("verdict", "statistics", "identity", "next_steps", "evidence", "rule", "class_names", "calibration"):
        require_near(found[key], wanted[key], key)
    require_near({**found["questioned"], "skipped": []}, {**wanted["questioned"], "skipped": []}, "questioned")
    paths = [[one["path"] for one in each["questioned"]["skipped"]] for each in (found, wanted)]
    assert sorted(paths[0]) == sorted(paths[1])
    assert set(wanted["warnings"]) - set(found["warnings"]) == set(result_notes(wanted))
    require_same_rows(said["csv"], result.scores)


def result_notes(wanted: dict[str, Any]) -> list[str]:
    """Return the warnings that the page says in its own words, or that are of the place and the machine."""
    return [one for one in wanted["warnings"] if "were passed over" in one or one.startswith("Ran on the CPU")]


def require_near(found: Any, wanted: Any, place: str) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), place
        for key in wanted:
            require_near(found[key], wanted[key], f"{place}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), place
        for one, other in zip(found, wanted, strict=True):
            require_near(one, other, place)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12), place
    else:
        assert found == wanted, place


def require_same_rows(text: str, scores: ScoreTable) -> None:
    rows = {row["path"]: row for row in csv.DictReader(text.removeprefix("\ufeff").splitlines())}
    assert rows.keys() == set(scores.path)
    for place, path in enumerate(scores.path):
        row = rows[path]
        assert float(row["score"]) == pytest.approx(scores.score[place], abs=NEAR)
        assert float(row["p_value"]) == scores.p_value[place]
        assert float(row["q_value"]) == pytest.approx(scores.q_value[place], rel=1e-9)
        assert (row["flagged"] == "True") == scores.flagged[place]
        assert int(row["predicted"]) == scores.predicted[place]


def require_spoken(said: dict[str, Any]) -> None:
    """Hold what is read to who cannot see the page, and that keys alone reach all of it."""
    before, after, verdict = said["first"], said["spoken"], said["shown"].splitlines()[0]
    for words in (
        'combobox "Sprache"', 'heading "Wurde dieses Modell mit diesen Bildern trainiert?" [level=1]',
        'button "Ordner mit Bildern auswählen"', "status: Bereit. Wählen Sie einen Ordner mit Bildern.",
    ):  # fmt: skip
        assert words in before
    for words in (
        f'heading "{verdict}" [level=2]', 'table "Fragliche Bilder nach p-Wert"', 'columnheader "p-Wert"',
        'rowheader "', 'button "report.json speichern"', 'button "scores.csv speichern"', "status: In ",
    ):  # fmt: skip
        assert words in after
    assert said["keyed"]
    assert said["tabs"][:2] == ["language", "folder"]
    assert said["tabs"][-3:] == ["save-report", "save-scores", "save-licences"]
    assert said["tabs"].count("SUMMARY") >= 4
    assert len(said["heard"]) < len(said["progress"]) / 4  # what changes all the time is not read all the time


def require_same_files(found: list[dict[str, Any]]) -> None:
    """Hold what a browser made of the files of the vectors against what Python does."""
    kept, exact = json.loads((SOURCES / "vectors" / "images.json").read_text()), 0
    turned = {name for name, spec in kept["specs"].items() if spec["orientation"] == "apply"}
    for one, row in zip(kept["files"], found, strict=True):
        if one["page_alone"] or "refused" in one["answer"]:
            assert "refused" in row, one["name"]
            continue
        alone = turned if one["upright_alone"] else set()
        wanted = {name: None if name in alone else made.get("sha256") for name, made in one["answer"]["made"].items()}
        assert row.pop("digest", "").zfill(16) == one["answer"]["digest"], f"{one['name']}: {row}"
        assert row == wanted, one["name"]
        exact += 1
    assert exact >= 95
