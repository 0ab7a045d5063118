"""Whose images they are: sub-folders, columns and patterns, and an audit that answers for each."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from onnxmint.errors import UsageError
from onnxmint.images.labelled import only_labelled
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.report.files import load_run, write_run
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.naming import Subjects, subjects_of
from tests.cli.conftest import Run, call  # noqa: F401 - a fixture
from tests.conftest import DEMO

MODEL = DEMO / "target.onnx"
PERSONS = ("alice", "bob", "carol")


def stored(folder: Path, *, classes: bool = False, count: int = 30) -> Path:
    """Write questioned images, a third of each person's; in class folders, or in a folder a person."""
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, count).to_pylist()
    table = []
    for number, row in enumerate(rows):
        person = PERSONS[number % len(PERSONS)]
        file = Path(str(row["label"]), person, f"{number}.png") if classes else Path(person, f"{number}.png")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(row["image"]["bytes"])
        table.append({"path": file.as_posix(), "label": row["label"], "artist": person})
    with (folder / "table.csv").open("w", newline="") as place:
        writer = csv.DictWriter(place, ["path", "label", "artist"])
        writer.writeheader()
        writer.writerows(table)
    return folder


def found(place: Path, subject: str | None, *, labels: bool = True, first: str | None = None) -> Subjects | None:
    source = open_source(place, labels=labels)
    settings = AuditSettings(subject=subject, subject_first=first, labels=labels)
    return subjects_of(place, source, settings)


def test_sub_folders_are_subjects(tmp_path: Path) -> None:
    names = found(stored(tmp_path), "folder", labels=False)
    assert names is not None
    assert sorted(set(map(str, names))) == list(PERSONS)


def test_below_class_folders_they_are_those_below(tmp_path: Path) -> None:
    names = found(stored(tmp_path, classes=True), "folder")
    assert names is not None
    assert sorted(set(map(str, names))) == list(PERSONS)


def test_subjects_are_those_of_the_images_that_are_left(tmp_path: Path) -> None:
    """An image without a label, and one that is in two places, are no row of the source, and move no subject."""
    folder = stored(tmp_path / "a", classes=True)
    lone, twice = folder / "lone.png", next(folder.rglob("bob/*.png"))
    lone.write_bytes(twice.read_bytes())
    places = [twice, folder]
    (source,) = only_labelled([open_source(places)])
    names = subjects_of(places, source, AuditSettings(subject=r"/(\w+)/[^/]+\.png$"))
    assert names == tuple(entry.path.split("/")[-2] for entry in source.entries())
    assert len(source.entries()) == 30


@pytest.mark.parametrize(("place", "subject"), [("table.csv", "artist"), (".", r"/(\w+)/\d+\.png$")])
def test_columns_and_patterns_name_subjects(tmp_path: Path, place: str, subject: str) -> None:
    folder = stored(tmp_path, classes=True)
    names = found(folder / place, subject)
    entries = open_source(folder / place).entries()
    assert names == tuple(Path(entry.path).parent.name for entry in entries)


def test_none_are_asked_for_by_default(tmp_path: Path) -> None:
    assert found(stored(tmp_path), None) is None


@pytest.mark.parametrize(
    ("place", "subject", "first", "message"),
    [
        ("table.csv", "person", None, "has no column 'person'; its columns: path, label, artist"),
        (".", "nobody-(.)", None, "--subject 'nobody-(.)' matches no image of"),
        (".", "(", None, "--subject '(': this place has no columns"),
        ("alice", "folder", None, "--subject folder: no image of"),
        ("table.csv", "artist", "dave", "--subject-first 'dave' is none of the 3 subjects: alice, bob, carol"),
        ("table.csv", None, "alice", "--subject-first names a subject: say with --subject"),
    ],
)
def test_what_names_nobody_is_refused(
    tmp_path: Path, place: str, subject: str | None, first: str | None, message: str
) -> None:
    folder = stored(tmp_path)
    with pytest.raises(UsageError) as problem:
        found(folder / place, subject, labels=False, first=first)
    assert message in str(problem.value)


def test_an_audit_answers_for_each_subject(tmp_path: Path, phi: Auditor) -> None:
    settings = AuditSettings(device="cpu", controls=False, subject="artist", subject_first="carol")
    result = audit(MODEL, stored(tmp_path / "asked") / "table.csv", phi, settings=settings)
    subjects = result.subjects
    assert subjects is not None
    assert (subjects.by, subjects.first, subjects.rows[0].name) == ("artist", "carol", "carol")
    assert sum(row.images for row in subjects.rows) + subjects.without == result.questioned.images
    write_run(result, tmp_path / "run", run_settings={})
    assert load_run(tmp_path / "run").subjects == subjects
    page = (tmp_path / "run" / "report.html").read_text()
    assert "“carol” alone (" in page
    assert page.count('<td data-name="q">') >= 3


def test_the_terminal_and_json_name_every_subject(call: Run, tmp_path: Path, phi_file: Path) -> None:  # noqa: F811
    asked = stored(tmp_path / "asked") / "table.csv"
    words = ["audit", str(MODEL), str(asked), "--auditor", phi_file, "--no-controls", "--subject", "artist", "-q"]
    code, out, _ = call(*words, "-o", "run")
    assert code == 0
    assert all(f"{person} " in out for person in PERSONS)
    assert "by subject (artist): " in " ".join(out.split())
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert sorted(row["name"] for row in report["subjects"]["rows"]) == list(PERSONS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample": 10}, "--sample draws images whosever they are, so that few of a subject's are left: leave it out"),
        (
            {"sequential": True},
            "--sequential stops as soon as the whole set tells, before every subject can: leave it out",
        ),
    ],
)
def test_a_part_of_the_images_and_subjects_do_not_go_together(
    options: dict[str, int], said: str, tmp_path: Path, phi: Auditor
) -> None:
    settings = AuditSettings(device="cpu", subject="folder", **options)
    with pytest.raises(UsageError, match=f"^{said}$"):
        audit(MODEL, stored(tmp_path, classes=True), phi, settings=settings)
