"""Real files, the real model, a real process: damage among thousands, Ctrl-C, and an early end leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

import onnxmint
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, Probe, Shown, expose
from onnxmint.engine.target import make_ready
from onnxmint.images.chosen import Images, Part
from onnxmint.images.sources import open_source
from onnxmint.settings import EvidenceSettings

DEMO = Path(onnxmint.__file__).parent / "demo"
SIDES = [f"{DEMO}/{side}.parquet?rows=0:150" for side in ("members", "nonmembers")]
KNOWN = ["--members", SIDES[0], "--nonmembers", SIDES[1], "--preprocess", "0-1"]
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


def _probe(batch_size: int | None = None, **options: Any) -> Probe:
    target = make_ready(DEMO / "target.onnx", EvidenceSettings(preprocess="0-1", device="cpu"))
    return expose(target, [], views=2, labels=False).probe(batch_size=batch_size, **options)


def _all(folder: Path) -> Images:
    source = open_source(str(folder))
    index = np.array([entry.index for entry in source.entries()])
    return Images(parts=(Part(name="many", source=source, index=index, row=index, label=None),), count=len(index))


def test_a_broken_image_among_thousands_is_named_and_the_others_are_read(many: Path) -> None:
    seen = Local().observe(_probe(), _all(many), name="many")
    assert seen.row.tolist() == [number for number in range(COUNT) if number != BAD]
    assert np.isfinite(seen.columns[ODDS]).all()
    assert [(Path(image.path).name, "broken" in image.reason) for image in seen.skipped] == [(f"{BAD:05}.png", True)]


@pytest.mark.slow
def test_scores_do_not_depend_on_the_batch_size(many: Path) -> None:
    images = _all(many)
    found = [Local().observe(_probe(size), images, name="many").columns[ODDS] for size in (1, 7, 64, 1000)]
    for other in found[1:]:
        assert np.allclose(other, found[0], rtol=1e-5, atol=1e-5)


class _Interrupting:
    """Reduces a few batches, then says that the user has had enough."""

    def __init__(self, error: type[BaseException]) -> None:
        self.left, self.error = 5, error

    def __call__(self, shown: Shown) -> dict[str, Any]:
        self.left -= 1
        if self.left < 0:
            raise self.error("no room for this image")
        return {}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_early_end_is_prompt_and_leaves_no_thread_and_no_open_file(many: Path, error: type[BaseException]) -> None:
    images, probe = _all(many), _probe(reduce=_Interrupting(error))
    files = psutil.Process().num_fds()
    start = time.monotonic()
    with pytest.raises(error, match="no room"):
        Local().observe(probe, images, name="many")
    assert time.monotonic() - start < 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onnxmint")]
    assert psutil.Process().num_fds() == files


@pytest.mark.slow
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
        if "to learn from" in line:
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


@pytest.mark.slow
def test_json_stays_alone_on_stdout_when_an_image_is_broken(many: Path, tmp_path: Path) -> None:
    some = tmp_path / "some.csv"
    some.write_text("path\n" + "".join(f"{many}/{number:05}.png\n" for number in range(BAD - 30, BAD + 30)))
    words = [sys.executable, "-m", "onnxmint", "audit", f"{DEMO}/target.onnx", str(some), *KNOWN, "--module", "phi"]
    words += ["--no-controls", "--no-labels", "--json", "-o", str(tmp_path / "run")]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    result = json.loads(found.stdout)
    assert [Path(image["path"]).name for image in result["questioned"]["skipped"]] == [f"{BAD:05}.png"]
