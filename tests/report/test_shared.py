"""What is shared names files without the folders above them, and no name acts in a spreadsheet."""

import csv
import io
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.report.again import render_again
from onnxmint.report.csv_file import harmless, scores_csv
from onnxmint.report.files import load_run, write_run
from onnxmint.report.presentation import Presentation
from onnxmint.report.shared import last_part, without_folders
from onnxmint.results.audit import AuditResult

PRIVATE = {
    "folder": "/home/anna/cases/smith",
    "model": "/home/anna/models/vendor.onnx",
    "images": "../letters/photos",
    "members": ["/srv/evidence/train.parquet?split=train", "C:\\data\\more"],
    "seed": 0,
}


@pytest.fixture
def private(result: AuditResult) -> AuditResult:
    return replace(
        result,
        target=replace(result.target, path="/home/anna/models/vendor.onnx", layers=("models/layer1/Relu",)),
        warnings=(
            "As nothing was given, /home/anna/models/preprocessor_config.json says how images are prepared.",
            "../letters/photos holds 3 files that are no images.",
        ),
    )


def test_folders_are_told_only_where_that_was_asked_for(private: AuditResult, tmp_path: Path) -> None:
    write_run(private, tmp_path / "shared", run_settings=PRIVATE)
    for file in (tmp_path / "shared").iterdir():
        content = file.read_bytes()
        for word in (b"anna", b"/srv", b"letters", b"C:\\"):
            assert word not in content, file.name
    facts = tomllib.loads((tmp_path / "shared" / "run.toml").read_text())
    assert facts["command"] == {
        "model": "vendor.onnx", "images": "photos", "members": ["train.parquet?split=train", "more"], "seed": 0,
    }  # fmt: skip
    again = load_run(tmp_path / "shared")
    assert again.warnings[0].startswith("As nothing was given, preprocessor_config.json says")
    assert again.target.layers == private.target.layers  # a name in the graph is no folder
    write_run(private, tmp_path / "whole", run_settings=PRIVATE, paths=True)
    assert tomllib.loads((tmp_path / "whole" / "run.toml").read_text())["command"] == PRIVATE
    assert "/home/anna/models/vendor.onnx" in (tmp_path / "whole" / "report.html").read_text()


def test_a_word_that_only_ends_like_a_folder_stays(result: AuditResult) -> None:
    odd = replace(result, warnings=("supermodels/x and models/clothes-classifier.onnx",))
    assert without_folders(odd, {})[0].warnings == ("supermodels/x and clothes-classifier.onnx",)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("a/b.onnx", "b.onnx"),
        ("a/b/", "b"),
        (".", "."),
        ("..", ".."),
        ("C:\\x\\y.png", "y.png"),
        ("a/p?rows=0:9", "p?rows=0:9"),
    ],
)
def test_the_last_part_of_a_place(place: str, name: str) -> None:
    assert last_part(place) == name


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", " =1", "|x", "%x", "\r=1"])
def test_a_name_that_begins_like_a_formula_gets_an_apostrophe(name: str) -> None:
    assert harmless(name).startswith("'")


def test_scores_csv_has_every_image_with_names_of_classes(result: AuditResult) -> None:
    paths = ('=HYPERLINK("http://x")', 'a,"b"\n.png', *result.scores.path[2:])
    names = ("=evil", *(f"class {number}" for number in range(1, 10)))
    odd = replace(result, scores=replace(result.scores, path=paths), class_names=names)
    content = scores_csv(odd)
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == 400
    assert [float(row["p_value"]) for row in rows] == sorted(result.scores.p_value)
    of = {row["path"]: row for row in rows}
    assert '\'=HYPERLINK("http://x")' in of
    assert 'a,"b"\\n.png' in of
    row = of[paths[5]]
    assert (float(row["score"]), row["label"]) == (result.scores.score[5], str(result.scores.label[5]))
    assert row["label_name"] in {"'=evil", *names[1:]}
    assert not any(row["predicted_name"].startswith("=") for row in rows)


def test_scores_csv_of_an_audit_without_labels_or_images(empty_result: AuditResult) -> None:
    assert scores_csv(empty_result).decode("utf-8-sig").splitlines() == [
        "path,score,p_value,q_value,flagged,likelihood_ratio,probability,label,predicted,label_name,predicted_name"
    ]


def test_a_run_is_rendered_again_in_another_language(result: AuditResult, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(result, run, run_settings={}, shown=Presentation(title="Smith v. ACME", case="7"))
    _, files = render_again(run, {"language": "es", "case": "8"})
    assert [file.name for file in files] == ["report.html", "answer.txt"]
    text = (run / "answer.txt").read_text()
    assert text.startswith("Smith v. ACME\n¿Se entrenó este modelo con estas imágenes?\nExpediente: 8\n")
    assert tomllib.loads((run / "run.toml").read_text())["page"] == {
        "language": "es",
        "title": "Smith v. ACME",
        "case": "8",
    }
    before = (run / "report.html").read_bytes()
    render_again(run, {})
    assert (run / "report.html").read_bytes() == before
    assert load_run(run).verdict == result.verdict


def test_odd_words_of_a_page_are_refused_in_one_line(result: AuditResult, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the title has 501 letters, at most 500 are shown: shorten it"):
        Presentation(title="x" * 501)
    with pytest.raises(UsageError, match="language 'xx' is none of en, de, fr, es"):
        Presentation(code="xx")  # type: ignore[arg-type]
    run = tmp_path / "run"
    write_run(result, run, run_settings={})
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace("[sha256]", '[sha256]\n"thumbnails.json" = "00"'))
    with pytest.raises(OnnxmintError, match=r"holds a damaged run: .*thumbnails.json.*; run onnxmint audit again"):
        render_again(run, {})
    (run / "run.toml").write_text(text.replace("[page]", "[other]") + "\n[page]\ntitle = 3\n")
    with pytest.raises(OnnxmintError, match=r"run.toml's \[page\] holds other than words; run onnxmint audit again"):
        render_again(run, {})
