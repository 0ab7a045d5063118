"""Registered, audited, signed and verified without a network; a check does without what trains and runs models."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEMO, KNOWN, ROOT

ALONE = ["unshare", "--map-root-user", "--net"]
ASK = [
    str(DEMO / "target.onnx"), f"{DEMO}/questioned.parquet?rows=0:40", "--members", f"{KNOWN[0]}?rows=0:60",
    "--nonmembers", f"{KNOWN[1]}?rows=0:60", "--preprocess", "0-1", "--module", "phi", "--no-controls", "-q",
]  # fmt: skip
LIGHT = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnxruntime"):
            raise ImportError(f"{name} is not for checking")
sys.meta_path.insert(0, Refusing())
from onnxmint.cli.main import main
main(sys.argv[1:])
"""


def _unshared() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*ALONE, "true"], capture_output=True).returncode


@pytest.mark.slow
@pytest.mark.skipif(not _unshared(), reason="no network namespaces for this user")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_the_whole_way_needs_no_network_and_the_check_no_torch(tmp_path: Path) -> None:
    state = {"ONNXMINT_STATE": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)}

    def call(*words: str, light: bool = False) -> str:
        start = ["-c", LIGHT] if light else ["-m", "onnxmint"]
        done = subprocess.run([*ALONE, sys.executable, *start, *words], cwd=tmp_path, env=os.environ | state,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem"], check=True, capture_output=True)  # fmt: skip  # noqa: E501
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "public.pem"], check=True)  # fmt: skip  # noqa: E501
    call("register", *ASK, "-o", "registration.json", "--time-query", "registration.tsq")
    call("audit", *ASK, "--registration", "registration.json", "-o", "run")
    call("sign", "run", "--key", "key.pem", "--time-query", "run.tsq")
    steps = [word for name in ("integrity", "authenticity", "order", "derivation") for word in ("--step", name)]
    told = call("verify", "run", *steps, "--key", "public.pem", "--registration", "registration.json", light=True)
    assert "VERIFIED: every step that was asked for passed" in told
