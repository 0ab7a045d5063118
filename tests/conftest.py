"""Paths, small real things, and the auditors that many tests share: each is trained once in a run of the tests."""

import os
import pickle
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

import onnxmint  # noqa: F401 - switches onnxruntime's telemetry off before a test loads it

if TYPE_CHECKING:
    from onnxmint.engine.target import Target
    from onnxmint.evidence.known import Evidence
    from onnxmint.mint.auditor import Auditor

# Test processes run side by side: threads within one would only wait for each other. Read when libraries are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# What audits of tests remember of each other is not the user's.
os.environ["ONNXMINT_STATE"] = str(Path(tempfile.gettempdir()) / f"onnxmint-tests-{os.getpid()}")
# A job that a shell started in the background ignores Ctrl-C, and so do its children: tests that send it need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "onnxmint" / "demo"
SHARED = ROOT.parent / "shared"
KNOWN = (DEMO / "members.parquet", DEMO / "nonmembers.parquet")


@pytest.fixture
def demo() -> Path:
    """The bundled target, evidence and questioned images."""
    return DEMO


@pytest.fixture
def shared() -> Path:
    """The project's shared real models and data; tests that need them skip without."""
    if not (SHARED / "models").is_dir():
        pytest.skip("no ../shared with real models and data beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], Any]], Any]:
    """Return what a name stands for, made by the first process of this run that asks for it."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def get(name: str, make: Callable[[], Any]) -> Any:
        file = folder / f"{name}.pickle"
        with FileLock(folder / f"{name}.lock"):
            if not file.exists():
                made = pickle.dumps(make())
                file.write_bytes(made)
        return pickle.loads(file.read_bytes())

    return get


def _trained(module: str, **options: Any) -> Callable[[], "Auditor"]:
    def train() -> "Auditor":
        from onnxmint import TrainSettings, train

        settings = TrainSettings(preprocess="0-1", device="cpu", module=module, **options)
        return train(DEMO / "target.onnx", *KNOWN, settings=settings)

    return train


@pytest.fixture(scope="session")
def phi(once: Callable[..., Any]) -> "Auditor":
    """An auditor of the bundled target by the log-odds of the image itself, with all controls."""
    found: Auditor = once("phi", _trained("phi", limit=500))
    return found


@pytest.fixture(scope="session")
def views(once: Callable[..., Any]) -> "Auditor":
    """An auditor of the bundled target by two views of the image, with all controls."""
    found: Auditor = once("views", _trained("views", views=2, limit=500))
    return found


@pytest.fixture(scope="session")
def phi_file(phi: "Auditor", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    file = tmp_path_factory.mktemp("phi") / "auditor.onnx"
    file.write_bytes(phi.model)
    return file


@pytest.fixture(scope="session")
def target() -> "Target":
    """The bundled target, made ready."""
    from onnxmint.engine.target import make_ready
    from onnxmint.settings import EvidenceSettings

    return make_ready(DEMO / "target.onnx", EvidenceSettings(preprocess="0-1", device="cpu"))


@pytest.fixture(scope="session")
def few() -> "Evidence":
    """Eighty members and as many non-members of the bundled target, looked at and divided."""
    import numpy as np

    from onnxmint.evidence.gathering import gather, open_evidence
    from onnxmint.progress import quiet
    from onnxmint.settings import EvidenceSettings

    settings = EvidenceSettings(limit=80)
    sources = open_evidence(*KNOWN, settings).sources
    return gather(sources, 10, settings, rng=np.random.default_rng(0), stage=quiet)[0]
