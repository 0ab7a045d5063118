"""The command line: what it prints, its exit codes, and every message a user can meet."""

import importlib
import io
import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.cli.main import COMMANDS
from onnxmint.graph.load import load_target
from onnxmint.results.audit import AUDIT, AuditResult
from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN
from tests.patches import everywhere

MODEL = str(DEMO / "target.onnx")
EVIDENCE = ["--members", str(KNOWN[0]), "--nonmembers", str(KNOWN[1])]
FEW = ["--members", f"{KNOWN[0]}?rows=0:60", "--nonmembers", f"{KNOWN[1]}?rows=0:60"]
PLAIN = [*FEW, "--no-controls"]
DECLARED = ["--preprocess", "0-1"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of twelve questioned images, in folders of their class."""
    folder = tmp_path / "asked"
    for number, row in enumerate(pq.read_table(DEMO / "questioned.parquet").slice(0, 12).to_pylist()):
        (folder / str(row["label"])).mkdir(parents=True, exist_ok=True)
        (folder / str(row["label"]) / f"{number}.png").write_bytes(row["image"]["bytes"])
    return folder


def test_help_lists_the_commands_in_the_order_of_use(call: Run) -> None:
    code, out, _ = call("--help")
    assert code == 0
    places = [out.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(call: Run, name: str) -> None:
    code, out, _ = call(name, "--help")
    assert code == 0
    assert "Usage: onnxmint" in out
    assert "\\b" not in out
    assert "Example" not in out or re.search(rf"^    onnxmint {name} ", out, flags=re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_layers_as_json(call: Run) -> None:
    code, out, err = call("layers", MODEL, "--json")
    layers = json.loads(out)["layers"]
    assert (code, err) == (0, "")
    assert {"index", "name", "tensor", "op", "shape", "depth", "macs", "suggested"} <= set(layers[0])
    assert sum(layer["suggested"] for layer in layers) == 1
    assert layers[-1]["depth"] == 1


@pytest.mark.parametrize("command", ["layers", "expose-layer", "check", "train"])
def test_an_output_that_does_not_exist_is_named(call: Run, command: str, images: Path) -> None:
    further = {
        "expose-layer": ["-o", "x.onnx"],
        "check": [str(images)],
        "train": [*EVIDENCE, *DECLARED],
    }.get(command, [])
    code, out, err = call(command, MODEL, *further, "--answer", "scores")
    assert (code, out) == (2, "")
    assert "target.onnx has no output 'scores'; its outputs: '" in err


def test_layers_say_what_the_answer_is(call: Run) -> None:
    code, out, _ = call("layers", MODEL)
    assert code == 0
    assert re.search(r"^answer \S+ +10 logits", out, flags=re.MULTILINE)
    assert "penultimate" in out


def test_layers_fit_80_columns(call: Run) -> None:
    code, out, _ = call("layers", MODEL)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_expose_layer_writes_a_checked_model(call: Run, tmp_path: Path) -> None:
    code, out, _ = call("expose-layer", MODEL, "--layer", "relu", "-o", "tapped.onnx")
    assert code == 0
    assert "checked: kept outputs equal the original's: bit for bit as written, within 1e-05" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = call("expose-layer", MODEL, "--layer", "relu", "--cut", "--pool", "4x4", "-o", "cut.onnx")
    assert code == 0
    assert "checked: exposed values equal the original's" in out
    graph = onnx.load(tmp_path / "cut.onnx").graph
    assert [value.name for value in graph.output] == ["relu_reduced"]
    assert len(graph.node) < len(onnx.load(MODEL).graph.node)


def test_audit_with_an_auditor_writes_a_run(call: Run, images: Path, phi_file: Path, tmp_path: Path) -> None:
    code, out, err = call("audit", MODEL, images, "--auditor", phi_file, "-o", "run")
    assert code == 0
    assert "report.html" in out
    assert "showing the model 12 questioned images (2 views each): 12 in" in err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["questioned"]["images"] == 12
    page = (tmp_path / "run" / "report.html").read_text()
    assert call("report", "run")[0] == 0
    assert (tmp_path / "run" / "report.html").read_text() == page


def test_an_audit_speaks_the_language_and_shows_what_was_asked_for(
    call: Run, images: Path, phi_file: Path, tmp_path: Path
) -> None:
    words = ("--language", "de", "--title", "Akte <b>7</b>", "--case", "2026-114", "--thumbnails", "-q", "-o", "run")
    code, out, _ = call("audit", MODEL, images, "--auditor", phi_file, *words)
    assert code == 0
    answer = (tmp_path / "run" / "answer.txt").read_text()
    assert answer.startswith("Akte <b>7</b>\nWurde dieses Modell mit diesen Bildern trainiert?\nFall: 2026-114\n")
    assert " ".join(out.split()).endswith(" ".join(answer.split("\n\n")[1].split("\n")[1].split()))
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("data:image/webp") == 12
    assert str(tmp_path) not in page + (tmp_path / "run" / "run.toml").read_text()
    code, out, _ = call("report", "run", "--language", "fr", "--case", "8")
    assert (code, out.split()) == (0, ["run/report.html", "run/answer.txt"])
    assert "Dossier\u00a0: 8" in (tmp_path / "run" / "answer.txt").read_text()
    assert (tmp_path / "run" / "report.html").read_text().count("data:image/webp") == 12


def test_a_title_too_long_is_refused_before_anything_long_begins(call: Run, images: Path, phi_file: Path) -> None:
    code, _, err = call("audit", MODEL, images, "--auditor", phi_file, "--title", "x" * 600)
    assert (code, "the title has 600 letters, at most 500 are shown" in " ".join(err.split())) == (2, True)


def test_json_is_alone_on_stdout(call: Run, images: Path, phi_file: Path) -> None:
    code, out, err = call("audit", MODEL, images, "--auditor", phi_file, "--json", "-q", "-o", "run")
    report = json.loads(out)
    assert (code, err) == (0, "")
    keys = ["schema", *(field.name for field in fields(AuditResult) if field.name not in AUDIT.elsewhere)]
    assert list(report) == keys
    assert set(report["performance"]["tpr_at_fpr"]) == {"0.1", "0.01", "0.001"}


def test_the_gate_says_inconclusive_for_too_few_images(call: Run, images: Path, phi_file: Path) -> None:
    assert call("audit", MODEL, images, "--auditor", phi_file, "--gate", "-q", "-o", "run")[0] in (3, 4)


def test_train_as_json(call: Run, tmp_path: Path) -> None:
    words = ["train", MODEL, *PLAIN, *DECLARED, "--layer", "penultimate", "--json", "-q"]
    code, out, _ = call(*words)
    facts = json.loads(out)
    assert code == 0
    assert facts["evidence"]["members"] == 60
    assert (tmp_path / "auditor.onnx").stat().st_size > 10_000


def test_an_evaluation_is_a_table_and_two_files(call: Run, tmp_path: Path) -> None:
    words = ["evaluate", MODEL, *FEW, *DECLARED, "--views", "2", "--layers", "relu,penultimate"]
    code, out, _ = call(*words, "-o", "compared")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for shown in ("closed-form signals", "fitted MINT modules", "views on 2 views", "cnn on relu", "evaluation.html"):
        assert shown in out
    facts = json.loads((tmp_path / "compared" / "evaluation.json").read_text())
    assert sum(method["kind"] == "signal" for method in facts["methods"]) == 11
    assert "eleven closed-form signals" in (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    code, out, err = call("report", "compared")
    assert (code, out) == (1, "")
    assert "compared holds an evaluation, and its page is there: compared/evaluation.html" in err
    code, out, err = call(*words, "--json", "-q", "-o", "again")
    assert (code, err) == (0, "")
    again = json.loads(out)
    for changing in ("created", "seconds"):
        del facts[changing], again[changing]
    assert again == facts


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        pytest.param(["auc=0.98"], 0, marks=pytest.mark.slow),
        (["auc=0.505", "tpr@10%=0.99"], 3),
        pytest.param(["auc=0.98", "tpr@1%=0.5"], 4, marks=pytest.mark.slow),
    ],
)
def test_a_limit_on_the_leak_is_an_exit_status(call: Run, limits: list[str], status: int) -> None:
    known = [word.replace("0:60", "0:160") for word in FEW]
    options = [word for limit in limits for word in ("--fail-above", limit)]
    words = ["evaluate", MODEL, *known, *DECLARED, "--views", "2", "--modules", "", *options, "-q", "-o", "gate"]
    code, out, _ = call(*words)
    kind = json.loads(Path("gate/evaluation.json").read_text())["verdict"]["kind"]
    assert (code, kind) == (status, {0: "below", 3: "above", 4: "unsettled"}[status])
    assert {0: "Leak below the limit. ", 3: "Leak above the limit. ", 4: "Cannot tell whether"}[status] in out


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ("markdown", "### "),
        pytest.param("latex", "\\begin{table}", marks=pytest.mark.slow),
        pytest.param("csv", "name,kind,title,", marks=pytest.mark.slow),
    ],
)
def test_other_programs_read_an_evaluation_from_stdout(call: Run, words: str, begins: str) -> None:
    few = ["evaluate", MODEL, *FEW, *DECLARED, "--views", "2", "--modules", "", "-q", "-o", "run"]
    code, out, err = call(*few, "--format", words)
    assert (code, err) == (0, "")
    assert out.startswith(begins)
    code, out, err = call(*few, "--format", words, "--json")
    assert (code, out) == (2, "")
    assert f"give either --json or --format {words}: stdout holds one thing" in err


def _two_inputs() -> onnx.ModelProto:
    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        two (float[N,3,8,8] left, float[N,3,8,8] right) => (float[N,3,8,8] sum) { sum = Add(left, right) }
    """)


