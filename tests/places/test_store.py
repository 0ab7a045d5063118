"""Images, models, auditors and runs in an object store (S3, by moto): as those on a disk, or one clear line."""

import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from onnxmint.cli.main import run
from onnxmint.errors import ImagesError
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.places import calls
from onnxmint.places.keeping import put
from onnxmint.places.remote import RemotePath
from onnxmint.places.words import Address
from tests.conftest import DEMO
from tests.images.places import folder, message, parquet, png, shard
from tests.places.s3 import BUCKET, SECRET, Store, serving

pytestmark = pytest.mark.slow
SETTINGS = ("--no-controls", "--device", "cpu", "-q", "--no-record")


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(calls, "WAITS", (0.01,) * 5)
    yield server
    server.fault = lambda method, path: None


def uri(store: Store, key: str, more: str = "", bucket: str = BUCKET) -> str:
    return f"s3://tester:{SECRET}@{bucket}/{key}?{store.options}{more}"


@pytest.fixture
def forms(store: Store, tmp_path: Path) -> Path:
    folder(tmp_path / "images", {f"c{k % 2}/{k}.png": k for k in range(8)} | {".hidden/9.png": 9})
    (tmp_path / "images" / "note.txt").write_text("x")
    parquet(tmp_path / "t.parquet", label=[*range(10)])
    shard(tmp_path / "s.tar", {f"{k}.png": png(k) for k in range(6)} | {f"{k}.cls": b"1" for k in range(6)})
    (tmp_path / "t.csv").write_text("path,label\nimages/c0/0.png,1\nimages/c1/1.png,0\nimages/none.png,1\n")
    for name in ("images", "t.parquet", "s.tar", "t.csv"):
        store.put_below(tmp_path / name, name)
    return tmp_path


def test_every_form_gives_the_same_images_as_on_a_disk(store: Store, forms: Path) -> None:
    for name, more in (("images", ""), ("t.parquet", ""), ("t.parquet", "rows=2:5"), ("s.tar", ""), ("t.csv", "")):
        here = open_source(f"{forms / name}{'?' if more else ''}{more}")
        there = open_source(uri(store, name, f"&{more}" if more else ""))
        assert here.entries() == there.entries()
        assert here.numbering == there.numbering
        assert [(one.data, one.error) for one in here.read()] == [(one.data, one.error) for one in there.read()]
        assert there.location == f"s3://{BUCKET}/{name}{'?' if more else ''}{more}"
        assert "tester" not in "".join(there.notes)
    assert "1 files in hidden folders" in open_source(uri(store, "images")).notes[0]


def test_calls_that_fail_now_and_then_cost_nothing_and_are_counted(store: Store, forms: Path) -> None:
    calls = itertools.count()

    def fault(method: str, path: str) -> str | None:
        number = next(calls) % 8
        return "503 SlowDown" if number == 3 else "reset" if number == 6 and method == "GET" else None

    store.fault = fault
    repeated = 0
    for name in ("images", "t.parquet", "s.tar"):
        there = open_source(uri(store, name))
        assert [one.data for one in open_source(forms / name).read()] == [one.data for one in there.read()]
        repeated += any("failed, and were repeated until they did not" in note for note in there.notes)
    assert repeated > 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("403 AccessDenied", "access is denied; check the credentials"),
        ("403 InvalidAccessKeyId", "the credentials are not known there"),
        ("400 ExpiredToken", "the credentials have expired; sign in again"),
        ("503 SlowDown", "asked too often, and kept saying so; ask again later, or for less at once (asked 6 times)"),
        ("500 InternalError", "the store says: "),
    ],
)
def test_a_store_that_refuses_is_told_in_one_line(store: Store, forms: Path, fault: str, words: str) -> None:
    store.fault = lambda method, path: fault
    said = message(ImagesError, uri(store, "images"))
    assert said.startswith(f"s3://{BUCKET}/images: ")
    assert words in said
    assert SECRET not in said


def test_what_is_not_there_is_told(store: Store, forms: Path) -> None:
    assert "s3://missing-one/x: there is no such bucket" in message(ImagesError, uri(store, "x", bucket="missing-one"))
    assert f"s3://{BUCKET}/none does not exist" in message(ImagesError, uri(store, "none"))
    gone = "s3://bucket/a?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    assert "the store cannot be reached" in message(ImagesError, gone)


def test_a_listing_that_changes_loses_nothing_in_silence(store: Store, forms: Path) -> None:
    images, table = open_source(uri(store, "images")), open_source(uri(store, "t.parquet"))
    store.files().delete_file(f"{BUCKET}/images/c0/0.png")
    store.put("images/c0/2.png", png(77))  # was listed, not yet read
    store.put_below(parquet(forms / "other.parquet", count=9, label=[*range(9)]), "t.parquet")
    read = list(images.read())
    assert read[0].error == "cannot be read: No such file or directory"
    assert read[1].data == png(77)
    assert [one.data is None for one in read[2:]] == [False] * 6
    assert {one.error for one in table.read()} == {
        f"cannot be read: s3://{BUCKET}/t.parquet is no readable Parquet file: it was changed since it was listed; run "
        "again when nobody writes there"
    }
    store.put("images/c0/2.png", png(78))  # between two passes
    assert "changed since it was listed" in (list(images.read())[1].error or "")


