"""onnxmint check: what it prints, its JSON, and every message a user can meet."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO
from tests.graph.texts import CNN, cnn, save
from tests.workflows.test_checking import NAN

MODEL, IMAGES = str(DEMO / "target.onnx"), str(DEMO / "members.parquet")


def test_a_table_and_advice_fit_80_columns(call: Run) -> None:
    code, out, err = call("check", MODEL, IMAGES, "--preprocess", "-1-1")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for shown in ("* 0-1 ", "-1-1 (declared)", "100.0%", "0-1 fits best", "probably wrong"):
        assert shown in " ".join(out.split())
    assert "A file for --preprocess" not in out
    assert "trying ways to scale pixels: 3" in err


def test_colours_have_rows_in_both_orders_and_a_file_to_declare_them(call: Run, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("size = 9\ncrop = 8\nmean = [0.1, 0.2, 0.3]\n")
    model = cnn(tmp_path / "cnn.onnx")
    code, out, _ = call("check", model, IMAGES, "--preprocess", "p.toml", "--no-labels", "--sample", "30", "-q")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for shown in ("imagenet with bgr", "keras:caffe", "p.toml (declared)", "score"):
        assert shown in out


def test_what_fits_best_is_written_and_can_be_declared(call: Run, tmp_path: Path) -> None:
    code, out, _ = call("check", MODEL, IMAGES, "--sample", "60", "-o", "best.toml", "-q")
    assert code == 0
    assert out.splitlines()[-1] == "best.toml"
    assert (tmp_path / "best.toml").read_text() == "scale = 0.00392156862745098\n"
    code, out, _ = call("check", MODEL, IMAGES, "--sample", "60", "--preprocess", "best.toml", "-q")
    assert code == 0
    assert "best.toml (declared)" in out
    assert "The declared best.toml is plausible" in " ".join(out.split())


def test_what_gives_no_answer_is_not_written(call: Run, tmp_path: Path) -> None:
    model = save(NAN, tmp_path / "broken.onnx")
    code, _, err = call("check", model, IMAGES, "--sample", "9", "-o", "best.toml", "-q")
    assert code == 1
    assert "no preparation gave an answer (the answer holds NaN or infinity), so best.toml was not written" in err
    assert not (tmp_path / "best.toml").exists()


def test_what_does_not_fit_is_neither_written_nor_shown(call: Run, tmp_path: Path) -> None:
    model = cnn(tmp_path / "cnn.onnx")
    table = pq.read_table(IMAGES)
    number = table.schema.get_field_index("label")
    labels = [[row % 5 for row in range(len(table))]]
    pq.write_table(table.set_column(number, "label", labels), tmp_path / "m.parquet")
    code, out, _ = call("check", model, "m.parquet", "-o", "best.toml", "-q")
    assert code == 0
    assert "None of the known preparations fits" in out
    assert "A file for --preprocess" not in out
    assert out.splitlines()[-1] == "best.toml was not written: no preparation fits"
    assert not (tmp_path / "best.toml").exists()
    code, out, _ = call("check", model, "m.parquet", "-o", "best.toml", "--json", "-q")
    assert (code, json.loads(out)["file"]) == (0, None)


def test_what_may_fit_as_well_is_named_in_the_file(call: Run, tmp_path: Path) -> None:
    (tmp_path / "near.toml").write_text("scale = 0.0039\n")
    words = ("check", MODEL, IMAGES, "--preprocess", "near.toml", "--sample", "60", "-q")
    code, out, _ = call(*words, "-o", "best.toml")
    assert code == 0
    assert "~ near.toml (declared)" in out
    assert "* " not in out
    assert "~ cannot be told apart by these images" in out
    assert "no images tell them apart: ask whoever trained the model, or take either" in " ".join(out.split())
    lines = (tmp_path / "best.toml").read_text().splitlines()
    assert lines[0] == "# onnxmint check could not tell this from the following on 60 images:"
    assert {"#   near.toml", "#   0-1"} & set(lines)
    code, out, _ = call("check", MODEL, IMAGES, "--preprocess", "best.toml", "--sample", "60", "-q")
    assert code == 0
    assert "best.toml (declared)" in out


def test_what_lies_beside_the_model_is_tried_and_notes_are_shown(call: Run, tmp_path: Path) -> None:
    text = CNN.replace("float[5] b1", "float[5] b1, float[1] s = {255.0}")
    text = text.replace("(image, w1", "(a, w1").replace("conv1 =", "a = Div(image, s) conv1 =")
    model = cnn(tmp_path / "cnn.onnx", text)
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor", "size": 8}')
    code, out, _ = call("check", "cnn.onnx", IMAGES, "--no-labels", "--sample", "30", "-q")
    words = " ".join(out.split())
    assert code == 0
    assert "preprocessor_config.json (declared)" in words
    assert "--preprocess was not given; what preprocessor_config.json declares counts as declared." in words
    assert "The graph itself subtracts 0 and divides by 255: declare 0-255." in words
    code, out, _ = call("layers", model)
    assert code == 0
    assert "The graph itself subtracts 0 and divides by 255: declare 0-255." in out
    code, out, _ = call("layers", model, "--json")
    assert json.loads(out)["normalisation"]["std"] == [255.0]


def test_json_is_alone_on_stdout(call: Run) -> None:
    code, out, err = call("check", MODEL, IMAGES, "--preprocess", "0-1", "--sample", "40", "--json", "-q")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert list(facts) == [
        "schema", "model", "source", "images", "available", "unreadable", "classes", "ranked_by", "declared",
        "renumbering", "order", "raw", "outside", "enough", "fits", "rivals", "advice", "notes", "variants",
        "file", "classes_file",
    ]  # fmt: skip
    assert (facts["schema"], facts["images"], facts["declared"]) == ("onnxmint.check/4", 40, "0-1")
    assert facts["file"] is None
    _, out, _ = call("check", MODEL, IMAGES, "--sample", "40", "--json", "-q", "-o", "best.toml")
    assert json.loads(out)["file"] == "best.toml"
    assert list(facts["variants"][0]) == [
        "name", "spec", "toml", "images", "accuracy", "loss", "confidence", "entropy", "score",
        "best_permutation_accuracy", "behind", "skipped",
    ]  # fmt: skip
    assert facts["variants"][0]["behind"] is None
    assert list(facts["variants"][1]["behind"]) == ["value", "low", "high", "enough"]


def test_renumbered_labels_show_both_accuracies(call: Run, tmp_path: Path) -> None:
    table = pq.read_table(IMAGES)
    number = table.schema.get_field_index("label")
    labels = [[9 - label for label in table["label"].to_pylist()]]
    pq.write_table(table.set_column(number, "label", labels), tmp_path / "m.parquet")
    code, out, _ = call("check", MODEL, "m.parquet", "-q")
    assert code == 0
    assert "renumbered" in out
    assert "as labelled" in out
    assert "0 is 9, 1 is 8" in " ".join(out.split())


def test_what_is_skipped_or_unreadable_is_shown(call: Run, tmp_path: Path) -> None:
    table = pq.read_table(IMAGES).slice(0, 20)
    rows = table["image"].to_pylist()
    rows[3]["bytes"] = b"nothing"
    number = table.schema.get_field_index("image")
    pq.write_table(table.set_column(number, "image", [rows]), tmp_path / "m.parquet")
    code, out, _ = call("check", MODEL, "m.parquet", "-q")
    assert code == 0
    assert "19 images of m.parquet, 1 unreadable" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["missing.onnx", IMAGES], 1, "missing.onnx does not exist"),
        ([MODEL, "nowhere"], 1, "nowhere does not exist; give a folder"),
        ([MODEL, f"{IMAGES}?rows=0:0"], 1, "leaves no row"),
        ([MODEL, f"{IMAGES}?label=77"], 1, "leaves no row"),
        ([MODEL, IMAGES, "--preprocess", "imagnet"], 2, "is neither a preset"),
        ([MODEL, IMAGES, "--preprocess", "imagenet"], 2, "mean and std of 3 channels"),
        ([MODEL, IMAGES, "--sample", "0"], 2, "0 is not in the range"),
        ([MODEL, "bad"], 1, "none of the 1 images drawn from bad could be read; a.png is not an image"),
        ([MODEL, "empty"], 1, "holds no images"),
        ([MODEL], 2, "Missing argument 'SRC"),
    ],
)
def test_wrong_words_give_one_line_and_the_right_code(
    call: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    for folder in ("bad", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"nothing")
    found, out, err = call("check", *words, "-q")
    assert message in err
    assert (found, out) == (code, "")
    assert "Traceback" not in err


def test_cuda_that_is_not_there_fails_with_the_mend(call: Run) -> None:
    from onnxmint.engine.session import cuda_failure

    if cuda_failure() is None:
        pytest.skip("CUDA works here")
    code, out, err = call("check", MODEL, IMAGES, "--device", "cuda", "-q")
    assert (code, out) == (1, "")
    assert "--device cuda: " in err


def _folders(root: Path, names: list[str], count: int = 120) -> Path:
    """Write known members of the demo into folders of which the k-th is called names[k]."""
    for number, row in enumerate(pq.read_table(IMAGES).slice(0, count).to_pylist()):
        folder = root / names[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    return root


def test_the_order_of_class_folders_is_written_and_can_be_given(call: Run, tmp_path: Path) -> None:
    names = ["tee", "pants", "pullover", "dress", "coat", "sandal", "shirt", "shoe", "bag", "boot"]
    _folders(tmp_path / "f", names)
    code, out, _ = call("check", MODEL, "f", "--write-classes", "order.txt", "-q")
    assert code == 0
    assert out.splitlines()[-1] == "order.txt"
    assert (tmp_path / "order.txt").read_text().split() == names
    assert "onnxmint check --write-classes FILE writes that order, for --classes." in " ".join(out.split())
    code, out, _ = call("check", MODEL, "f", "--classes", "order.txt", "--write-classes", "again.json", "-q")
    assert code == 0
    assert "numbered differently" not in out
    assert json.loads((tmp_path / "again.json").read_text()) == names


def test_numbers_from_one_on_are_written_and_can_be_given(call: Run, tmp_path: Path) -> None:
    table = pq.read_table(IMAGES).slice(0, 60)
    place = table.schema.get_field_index("label")
    labels = [[value + 1 for value in table["label"].to_pylist()]]
    pq.write_table(table.set_column(place, "label", labels).replace_schema_metadata({}), tmp_path / "t.parquet")
    code, out, _ = call("check", MODEL, "t.parquet", "--write-classes", "order.txt", "-q")
    assert code == 0
    assert (tmp_path / "order.txt").read_text().split() == [str(number) for number in range(1, 11)]
    code, out, _ = call("check", MODEL, "t.parquet", "--classes", "order.txt", "-q")
    assert "right on 100.0% of 60 images" in " ".join(out.split())


def test_an_order_that_labels_do_not_show_is_not_written(call: Run, tmp_path: Path) -> None:
    code, out, _ = call("check", MODEL, IMAGES, "--no-labels", "--sample", "30", "--write-classes", "c.txt", "-q")
    assert code == 0
    assert out.splitlines()[-1] == "c.txt was not written: the labels do not show the order of all classes"
    assert not (tmp_path / "c.txt").exists()
    code, _, err = call("check", MODEL, IMAGES, "--sample", "9", "-o", "c.txt", "--write-classes", "c.txt", "-q")
    assert code == 2
    assert "-o and --write-classes are both c.txt; choose another name for one" in err
    (tmp_path / "c.txt").write_text("mine")
    assert call("check", MODEL, IMAGES, "--sample", "9", "--write-classes", "c.txt", "-q")[0] == 2
    assert (tmp_path / "c.txt").read_text() == "mine"


def test_names_that_are_no_line_are_written_as_json(call: Run, tmp_path: Path) -> None:
    names = [" a", "b\nc", *"defghijk"]
    _folders(tmp_path / "f", names)
    code, _, err = call("check", MODEL, "f", "--write-classes", "c.txt", "-q")
    assert code == 2
    assert "is no line of text: write a JSON file, NAME.json" in err
    assert call("check", MODEL, "f", "--write-classes", "c.json", "-q")[0] == 0
    assert json.loads((tmp_path / "c.json").read_text()) == names
    code, out, _ = call("check", MODEL, "f", "--classes", "c.json", "-q")
    assert (code, "numbered differently" in out) == (0, False)