def _nan_model() -> onnx.ModelProto:
    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        broken (float[N,1,28,28] image) => (float[N,784] logits)
        <int64[2] shape = {-1, 784}, float zero = {0.0}>
        { flat = Reshape(image, shape)  odd = Div(flat, zero)  huge = Log(odd)  logits = Relu(huge) }
    """)


def _missing_weights(folder: Path) -> Path:
    model = onnx.load(MODEL)
    onnx.save(model, folder / "big.onnx", save_as_external_data=True, location="big.bin", size_threshold=0)
    (folder / "big.bin").unlink()
    return folder / "big.onnx"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["layers", "missing.onnx"], 1, "missing.onnx does not exist"),
        (["layers", "."], 1, "is a folder"),
        (["layers", __file__], 1, "is not an ONNX file"),
        (["expose-layer", MODEL, "--layer", "relu_9", "-o", "x.onnx"], 2, "no layer 'relu_9'; closest: 'relu_"),
        (["expose-layer", MODEL, "--layer", "99", "-o", "x.onnx"], 2, "no layer '99'; there are 0 to"),
        (["expose-layer", MODEL, "--pool", "4", "-o", "x.onnx"], 2, "--pool '4' is not HxW"),
        (["expose-layer", MODEL, "--pool", "90x90", "-o", "x.onnx"], 2, "is larger than layer"),
        (["expose-layer", MODEL, "--layer", "logits", "--pool", "2x2", "-o", "x.onnx"], 2, "--pool needs a map"),
        (["expose-layer", MODEL, "-o", MODEL], 2, "would overwrite the model"),
        (["expose-layer", MODEL, "-o", "no/such/folder/x.onnx"], 1, "cannot write no/such/folder/x.onnx"),
        (["train", MODEL, *EVIDENCE, "--preprocess", "imagnet"], 2, "is neither a preset"),
        (["train", MODEL, *EVIDENCE, "--preprocess", "imagenet"], 2, "mean and std of 3 channels"),
        (
            ["train", MODEL, *FEW, *DECLARED, "--layer", "logits", "--module", "cnn"],
            2,
            "'classes' (10) is none",
        ),
        (["train", MODEL, *EVIDENCE, *DECLARED, "--group", "track"], 2, "has no column 'track'; its columns:"),
        (["train", MODEL, *EVIDENCE, *DECLARED, "--limit", "3"], 1, "3 known members are too few"),
        (["train", MODEL, *EVIDENCE, *DECLARED, "-o", "/proc/x/auditor.onnx"], 1, "cannot write /proc/x"),
        (["train", MODEL, *EVIDENCE[:3], EVIDENCE[1], *DECLARED], 1, "cannot be both"),
        (["train", MODEL], 2, "Missing option '--members'"),
        (["audit", MODEL, str(DEMO), "--auditor", "a.onnx"], 1, "cannot read the auditor a.onnx"),
        (["audit", MODEL, str(DEMO), "--auditor", MODEL], 1, "is an ONNX file but no auditor"),
        (["audit", MODEL, str(DEMO), "--auditor", __file__], 1, "is not an ONNX file"),
        (["audit", MODEL, "x", "--auditor", "a.onnx", *EVIDENCE], 2, "give either --auditor or --members"),
        (["audit", MODEL, "x", "--auditor", "a.onnx", "--layer", "1"], 2, "--layer is fixed in the auditor file"),
        (["audit", MODEL, "x", "--alpha", "0.9"], 2, "0.9 is not in the range"),
        (["train", MODEL, *EVIDENCE, *DECLARED, "--module", "phi", "--layer", "1"], 2, "--module phi reads what the"),
        (["train", MODEL, *EVIDENCE, *DECLARED, "--views", "3"], 2, "'3' is not one of '2', '14', '26'"),
        (
            ["evaluate", MODEL, *EVIDENCE, "--no-labels"],
            2,
            "say how target.onnx's images are prepared, with --preprocess",
        ),
        (
            ["evaluate", MODEL, *EVIDENCE, *DECLARED, "--modules", "cnn,nn"],
            2,
            "'nn' is not one of 'views', 'trees', 'relative', 'cnn', 'vanilla'",
        ),
        (["evaluate", MODEL, *EVIDENCE, *DECLARED, "--layers", "relu_9"], 2, "no layer 'relu_9'; closest:"),
        (["evaluate", MODEL, *FEW, *DECLARED, "--reference", "none"], 2, "--reference none is not a folder"),
        (["evaluate", MODEL, *EVIDENCE, *DECLARED, "-o", "/proc/x"], 1, "cannot write /proc/x"),
        (["evaluate", MODEL], 2, "Missing option '--members'"),
        (["evaluate", MODEL, *EVIDENCE, "--fail-above", "auc=x"], 2, "--fail-above 'auc=x' has no number after"),
        (["evaluate", MODEL, *EVIDENCE, "--fail-above", "epsilon=3"], 2, "epsilon= needs --epsilon, and with it"),
        (["report", "."], 1, "is no finished run"),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["audti"], 2, "No such command 'audti'. Did you mean audit?"),
    ],
)
def test_wrong_words_give_one_line_and_the_right_code(call: Run, words: list[str], code: int, message: str) -> None:
    found, out, err = call(*words)
    assert message in err
    assert found == code
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["train", "expose-layer", "check"])
def test_a_folder_in_place_of_the_file_to_write_is_refused_before_anything_is_read(
    call: Run, tmp_path: Path, command: str
) -> None:
    further = {"train": ["--members", "nowhere", "--nonmembers", "nowhere"], "check": ["nowhere"]}.get(command, [])
    (tmp_path / "run2").mkdir()
    code, out, err = call(command, "missing.onnx", *further, "-o", "run2")
    assert (code, out) == (2, "")
    assert "'-o' / '--output': File 'run2' is a directory" in err


def _message(err: str) -> str:
    """Return the error line; it must be the only one beside click's usage lines."""
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_model_of_two_images_is_refused(call: Run, tmp_path: Path) -> None:
    onnx.save(_two_inputs(), tmp_path / "two.onnx")
    code, _, err = call("layers", "two.onnx")
    assert code == 1
    assert "takes 2 images ('left', 'right')" in _message(err)


