"""A run's files are whole or absent, come back as written, and damage is noticed."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.report.again import render_again
from onnxmint.report.files import load_run, write_run
from onnxmint.report.html import render_html
from onnxmint.report.manifest import renew
from onnxmint.results.audit import AUDIT, AuditResult, ScoreTable
from onnxmint.workflows.stamping import query_of_run
from onnxmint.writing.files import atomic_write, make_folder, require_writable
from onnxmint.writing.folders import RUN_FILES

NAMES = [
    "report.html", "answer.txt", "report.json", "scores.parquet", "scores.csv", "auditor.onnx", "run.toml",
    "manifest.json",
]  # fmt: skip


@pytest.fixture
def run(result: AuditResult, tmp_path: Path) -> Path:
    folder = tmp_path / "new" / "run"
    written = write_run(result, folder, run_settings={"images": "photos", "seed": 0}, auditor=b"onnx")
    assert [path.name for path in written] == NAMES
    return folder


def edit(run: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file and its hash, as somebody would who wants the change unnoticed."""
    before = (run / name).read_bytes()
    after = change(before)
    assert after != before
    (run / name).write_bytes(after)
    old, new = (hashlib.sha256(content).hexdigest() for content in (before, after))
    (run / "run.toml").write_text((run / "run.toml").read_text().replace(old, new))


def test_a_run_comes_back_as_it_was(result: AuditResult, tmp_path: Path) -> None:
    run = tmp_path / "whole"
    write_run(result, run, run_settings={}, paths=True)
    again = load_run(run)
    assert AUDIT.facts(again) == AUDIT.facts(result)
    for column in fields(ScoreTable):
        np.testing.assert_array_equal(getattr(again.scores, column.name), getattr(result.scores, column.name))
    assert render_html(again) == (run / "report.html").read_text()


