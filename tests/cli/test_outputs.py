"""What every command owes its user: inputs and results stay, streams are clean, and nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxmint.cli.main import run as run_here
from tests.cli.conftest import Run
from tests.conftest import DEMO, ROOT

EVIDENCE = ["--members", str(DEMO / "members.parquet"), "--nonmembers", str(DEMO / "nonmembers.parquet")]
QUICK = ["--preprocess", "0-1", "--limit", "60", "--module", "phi", "--views", "2", "--no-controls", "-q"]
EVIL = "\x1b[31mr\x1b]0;t\x07\u202ecod\u2066.\x9b1m\u200f"  # colours, a title, text turned around, C1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An auditor of the demo's target."""
    file = tmp_path_factory.mktemp("trained") / "auditor.onnx"
    assert run_here(["train", str(DEMO / "target.onnx"), *EVIDENCE, *QUICK, "-o", str(file)]) == 0
    return file


@pytest.fixture
def place(tmp_path: Path, trained: Path) -> Path:
    """A folder of everything that commands read: a model with weights beside, images in all forms, a finished run."""
    model = onnx.load(DEMO / "target.onnx")
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="model.bin", size_threshold=1024)
    (tmp_path / "other.onnx").write_bytes((DEMO / "target.onnx").read_bytes())
    (tmp_path / "other.members.txt").write_text("1.png\n")
    (tmp_path / "auditor.onnx").write_bytes(trained.read_bytes())
    for side in ("members", "nonmembers"):
        pq.write_table(pq.read_table(DEMO / f"{side}.parquet").slice(0, 30), tmp_path / f"{side}.parquet")
    (tmp_path / "images").mkdir()
    for number, row in enumerate(pq.read_table(DEMO / "questioned.parquet")["image"].to_pylist()[:4]):
        (tmp_path / "images" / f"{number}.png").write_bytes(row["bytes"])
    (tmp_path / "listed.csv").write_text("path\nimages/0.png\n")
    (tmp_path / "p.toml").write_text("scale = 0.00392156862745098\n")
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "r.onnx").write_bytes((DEMO / "target.onnx").read_bytes())
    (tmp_path / "run").mkdir()
    for name in ("auditor.onnx", "run.toml"):
        (tmp_path / "run" / name).write_bytes(trained.read_bytes())
    return tmp_path


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


TRAIN = ["train", "model.onnx", "--members", "members.parquet", "--nonmembers", "nonmembers.parquet"]
FILE_COMMANDS = {
    "train": [*TRAIN, "--preprocess", "p.toml", "--reference", "other.onnx"],
    "check": ["check", "model.onnx", "members.parquet", "--preprocess", "p.toml"],
    "expose-layer": ["expose-layer", "model.onnx"],
}
READ = {
    "train": [
        "model.onnx",
        "model.bin",
        "members.parquet",
        "nonmembers.parquet",
        "p.toml",
        "other.onnx",
        "other.members.txt",
    ],
    "check": ["model.onnx", "model.bin", "members.parquet", "p.toml"],
    "expose-layer": ["model.onnx", "model.bin"],
}


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]], ids=["unasked", "asked"])
@pytest.mark.parametrize(
    ("command", "victim", "link"),
    [
        (command, victim, link)
        for command, victims in READ.items()
        for victim in victims
        for link in ("itself", "link", "hard link", "other words")
        if (victim, link) != ("model.bin", "hard link")  # weights of two names are refused for that
    ],
)
def test_no_command_writes_over_what_it_reads(
    call: Run, place: Path, command: str, victim: str, link: str, overwrite: list[str]
) -> None:
    output = {"itself": victim, "other words": f"images/../{victim}"}.get(link, "out.onnx")
    if link == "link":
        (place / output).symlink_to(place / victim)
    if link == "hard link":
        (place / output).hardlink_to(place / victim)
    before = _tree(place)
    code, out, err = call(*FILE_COMMANDS[command], "-o", output, *overwrite)
    asked_first = command == "expose-layer" and victim == "model.bin" and not overwrite
    message = "exists already" if asked_first else "would overwrite"
    if (victim, link) == ("model.bin", "hard link"):  # weights of two names are refused, whatever is written
        message = "(exists already|would overwrite|is a hard link)"
        assert (code, out) in ((1, ""), (2, ""))
        assert re.search(message, err), err
        assert _tree(place) == before
        return
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"Error: .*{message}.*; choose another name\n|Error: .*{message}.*--overwrite\n", err), err
    assert _tree(place) == before