def test_a_baseline_of_answers_that_are_not_numbers_is_a_row_with_its_reason(call: Run, tmp_path: Path) -> None:
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        half (float[N,1,28,28] image) => (float[N,2] logits)
        <float[2,1,1,1] w = {1, -1}, float zero = {0.0}>
        { maps = Conv (image, w)  active = Relu (maps)  mean = GlobalAveragePool (active)  flat = Flatten (mean)
          none = Mul (flat, zero)  odd = Div (none, zero)  logits = Add (odd, flat) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "half.onnx")
    words = ["train", "half.onnx", *PLAIN, *DECLARED, "--no-labels", "--layer", "active", "-q"]
    code, out, _ = call(*words, "--json")
    assert code == 0
    row = next(row for row in json.loads(out)["baselines"] if row["name"] == "max_probability")
    assert row["skipped"] == "the target's answer holds NaN or infinity"


def test_a_model_that_prepares_its_pixels_itself_needs_no_preprocessing(call: Run, tmp_path: Path) -> None:
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        raw (uint8[N,28,28,1] pixels) => (float[N,2] logits)
        <float[2,1,1,1] w = {0.01, -0.01}>
        { real = Cast <to=1> (pixels)  first = Transpose <perm=[0,3,1,2]> (real)  maps = Conv (first, w)
          active = Relu (maps)  mean = GlobalAveragePool (active)  logits = Flatten (mean) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "raw.onnx")
    words = ["train", "raw.onnx", *PLAIN, "-q", "--no-labels"]
    code, _, err = call(*words, *DECLARED)
    assert code == 2
    assert "takes raw uint8 pixels and prepares them itself" in _message(err)
    assert call(*words)[0] == 0


