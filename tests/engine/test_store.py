"""Activations come back as they went in, whether they are kept in memory or in a file, and nothing is left behind."""

import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from onnxmint.engine.session import choose_device
from onnxmint.engine.store import ActivationStore, FiledActivations, choose
from onnxmint.errors import EvidenceError
from onnxmint.mint.trainer import FitSettings, fit_module

CPU = choose_device("cpu")


@pytest.fixture(params=["memory", "file"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return str(request.param)


def _filled(values: np.ndarray, kept: str, *, room: int | None = None) -> ActivationStore:
    made = ActivationStore(room or len(values), values.shape[1:], CPU, in_memory=0 if kept == "file" else 1 << 30)
    for start in range(0, len(values), 7):
        made.append(values[start : start + 7])
    return made


def test_rows_come_back_in_any_order(kept: str) -> None:
    values = np.random.default_rng(0).normal(size=(30, 3, 2, 2)).astype(np.float32)
    made = _filled(values, kept, room=40)  # ten could not be read
    assert isinstance(made.values, FiledActivations) == (kept == "file")
    assert len(made.values) == 30
    order = torch.tensor([4, 29, 0, 4])
    assert np.array_equal(made.values[order].numpy(), values[order])
    assert np.array_equal(made.values[5:9].numpy(), values[5:9])
    some = choose(made.values, np.array([3, 1, 20]))
    assert len(some) == 3
    assert np.array_equal(some[torch.tensor([2, 0])].numpy(), values[[20, 3]])
    made.close()


def test_a_read_piece_stays_when_the_store_is_closed(kept: str) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    made = _filled(values, kept)
    piece = made.values[torch.tensor([1, 2])]
    made.close()
    assert np.array_equal(piece.numpy(), values[1:3])


def test_nothing_is_left_when_the_store_is_closed(kept: str, tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    made = _filled(np.ones((20, 4), np.float32), kept)
    assert len(made.values[:]) == 20
    assert (psutil.Process().num_fds() > before) == (kept == "file")
    assert not list(tmp_path.iterdir())  # no name, so that nothing is left even if the process is killed now
    made.close()
    assert not list(tmp_path.iterdir())
    assert psutil.Process().num_fds() == before


def test_fitting_from_a_file_equals_fitting_from_memory() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 4, 3, 3)).astype(np.float32)
    is_member, fold = rng.random(300) < 0.5, rng.integers(0, 5, 300).astype(np.int8)
    scores = []
    for where in ("file", "memory"):
        made = _filled(values, where)
        fitted = fit_module(
            "cnn", made.values, is_member, fold, settings=FitSettings(epochs=2), advance=lambda steps: None
        )
        scores.append(fitted.score(made.values))
        made.close()
    assert np.array_equal(scores[0], scores[1])


def test_a_full_disk_is_said_before_anything_is_read() -> None:
    with pytest.raises(EvidenceError, match=r"take 4000.0 GB, .* GB free: use --limit, or set TMPDIR"):
        ActivationStore(1_000_000_000, (1000,), CPU)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_up_is_said_in_one_line() -> None:
    made = ActivationStore(4, (3,), CPU, in_memory=0)
    made._file.close()
    made._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the store closes it
    with pytest.raises(EvidenceError, match=r"cannot keep activations in .*: No space left on device; set TMPDIR"):
        made.append(np.ones((4, 3), np.float32))
    made.close()
