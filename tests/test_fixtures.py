"""Classifiers from every exporter, as they come: layers, surgery, training, audit, and the auditor's file alone.

tests/models/models.json says what each is and, where onnxmint can do nothing with it, how it must be refused. What
"pending" names there, by step (layers, auditor or refusal), is known to fail for the reason given; when it works, that
entry has to go.
"""

import re
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxmint.mint.auditor import load_auditor
from tests.models.images import draw_pools
from tests.models.trial import MODELS, Evidence, Refused, Trial, ask, entries, evidence, mixes, plain_answers

LARGEST, LARGEST_OF_ALL = 300_000, 3_000_000  # bytes
ENTRIES = entries()
KNOWN = 60  # of each kind: enough to fit, calibrate and test on, and quick
Given = Callable[[int], Evidence]
# Models that differ from another here only in what layers and surgery see: input, answer, batch, and the way the module
# is exported for their opset are the same. Training an auditor of these too would say little that is new, and takes two
# seconds each. The matrix of tools/fixtures trains on all.
ALIKE = {
    *("torch-dynamo-opset18", "torch-dynamo-opset23", "torch-dynamo-unoptimised", "torch-dynamo-softmax"),
    *("torch-dynamo-aux", "torch-dynamo-float255", "torch-dynamo-log-softmax", "torch-dynamo-any-size"),
    *("torch-dynamo-batch1", "torch-dynamo-mobilenet", "torch-script-opset9", "torch-script-opset11"),
    *("torch-script-opset13", "torch-script-opset17", "torch-script-opset20", "torch-script-resnet"),
    *("torch-script-vit", "torch-script-control-flow", "float16-inside", "int8-qoperator", "constants", "onnx-ir"),
    *("keras-tensorflow", "keras-torch", "tf2onnx-nchw", "tf2onnx-batch1", "tf2onnx-rescaling", "jax-cnn-nchw"),
    *("paddle-batch1", "paddle-opset11", "sklearn-mlp-nozipmap", "sklearn-boosting-nozipmap", "sklearn-forest"),
}
# One for each way that a model takes through the package; the others prove the same of their exporter, once a day.
QUICK = {
    *("torch-dynamo-opset25", "torch-dynamo-float16", "torch-script-batch1", "tf2onnx-nhwc", "if-loop"),
    *("sklearn-mlp", "xgboost", "int8-qdq", "int8-dynamic-cnn"),
}


def _cases(
    step: str, *, refused: bool = False, without: Set[str] = frozenset(), quick: Set[str] = ENTRIES.keys()
) -> list[Any]:
    """Return the names of models that work, or of those that are to be refused; without some; all but some are slow."""
    return [
        pytest.param(name, marks=[*_pending(entry, step), *([] if name in quick else [pytest.mark.slow])])
        for name, entry in ENTRIES.items()
        if (entry["refused"] is not None) is refused and name not in without
    ]


def _pending(entry: dict[str, Any], step: str) -> list[pytest.MarkDecorator]:
    why = entry["pending"].get(step)
    return [] if why is None else [pytest.mark.xfail(reason=why, strict=True)]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Return the evidence of a size, written once."""
    folder = tmp_path_factory.mktemp("evidence")
    made = {size: evidence(size, folder, limit=KNOWN) for size in {entry["size"] for entry in ENTRIES.values()}}
    return lambda size: made[size]


@pytest.fixture
def trial(given: Given, tmp_path: Path) -> Callable[[str], Trial]:
    """Return a model to be tried."""
    return lambda name: Trial(MODELS / f"{name}.onnx", ENTRIES[name], given(ENTRIES[name]["size"]), tmp_path)


def test_every_model_is_listed_and_small() -> None:
    assert {path.stem for path in MODELS.glob("*.onnx")} == set(ENTRIES)
    sizes = [file.stat().st_size for file in MODELS.glob("*.onnx*")]
    assert max(sizes) <= LARGEST
    assert sum(sizes) <= LARGEST_OF_ALL


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_says_what_the_file_holds(name: str) -> None:
    proto = onnx.load(MODELS / f"{name}.onnx", load_external_data=False)
    assert proto.ir_version == ENTRIES[name]["ir_version"]
    assert {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import} == ENTRIES[name]["opset"]
    assert ENTRIES[name]["answer"] in [value.name for value in proto.graph.output]


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry["refused"] is None])
def test_a_model_knows_its_training_images(name: str) -> None:
    """Run by plain onnxruntime: a model that says nothing, or reads other pixels than we think, proves nothing."""
    pools = draw_pools(ENTRIES[name]["size"])
    right = [
        float((plain_answers(MODELS / f"{name}.onnx", ENTRIES[name], images).argmax(1) == images.labels).mean())
        for images in (pools.members, pools.nonmembers)
    ]
    assert right[0] > 0.85
    assert right[0] > right[1]


@pytest.mark.parametrize("name", _cases("layers", quick=QUICK))
def test_layers_are_exposed(name: str, trial: Callable[[str], Trial]) -> None:
    tried = trial(name)
    tensors = [layer["tensor"] for layer in tried.layers]
    suggested = [layer["tensor"] for layer in tried.layers if layer["suggested"]]
    assert len(suggested) == 1
    tried.expose(*tensors, cut=False)
    tried.expose(*tensors, cut=True)
    tried.expose(*suggested, cut=True)


@pytest.mark.parametrize("name", _cases("auditor", without=ALIKE, quick=QUICK - {"torch-dynamo-float16", "if-loop"}))
def test_an_auditor_is_trained_and_used(name: str, trial: Callable[[str], Trial]) -> None:
    tried = trial(name)
    module = "auto" if mixes(ENTRIES[name]) else "views"
    auditor = tried.train("--module", module, "--views", "2", "--no-controls")
    audited = tried.audit(auditor, "--no-controls")
    assert np.isfinite(audited["score"]).all()
    tried.compare(auditor, audited)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if mixes(entry)])
def test_a_model_that_mixes_images_is_not_shown_views(name: str, trial: Callable[[str], Trial]) -> None:
    tried = trial(name)
    with pytest.raises(Refused, match=r"beside its own views: use --module phi, which takes one view"):
        tried.train("--module", "views", "--views", "2", "--no-controls")
    auditor = load_auditor(tried.train("--views", "2", "--no-controls"))
    assert (auditor.method.name, auditor.method.views) == ("phi", 1)
    assert any("only the image itself was shown" in line for line in auditor.warnings)
    found = ask(
        "evaluate", tried.path, "--members", tried.given.members, "--nonmembers", tried.given.nonmembers,
        "--layers", "penultimate", "--modules", "views,vanilla", *tried.preprocess, "--device", "cpu", "-q",
        "-o", tried.folder / "evaluation",
    )  # fmt: skip
    skipped = {method["name"]: method.get("skipped") for method in found["methods"]}
    assert "beside its own views" in skipped["views"]
    assert skipped["view_gap"]
    assert [name for name in skipped if name.startswith("vanilla:") and not skipped[name]]


@pytest.mark.parametrize("name", _cases("refusal", refused=True))
def test_what_cannot_work_is_refused_with_the_reason(name: str, trial: Callable[[str], Trial]) -> None:
    tried = trial(name)
    with pytest.raises(Refused) as refusal:
        tried.train()
    line = str(refusal.value)
    assert re.search(ENTRIES[name]["refused"], line)
    assert f"{name}.onnx" in line
    assert "unexpected" not in line
    assert "/onnxruntime_src" not in line
