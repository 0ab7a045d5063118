"""Real files, the real model, a real process: damage among thousands, Ctrl-C, and an early end leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import onnxmint
from onnxmint.engine.local import Reader
from onnxmint.engine.target import prepare, show
from onnxmint.images.sources import open_source
from onnxmint.preprocess.decoding import decode
from onnxmint.progress import quiet
from onnxmint.settings import EvidenceSettings

DEMO = Path(onnxmint.__file__).parent / "demo"
KNOWN = ["--members", f"{DEMO}/members.parquet", "--nonmembers", f"{DEMO}/nonmembers.parquet", "--preprocess", "0-1"]
COUNT, BAD = 3000, 1234


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thousands of small PNGs, one of them cut short."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05}.png", compress_level=1)
    whole = (folder / f"{BAD:05}.png").read_bytes()
    (folder / f"{BAD:05}.png").write_bytes(whole[: len(whole) // 2])
    return folder


def _reader(batch_size: int | None = None) -> tuple[Reader, str]:
    prepared = prepare(DEMO / "target.onnx", EvidenceSettings(preprocess="0-1", device="cpu"))
    shown = show(prepared, [], views=2, labels=False)
    return shown.reader(batch_size), shown.graph.odds or ""


def _read(folder: Path, batch_size: int | None) -> tuple[list[int], np.ndarray, Reader]:
    reader, output = _reader(batch_size)
    source = open_source(str(folder))
    wanted = {entry.index for entry in source.entries()}
    batches = list(reader.read(source, wanted=wanted, stage=quiet, name="many"))
    index = [number for batch in batches for number in batch.index.tolist()]
    return index, np.concatenate([batch.outputs[output] for batch in batches]), reader


def test_a_broken_image_among_thousands_is_named_and_the_others_are_read(many: Path) -> None:
    index, values, reader = _read(many, None)
    assert index == [number for number in range(COUNT) if number != BAD]
    assert np.isfinite(values).all()
    assert [(Path(image.path).name, "broken" in image.reason) for image in reader.skipped] == [(f"{BAD:05}.png", True)]


def test_scores_do_not_depend_on_the_batch_size(many: Path) -> None:
    found = [_read(many, size)[1] for size in (1, 7, 64, 1000)]
    for other in found[1:]:
        assert np.allclose(other, found[0], rtol=1e-5, atol=1e-5)


def test_an_early_end_leaves_no_thread_and_no_open_file(many: Path) -> None:
    reader, _ = _reader()
    source = open_source(str(many))
    wanted = {entry.index for entry in source.entries()}
    threads, files = threading.active_count(), psutil.Process().num_fds()
    for _ in reader.read(source, wanted=wanted, stage=quiet, name="many"):
        break
    assert threading.active_count() == threads
    assert psutil.Process().num_fds() == files


def test_a_worker_that_fails_ends_the_reading_at_once(many: Path) -> None:
    reader, _ = _reader()

    def broken(data: bytes) -> np.ndarray:
        if len(data) > 0 and threading.current_thread().name.startswith("onnxmint"):
            raise MemoryError("no room for this image")
        return decode(data, prepare(DEMO / "target.onnx", EvidenceSettings(preprocess="0-1")).spec)

    reader._decode = broken
    source = open_source(str(many))
    start, threads = time.monotonic(), threading.active_count()
    with pytest.raises(MemoryError, match="no room"):
        list(reader.read(source, wanted=set(range(COUNT)), stage=quiet, name="many"))
    assert time.monotonic() - start < 2
    assert threading.active_count() == threads


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_an_audit_promptly_in_one_line_and_leaves_no_file(many: Path, tmp_path: Path) -> None:
    temporary, run = tmp_path / "tmp", tmp_path / "run"
    temporary.mkdir()
    words = [sys.executable, "-m", "onnxmint", "audit", f"{DEMO}/target.onnx", str(many), *KNOWN, "-o", str(run)]
    words += ["--no-labels"]
    process = subprocess.Popen(
        words, env=os.environ | {"TMPDIR": str(temporary)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for line in iter(process.stderr.readline, ""):  # type: ignore[union-attr]
        if "to fit on" in line:
            break
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - start < 10
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1] == "Stopped by the user; nothing half-written was left behind."
    assert not list(temporary.iterdir())
    assert not (run / "report.json").exists()


def test_json_stays_alone_on_stdout_when_an_image_is_broken(many: Path, tmp_path: Path) -> None:
    some = tmp_path / "some.csv"
    some.write_text("path\n" + "".join(f"{many}/{number:05}.png\n" for number in range(BAD - 30, BAD + 30)))
    words = [sys.executable, "-m", "onnxmint", "audit", f"{DEMO}/target.onnx", str(some), *KNOWN, "--views", "2"]
    found = subprocess.run(
        [
            *words,
            "--module",
            "views",
            "--no-controls",
            "--no-labels",
            "--limit",
            "150",
            "--json",
            "-o",
            str(tmp_path / "run"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(found.stdout)
    assert [Path(image["path"]).name for image in result["questioned"]["skipped"]] == [f"{BAD:05}.png"]
