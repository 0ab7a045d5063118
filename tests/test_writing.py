"""What is written is whole, over no input and no result, and what a killed process leaves behind goes with the next."""

import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.writing.files import atomic_write
from onnxmint.writing.folders import RUN_FILES, NewFolder, clear_beside, dated_folder, new_folder
from onnxmint.writing.inputs import Input, refuse_inputs, require_free
from onnxmint.writing.leftovers import clear, temporary_file, temporary_folder
from tests.conftest import ROOT

OLD = {"report.html": b"old page", "run.toml": b"old"}
NEW = {"report.html": b"new page", "report.json": b"{}", "run.toml": b"new"}
_DYING = """
import os, signal, sys
from pathlib import Path
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
"""


def _in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _killed(code: str, *words: object) -> None:
    """Run code in a process of its own, which must end by SIGKILL."""
    words = (sys.executable, "-c", _DYING + code, *map(str, words))
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder of results."""
    with new_folder(tmp_path / "run") as made:
        made.finish(OLD)
    return tmp_path / "run"


# Temporary files and folders


@pytest.mark.parametrize("make", [temporary_folder, lambda: temporary_file(Path(tempfile.gettempdir()))])
def test_temporary_things_are_there_while_they_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Callable
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with make():
        (made,) = tmp_path.iterdir()
        assert str(os.getpid()) in made.name
        clear(tmp_path)  # as another run would
        assert made.exists()
    assert not list(tmp_path.iterdir())


def test_only_the_user_may_look_into_a_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as made:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    _killed(
        "from onnxmint.writing.files import atomic_write\nos.fsync = die\natomic_write(Path(sys.argv[1]), b'x')",
        tmp_path / "a",
    )
    _killed(
        "import tempfile; tempfile.tempdir = sys.argv[1]\nfrom onnxmint.writing.leftovers import temporary_folder\n"
        "with temporary_folder() as made:\n    (made / 'weights.bin').write_bytes(bytes(100)); die()",
        tmp_path,
    )
    assert len(list(tmp_path.iterdir())) == 2
    clear(tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_of_anybody_else_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"")
    names = (
        ".onnxmint-notes",
        "onnxmint-abc",
        "onnxmint-1-00112233445g",
        ".report.html-001122334455",
        "onnxmint-1-0011",
    )
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "onnxmint-1-001122334455").symlink_to(kept)
    (tmp_path / ".onnxmint-2-001122334455").symlink_to(kept / "file")
    os.mkfifo(tmp_path / "onnxmint-3-001122334455")
    before = sorted(tmp_path.rglob("*"))
    clear(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_started_beside_another_leaves_its_files_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from onnxmint.writing.leftovers import temporary_file\n"
        "with temporary_file(Path(sys.argv[1])) as (path, file): print(path, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        path = Path(other.stdout.readline().strip())
        clear(tmp_path)
        assert path.exists()
        other.kill()
        other.wait()
        clear(tmp_path)
        assert not path.exists()


# Single files


def test_a_file_that_appears_meanwhile_is_left_alone_and_the_result_kept(tmp_path: Path) -> None:
    path = tmp_path / "auditor.onnx"
    path.write_bytes(b"of somebody else")
    with pytest.raises(
        OnnxmintError, match=r"auditor.onnx was made by somebody else meanwhile .* the result is (\S+)"
    ) as told:
        atomic_write(path, b"mine", overwrite=False)
    assert path.read_bytes() == b"of somebody else"
    assert Path(str(told.value).rsplit(" ", 1)[1]).read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_file_gets_its_name_once(tmp_path: Path) -> None:
    atomic_write(tmp_path / "x", b"new", overwrite=False)
    assert _in(tmp_path) == {"x": b"new"}


@pytest.mark.parametrize("kind", ["same", "link", "hard link", "other words"])
def test_an_input_is_never_written_over(tmp_path: Path, kind: str) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    output = {"same": model, "other words": tmp_path / "sub" / ".." / "model.onnx"}.get(kind, tmp_path / "out.onnx")
    (tmp_path / "sub").mkdir()
    if kind == "link":
        output.symlink_to(model)
    if kind == "hard link":
        output.hardlink_to(model)
    with pytest.raises(UsageError, match=r"-o .* would overwrite the model.*; choose another name"):
        require_free(output, inputs=lambda: [Input(name="the model", path=model)], overwrite=True)


def test_a_file_of_an_input_folder_is_never_written_over(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "cats").mkdir(parents=True)
    (images / "cats" / "1.png").write_bytes(b"")
    (tmp_path / "linked").symlink_to(images)
    inputs = [Input(name="the known members", path=tmp_path / "linked")]
    with pytest.raises(UsageError, match="would overwrite a file of the known members"):
        require_free(images / "cats" / "1.png", inputs=lambda: inputs, overwrite=True)
    require_free(images / "auditor.onnx", inputs=lambda: inputs, overwrite=False)  # writes over nothing


def test_a_folder_that_holds_an_input_is_never_replaced(tmp_path: Path, run: Path) -> None:
    outside = tmp_path / "model.onnx"
    outside.write_bytes(b"")
    (run / "auditor.onnx").symlink_to(outside)
    for path in (run / "auditor.onnx", run, run / "report.html"):
        with pytest.raises(UsageError, match="would overwrite the auditor"):
            refuse_inputs(run, [Input(name="the auditor", path=path)])
    (tmp_path / "twin.html").hardlink_to(run / "report.html")
    with pytest.raises(UsageError, match="would overwrite the auditor"):
        refuse_inputs(run, [Input(name="the auditor", path=tmp_path / "twin.html")])
    refuse_inputs(run, [Input(name="the auditor", path=tmp_path / "missing\0.onnx")])


def test_a_file_is_replaced_only_when_asked_for_and_nothing_else_ever(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"")
    with pytest.raises(UsageError, match="exists already: choose another name with -o, or replace it with --overwrite"):
        require_free(there, inputs=tuple, overwrite=False)
    require_free(there, inputs=tuple, overwrite=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        require_free(tmp_path / "dangling", inputs=tuple, overwrite=False)
    os.mkfifo(tmp_path / "pipe")
    for odd in (Path(os.devnull), tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="is no regular file, and is not replaced by one"):
            require_free(odd, inputs=tuple, overwrite=True)


# Folders of results


def test_a_folder_stands_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "new" / "run"
    with new_folder(place) as made:
        assert not place.exists()
        files = made.finish(NEW)
    assert files == [place / name for name in NEW]
    assert _in(place) == NEW
    assert [path.name for path in place.parent.iterdir()] == ["run"]


def test_what_fails_leaves_nothing_not_even_folders_above(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a" / "b" / "run"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_results_are_replaced_only_when_asked_for(run: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"run holds results already: .* or replace them with --overwrite"),
        new_folder(run),
    ):
        pass
    assert _in(run) == OLD
    with new_folder(run, overwrite=True) as made:
        assert _in(run) == OLD
        made.finish(NEW)
    assert _in(run) == NEW
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_old_results_stay_when_new_ones_fail(run: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(run, overwrite=True):
        raise ZeroDivisionError
    with pytest.raises(OnnxmintError, match="cannot write"), new_folder(run, overwrite=True) as made:
        made.finish({"report.html": b"", "x" * 300: b""})
    assert _in(run) == OLD
    assert [path.name for path in run.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_run_wrote_is_never_replaced(tmp_path: Path, run: Path, overwrite: bool) -> None:
    (run / "notes.txt").write_bytes(b"mine")
    models = tmp_path / "models"
    models.mkdir()
    (models / "auditor.onnx").write_bytes(b"trained")
    deep = tmp_path / "deep"
    (deep / "report.json").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"")
    before = {path: path.is_dir() or path.read_bytes() for path in tmp_path.rglob("*")}
    for place, why in (
        (run, "holds 'notes.txt', which no run wrote"),
        (models, "holds no finished run"),
        (deep, "holds 'report.json/', which no run wrote"),
        (tmp_path / "file", "is a file, and results are a folder"),
    ):
        with pytest.raises(UsageError, match=f"{place} {why}: choose another"), new_folder(place, overwrite=overwrite):
            pass
    assert {path: path.is_dir() or path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_file_above_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file" / "run", tmp_path / "file" / "deep" / "run"):
        with pytest.raises(OnnxmintError, match=r"cannot write .*run: .*; choose another place"), new_folder(place):
            pass
    assert _in(tmp_path) == {"file": b""}


def test_what_systems_put_into_folders_is_no_obstacle(run: Path) -> None:
    (run / ".DS_Store").write_bytes(b"")
    with new_folder(run, overwrite=True) as made:
        made.finish(NEW)
    assert _in(run) == NEW


def test_the_current_folder_is_refused_and_the_way_out_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    for place in (Path(), tmp_path, Path("/")):
        with (
            pytest.raises(UsageError, match=r"is the current or a mounted folder.*: name a new folder in it"),
            new_folder(place),
        ):
            pass


def test_an_empty_folder_is_taken_with_its_rights(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("run")
    with new_folder(tmp_path / "link") as made:
        made.finish(NEW)
    assert _in(tmp_path / "run") == NEW
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    with new_folder(tmp_path / "run") as first:
        with (
            pytest.raises(UsageError, match="is just being made by another onnxmint: wait for it"),
            new_folder(tmp_path / "run"),
        ):
            pass
        with new_folder(tmp_path / "run2") as second:  # sweeps what the dead left, not what the living make
            second.finish(OLD)
        first.finish(NEW)
    assert (_in(tmp_path / "run"), _in(tmp_path / "run2")) == (NEW, OLD)


@pytest.mark.parametrize("overwrite", [False, True])
def test_results_that_appear_meanwhile_are_left_alone_and_the_new_ones_kept(tmp_path: Path, overwrite: bool) -> None:
    place = tmp_path / "run"
    with new_folder(place, overwrite=overwrite) as made:
        place.mkdir()
        (place / "thesis.tex").write_bytes(b"mine")
        with pytest.raises(OnnxmintError, match="was made by somebody else meanwhile and left alone") as told:
            made.finish(NEW)
    assert _in(place) == {"thesis.tex": b"mine"}
    assert _in(Path(str(told.value).rsplit(" ", 1)[1])) == NEW
    assert len(list(tmp_path.iterdir())) == 2


_MAKE = """
import onnxmint.writing.folders as folders
calls = 0
def count(real):
    def act(*args, **kept):
        global calls
        calls += 1
        if calls == int(sys.argv[2]): die()
        return real(*args, **kept)
    return act
