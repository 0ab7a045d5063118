"""onnxmint references: what it makes, that other commands take it, and every message a user can meet."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.engine.target import Target
from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from onnxmint.methods.references import open_references, references_in
from onnxmint.mint.inside import with_references_beside
from onnxmint.settings import EvidenceSettings
from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN, ROOT
from tests.graph.texts import cnn

MODEL = str(DEMO / "target.onnx")
MEMBERS, NONMEMBERS = (f"{place}?rows=0:60" for place in KNOWN)
SETTINGS = ["--preprocess", "0-1", "--device", "cpu", "-q"]
RETRAIN = ["--images", MEMBERS, "--images", NONMEMBERS, *SETTINGS, "--retrain", "--epochs", "1"]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A classifier that saw none of the images: it learned nothing at all."""
    path = tmp_path / "elsewhere" / "other.onnx"
    path.parent.mkdir()
    path.write_bytes(serialize(placebo_twin(load_target(DEMO / "target.onnx").model, seed=1)))
    return path


@pytest.mark.slow
def test_references_that_learned_halves_are_what_evaluate_compares(call: Run, target: Target) -> None:
    code, out, err = call("references", MODEL, *RETRAIN, "--count", "4", "-o", "refs", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [one["file"] for one in found["references"]] == [f"reference0{number}.onnx" for number in range(4)]
    assert all(one["images"] + one["unseen"] == 120 for one in found["references"])
    lists = [Path(f"refs/reference0{number}.members.txt").read_text().splitlines() for number in range(4)]
    names = [name for one in lists for name in one]
    assert {names.count(name) for name in names} == {2}
    assert len(set(names)) == 120
    assert {path.suffix for path in Path("refs").iterdir()} == {".onnx", ".txt"}
    everything = [*pq.read_table(KNOWN[0]).slice(0, 60).to_pylist(), *pq.read_table(KNOWN[1]).slice(0, 60).to_pylist()]
    found = open_references(
        references_in(Path("refs")),
        target,
        [row["image"]["path"] for row in everything],
        EvidenceSettings(device="cpu"),
    )
    assert (np.stack([one.trained for one in found]).sum(axis=0) == 2).all()  # as LiRA and RMIA want it


@pytest.mark.slow
def test_what_is_there_is_not_trained_again_and_other_settings_are_refused(call: Run) -> None:
    words = ["references", MODEL, *RETRAIN, "-o", "refs"]
    assert call(*words, "--count", "2")[0] == 0
    first, second = (Path(f"refs/reference0{number}.onnx") for number in range(2))
    before = [path.read_bytes() for path in (first, second)]
    assert before[0] != before[1]
    second.unlink()
    code, out, _ = call(*words, "--count", "2")
    assert code == 0
    told = " ".join(out.split())
    assert (
        "2 references of target.onnx: its own graph, trained anew on a random half of 120 images; target.onnx is"
        in told
    )
    assert told.count("(was there already)") == 1
    assert [path.read_bytes() for path in (first, second)] == before  # the same seed learns the same
    code, _, err = call(*words, "--count", "2", "--seed", "1")
    assert code == 2
    assert "refs/reference00.onnx was made otherwise (seed: 0, now 1): choose another folder with -o, or replace" in err
    code, out, _ = call(*words, "--count", "1", "--overwrite")
    assert code == 0
    assert "trained anew on all of 120 images" in " ".join(out.split())
    assert "Use it with --reference refs/reference00.onnx (audit, train)" in " ".join(out.split())
    assert sorted(path.name for path in Path("refs").iterdir()) == ["reference00.members.txt", "reference00.onnx"]
    first.write_bytes(Path(MODEL).read_bytes())
    code, _, err = call(*words, "--count", "1")
    assert code == 2
    assert "refs/reference00.onnx is there already and was not made by onnxmint references" in err


@pytest.mark.slow
def test_a_reference_of_features_is_beside_the_target_in_an_audit(call: Run, other: Path, target: Target) -> None:
    others = [f"{place}?rows=100:200" for place in KNOWN]
    words = ["--images", others[0], "--images", others[1], *SETTINGS, "--features", other, "-o", "refs"]
    code, out, err = call("references", MODEL, *words)
    assert (code, err) == (0, "")
    told = " ".join(out.split())
    assert "1 reference of target.onnx: a linear layer on the features of other.onnx, fitted on 200 images." in told
    assert "features.onnx: 200 images, right on" in told
    assert "of 50 held out first" in told
    assert "Use it with --reference refs/features.onnx (audit, train) or --reference refs (evaluate)" in told
    assert {path.name for path in Path("refs").iterdir()} == {"features.onnx", "features.members.txt"}
    assert [value.name for value in onnx.load("refs/features.onnx").graph.input] == ["image"]
    known = [row["image"]["path"] for row in pq.read_table(KNOWN[0]).slice(0, 60).to_pylist()]
    found = open_references(references_in(Path("refs")), target, known, EvidenceSettings(device="cpu"))
    beside, reasons = with_references_beside(target, found)
    assert (len(beside.beside), reasons) == (1, ())
    code, out, _ = call("references", MODEL, *words)
    assert "(was there already)" in " ".join(out.split())
    again = [*words[:-3], "refs/features.onnx", "-o", "again"]  # one that is such a reference itself
    assert call("references", MODEL, *again)[0] == 0


def test_names_that_cannot_be_written_are_refused_before_anything_is_learned(call: Run, tmp_path: Path) -> None:
    rows = pq.read_table(DEMO / "members.parquet").slice(0, 40).to_pylist()
    (tmp_path / "images" / "1").mkdir(parents=True)
    try:
        for number, row in enumerate(rows):
            name = f"images/{number % 2}/\udcff{number}.png"
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(row["image"]["bytes"])
    except OSError:
        pytest.skip("the disk takes no names but UTF-8")
    code, out, err = call("references", MODEL, "--images", "images", *SETTINGS, "--retrain", "-o", "refs")
    assert (code, out) == (1, "")
    assert r"\udcff" in err
    assert "cannot stand in a list of members, one a line: rename the image" in err


@pytest.mark.slow
def test_features_of_a_model_whose_images_are_prepared_otherwise_come_with_their_preparation(
    call: Run, tmp_path: Path
) -> None:
    path = cnn(tmp_path / "elsewhere.onnx")
    Path("own.toml").write_text(f"size = [28, 28]\nscale = {1 / 255}\n")
    words = ["--images", MEMBERS, "--preprocess", "own.toml", "--device", "cpu", "-q", "--features", path]
    words += ["-o", "refs", "--layer", "relu1", "--layer", "relu2"]
    code, _, err = call("references", MODEL, *words)
    assert code == 2
    assert "elsewhere.onnx cannot be shown images as the target is (" in err
    assert "say how its images are prepared in" in err
    path.with_suffix(".toml").write_text("size = [8, 8]\nscale = 0.02\n")
    code, out, err = call("references", MODEL, *words, "--json")
    assert (code, err) == (0, "")
    assert "scale = 0.02" in Path("refs/features.toml").read_text()
    assert json.loads(out)["references"][0]["images"] == 60
    weights = {one.name: list(one.dims) for one in onnx.load("refs/features.onnx").graph.initializer}
    assert weights["onnxmint_head"] == [(5 + 6) * 16, 10]  # both maps, averaged to 4 x 4 cells


def _labelled(folder: Path, labels: list[int | None], paths: list[str] | None = None) -> str:
    """Write images of the demo with other labels and names."""
    rows = pq.read_table(DEMO / "members.parquet").slice(0, len(labels)).to_pylist()
    names = paths or [row["image"]["path"] for row in rows]
    images = [{"bytes": row["image"]["bytes"], "path": name} for row, name in zip(rows, names, strict=True)]
    columns = {"image": images} | ({"label": labels} if labels[0] is not None else {})
    pq.write_table(pa.table(columns), folder / "images.parquet")
    return str(folder / "images.parquet")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "say what the references are made of: --features OTHER.onnx"),
        (["--retrain", "--features", MODEL], 2, "say what the references are made of: --features OTHER.onnx"),
        (["--retrain", "--count", "0"], 2, "Invalid value for '--count'"),
        (["--retrain", "--epochs", "0"], 2, "Invalid value for '--epochs'"),
        (["--retrain", "--layer", "3"], 2, "--layer says how --features makes references, and --retrain was asked for"),
        (
            ["--features", "a.onnx", "--count", "2"],
            2,
            "--count says how --retrain makes references, and --features was",
        ),
        (["--retrain", "-o", ""], 2, "a place has no name; give one"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(call: Run, words: list[str], status: int, message: str) -> None:
    code, out, err = call("references", MODEL, "--images", MEMBERS, *SETTINGS, "-o", "refs", *words)
    assert (code, out) == (status, "")
    assert message in err
    assert not Path("refs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["none.onnx", "--retrain"], 1, "none.onnx does not exist"),
        ([MODEL, "--features", "none.onnx"], 1, "none.onnx does not exist"),
        ([MODEL, "--features", MODEL], 1, "is the target itself, which knows its members: give a classifier that"),
        ([MODEL, "--features", "OTHER", "--layer", "relu_9"], 2, "no layer 'relu_9'; closest:"),
        (
            [MODEL, "--features", "TREES"],
            1,
            "sklearn-forest.onnx shows nothing of an image but its answer (decision tr",
        ),
        ([MODEL, "--retrain", "-o", MODEL], 2, "target.onnx is a file, and references are a folder"),
        ([MODEL, "--retrain", "--augmentation", "turn"], 2, "no augmentation 'turn'; there are crop4"),
        ([MODEL, "--retrain", "-o", "s3://bucket/refs"], 2, "takes a path on this machine"),
        (["BATCH", "--retrain"], 2, "it cannot be trained anew: give --features OTHER.onnx"),
        (["SIGMOID", "--retrain"], 2, "gives each label a probability of its own, and references are made of classif"),
        (["LOOP", "--retrain"], 1, "the graph cannot be trained anew: its operator If (node 'pool2') cannot be; train"),
    ],
)
def test_what_does_not_serve_is_said_in_one_line(
    call: Run, other: Path, words: list[str], status: int, message: str
) -> None:
    models = {
        "BATCH": "int8-dynamic-cnn",
        "LOOP": "if-loop",
        "TREES": "sklearn-forest",
        "SIGMOID": "torch-dynamo-sigmoid",
    }
    place = ROOT / "tests" / "models"
    said = [str(place / f"{models[word]}.onnx") if word in models else word for word in words]
    said = [str(other) if word == "OTHER" else word for word in said]
    images = ["--images", MEMBERS] if said[0] == MODEL else ["--images", str(_sixteen(other.parent))]
    output = [] if "-o" in said else ["-o", "refs"]
    code, out, err = call("references", *said, *images, *SETTINGS, *output)
    assert (code, out) == (status, ""), err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def _sixteen(folder: Path) -> Path:
    """Write images of 16 x 16 pixels in colour, with labels."""
    import io

    from PIL import Image

    rng, rows = np.random.default_rng(0), []
    for _ in range(50):
        sink = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(sink, "png")
        rows.append({"bytes": sink.getvalue(), "path": f"{len(rows)}.png"})
    pq.write_table(pa.table({"image": rows, "label": [row % 2 for row in range(50)]}), folder / "sixteen.parquet")
    return folder / "sixteen.parquet"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "paths", "message"),
    [
        ([None] * 50, None, "has images without a label, and a reference learns classes"),
        ([0, 1] * 10, None, "20 images are too few: references learn from at least 40"),
        ([3] * 50, None, "all images are of one class, and a reference learns to tell classes apart"),
        ([0, 1] * 25, ["a.png"] * 50, "'a.png' names 50 of the images"),
        ([0, 1] * 25, [*(f"{row}.png" for row in range(49)), " b.png"], "the name ' b.png' cannot stand in a list"),
        ([0, 1] * 25, [*(f"{row}.png" for row in range(49)), "a\x85b.png"], r"the name 'a\x85b.png' cannot stand in"),
        ([0, 11] * 25, None, "holds label 11, but the target has outputs 0 to 9: renumber the labels\n"),
    ],
)
def test_images_that_nothing_can_be_learned_from_are_refused(
    call: Run, tmp_path: Path, labels: list[int | None], paths: list[str] | None, message: str
) -> None:
    images = _labelled(tmp_path, labels, paths)
    code, out, err = call("references", MODEL, "--images", images, *SETTINGS, "--retrain", "-o", "refs")
    assert (code, out) == (1, "")
    assert message in err