@pytest.mark.parametrize(
    ("source", "victim"),
    [("images", "images/1.png"), ("listed.csv", "images/0.png"), ("listed.csv?rows=0:1", "listed.csv")],
)
def test_no_command_writes_over_an_image(call: Run, place: Path, source: str, victim: str) -> None:
    before = _tree(place)
    code, out, err = call("check", "model.onnx", source, "-o", victim, "--overwrite")
    assert (code, out) == (2, "")
    assert "would overwrite" in err
    assert _tree(place) == before


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["audit", "model.onnx", "images", "--auditor", "run/auditor.onnx"], "run"),
        (["audit", "other.onnx", "images", "--auditor", "auditor.onnx"], "images"),
        (["audit", "other.onnx", "listed.csv", "--auditor", "auditor.onnx"], "images"),
        (["audit", "references/r.onnx", "images", "--auditor", "auditor.onnx"], "references"),
        (["evaluate", *TRAIN[1:], "--preprocess", "p.toml", "--reference", "references"], "references"),
        (["evaluate", *TRAIN[1:], "--preprocess", "p.toml"], "linked"),
        (["demo"], str(DEMO)),
    ],
)
def test_no_folder_that_holds_an_input_is_replaced(call: Run, place: Path, words: list[str], output: str) -> None:
    (place / "linked").symlink_to(place)
    before = _tree(place), _tree(DEMO)
    code, out, err = call(*words, "-o", output, "--overwrite")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"(reading .*\n)?Error: -o .* would overwrite .*; choose another name\n", err), err
    assert (_tree(place), _tree(DEMO)) == before


def test_a_file_that_is_there_is_replaced_only_when_asked_for(call: Run, place: Path) -> None:
    words = ["expose-layer", "model.onnx", "--layer", "relu", "-o", "auditor.onnx"]
    before = _tree(place)
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err == "Error: auditor.onnx exists already: choose another name with -o, or replace it with --overwrite\n"
    code, _, err = call(*TRAIN, *QUICK)  # the default name
    assert (code, "auditor.onnx exists already" in err) == (2, True)
    code, _, err = call("check", "model.onnx", "members.parquet", "-o", "listed.csv")
    assert (code, "listed.csv exists already" in err) == (2, True)
    assert _tree(place) == before
    assert call(*words, "--overwrite")[0] == 0
    assert len(onnx.load(place / "auditor.onnx").graph.output) == 2


def test_a_run_is_replaced_only_when_asked_for_and_whole(call: Run, trained: Path, tmp_path: Path) -> None:
    words = ["audit", DEMO / "target.onnx", DEMO / "questioned.parquet", "--auditor", trained, "--no-controls", "-q"]
    assert call(*words, "-o", "run")[0] == 0
    first = _tree(tmp_path)
    code, out, err = call(*words, "-o", "run")
    assert (code, out) == (2, "")
    assert "run holds results already: choose another folder with -o, or replace them with --overwrite" in err
    assert call(*words, "-o", "run", "--overwrite", "--alpha", "0.9")[0] == 2  # refused for another reason
    assert call("audit", DEMO / "target.onnx", "nowhere", "--auditor", trained, "-o", "run", "--overwrite")[0] == 1
    assert _tree(tmp_path) == first
    assert call(*words, "-o", "run", "--overwrite", "--alpha", "0.01")[0] == 0
    assert json.loads((tmp_path / "run" / "report.json").read_text())["questioned"]["alpha"] == 0.01
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert call("report", "run")[0] == 0