def test_missing_external_weights_are_named(call: Run, tmp_path: Path) -> None:
    code, _, err = call("layers", _missing_weights(tmp_path))
    assert code == 1
    assert "no file 'big.bin' beside it" in _message(err)


def test_activations_that_are_not_numbers_are_refused(call: Run, tmp_path: Path) -> None:
    onnx.save(_nan_model(), tmp_path / "nan.onnx")
    code, _, err = call("train", "nan.onnx", *PLAIN, *DECLARED, "-q")
    assert code == 1
    assert "NaN or infinity" in _message(err)


def test_labels_outside_the_outputs_are_refused(call: Run, tmp_path: Path) -> None:
    for side in ("members", "nonmembers"):
        table = pq.read_table(DEMO / f"{side}.parquet").slice(0, 60)
        label = table.schema.get_field_index("label")
        odd = np.arange(60) + 1
        pq.write_table(table.set_column(label, "label", [odd]), tmp_path / f"{side}.parquet")
    words = ["train", MODEL, "--members", "members.parquet", "--nonmembers", "nonmembers.parquet", *DECLARED, "-q"]
    code, _, err = call(*words)
    assert code == 1
    assert "label 60, but the target has outputs 0 to 9" in _message(err)
    assert call(*words, "--no-labels", "--no-controls")[0] == 0


