"""What makes units on the nodes of a cluster, here in processes and folders of this machine; Ray is not needed."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.errors import OnnxmintError
from onnxmint.mint.auditor import Auditor
from onnxmint.results.audit import AUDIT
from onnxmint.results.score_file import write_scores
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.dividing import read_work
from onnxmint.workflows.merging import merge_parts
from onnxmint.workflows.parting import audit_part
from onnxmint.workflows.spreading import Order, UnitMaker
from tests.conftest import DEMO, ROOT

MODEL, IMAGES = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:60"
SETTINGS = AuditSettings(device="cpu", controls=False)


@pytest.fixture
def maker(phi_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UnitMaker:
    """One of an audit that was begun, of which the second of three parts is there."""
    monkeypatch.chdir(tmp_path)
    audit_part(MODEL, IMAGES, phi_file, "run.parts", part=(2, 3), settings=SETTINGS, unit=20)
    order = Order(
        here=str(tmp_path), model=str(MODEL), images=(IMAGES,), auditor=str(phi_file), folder="run.parts",
        settings=SETTINGS, unit=20,
    )  # fmt: skip
    return UnitMaker(order, read_work(Path("run.parts")).identity)


def test_units_of_processes_elsewhere_are_those_of_one(maker: UnitMaker, phi: Auditor, tmp_path: Path) -> None:
    os.chdir("/")  # where a process of a cluster begins
    travelled = pickle.loads(pickle.dumps(maker))
    for unit in (0, 2):
        travelled(unit, device="cpu", cores=1, reason="--device cpu")
    parts = sorted((tmp_path / "run.parts").glob("part-*"))
    stood = [part.stat().st_mtime_ns for part in parts]
    for unit in range(3):  # asked for again, since who made it ended before telling so
        travelled(unit, device="cpu", cores=1, reason="--device cpu")
    assert [part.stat().st_mtime_ns for part in parts] == stood
    alone = audit(MODEL, IMAGES, phi, settings=SETTINGS)
    both = [replace(one, created="then") for one in (alone, merge_parts(tmp_path / "run.parts", device="cpu").result)]
    assert AUDIT.write(both[0]) == AUDIT.write(both[1])
    assert write_scores(both[0]) == write_scores(both[1])
    assert pickle.loads(pickle.dumps(travelled))._open is None  # nothing open travels


def test_a_node_that_does_not_see_the_folders_says_so(maker: UnitMaker, tmp_path: Path) -> None:
    maker.check()
    other = UnitMaker(maker._order, "0" * 64)
    with pytest.raises(OnnxmintError, match=r"sees another run.parts: the parts need a folder that all nodes share"):
        other.check()
    (tmp_path / "run.parts").rename(tmp_path / "away.parts")
    with pytest.raises(OnnxmintError, match=f"does not see run.parts in {tmp_path}: the parts need a folder that all"):
        maker.check()
    elsewhere = UnitMaker(replace(maker._order, here=str(tmp_path / "no")), maker._work)
    with pytest.raises(OnnxmintError, match=r"has no folder .*no: all nodes need the files under the same paths"):
        elsewhere.check()


@pytest.mark.slow
def test_a_process_of_a_cluster_has_the_threads_that_it_was_given_and_never_imports_torch(
    maker: UnitMaker, tmp_path: Path
) -> None:
    """Of the machine's cores nothing may be read off: an engine does not set the affinity of its processes."""
    (tmp_path / "maker").write_bytes(pickle.dumps(maker))
    words = (
        "import os, pickle, sys, threading, time\n"
        "maker, most = pickle.load(open('maker', 'rb')), [0]\n"
        "def look():\n"
        "    while True:\n"
        "        most[0] = max(most[0], len(os.listdir('/proc/self/task')) - 1)\n"
        "        time.sleep(.002)\n"
        "threading.Thread(target=look, daemon=True).start()\n"
        "maker(0, device='cpu', cores=1, reason='')\n"
        "import pyarrow\n"
        "print(most[0], pyarrow.cpu_count(), pyarrow.io_thread_count(), "
        "[one for one in ('torch', 'scipy', 'sklearn', 'pandas') if one in sys.modules])"
    )
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}  # the last as Ray gives it
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=tmp_path, env=given, capture_output=True, text=True, check=True
    )
    threads, rest = done.stdout.split(maxsplit=1)
    assert int(threads) <= 1 + 5  # beside the one that works: the first, a clock, pyarrow's two and its allocator's
    assert rest == "1 1 []\n"
