"""A small target that was trained on sealed pictures is found, and one that was not is not."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.images.variants import Change
from onnxmint.settings import EvidenceSettings
from onnxmint.workflows.asking_sealed import audit_sealed
from onnxmint.workflows.sealing import seal
from tests.conftest import DEMO

CUT = Change(crop=0.125)


def _opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A small target trained on 250 published pictures of clothes, and two kept folders: of these, and of others."""
    folder = tmp_path_factory.mktemp("trained")
    rows = pq.read_table(DEMO / "members.parquet")
    for place, start in (("own", 0), ("others", 250)):
        pq.write_table(rows.slice(start, 250), folder / f"{place}.parquet")
        seal(folder / f"{place}.parquet", folder / f"{place}-public", folder / place, change=CUT, variants=8)
    files = sorted((folder / "own-public").rglob("*.png"))
    images = np.stack([np.asarray(_opened(file).resize((28, 28), Image.Resampling.BILINEAR)) for file in files])
    names = sorted({file.parent.name for file in files})
    labels = np.array([names.index(file.parent.name) for file in files])
    return _exported(_fitted(images, labels), folder), folder / "own", folder / "others"


def _fitted(images: np.ndarray, labels: np.ndarray) -> Any:
    """Train a small CNN on (n, 28, 28) pictures until it knows them by heart."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    x, y = torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(labels)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        for rows in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def _exported(model: Any, folder: Path) -> Path:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the older of the two exporters, which needs no onnxscript
        torch.onnx.export(
            model, (torch.zeros(1, 1, 28, 28),), folder / "target.onnx", input_names=["image"],
            output_names=["logits"], dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, opset_version=17,
            dynamo=False,
        )  # fmt: skip
    return folder / "target.onnx"


@pytest.mark.slow
def test_a_model_trained_on_published_variants_is_found_and_one_that_was_not_is_not(
    trained: tuple[Path, Path, Path],
) -> None:
    model, own, others = trained
    for labels, p in ((True, 1e-6), (False, 0.01)):
        settings = EvidenceSettings(preprocess="0-1", device="cpu", labels=labels)
        found = audit_sealed(model, own, settings=settings)
        assert (found.kind, found.labels) == ("members-found", labels)
        assert found.test.p_value < p
        assert audit_sealed(model, others, settings=settings).test.p_value > 1e-5