def test_labels_of_an_auditor_are_fixed(call: Run, images: Path, phi_file: Path) -> None:
    code, _, err = call("audit", MODEL, images, "--auditor", phi_file, "--no-labels", "-q")
    assert code == 2
    assert "--no-labels does not fit this auditor, which was trained with labels" in _message(err)
    assert "train another auditor with --no-labels" in err


def test_a_folder_without_images_is_refused(call: Run, phi_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = call("audit", MODEL, "empty", "--auditor", phi_file)
    assert code == 1
    assert "holds no images" in _message(err)


def test_images_that_are_all_broken_are_refused(call: Run, phi_file: Path, tmp_path: Path) -> None:
    (tmp_path / "bad" / "0").mkdir(parents=True)
    (tmp_path / "bad" / "0" / "a.png").write_bytes(b"nothing")
    code, _, err = call("audit", MODEL, "bad", "--auditor", phi_file, "-q")
    assert code == 1
    assert "none of the 1 questioned images in bad could be read" in _message(err)


def test_cuda_that_is_not_there_fails_with_the_mend(call: Run, images: Path, phi_file: Path) -> None:
    from onnxmint.engine.session import cuda_failure

    if cuda_failure() is None:
        pytest.skip("CUDA works here")
    code, out, err = call("audit", MODEL, images, "--auditor", phi_file, "--device", "cuda", "-q")
    assert (code, out) == (1, "")
    assert "--device cuda: " in _message(err)


def test_a_mistake_leaves_no_folder_behind(call: Run, images: Path, tmp_path: Path) -> None:
    assert call("audit", MODEL, images, "-o", "run")[0] == 2
    assert not (tmp_path / "run").exists()


def test_what_is_wrong_with_questioned_images_is_said_before_training(call: Run, images: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"nothing")
    picture = next(images.rglob("*.png"))
    for name, text in (("unlabelled", f"path\n{picture}\n"), ("eleven", f"path,label\n{picture},11\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    for asked, exit_code, said in (
        ("bad", 1, "none of the first 1 images of bad could be read; a.png is not an image in JPEG"),
        ("unlabelled.csv", 2, "the known images have labels, but no image in unlabelled.csv has a label"),
        ("eleven.csv", 1, "eleven.csv holds label 11, but the target has outputs 0 to 9"),
    ):
        code, _, err = call("audit", MODEL, asked, *EVIDENCE, *DECLARED, "-o", "run")
        assert (code, err.count("\n")) == (exit_code, 2)  # what is read, and no line of progress
        assert said in _message(err)
        assert not (tmp_path / "run").exists()


def test_a_trained_auditor_is_kept_when_the_audit_fails(call: Run, tmp_path: Path) -> None:
    known = f"{EVIDENCE[1]}?rows=0:5"
    code, _, err = call("audit", MODEL, known, *PLAIN, *DECLARED, "--views", "2", "-q", "-o", "run")
    assert code == 1, err
    assert not (tmp_path / "run").exists()
    assert [file.name for file in (tmp_path / "run.unfinished").iterdir()] == ["auditor.onnx"]


def test_a_model_of_any_image_size_is_audited_at_the_declared_one(call: Run, tmp_path: Path) -> None:
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        free (float[N,1,H,W] image) => (float[N,2] logits)
        <float[2,1,1,1] w = {1, -1}>
        { maps = Conv (image, w)  active = Relu (maps)  mean = GlobalAveragePool (active)  logits = Flatten (mean) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "free.onnx")
    words = ["train", "free.onnx", *PLAIN, "-q", "--no-labels", "--layer", "active"]
    code, _, err = call(*words, *DECLARED)
    assert code == 2
    assert "does not say which: set size" in _message(err)
    (tmp_path / "p.toml").write_text("size = 20\nscale = 0.01\n")
    assert call(*words, "--preprocess", "p.toml", "--json")[0] == 0


def test_ctrl_c_is_one_line(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, **options: str) -> None:
        raise KeyboardInterrupt

    everywhere(monkeypatch, load_target, interrupted)
    code, _, err = call("layers", MODEL)
    assert code == 130
    assert "Stopped by the user" in err


def test_debug_changes_nothing_about_errors_of_the_user(call: Run) -> None:
    for words, status in ((["plan"], 2), (["plan", "--auc", "7"], 2), (["layers", "none.onnx"], 1)):
        code, _, err = call(*words)
        assert (code, err) == (status, call("--debug", *words)[2])
        assert call("--debug", *words)[0] == status
        assert "Traceback" not in err


def test_a_defect_of_ours_is_one_line_without_debug(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, **options: object) -> None:
        raise ZeroDivisionError("boom")

    importlib.import_module("onnxmint.workflows.exposing")  # else it would keep what is patched below
    everywhere(monkeypatch, load_target, broken)
    code, _, err = call("layers", MODEL)
    assert code == 1
    assert "unexpected ZeroDivisionError: boom" in _message(err)
    with pytest.raises(ZeroDivisionError):
        call("--debug", "layers", MODEL)


def test_hostile_file_names_are_harmless_in_terminal_and_page(call: Run, phi_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[bold]evil" / "3"
    folder.mkdir(parents=True)
    buffer = io.BytesIO()
    Image.new("L", (28, 28), 80).save(buffer, "PNG")
    (folder / "<script>alert(1)</script>.png".replace("/", "_")).write_bytes(buffer.getvalue())
    (folder / "[red]x[.png").write_bytes(buffer.getvalue())
    code, _, _ = call("audit", MODEL, folder.parent, "--auditor", phi_file, "-q", "-o", "[b]run")
    assert code == 0
    page = (tmp_path / "[b]run" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def _picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (28, 28), level).save(path)


@pytest.mark.parametrize(("first", "second"), [("0", "7"), ("Trouser", "Bag")])
def test_class_folders_have_the_numbers_of_the_known_classes(
    call: Run, phi_file: Path, tmp_path: Path, first: str, second: str
) -> None:
    """Some of the classes have the numbers that they have among the known images, not their own from 0 on."""
    _picture(tmp_path / "asked" / first / "a.png", 0)
    _picture(tmp_path / "asked" / second / "a.png", 70)
    assert call("audit", MODEL, "asked", "--auditor", phi_file, "-q", "-o", "run")[0] == 0
    found = pq.read_table(tmp_path / "run" / "scores.parquet")["label"].to_pylist()
    assert sorted(found) == ([0, 7] if first == "0" else [1, 8])


def test_a_class_that_is_not_known_is_named_with_the_nearest(call: Run, phi_file: Path, tmp_path: Path) -> None:
    _picture(tmp_path / "asked" / "Trousers" / "a.png", 0)
    code, _, err = call("audit", MODEL, "asked", "--auditor", phi_file, "-q")
    assert code == 1
    assert "has the class 'Trousers', which the known classes lack (closest: 'Trouser'" in _message(err)


def test_a_file_of_names_numbers_the_classes(call: Run, tmp_path: Path) -> None:
    _picture(tmp_path / "asked" / "cat" / "a.png", 0)
    (tmp_path / "names.txt").write_text("dog\neel\n")
    code, _, err = call("check", MODEL, "asked", "--classes", "names.txt", "-q")
    assert code == 1
    assert "has the class 'cat'" in _message(err)
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    assert call("check", MODEL, "asked", "--classes", "names.txt", "-q", "--json")[0] == 0


def test_an_old_run_is_kept_when_the_new_one_fails(call: Run, images: Path, phi_file: Path, tmp_path: Path) -> None:
    assert call("audit", MODEL, images, "--auditor", phi_file, "-q", "-o", "run")[0] == 0
    before = (tmp_path / "run" / "report.json").read_bytes()
    shutil.rmtree(images)
    images.mkdir()
    assert call("audit", MODEL, images, "--auditor", phi_file, "-q", "-o", "run", "--overwrite")[0] == 1
    assert (tmp_path / "run" / "report.json").read_bytes() == before
