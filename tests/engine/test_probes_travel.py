"""Everything that a workflow asks of a model is plain data: a worker in another process, made of a copy, says the same.

Where this holds, an engine may show images anywhere.
"""

import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxmint.controls.preparations import check_source
from onnxmint.engine.local import in_batches
from onnxmint.engine.probe import Probe
from onnxmint.engine.target import Target
from onnxmint.engine.worker import Encoded, Worker, to_numpy
from onnxmint.evidence.gathering import open_evidence
from onnxmint.images.chosen import Decoded, Images, Part
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.settings import AuditSettings, EvaluateSettings, EvidenceSettings, TrainSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.training import train_on
from tests.conftest import DEMO, KNOWN, ROOT
from tests.controls.conftest import templates
from tests.engine.recording import Recording

FAR = """
import pickle, sys, threading
from onnxmint.engine.worker import Encoded, Worker, to_numpy

def plain(columns):
    return {name: to_numpy(value) for name, value in columns.items()}

said = []
for probe, batch in pickle.load(open(sys.argv[1], "rb")):
    worker = Worker(probe)
    if isinstance(batch, Encoded):
        said.append(plain(worker(batch, threading.Event()).columns))
    else:
        said.append(plain(worker.show(batch.pixels, batch.label)))
pickle.dump(said, open(sys.argv[2], "wb"))
"""
SETTINGS = TrainSettings(preprocess="0-1", device="cpu", limit=60, views=2)


def _sample(probe: Probe, images: Images) -> Encoded | Decoded:
    """Return a few of the images, as a worker is given them."""
    part = next(part for part in images.parts if len(part.row))
    if isinstance(part, Part):
        return next(iter(in_batches(part, min(7, probe.batch_size))))
    return Decoded(pixels=part.pixels[:7], row=part.row[:7], label=None if part.label is None else part.label[:7])


def _told(probe: Probe, batch: Encoded | Decoded) -> dict[str, np.ndarray]:
    worker = Worker(probe)
    columns: Mapping[str, Any] | None
    if isinstance(batch, Encoded):
        columns = worker(batch, threading.Event()).columns
    else:
        columns = worker.show(batch.pixels, batch.label)
    return {name: to_numpy(value) for name, value in (columns or {}).items()}


@pytest.fixture(scope="module")
def recording(target: Target, phi: Auditor, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """An engine that every workflow has asked: training with each kind of module, auditing, evaluating, checking."""
    engine, folder = Recording(), tmp_path_factory.mktemp("references")
    other = templates(folder / "other.onnx")
    sources = open_evidence(*KNOWN, SETTINGS)
    for options in (
        {"reference": (other,)},
        {"folds": 2, "module": "views"},
        {"module": "cnn", "layers": ("relu",), "labels": False},
        {"module": "vanilla", "layers": ("penultimate", "logits")},
    ):
        settings = TrainSettings(**{"preprocess": "0-1", "device": "cpu", "limit": 60, "views": 2} | options)
        train_on(target, sources, settings, engine)
    asked = f"{DEMO / 'questioned.parquet'}?rows=0:30"
    audit(DEMO / "target.onnx", asked, phi, settings=AuditSettings(device="cpu"), engine=engine)
    compared = EvaluateSettings(preprocess="0-1", device="cpu", limit=60, views=2, reference=folder)
    evaluate(DEMO / "target.onnx", *KNOWN, settings=compared, engine=engine)
    check_source(target.model, open_source(KNOWN[0]), EvidenceSettings(preprocess="0-1", device="cpu"), engine)
    return engine


@pytest.mark.slow
def test_every_workflow_asked(recording: Recording) -> None:
    names = {name for name, _, _ in recording.asked}
    assert {
        "to fit on", "held out", "in folds", "by the twin", "scored", "by other.onnx", "tried on other.onnx", "as 0-1",
    } <= names  # fmt: skip


@pytest.mark.slow
def test_a_worker_made_of_a_copy_in_another_process_says_the_same(recording: Recording, tmp_path: Path) -> None:
    todo = [(probe, _sample(probe, images)) for _, probe, images in recording.asked if len(images)]
    given, taken = tmp_path / "given.pickle", tmp_path / "taken.pickle"
    given.write_bytes(pickle.dumps(todo))
    done = subprocess.run(
        [sys.executable, "-c", FAR, str(given), str(taken)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    far = pickle.loads(taken.read_bytes())
    assert len(far) == len(todo) > 15
    for (name, _, _), (probe, batch), there in zip(recording.asked, todo, far, strict=True):
        here = _told(probe, batch)
        assert here.keys() == there.keys(), name
        assert here, name
        for column, values in here.items():
            np.testing.assert_array_equal(there[column], values, err_msg=f"{name}: {column}")