@pytest.mark.slow
def test_what_a_reader_has_to_know_is_said(call: Run, tmp_path: Path) -> None:
    images = _labelled(tmp_path, [row % 3 for row in range(48)])  # labels that say nothing
    words = ["--images", images, *SETTINGS, "--retrain", "--epochs", "1", "--count", "2", "-o", "refs"]
    code, out, _ = call("references", MODEL, *words)
    told = " ".join(out.split())
    assert code == 0
    assert "7 of the model's 10 classes have no image" in told
    assert "hardly more than by chance: it tells nothing of how hard an image is" in told
    shutil.rmtree("refs")
    residual = ROOT / "tests" / "models" / "torch-dynamo-resnet.onnx"
    sixteen = ["--images", str(_sixteen(tmp_path)), *SETTINGS, "--retrain", "--epochs", "1", "--count", "1"]
    code, out, err = call("references", str(residual), *sixteen, "--augmentation", "mirror", "-o", "refs")
    assert (code, err) == (0, "")
    assert "each convolution was normalised while learning, and that folded back" in " ".join(out.split())


@pytest.mark.slow
def test_nothing_that_is_read_is_written_over(call: Run, other: Path) -> None:
    shutil.copy(other, other.parent / "features.onnx")
    words = ["--images", MEMBERS, *SETTINGS, "--features", other.parent / "features.onnx", "-o", other.parent]
    code, out, err = call("references", MODEL, *words, "--overwrite")
    assert (code, out) == (2, "")
    assert "would overwrite the model of the features" in err
