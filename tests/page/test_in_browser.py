"""A page in headless Chromium answers as an audit does, and sends nothing."""

import base64
import csv
import gzip
import json
import os
import re
import shutil
import subprocess
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
from onnxmint.results.audit import AUDIT, AuditResult, ScoreTable
from tests.conftest import DEMO, ROOT

if TYPE_CHECKING:
    from onnxmint.mint.auditor import Auditor

SOURCES = ROOT / "tools" / "page"
NEAR = 1e-4  # of scores, whose sums another runtime adds in another order
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
        ran = subprocess.run(
            [*needed(str(asked.get("browser", "chromium"))), str(SOURCES / "tests" / "open.mjs"), words],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-2000:]
        said: dict[str, Any] = json.loads(out.read_text())
        for one, own in ((said, "none"), (said.get("also", said), str(asked.get("also")))):
            assert [wanted for wanted in one["requests"] if wanted.rpartition("/")[0] not in own] == []
            assert one["problems"] == []
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


def require_same_answer(said: dict[str, Any], result: AuditResult) -> None:
    """Hold what a page said against an audit."""
    wanted, found = json.loads(AUDIT.write(result)), said["result"]
    AUDIT.read(json.dumps(found), "report.json", scores=result.scores, basis=None)
    assert found["verdict"]["text"] == wanted["verdict"]["text"]
    for key in ("verdict", "statistics", "identity", "next_steps", "evidence", "rule", "class_names", "calibration"):
        require_near(found[key], wanted[key], key)
    require_near({**found["questioned"], "skipped": []}, {**wanted["questioned"], "skipped": []}, "questioned")
    paths = [[one["path"] for one in each["questioned"]["skipped"]] for each in (found, wanted)]
    assert sorted(paths[0]) == sorted(paths[1])
    assert set(wanted["warnings"]) - set(found["warnings"]) == set(result_notes(wanted))
    require_same_rows(said["csv"], result.scores)


def result_notes(wanted: dict[str, Any]) -> list[str]:
    """Return the warnings that the page says in its own words, or that are of the place and the machine."""
    return [one for one in wanted["warnings"] if "were passed over" in one or one.startswith("Ran on the CPU")]


def require_near(found: Any, wanted: Any, place: str) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), place
        for key in wanted:
            require_near(found[key], wanted[key], f"{place}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), place
        for one, other in zip(found, wanted, strict=True):
            require_near(one, other, place)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12), place
    else:
        assert found == wanted, place


def require_same_rows(text: str, scores: ScoreTable) -> None:
    rows = {row["path"]: row for row in csv.DictReader(text.removeprefix("\ufeff").splitlines())}
    assert rows.keys() == set(scores.path)
    for place, path in enumerate(scores.path):
        row = rows[path]
        assert float(row["score"]) == pytest.approx(scores.score[place], abs=NEAR)
        assert float(row["p_value"]) == scores.p_value[place]
        assert float(row["q_value"]) == pytest.approx(scores.q_value[place], rel=1e-9)
        assert (row["flagged"] == "True") == scores.flagged[place]
        assert int(row["predicted"]) == scores.predicted[place]


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
            files=True, spoken=browser == "chromium", also={"address": address, "drop": False, "spoken": False},
        )  # fmt: skip
    result = audited(views, images)
    require_same_answer(said, result)
    require_same_answer(said["also"], result)
    assert int(said["also"]["threads"]) == min(4, os.cpu_count() or 1)
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


def require_spoken(said: dict[str, Any]) -> None:
    """Hold what is read to who cannot see the page, and that keys alone reach all of it."""
    before, after, verdict = said["first"], said["spoken"], said["shown"].splitlines()[0]
    for words in (
        'combobox "Sprache"', 'heading "Wurde dieses Modell mit diesen Bildern trainiert?" [level=1]',
        'button "Ordner mit Bildern auswählen"', "status: Bereit. Wählen Sie einen Ordner mit Bildern.",
    ):  # fmt: skip
        assert words in before
    for words in (
        f'heading "{verdict}" [level=2]', 'table "Fragliche Bilder nach p-Wert"', 'columnheader "p-Wert"',
        'rowheader "', 'button "report.json speichern"', 'button "scores.csv speichern"', "status: In ",
    ):  # fmt: skip
        assert words in after
    assert said["keyed"]
    assert said["tabs"][:2] == ["language", "folder"]
    assert said["tabs"][-3:] == ["save-report", "save-scores", "save-licences"]
    assert said["tabs"].count("SUMMARY") >= 4
    assert len(said["heard"]) < len(said["progress"]) / 4  # what changes all the time is not read all the time


def require_same_files(found: list[dict[str, Any]]) -> None:
    """Hold what a browser made of the files of the vectors against what Python does."""
    kept, exact = json.loads((SOURCES / "vectors" / "images.json").read_text()), 0
    turned = {name for name, spec in kept["specs"].items() if spec["orientation"] == "apply"}
    for one, row in zip(kept["files"], found, strict=True):
        if one["page_alone"] or "refused" in one["answer"]:
            assert "refused" in row, one["name"]
            continue
        alone = turned if one["upright_alone"] else set()
        wanted = {name: None if name in alone else made.get("sha256") for name, made in one["answer"]["made"].items()}
        assert row.pop("digest", "").zfill(16) == one["answer"]["digest"], f"{one['name']}: {row}"
        assert row == wanted, one["name"]
        exact += 1
    assert exact >= 95


@pytest.mark.slow
def test_labels_that_are_missing_are_said(views: "Auditor", opened: Opens, tmp_path: Path) -> None:
    file = tmp_path / "auditor.onnx"
    file.write_bytes(views.model)
    images = asked_folder(tmp_path / "asked", 3, labelled=False)
    said = opened(make_page(file, embed=False).files[""], images, model=str(file))
    assert "6 of 6 lie in no class folder (0.png)" in said["status"]
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
def test_folds_are_judged_as_in_an_audit(opened: Opens, tmp_path: Path) -> None:
    from onnxmint import TrainSettings, train

    known = [f"{DEMO / name}.parquet?rows=0:80" for name in ("members", "nonmembers")]
    settings = TrainSettings(preprocess="0-1", module="views", views=2, folds=2, labels=False, controls=False)
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