def _case(store: Store, auditor: Auditor, here: Path) -> None:
    for name in ("target.onnx", "questioned.parquet"):
        store.put(f"case/{name}", (DEMO / name).read_bytes())
    store.put("case/auditor.onnx", auditor.model)
    here.write_bytes(auditor.model)


def test_an_audit_there_gives_what_one_here_gives_and_keeps_no_secret(
    store: Store, phi: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _case(store, phi, tmp_path / "auditor.onnx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    here = ["audit", f"{DEMO}/target.onnx", f"{DEMO}/questioned.parquet?rows=0:30", "--auditor", "auditor.onnx"]
    assert run([*here, "-o", "here", *SETTINGS]) == 0
    draw = random.Random(5)
    store.fault = lambda method, path: "503 SlowDown" if draw.random() < 0.1 else None
    there = ["audit", uri(store, "case/target.onnx"), uri(store, "case/questioned.parquet", "&rows=0:30")]
    words = [*there, "--auditor", uri(store, "case/auditor.onnx"), "-o", uri(store, "runs/one"), *SETTINGS]
    assert run(words) == 0
    said = capfd.readouterr()
    store.fault = lambda method, path: None
    files = {key.rpartition("/")[2]: value for key, value in store.all().items() if "/runs/one/" in key}
    assert set(files) == {path.name for path in (tmp_path / "here").iterdir()}
    for content in (*files.values(), said.out.encode(), said.err.encode()):
        assert not any(word in content for word in (SECRET.encode(), b"tester", b"/onnxmint-"))
    mine, theirs = (json.loads(text) for text in ((tmp_path / "here/report.json").read_text(), files["report.json"]))
    repeated = [note for note in theirs["warnings"] if "repeated until" in note]
    theirs["warnings"] = [note for note in theirs["warnings"] if note not in repeated]
    for report in (mine, theirs):
        report.pop("created")
    assert mine == theirs
    assert f"s3://{BUCKET}/runs/one/report.html" in said.out
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not any("unfinished" in key for key in store.all())
    _go_on(store, capfd)


def _go_on(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    """What is there is not written over, an auditor there serves, and what may not be written is said before."""
    more = ["audit", uri(store, "case/target.onnx"), uri(store, "case/questioned.parquet", "&rows=0:25"), "--auditor"]
    more += [uri(store, "runs/one/auditor.onnx"), "--no-controls", "-q", "-o"]
    assert run([*more, uri(store, "runs/one")]) == 2
    assert f"Error: s3://{BUCKET}/runs/one holds results already" in capfd.readouterr().err
    store.fault = lambda method, path: "403 AccessDenied" if method == "PUT" else None
    assert run([*more, uri(store, "runs/two")]) == 1
    assert f"Error: cannot write s3://{BUCKET}/runs/two.unfinished/begun: access is denied" in capfd.readouterr().err
    store.fault = lambda method, path: None
    store.put("mine/thesis.pdf", b"x")
    assert run([*more, uri(store, "mine"), "--overwrite"]) == 2
    assert "holds 'thesis.pdf', which no run wrote" in capfd.readouterr().err
    assert run([*more, uri(store, "runs/one"), "--overwrite"]) == 0
    assert run(["layers", uri(store, "case/none.onnx")]) == 1
    assert f"Error: s3://{BUCKET}/case/none.onnx does not exist" in capfd.readouterr().err
    assert run(["layers", uri(store, "case/questioned.parquet")]) == 1
    assert f"Error: s3://{BUCKET}/case/questioned.parquet is not an ONNX file" in capfd.readouterr().err


def test_a_run_here_of_what_is_there_is_checked_by_the_credentials_of_the_machine(
    store: Store, phi: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _case(store, phi, tmp_path / "auditor.onnx")
    monkeypatch.chdir(tmp_path)
    words = ["audit", uri(store, "case/target.onnx"), uri(store, "case/questioned.parquet", "&rows=0:25"), "-o", "run"]
    assert run([*words, "--auditor", uri(store, "case/auditor.onnx"), "--paths", *SETTINGS]) == 0
    made = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in made)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    capfd.readouterr()
    assert run(["verify", "run", "--step", "integrity", "--sample", "25", "-q"]) == 0
    assert "25 of 25 images" in " ".join(capfd.readouterr().out.split())
    store.put("case/target.onnx", (DEMO / "questioned.parquet").read_bytes())
    assert run(["verify", "run", "--step", "inputs", "-q"]) == 5
    assert f"the model: s3://{BUCKET}/case/target.onnx is not an ONNX file" in " ".join(capfd.readouterr().out.split())


READ = """
import resource, sys
from onnxmint.images.sources import open_source
size = 0
for place in sys.argv[1:]:
    size += sum(len(image.data or b"") for image in open_source(place).read())
    print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_shards_are_read_with_little_in_memory_and_large_files_are_written_whole(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("small.tar", 2), ("large.tar", 20)):
        members = {f"{k}.png": png(k) + rng.bytes(3 << 20) for k in range(count)}
        store.put(name, shard(tmp_path / name, members).read_bytes())
    command = [sys.executable, "-c", READ, uri(store, "small.tar"), uri(store, "large.tar")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (few, before), (many, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert many - few > 9 * few
    assert after - before < 16 << 10  # kB, of 60 MB
    content = rng.bytes(12 << 20)
    place = RemotePath(address=Address.of(uri(store, "written/large.bin")))
    put(place, content)
    assert place.read_bytes() == content
