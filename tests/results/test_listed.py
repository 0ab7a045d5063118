"""The hash of a set of files is one that anybody makes with a shell, and does not know names or order."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from onnxmint.results.listed import ListFacts, list_facts

FILES = [bytes([k]) * (k + 1) for k in range(20)]


def _listed(files: list[bytes], order: np.ndarray) -> ListFacts:
    encoded = np.frombuffer(b"".join(hashlib.sha256(one).digest() for one in files), np.uint8).reshape(-1, 32)
    return list_facts(encoded[order], np.array([len(one) for one in files])[order])


def test_it_does_not_depend_on_the_order_and_counts_bytes() -> None:
    found = _listed(FILES, np.arange(20))
    assert found == _listed(FILES, np.random.default_rng(0).permutation(20))
    assert (found.images, found.bytes) == (20, 210)
    assert found != _listed([*FILES[:19], b"other"], np.arange(20))


def test_files_that_could_not_be_read_are_left_out() -> None:
    assert _listed([b"a", b"", b"b"], np.arange(3)) == _listed([b"a", b"b"], np.arange(2))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_a_shell_makes_the_same(tmp_path: Path) -> None:
    for number, content in enumerate(FILES):
        (tmp_path / f"{number} odd.png").write_bytes(content)
    command = "sha256sum * | cut -c1-64 | LC_ALL=C sort | sha256sum"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == _listed(FILES, np.arange(20)).sha256
