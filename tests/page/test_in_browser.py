"""A page in headless Chromium answers as an audit does, and sends nothing."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.page.making import make_page
from onnxmint.results.audit import AuditResult
from tests.conftest import DEMO
from tests.page.comparing import SOURCES, require_same_answer, require_same_files, require_same_rows, require_spoken

if TYPE_CHECKING:
    from onnxmint.mint.auditor import Auditor

Opens = Callable[..., dict[str, Any]]


def block(page: str, name: str) -> bytes:
    found = re.search(rf'<script type="application/gzip;base64" id="part-{name}">([^<]+)</script>', page)
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


@pytest.fixture
def opened(tmp_path: Path) -> Opens:
    """What a page says of a folder of images, in a headless browser with the network off."""

    def open_page(page: bytes, images: Path, **asked: object) -> dict[str, Any]:
        place, out = tmp_path / "audit.html", tmp_path / "said.json"
        place.write_bytes(page)
        words = json.dumps({"page": str(place), "images": str(images), "out": str(out), **asked})
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as short:  # Chromium's socket takes 107 letters
            ran = subprocess.run(
                [*needed(str(asked.get("browser", "chromium"))), str(SOURCES / "tests" / "open.mjs"), words],
                env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": short},
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-2000:]
        said: dict[str, Any] = json.loads(out.read_text())
        own = str(asked.get("also"))  # addresses on this machine
        for one in (said, *said["also"]):
            assert [wanted for wanted in one["requests"] if wanted.rpartition("/")[0] not in own] == []
            assert one["problems"] == []
        assert said["requests"] == []
        return said

    return open_page


def needed(browser: str) -> tuple[str, ...]:
    """Return the start of a command that opens a browser; skip where something for it is missing."""
    node, program = shutil.which("node"), {"chromium": "chromium", "firefox": "firefox-esr"}[browser]
    if node is None or not (SOURCES / "node_modules").is_dir():
        pytest.skip("needs Node and its packages: npm ci --prefix tools/page --ignore-scripts")
    if (place := shutil.which(program)) is None:
        pytest.skip(f"needs {browser}: apt-get install {program}")
    return "/usr/bin/env", f"{browser.upper()}={place}", node


def asked_folder(place: Path, count: int, *, labelled: bool) -> Path:
    """Lay out questioned images with a near copy, a known one and a broken one among them."""
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, count).to_pylist()
    rows += pq.read_table(DEMO / "members.parquet").slice(0, 1).to_pylist()
    for number, row in enumerate(rows):
        folder = place / str(row["label"]) if labelled else place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    first = next(place.rglob("0.png"))
    Image.fromarray(np.asarray(Image.open(first)) | 1).save(first.with_name("copy.png"))
    first.with_name("broken.png").write_bytes(first.read_bytes()[:300])
    (place / "notes.txt").write_text("no image")
    return place


def audited(auditor: "Auditor", images: Path) -> AuditResult:
    """Return what an audit without controls says."""
    from onnxmint import AuditSettings, audit

    return audit(DEMO / "target.onnx", images, auditor, settings=AuditSettings(controls=False, device="cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_a_browser_answers_as_an_audit_does_and_lets_nothing_out(
    views: "Auditor", opened: Opens, tmp_path: Path, browser: str
) -> None:
    """Offline, from a file, a folder dropped: verdict, sentences, share, bound, p- and q-values, near copies.

    Known and broken images too. Then with a network: a counting server hears nothing from the page, and nine ways or
    more from a page without its policy; the files of the vectors are decoded as in Python; and the folder for a server
    answers the same from several threads.
    """
    (file := tmp_path / "auditor.onnx").write_bytes(views.model)
    images = asked_folder(tmp_path / "asked", 120, labelled=True)
    with served_page(file, tmp_path / "site") as address:
        said = opened(
            make_page(file).files[""], images, browser=browser, drop=True, width=390, language="de", leaks=True,
            files=True, spoken=browser == "chromium", also=[{"address": address, "drop": False, "spoken": False}],
        )  # fmt: skip
    result = audited(views, images)
    require_same_answer(said, result)
    (threaded,) = said["also"]
    require_same_answer(threaded, result)
    assert int(threaded["threads"]) == min(4, os.cpu_count() or 1)
    assert said["focus"] == "verdict"
    assert said["wide"] <= 0  # nothing to scroll sideways
    assert "Herkunft der fraglichen Bilder" in said["shown"]
    for step in ("Bilder werden angesehen: 0 von 123", "Das Modell wird gefragt: 8 von "):
        assert any(one.startswith(step) for one in said["progress"]), said["progress"]
    assert said["ways"]["page"] == []
    assert len(said["ways"]["open"]) >= 9
    require_same_files(said["files"])
    if browser == "chromium":  # whose tree of roles and names the tests can read
        require_spoken(said)


@pytest.mark.slow
def test_what_cannot_be_judged_is_said(views: "Auditor", opened: Opens, tmp_path: Path) -> None:
    file = tmp_path / "auditor.onnx"
    file.write_bytes(views.model)
    images = asked_folder(tmp_path / "asked", 3, labelled=False)
    (empty := tmp_path / "empty").mkdir()
    also = [{"drop": True, "entries": True}, {"drop": True, "images": str(empty)}]
    said = opened(make_page(file, embed=False).files[""], images, model=str(file), also=also)
    assert "6 of 6 lie in no class folder (0.png)" in said["status"]
    assert [one["status"] for one in said["also"]] == [
        "What was dropped cannot be read here: choose the folder with the button.",
        "There is no image in what was chosen.",
    ]
    assert "result" not in said


@pytest.mark.slow
def test_a_sample_that_is_offered_is_that_of_an_audit(views: "Auditor", opened: Opens, tmp_path: Path) -> None:
    """A page without patience offers one after the first batch; which images it holds, their content decides."""
    from onnxmint import AuditSettings, audit

    file = tmp_path / "auditor.onnx"
    file.write_bytes(views.model)
    page = make_page(file).files[""].decode()
    facts = json.loads(block(page, "facts")) | {"patience": 1e-9}
    packed = base64.b64encode(gzip.compress(json.dumps(facts).encode())).decode()
    page = re.sub(r'(id="part-facts">)[^<]+', rf"\g<1>{packed}", page)
    images = asked_folder(tmp_path / "asked", 400, labelled=True)
    said = opened(page.encode(), images, sample=True)
    judged = said["result"]["questioned"]["images"]
    assert 50 <= judged < 400
    settings = AuditSettings(controls=False, device="cpu", sample=judged)
    result = audit(DEMO / "target.onnx", images, views, settings=settings)
    assert said["result"]["questioned"]["drawn_from"] == result.questioned.drawn_from
    assert said["result"]["verdict"]["text"] == result.verdict.text
    require_same_rows(said["csv"], result.scores)


@pytest.mark.slow
def test_a_page_can_be_stopped_and_then_says_nothing(views: "Auditor", opened: Opens, tmp_path: Path) -> None:
    file = tmp_path / "auditor.onnx"
    file.write_bytes(views.model)
    images = asked_folder(tmp_path / "asked", 400, labelled=True)
    said = opened(make_page(file).files[""], images, stop=True)
    assert said["status"] == "Stopped. Nothing was judged."
    assert "result" not in said


@contextmanager
def served_page(auditor: Path, site: Path) -> Iterator[str]:
    """Give the folder of a page to a browser on this machine, with the headers that the folder names."""
    site.mkdir()
    made = make_page(auditor, folder=True).files
    for name, content in made.items():
        (site / name).write_bytes(content)
    headers = dict(line.split(": ") for line in made["headers.txt"].decode().splitlines())

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_folds_and_trees_are_judged_as_in_an_audit(opened: Opens, tmp_path: Path) -> None:
    from onnxmint import TrainSettings, train

    known = [f"{DEMO / name}.parquet?rows=0:80" for name in ("members", "nonmembers")]
    settings = TrainSettings(preprocess="0-1", module="trees", views=2, folds=2, labels=False, controls=False)
    auditor, file = train(DEMO / "target.onnx", *known, settings=settings), tmp_path / "auditor.onnx"
    file.write_bytes(auditor.model)
    images = asked_folder(tmp_path / "asked", 60, labelled=False)
    require_same_answer(opened(make_page(file).files[""], images), audited(auditor, images))


@pytest.mark.slow
def test_the_assets_are_what_the_sources_give() -> None:
    needed("chromium")
    ran = subprocess.run(
        ["npm", "run", "check", "--silent"], cwd=SOURCES, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
