"""A page of an auditor: what it holds, and which auditors it refuses by name."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.page.assets import assets
from onnxmint.page.facts import page_facts
from onnxmint.page.making import make_page
from onnxmint.page.refusing import require_known
from onnxmint.results.audit import AUDIT
from onnxmint.results.facts import ReferenceFacts

if TYPE_CHECKING:
    from onnxmint.mint.auditor import Auditor


def block(page: str, name: str) -> bytes:
    found = re.search(rf'<script type="application/gzip;base64" id="part-{name}">([^<]+)</script>', page)
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


def test_a_page_is_one_file_that_asks_no_network(phi_file: Path) -> None:
    page = make_page(phi_file).files[""].decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'none'" in policy[1]
    assert "unsafe-inline" not in page
    assert "'unsafe-eval'" not in page
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inline]
        assert [f"{kind} 'sha256-{one}'" in policy[1] for one in hashes] == [True]
    assert not re.search(r'(?:src|href)="', page)
    assert len(page) < 7_000_000


def test_a_page_holds_the_graph_without_its_metadata_and_the_facts_without_features(phi_file: Path) -> None:
    import onnx

    page = make_page(phi_file).files[""].decode()
    graph = onnx.load_model_from_string(block(page, "model"))
    assert not graph.metadata_props
    assert graph.graph.node
    facts = json.loads(block(page, "facts"))
    assert "features" not in facts["known"]
    assert facts["result"]["schema"] == AUDIT.schema
    assert "ONNX Runtime" in block(page, "licences").decode()


def test_a_folder_for_a_server_holds_the_same_parts(phi_file: Path) -> None:
    made = make_page(phi_file, folder=True).files
    assert {"index.html", "page.js", "worker.js", "threads.mjs", "facts.gz", "model.gz", "runtime.gz"} <= made.keys()
    assert b"require-corp" in made["headers.txt"]
    assert b"connect-src 'self'" in made["index.html"]


def test_a_large_auditor_is_asked_for_by_its_hash(phi_file: Path) -> None:
    made = make_page(phi_file, embed=False)
    facts = json.loads(block(made.files[""].decode(), "facts"))
    assert facts["model"] | {"bytes": 0} == {
        "name": phi_file.name, "bytes": 0, "sha256": made.auditor_sha256, "embedded": False,
    }  # fmt: skip
    assert "part-model" not in made.files[""].decode()


def test_every_preparation_reaches_the_page_as_it_was_declared(phi: "Auditor") -> None:
    declared = replace(phi.preprocess, resampler="torch", transparency="white", orientation="apply")
    require_known(other := replace(phi, preprocess=declared))
    spec = page_facts(other, outputs=10, tensors=("image", None), language="en")["spec"]
    assert isinstance(spec, dict)
    assert (spec["resampler"], spec["transparency"], spec["orientation"]) == ("torch", "white", "apply")


def test_references_are_refused_by_name(phi: "Auditor") -> None:
    other = ReferenceFacts(name="other.onnx", sha256="0", preprocess=phi.preprocess)
    with pytest.raises(ModelError, match=r"trained with reference models \(other.onnx\)"):
        require_known(replace(phi, method=replace(phi.method, references=(other,))))


def test_an_asset_that_was_not_built_is_refused(tmp_path: Path) -> None:
    shutil.copytree(str(files("onnxmint.page") / "assets"), tmp_path / "assets")
    assert assets(tmp_path / "assets") == assets()
    (tmp_path / "assets" / "page.js").write_text("other")
    with pytest.raises(OnnxmintError, match=r"page\.js of the page is not the file that was built"):
        assets(tmp_path / "assets")