shutil = folders.shutil
for place, name in ((os, "fsync"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (shutil, "copymode")):
    setattr(place, name, count(getattr(place, name)))
with folders.new_folder(Path(sys.argv[1]), overwrite=True) as made:
    made.finish({"report.html": b"new page", "report.json": b"{}", "run.toml": b"new"})
die()
"""


@pytest.mark.parametrize("moment", range(1, 13))
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_run_whole(run: Path, moment: int) -> None:
    _killed(_MAKE, run, moment)
    if not run.exists():
        clear_beside(run.parent)  # what the next command does
    assert _in(run) in (OLD, NEW)
    with new_folder(run, overwrite=True) as made:
        made.finish(NEW)
    assert _in(run) == NEW
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_the_moments_above_reach_the_swap(run: Path) -> None:
    found = []
    for moment in range(1, 14):
        with new_folder(run, overwrite=True) as made:
            made.finish(OLD)
        _killed(_MAKE, run, moment)
        found.append((run.exists(), run.exists() and _in(run) == NEW))
        clear_beside(run.parent)
    assert (False, False) in found  # between the two renames
    assert found[-1] == (True, True)


def _keep_and_fail(made: NewFolder) -> None:
    made.keep("auditor.onnx", b"trained")
    raise ZeroDivisionError


def test_what_is_kept_outlives_a_failure_and_a_kill_and_is_named(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with pytest.raises(ZeroDivisionError) as told, new_folder(place, keeps=True) as made:
        _keep_and_fail(made)
    assert told.value.__notes__ == [f"what was made until then is kept: {tmp_path / 'run.unfinished' / 'auditor.onnx'}"]
    assert _in(tmp_path / "run.unfinished") == {"auditor.onnx": b"trained"}
    with (
        pytest.raises(UsageError, match=r"run.unfinished keeps what a run had made that did not end"),
        new_folder(place, keeps=True),
    ):
        pass
    code = (
        "from onnxmint.writing.folders import new_folder\n"
        "with new_folder(Path(sys.argv[1]), keeps=True, overwrite=True) as made:\n"
        "    made.keep('auditor.onnx', b'again'); die()"
    )
    _killed(code, place)
    assert _in(tmp_path / "run.unfinished") == {"auditor.onnx": b"again"}
    with new_folder(place, keeps=True, overwrite=True) as made:
        made.keep("auditor.onnx", b"third")
        made.finish(NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_folders_named_by_date_never_collide(tmp_path: Path) -> None:
    code = (
        "from onnxmint.writing.folders import dated_folder\n"
        "for _ in range(10):\n"
        "    with dated_folder('onnxmint-run') as made: made.finish({'run.toml': b''})"
    )
    own = {"PYTHONPATH": str(ROOT)}
    runs = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | own) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 40
    assert all(name.startswith("onnxmint-run-20") for name in names)


_AGAIN_AND_AGAIN = """
import os, sys
from pathlib import Path
from onnxmint.errors import UsageError
from onnxmint.writing.folders import new_folder
print("begun", flush=True)
while True:
    mark = os.urandom(8)
    try:
        with new_folder(Path(sys.argv[1]), overwrite=True) as made:
            made.finish({"report.json": mark, "report.html": mark * 1000, "run.toml": mark})
    except UsageError as problem:
        assert "just being made" in str(problem), problem
"""


def test_runs_that_replace_each_other_and_are_killed_never_mix(tmp_path: Path) -> None:
    chance = random.Random(0)
    with new_folder(tmp_path / "run") as made:
        made.finish({"report.json": b"0", "report.html": b"0" * 1000, "run.toml": b"0"})
    words = [sys.executable, "-c", _AGAIN_AND_AGAIN, str(tmp_path / "run")]
    for _ in range(12):
        runs = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for one in runs:
            assert one.stdout is not None
            one.stdout.readline()
        time.sleep(0.01 + 0.03 * chance.random())
        for one in runs:
            one.kill()
            assert one.communicate()[1] == ""
        clear_beside(tmp_path)
        found = _in(tmp_path / "run")
        assert found == {
            "report.json": found["run.toml"],
            "report.html": found["run.toml"] * 1000,
            "run.toml": found["run.toml"],
        }
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_name_by_date_that_is_taken_gets_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20261125-164200")
    for _ in range(3):
        with dated_folder("onnxmint-run") as made:
            made.finish(NEW)
    stem = "onnxmint-run-20261125-164200"
    assert sorted(path.name for path in tmp_path.iterdir()) == [stem, f"{stem}-2", f"{stem}-3"]


def test_another_users_left_overs_are_left_to_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _killed(
        "from onnxmint.writing.files import atomic_write\nos.fsync = die\natomic_write(Path(sys.argv[1]), b'x')",
        tmp_path / "a",
    )
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    clear(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_run_files_are_those_that_reports_write() -> None:
    assert {"report.html", "report.json", "scores.parquet", "auditor.onnx", "run.toml", "evaluation.html"} < RUN_FILES
