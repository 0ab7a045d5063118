"""What cases start from and takes long to make: auditors and a run of the bundled data, once for a version."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from journal import package_version
from seeds import DEMO, ROOT

MODULES = ("phi", "views", "cnn")
KNOWN = (
    "--members",
    f"{DEMO / 'members.parquet'}",
    "--nonmembers",
    f"{DEMO / 'nonmembers.parquet'}",
    "--preprocess",
    "0-1",
)
_QUICK = ("--limit", "60", "--no-controls", "--views", "2", "--device", "cpu", "-q")


def made_auditor(work: Path, module: str) -> Path:
    """Return an auditor of the bundled target, trained by the command line in another process."""
    file = work / "made" / f"{module}-{package_version()}.onnx"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        _onnxmint("train", f"{DEMO / 'target.onnx'}", *KNOWN, *_QUICK, "--module", module, "-o", f"{file}")
    return file


def made_run(work: Path) -> Path:
    """Return a run with all controls that an auditor allows."""
    run = work / "made" / f"run-{package_version()}"
    if not run.exists():
        auditor = made_auditor(work, "phi")
        images = f"{DEMO / 'questioned.parquet'}?rows=0:12"
        _onnxmint(
            "audit",
            f"{DEMO / 'target.onnx'}",
            images,
            "--auditor",
            f"{auditor}",
            "--device",
            "cpu",
            "-q",
            "-o",
            f"{run}",
        )
    return run


def _onnxmint(*words: str) -> None:
    ours = {"PYTHONPATH": str(ROOT), "ONNXMINT_TRIAL_SECONDS": "600", "ONNXMINT_STATE": tempfile.mkdtemp()}
    environment = os.environ | ours
    subprocess.run([sys.executable, "-m", "onnxmint", *words], env=environment, check=True, stdout=subprocess.DEVNULL)