def test_nothing_else_is_left_in_the_folder(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == sorted(NAMES)


def test_scores_keep_types_order_and_checksums(run: Path, result: AuditResult) -> None:
    table = pq.read_table(run / "scores.parquet", page_checksum_verification=True)
    assert [f"{field.name}: {field.type}" for field in table.schema] == [
        "path: string",
        "score: double",
        "p_value: double",
        "q_value: double",
        "flagged: bool",
        "likelihood_ratio: double",
        "probability: double",
        "label: int64",
        "predicted: int64",
    ]
    assert table["path"].to_pylist() == list(result.scores.path)
    assert pq.read_metadata(run / "scores.parquet").row_group(0).column(1).compression == "ZSTD"
    assert table.schema.metadata[b"target_sha256"].decode() == result.target.sha256


def test_settings_and_hashes_are_in_run_toml(run: Path, result: AuditResult) -> None:
    facts = tomllib.loads((run / "run.toml").read_text())
    assert facts["command"] == {"images": "photos", "seed": 0}
    assert facts["method"]["tensors"] == list(result.method.tensors)
    assert facts["statistics"]["units"] == "images"
    assert facts["target"]["sha256"] == result.target.sha256
    assert facts["preprocess"]["mean"] == [0.485, 0.456, 0.406]
    assert "crop" not in facts["preprocess"]  # TOML has no word for None
    assert {"onnxmint", "python", "numpy", "onnx"} <= facts["versions"].keys()
    assert list(facts["sha256"]) == NAMES[:-2]


def test_an_audit_without_labels_or_images_is_written_too(empty_result: AuditResult, tmp_path: Path) -> None:
    written = write_run(empty_result, tmp_path, run_settings={})
    assert [path.name for path in written] == [name for name in NAMES if name != "auditor.onnx"]
    again = load_run(tmp_path)
    assert (again.questioned.images, again.scores.label) == (0, None)


def test_names_that_are_no_utf8_survive(result: AuditResult, tmp_path: Path) -> None:
    paths = ("caf\udce9.png", "<script>.png", *result.scores.path[2:])
    odd = replace(result, scores=replace(result.scores, path=paths))
    write_run(odd, tmp_path, run_settings={"images": "caf\udce9"})
    assert load_run(tmp_path).scores.path[:2] == ("caf\\udce9.png", "<script>.png")


def test_writing_again_replaces_where_that_was_asked_for(run: Path, result: AuditResult) -> None:
    other = replace(result, questioned=replace(result.questioned, alpha=0.01))
    with pytest.raises(UsageError, match="holds results already: choose another folder with -o, or replace them with"):
        write_run(other, run, run_settings={})
    write_run(other, run, run_settings={}, overwrite=True)
    assert load_run(run).questioned.alpha == 0.01


@pytest.mark.parametrize("name", ["report.json", "scores.parquet"])
def test_a_flipped_bit_is_noticed(run: Path, name: str) -> None:
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(
        OnnxmintError, match=rf"{name} is not the file that run/run.toml names.*run onnxmint audit again"
    ):
        load_run(run)


@pytest.mark.parametrize("name", ["report.json", "scores.parquet", "run.toml"])
def test_an_unfinished_run_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(OnnxmintError, match=f"no finished run: it has no {name}; run onnxmint audit -o"):
        load_run(run)


@pytest.mark.parametrize("content", ["", "no toml [", "sha256 = 3", "[sha256]\n"])
def test_a_damaged_list_of_files_is_named(run: Path, content: str) -> None:
    (run / "run.toml").write_text(content)
    with pytest.raises(OnnxmintError, match=r"holds a damaged run: .*; run onnxmint audit again"):
        load_run(run)


def test_a_run_of_another_version_is_refused(run: Path) -> None:
    edit(run, "report.json", lambda text: text.replace(AUDIT.schema.encode(), b"onnxmint.audit/9", 1))
    with pytest.raises(
        OnnxmintError, match=r"schema 'onnxmint\.audit/9', .*the version that wrote it \(onnxmint 0\.1\.0\)"
    ):
        load_run(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda facts: facts["verdict"].update(p_value="low"),
            r"expected `float \| null`, got `str` at \$.verdict.p_value",
        ),
        (lambda facts: facts["verdict"].update(kind="innocent"), r"enum value 'innocent' at \$.verdict.kind"),
        (lambda facts: facts["performance"]["roc_fpr"].pop(), r"curve has \d+ and \d+ coordinates at \$.performance"),
        (lambda facts: facts["performance"]["tpr_at_fpr"].pop("0.01"), r"need rates at .* at \$.performance"),
        (lambda facts: facts["histogram"]["edges"].reverse(), r"edges of the bins do not rise at \$.histogram"),
        (lambda facts: facts["histogram"]["member"].pop(), r"need 48 counts, none below 0 at \$.histogram"),
        (lambda facts: facts["questioned"].update(images=3), "speaks of 3 images .* scores.parquet of 400"),
    ],
)
def test_an_edited_report_is_refused_in_one_line(
    run: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    def edited(text: bytes) -> bytes:
        facts = json.loads(text)
        change(facts)
        return json.dumps(facts).encode()

    edit(run, "report.json", edited)
    with pytest.raises(OnnxmintError, match=f"report.json.*{message}.*; run onnxmint audit again"):
        load_run(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns("score"), "has the columns path, p_value"),
        (lambda table: table.append_column("more", table["score"]), "has the columns .* more"),
        (lambda table: table.set_column(1, "score", [[str(n) for n in range(400)]]), "or other types"),
        (lambda table: table.set_column(1, "score", [[float("nan")] * 400]), "holds NaN or infinity in score"),
        (lambda table: table.set_column(2, "p_value", [[1.5] * 400]), "holds p_value outside 0 to 1"),
        (
            lambda table: table.set_column(1, "score", pa.array([[None, *[0.0] * 399]]).flatten()),
            "has no score in 1 row",
        ),
        (lambda table: table.set_column(7, "label", pa.array([None, *[0] * 399], pa.int64())), "has no label in 1 row"),
        (lambda table: table.slice(1), "scores.parquet of 399"),
    ],
)
def test_edited_scores_are_refused_in_one_line(run: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    def edited(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(change(pq.read_table(pa.BufferReader(content))), sink)
        return sink.getvalue().to_pybytes()

    edit(run, "scores.parquet", edited)
    with pytest.raises(OnnxmintError, match=f"{message}.*; run onnxmint audit again"):
        load_run(run)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OnnxmintError, match="no finished run"):
        load_run(tmp_path / "run")
    with pytest.raises(OnnxmintError, match=r"cannot write .*run: Not a directory; choose another place with -o"):
        require_writable(tmp_path / "run")
    with pytest.raises(OnnxmintError, match=r"cannot write .*run: File exists; choose another place with -o"):
        make_folder(tmp_path / "run")


def test_asking_whether_a_place_is_writable_leaves_nothing_there(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_says_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OnnxmintError, match=r"cannot write .*none/x: No such file or directory; choose another place"):
        atomic_write(tmp_path / "none" / "x", b"")


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from onnxmint.errors import OnnxmintError; from onnxmint.writing.files import atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: atomic_write(Path(sys.argv[1]), bytes(5000))\n"
        "except OnnxmintError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x"], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "File too large" in done.stdout
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.open"])
def test_an_error_at_any_step_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(call, fail)
        with pytest.raises(OnnxmintError, match="Input/output error"):
            atomic_write(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_content_is_on_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def record(name: str, real: Callable[..., object]) -> Callable[..., object]:
        return lambda *args: (calls.append(name), real(*args))[1]

    monkeypatch.setattr(os, "fsync", record("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", record("replace", Path.replace))
    atomic_write(tmp_path / "x", b"new")
    assert calls == ["fsync", "replace", "fsync"]


def test_the_users_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic_write(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_json_has_no_word_that_json_does_not_know(run: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads((run / "report.json").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("name", ["run.toml", "report.json", "scores.parquet"])
def test_a_run_is_read_from_its_own_files_only(run: Path, name: str, tmp_path: Path) -> None:
    content = (run / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    (run / name).unlink()
    (run / name).symlink_to(tmp_path / name)
    with pytest.raises(OnnxmintError, match=f"{name} is no regular file; run onnxmint audit again"):
        load_run(run)
    (run / name).unlink()
    with (run / name).open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(OnnxmintError, match=f"{name} has 1,048,576 MiB"):
        load_run(run)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
@pytest.mark.parametrize("name", sorted(RUN_FILES))
def test_a_pipe_in_a_run_does_not_block(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    with pytest.raises(OnnxmintError, match=re.escape(f"{name} is no regular file; run onnxmint audit again")):
        load_run(run)
    with pytest.raises(OnnxmintError, match=re.escape(f"{name} is no regular file")):
        render_again(run, {})
    if name == "manifest.json":
        with pytest.raises(UsageError, match=r"manifest\.json is no regular file"):
            query_of_run(run, run.with_name("query.tsq"))
        with pytest.raises(OnnxmintError, match=r"manifest\.json is no regular file"):
            renew(run, {})


def test_an_auditor_that_is_a_link_is_not_read(run: Path, tmp_path: Path) -> None:
    (run / "auditor.onnx").unlink()
    (tmp_path / "elsewhere.onnx").write_bytes(b"another")
    (run / "auditor.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    load_run(run)