def test_without_a_name_a_run_gets_one_by_date_and_time(call: Run, trained: Path, tmp_path: Path) -> None:
    words = ["audit", DEMO / "target.onnx", DEMO / "questioned.parquet", "--auditor", trained, "--no-controls", "-q"]
    for _ in range(2):
        code, out, _ = call(*words)
        assert code == 0
        assert re.search(r"^onnxmint-run-\d{8}-\d{6}(-\d+)?/report.html$", out, flags=re.MULTILINE)
    runs = sorted(tmp_path.iterdir())
    assert len(runs) == 2
    assert f'output = "{runs[0].name}"' in (runs[0] / "run.toml").read_text()


def test_the_trained_auditor_outlives_an_audit_that_fails(call: Run, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(DEMO / "members.parquet").slice(0, 5), tmp_path / "known.parquet")
    words = ["audit", DEMO / "target.onnx", "known.parquet", *EVIDENCE, "--preprocess", "0-1", "--module", "phi"]
    words += ["--views", "2", "--no-controls", "-q", "-o", "run"]
    code, _, err = call(*words)
    assert code == 1
    assert err.endswith("; what was made until then is kept: run.unfinished/auditor.onnx\n")
    assert err.count("\n") == 1
    kept = tmp_path / "run.unfinished" / "auditor.onnx"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known.parquet", "run.unfinished"]
    before = kept.read_bytes()
    code, _, err = call(*words)
    assert (code, "run.unfinished keeps what a run had made that did not end" in err) == (2, True)
    assert kept.read_bytes() == before
    words = ["audit", DEMO / "target.onnx", DEMO / "questioned.parquet", "--auditor", kept, "--no-controls", "-q"]
    assert call(*words, "-o", "run")[0] == 0
    assert kept.read_bytes() == (tmp_path / "run" / "auditor.onnx").read_bytes() == before


@pytest.mark.parametrize("change", ["another auditor", "another table", "a letter", "no page of numbers"])
def test_a_mixed_or_edited_run_is_refused_in_one_line(call: Run, trained: Path, tmp_path: Path, change: str) -> None:
    for name, rows in (("one", "0:90"), ("two", "90:180")):
        asked = f"{DEMO / 'questioned.parquet'}?rows={rows}"
        words = ["audit", DEMO / "target.onnx", asked, "--auditor", trained, "--no-controls", "-q", "-o", name]
        assert call(*words)[0] == 0
    if change == "another auditor":
        (tmp_path / "one" / "auditor.onnx").write_bytes((DEMO / "target.onnx").read_bytes())
    elif change == "another table":
        (tmp_path / "two" / "scores.parquet").replace(tmp_path / "one" / "scores.parquet")
    elif change == "a letter":
        text = (tmp_path / "one" / "report.json").read_text()
        (tmp_path / "one" / "report.json").write_text(text.replace("0.05", "0.06", 1))
    else:
        (tmp_path / "one" / "report.json").unlink()
    before = _tree(tmp_path / "one")
    code, out, err = call("report", "one")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert re.match("Error: one(/| is no finished run)", err)
    assert _tree(tmp_path / "one") == before


def test_a_training_names_an_image_that_it_left_out_itself_as_it_writes_no_report(call: Run, tmp_path: Path) -> None:
    for side in ("members", "nonmembers"):
        (tmp_path / side).mkdir()
        for number, row in enumerate(pq.read_table(DEMO / f"{side}.parquet")["image"].to_pylist()[:60]):
            (tmp_path / side / f"{number}.png").write_bytes(row["bytes"])
    (tmp_path / "members" / "broken.png").write_bytes(b"no image")
    words = ["train", DEMO / "target.onnx", "--members", "members", "--nonmembers", "nonmembers", "-q", *QUICK]
    code, out, _ = call(*words)
    assert code == 0
    assert "1 known images could not be used and were left out; the first: broken.png (is no" in " ".join(out.split())
    assert "the report" not in out


