"""Whatever the files are, memory stays bounded: looked at in a process of its own, whose peak is read."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

MOST = 700 << 10  # kB above what Python and the libraries take; 1.5 GB less these and a model
PEAK = """
import resource, sys
from onnxmint.images.facts import look_at
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet
source = open_source(sys.argv[1])
list(open_source(sys.argv[1]).read(frozenset({-1})))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wanted = {entry.index for entry in source.entries()}
facts = look_at(source, wanted=wanted, stage=quiet, name="looking", threads=8)
print(len(facts.index), len(facts.unreadable), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="peaks are read and freed memory returned as Linux does"
)


def _looked_at(place: Path) -> tuple[int, int]:
    """Return how many images were seen and how many not; eight threads must stay below MOST."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(place)], capture_output=True, text=True, check=True)
    seen, unseen, grown = map(int, done.stdout.split())
    assert grown < MOST, f"{grown >> 10} MB"
    return seen, unseen


def _large(form: str) -> bytes:
    """Return an image of 49 megapixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (7000, 7000), (9, 8, 7)).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.slow
def test_files_that_claim_much_and_hold_little(tmp_path: Path) -> None:
    for number in range(8):
        with (tmp_path / f"{number}.png").open("wb") as file:
            file.truncate(250 << 20)  # sparse: takes no room on the disk
    assert _looked_at(tmp_path) == (0, 8)


@pytest.mark.slow
def test_images_of_as_many_pixels_as_are_allowed(tmp_path: Path) -> None:
    data = _large("PNG")
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(data)
    assert _looked_at(tmp_path) == (4, 0)


@pytest.mark.slow
def test_tables_whose_rows_are_a_hundred_megabytes_each(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (5900, 5900)).save(buffer, "BMP")
    pq.write_table(pa.table({"image": [buffer.getvalue()] * 6}), tmp_path / "t.parquet")  # stored once, by a dictionary
    assert _looked_at(tmp_path / "t.parquet") == (6, 0)
