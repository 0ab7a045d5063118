"""What is taken when nobody declares a preprocessing, what is refused, and what every front end says of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.engine.target import make_ready
from onnxmint.errors import UsageError
from onnxmint.graph.load import load_target
from onnxmint.mint.auditor import load_auditor
from onnxmint.preprocess.declaring import declarations, declared_spec, orientation_note
from onnxmint.preprocess.decoding import PRESETS
from onnxmint.settings import EvidenceSettings, TrainSettings
from onnxmint.workflows.training import train
from tests.graph.texts import CNN, cnn, save
from tests.workflows.test_checking import RAW, ROWS

VIT = {"image_processor_type": "ViTImageProcessor", "size": 8}
BIT = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 28}
SCALED = CNN.replace("conv1 = Conv <pads=[1,1,1,1]> (image,", "a = Div(image, s)  conv1 = Conv <pads=[1,1,1,1]> (a,")
SCALED = SCALED.replace("float[5] b1", "float[5] b1, float[1] s = {255.0}")


def _notes(model: Path, preprocess: str | None = None) -> tuple[str, ...]:
    return make_ready(model, EvidenceSettings(preprocess=preprocess, device="cpu")).notes


def test_the_one_file_beside_a_model_is_taken_and_told(tmp_path: Path) -> None:
    model = cnn(tmp_path / "m.onnx")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(VIT))
    ready = make_ready(model, EvidenceSettings(device="cpu"))
    assert (ready.spec.size, ready.spec.std) == ((8, 8), (0.5, 0.5, 0.5))
    assert ready.notes == (
        f"--preprocess was not given; taken as declared by {tmp_path / 'preprocessor_config.json'}.",
    )
    assert _notes(model, "imagenet") == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "say how m.onnx's images are prepared, with --preprocess: a preset (imagenet, "),
        ({"m.toml": "scale = 2", "preprocessor_config.json": json.dumps(VIT)}, "m.toml or --preprocess "),
        ({"preprocessor_config.json": json.dumps(VIT | {"do_pad": True})}, "does not serve ("),
    ],
)
def test_nothing_is_guessed(tmp_path: Path, files: dict[str, str], message: str) -> None:
    model = cnn(tmp_path / "m.onnx")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        _notes(model)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_target_of_raw_pixels_takes_nothing_unasked_and_says_so(tmp_path: Path) -> None:
    target = load_target(save(RAW, tmp_path / "raw.onnx"))
    assert declared_spec(None, target)[1] == ()
    (tmp_path / "raw.toml").write_text('resize = "squash"')
    (note,) = declared_spec(None, target)[1]
    assert f"it can be, with --preprocess {tmp_path / 'raw.toml'}" in note
    assert declarations(None, target).meant is None


def test_of_a_librarys_file_a_target_of_raw_pixels_takes_the_geometry(tmp_path: Path) -> None:
    target = load_target(save(RAW, tmp_path / "raw.onnx"))
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(BIT))
    for wanted, start in ((None, "--preprocess was not given; of"), (str(tmp_path), "raw.onnx takes raw pixels: of")):
        ready = make_ready(target.path, EvidenceSettings(preprocess=wanted, device="cpu"))
        spec = ready.spec
        assert (spec.resize, spec.size, spec.crop, spec.filter) == ("shortest", (32, 32), (28, 28), "bicubic")
        assert (spec.scale, spec.mean, spec.std) == (1, (0,), (1,))
        assert ready.notes == (
            f"{start} what {file} declares, only size, resizing and cropping were taken; scaling is left to the graph.",
        )
        meant = declarations(wanted, target).meant
        assert meant is not None
        assert (meant.spec.scale, meant.spec.crop) == (1, (28, 28))


def test_what_does_not_serve_a_target_of_raw_pixels_says_why(tmp_path: Path) -> None:
    model = save(RAW, tmp_path / "raw.onnx")
    (tmp_path / "raw.toml").write_text("scale = 0.5")
    (note,) = _notes(model)
    assert "was not taken: raw.onnx takes raw uint8 pixels and prepares them itself" in note
    with pytest.raises(UsageError, match="would prepare them twice"):
        _notes(model, str(tmp_path / "raw.toml"))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(BIT))  # of two, none is taken unasked
    (note,) = _notes(model)
    assert note.endswith(f"it can be, with --preprocess {tmp_path / 'preprocessor_config.json'}.")
    with pytest.raises(UsageError, match="makes images of 224x224, the model takes 28x28"):
        _notes(model, "torchvision:ResNet50_Weights.IMAGENET1K_V1")


def test_preparing_twice_is_a_warning(tmp_path: Path) -> None:
    model = cnn(tmp_path / "m.onnx", SCALED)
    (warning,) = _notes(model, "imagenet")
    assert warning.startswith("The graph itself subtracts 0 and divides by 255: declare 0-255, but the declared")
    assert _notes(model, "0-255") == ()


def test_rows_in_colour_that_nobody_laid_out_are_a_warning(tmp_path: Path) -> None:
    model = save(ROWS.format(kind="float"), tmp_path / "rows.onnx")
    (warning,) = _notes(model, "0-1")
    assert warning.startswith("Rows were read with channels last, as numpy flattens images; layout = ")
    for text in ('layout = "flat-chw"', 'layout = "flat"'):
        (tmp_path / "p.toml").write_text(text)
        assert _notes(model, str(tmp_path / "p.toml")) == ()
    (tmp_path / "p.toml").write_text("size = [12, 16]")  # gray: there is one channel to lay out
    assert _notes(model, str(tmp_path / "p.toml")) == ()


def test_what_is_declared_beside_a_model_and_contradicts_it_is_told(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx", SCALED))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(VIT | {"size": 9}))
    found = declarations(None, target)
    assert (found.meant, found.others) == (None, ())
    assert "is declared beside the model and not tried: preprocessing" in found.notes[0]
    assert "makes images of 9x9, the model takes 8x8" in found.notes[0]
    assert found.notes[1].startswith("The graph itself subtracts 0 and divides by 255")


def test_several_declarations_are_all_tried(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(VIT))
    (tmp_path / "m.toml").write_text("scale = 0.5")
    assert len(declarations(None, target).others) == 2
    found = declarations(str(tmp_path / "m.toml"), target)
    assert found.meant is not None
    assert [Path(one.name).name for one in found.others] == ["preprocessor_config.json"]


def test_turned_images_are_a_note_that_says_how_they_were_read() -> None:
    spec = PRESETS["imagenet"]
    assert orientation_note(0, 10, spec, "photos") is None
    assert orientation_note(3, 1000, replace(spec, orientation="apply"), "photos") == (
        "3 of 1,000 images of photos carry an EXIF orientation and were turned as it says."
    )
    note = orientation_note(3, 1000, spec, "photos") or ""
    assert note.startswith("3 of 1,000 images of photos carry an EXIF orientation and were read as they are stored, as")
    assert 'say orientation = "apply" in a TOML file' in note


def test_an_auditor_carries_what_was_taken(demo: Path, tmp_path: Path) -> None:
    model = tmp_path / "target.onnx"
    model.write_bytes((demo / "target.onnx").read_bytes())
    toml = 'scale = 0.00392156862745098\nresize = "shortest"\ncrop_fraction = 0.875\nresampler = "torch"\npad = 3\n'
    (tmp_path / "target.toml").write_text(toml)
    settings = TrainSettings(module="phi", views=2, limit=80, controls=False, device="cpu")
    auditor = train(model, demo / "members.parquet", demo / "nonmembers.parquet", settings=settings)
    assert auditor.warnings[0] == f"--preprocess was not given; taken as declared by {tmp_path / 'target.toml'}."
    (tmp_path / "auditor.onnx").write_bytes(auditor.model)
    spec = load_auditor(tmp_path / "auditor.onnx").preprocess
    assert (spec.size, spec.crop, spec.resize, spec.resampler, spec.pad) == (
        (32, 32),
        (28, 28),
        "shortest",
        "torch",
        (3,),
    )