# Signals and what is left


def _start(words: list[str], folder: Path, **more: str) -> "subprocess.Popen[str]":
    (folder / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), **more}
    return subprocess.Popen(
        [sys.executable, "-m", "onnxmint", *words],
        cwd=folder,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


AUDIT = ["audit", str(DEMO / "target.onnx"), str(DEMO / "questioned.parquet"), *EVIDENCE, "--preprocess", "0-1"]


@pytest.mark.parametrize(
    ("number", "code", "who"),
    [
        (signal.SIGTERM, 143, "SIGTERM"),
        pytest.param(signal.SIGINT, 130, "the user", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, "SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_run_in_one_line_with_nothing_left(tmp_path: Path, number: int, code: int, who: str) -> None:
    with _start([*AUDIT, "-o", "deep/run"], tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("reading ")
        while not re.match(r"\d+ steps, about", process.stderr.readline()):  # what lies ahead: it has begun
            assert process.poll() is None
        assert (tmp_path / "deep").exists()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.splitlines()[-1] == f"Stopped by {who}; nothing half-written was left behind."
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["tmp"]


@pytest.mark.slow
def test_a_signal_after_the_training_says_where_the_auditor_is(tmp_path: Path) -> None:
    words = [word for word in (*AUDIT, *QUICK[2:]) if word not in ("-q", "--no-controls")]
    with _start([*words, "-o", "run"], tmp_path) as process:
        assert process.stderr is not None
        while "questioned images: " not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    kept = "run.unfinished/auditor.onnx"
    said = "Stopped by SIGTERM; nothing half-written was left behind; what was made until then is kept"
    assert err.splitlines()[-1] == f"{said}: {kept}."
    onnx.load(tmp_path / kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.unfinished", "tmp"]


@pytest.mark.slow
def test_a_signal_while_libraries_are_imported_ends_the_run_in_one_line_too(tmp_path: Path) -> None:
    for delay in (0.1, 0.8):
        with _start([*AUDIT, "-o", "run"], tmp_path) as process:
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=120)
        assert process.returncode in (143, -signal.SIGTERM)  # the latter before Python has read our first line
        assert "Traceback" not in err
        assert "terminate" not in err
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["tmp"]


def test_a_run_that_is_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    words = ["nohup", sys.executable, "-m", "onnxmint", "layers", str(DEMO / "target.onnx")]
    own = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, cwd=tmp_path, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        time.sleep(0.7)
        one.send_signal(signal.SIGHUP)
        assert one.wait(timeout=60) == 0


@pytest.mark.slow
def test_what_a_killed_run_left_is_gone_after_the_next(call: Run, trained: Path, tmp_path: Path) -> None:
    with _start([*AUDIT, "-o", "run"], tmp_path) as process:
        assert process.stderr is not None
        while not (tmp_path / ".run.onnxmint").exists():
            assert process.stderr.readline()
        process.kill()
    assert [path.name for path in tmp_path.iterdir() if path.name != "tmp"] == [".run.onnxmint"]
    words = ["audit", DEMO / "target.onnx", DEMO / "questioned.parquet", "--auditor", trained, "--no-controls", "-q"]
    assert call(*words, "-o", "another")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "tmp"]
    assert not list((tmp_path / "tmp").iterdir())


_WATCHED = """
import sys
def hook(event, found):
    trial = "onnxmint.graph.isolated" in str(found)  # an untrusted graph is tried in a process that ends with it
    if not trial and event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.connect"):
        print("EVENT", event, found, file=sys.stderr)
sys.addaudithook(hook)
from onnxmint.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_training_with_controls_starts_no_process_but_the_trial_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    some = [f"{word}?rows=0:60" if word.endswith(".parquet") else word for word in AUDIT]
    words = [*some, "--views", "2", "--layer", "auto", "-q", "-o", "run"]
    own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    kept = {
        key: value for key, value in os.environ.items() if key not in ("LOKY_MAX_CPU_COUNT", "TORCHINDUCTOR_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *words], cwd=tmp_path, env=kept | own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir()) == ["run", "tmp"]


# Streams


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [["layers", str(DEMO / "target.onnx")], ["layers", str(DEMO / "target.onnx"), "--json"], ["--help"]]
)
def test_an_output_that_cannot_be_written_is_one_line(words: list[str], unbuffered: str) -> None:
    own = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "onnxmint", *words],
            env=os.environ | own,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write the output: No space left on device; see where it goes\n"


def test_a_reader_that_leaves_hears_nothing_more() -> None:
    words = [sys.executable, "-m", "onnxmint", "layers", str(DEMO / "target.onnx"), "--json"]
    with subprocess.Popen(
        words, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        one.stdout.close()
        _, err = one.communicate(timeout=60)
    assert (one.returncode, err) == (1, b"")


def test_an_encoding_without_a_letter_is_no_reason_to_fail(tmp_path: Path) -> None:
    model = tmp_path / "Grüße.onnx"
    model.write_bytes((DEMO / "target.onnx").read_bytes())
    own = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "onnxmint", "layers", str(model)]
    done = subprocess.run(words, env=os.environ | own, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Gr\\xfc\\xdfe.onnx" in done.stdout


def _acting(text: str) -> list[str]:
    """Return the letters of a text that a terminal would obey or hide."""
    odd = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [repr(letter) for letter in text if unicodedata.category(letter) in odd and letter != "\n"]


def _evil_model(path: Path) -> None:
    """Write a classifier of 28 x 28 images with odd names everywhere."""
    weight = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", [f"in{EVIL}"], [f"flat{EVIL}"], name=f"node{EVIL}"),
        helper.make_node("MatMul", [f"flat{EVIL}", f"w{EVIL}"], [f"made{EVIL}"], name=f"node2{EVIL}"),
        helper.make_node("Relu", [f"made{EVIL}"], [f"layer{EVIL}"]),
        helper.make_node("Neg", [f"layer{EVIL}"], [f"out{EVIL}"]),
    ]
    graph = helper.make_graph(
        nodes,
        f"graph{EVIL}",
        [helper.make_tensor_value_info(f"in{EVIL}", TensorProto.FLOAT, [f"N{EVIL}", 1, 28, 28])],
        [helper.make_tensor_value_info(f"out{EVIL}", TensorProto.FLOAT, [f"N{EVIL}", 10])],
        [numpy_helper.from_array(weight, f"w{EVIL}")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Inputs whose names a terminal would obey; returns the model."""
    model = tmp_path / f"model{EVIL}.onnx"
    _evil_model(model)
    for side in ("members", "nonmembers", "questioned"):
        folder = tmp_path / f"{side}{EVIL}" / f"class{EVIL}"
        folder.mkdir(parents=True)
        for number, row in enumerate(pq.read_table(DEMO / f"{side}.parquet")["image"].to_pylist()[:60]):
            (folder / f"{number}{EVIL}.png").write_bytes(row["bytes"])
        (folder / f"broken{EVIL}.png").write_bytes(b"no image")
        (folder / f"odd{EVIL}.txt").write_bytes(b"")
    (tmp_path / f"p{EVIL}.toml").write_text("scale = 0.00392156862745098\n")
    return model


def _evil_words(model: Path) -> dict[str, list[object]]:
    folder = model.parent
    known = ["--members", folder / f"members{EVIL}", "--nonmembers", folder / f"nonmembers{EVIL}"]
    pixels = ["--preprocess", folder / f"p{EVIL}.toml", "--views", "2"]
    return {
        "layers": ["layers", model],
        "layers of no output": ["layers", model, "--answer", EVIL],
        "expose": ["expose-layer", model, "-o", f"tap{EVIL}.onnx"],
        "expose again": ["expose-layer", model, "-o", f"tap{EVIL}.onnx"],
        "expose what is not there": ["expose-layer", model, "--layer", EVIL, "-o", "x.onnx"],
        "check": ["check", model, folder / f"members{EVIL}", "-o", f"best{EVIL}.toml", *pixels[:2]],
        "train": ["train", model, *known, *pixels, "--module", "phi", "-o", f"auditor{EVIL}.onnx"],
        "audit": ["audit", model, folder / f"questioned{EVIL}", *known, *pixels, "-o", f"run{EVIL}"],
        "audit again": [
            "audit",
            model,
            folder / f"questioned{EVIL}",
            "--auditor",
            f"auditor{EVIL}.onnx",
            "-o",
            f"r{EVIL}",
        ],
        "evaluate": ["evaluate", model, *known, *pixels, "--modules", "views", "-o", f"e{EVIL}"],
        "report": ["report", f"r{EVIL}"],
        "report of nothing": ["report", EVIL],
        "plan": ["plan", f"auditor{EVIL}.onnx"],
        "plan of nothing": ["plan", EVIL],
        "no such group": ["train", model, *known, *pixels, "--group", f"({EVIL})"],
        "no such pixels": ["train", model, *known, "--preprocess", EVIL],
        "no such images": ["check", model, f"{EVIL}?x={EVIL}"],
        "no such option": ["layers", model, f"--{EVIL}"],
        "no such command": [EVIL],
        "no such choice": ["train", model, *known, "--module", EVIL],
        "no such number": ["train", model, *known, "--limit", EVIL],
        "too many words": ["layers", model, EVIL, EVIL],
    }


@pytest.mark.slow
def test_no_name_of_a_file_a_tensor_or_a_user_does_anything_to_the_terminal(call: Run, evil: Path) -> None:
    codes = {}
    for name, words in _evil_words(evil).items():
        for shown in (words, [*words, "--json"]):
            code, out, err = call(*shown)
            if "--json" not in shown:
                codes[name] = code
            assert not _acting(out), f"{name}: {out!r}"
            assert not _acting(err), f"{name}: {err!r}"
            errors = [line for line in err.splitlines() if line.startswith("Error")]
            assert len(errors) == (code in (1, 2)), f"{name}: {err!r}"
    fine = {"layers", "expose", "train", "audit", "audit again", "evaluate", "report", "plan"}
    assert {name for name, code in codes.items() if code == 0} >= fine, codes


def test_a_traceback_does_nothing_to_the_terminal_either(evil: Path) -> None:
    code = (
        "import sys, onnxmint.graph.load\nfrom onnxmint.cli.main import main\n"
        "def broken(*_, **__): raise ZeroDivisionError(sys.argv[1])\n"
        "onnxmint.graph.load.load_target = broken\nmain(['--debug', 'layers', sys.argv[1]])"
    )
    words = [sys.executable, "-c", code, str(evil)]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert not _acting(done.stderr)


@pytest.mark.parametrize("name", ["x" * 100_000, f"{'x ' * 50_000}", "'" + "y " * 50_000 + "'"])
def test_a_name_takes_at_most_two_hundred_letters_of_a_message(call: Run, name: str) -> None:
    for words in (["layers", name], ["layers", DEMO / "target.onnx", "--answer", name], [name], ["report", name]):
        code, out, err = call(*words)
        assert (code in (1, 2), out) == (True, "")
        (message,) = [line for line in err.splitlines() if line.startswith("Error: ")]
        assert len(message) <= 2100
        assert max(map(len, re.findall(r"x+|'[^']*'", message)), default=0) <= 202
