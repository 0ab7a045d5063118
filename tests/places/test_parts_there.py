"""Audits in parts whose images are in an object store: keys in a URI open it and are kept nowhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.cli.main import run
from onnxmint.errors import OnnxmintError
from onnxmint.places import calls
from onnxmint.settings import AuditSettings
from onnxmint.workflows.dividing import asked_of, plan_work
from onnxmint.workflows.parting import open_parts
from tests.conftest import DEMO
from tests.places.s3 import BUCKET, SECRET, Store, serving

pytestmark = pytest.mark.slow
FAST = AuditSettings(device="cpu", controls=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def store(server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that lets nobody in who shows no key, with a model, and images in two shards."""
    monkeypatch.setattr(calls, "WAITS", (0.01,) * 2)
    rows = pq.read_table(DEMO / "questioned.parquet").slice(0, 40)
    for number in (0, 1):
        pq.write_table(rows.slice(20 * number, 20), tmp_path / f"{number}.parquet")
        server.put_below(tmp_path / f"{number}.parquet", f"shards/{number}.parquet")
    server.put_below(DEMO / "target.onnx", "model.onnx")
    yield server
    server.fault = lambda method, path: None


def _with_key(store: Store, key: str) -> str:
    return f"s3://tester:{SECRET}@{BUCKET}/{key}?{store.options}"


def test_parts_and_their_merge_open_what_a_key_in_a_uri_opens_and_keep_none(
    store: Store, phi_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    in_query = f"s3://{BUCKET}/shards?{store.options}&access_key=tester&secret_key={SECRET}"
    model = _with_key(store, "model.onnx")
    words = ["audit", model, "--auditor", str(phi_file), "--no-controls", "--device", "cpu", "-q"]
    for part, images in (("1/2", _with_key(store, "shards")), ("2/2", in_query)):
        assert run([*words, images, "--unit", "15", "--part", part, "-o", "run"]) == 0
    assert run(["merge", "run", "--model", model, "--images", in_query, "-q", "--device", "cpu", "--no-record"]) == 0
    here = tmp_path / "here"
    here.mkdir()
    for number in (0, 1):
        (tmp_path / f"{number}.parquet").rename(here / f"{number}.parquet")
    local = ["audit", str(DEMO / "target.onnx"), *words[2:], str(here), "-o", "local", "--no-record"]
    assert run(local) == 0
    assert _scores(tmp_path / "run").equals(_scores(tmp_path / "local"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"work.json", "run.toml", "manifest.json", "part-00000.parquet"}
    assert [path.name for path in written if SECRET.encode() in path.read_bytes()] == []
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    asked = json.loads((tmp_path / "run.parts" / "work.json").read_text())["asked"]
    assert asked["images"] == [f"s3://{BUCKET}/shards?{store.options}"]


def _scores(folder: Path) -> pa.Table:
    return pq.read_table(folder / "scores.parquet").replace_schema_metadata(None)


def test_a_shard_that_cannot_be_asked_for_any_more_is_one_line(store: Store, phi_file: Path) -> None:
    images = _with_key(store, "shards")
    ready = open_parts(DEMO / "target.onnx", images, _auditor(phi_file), FAST)
    asked = asked_of(DEMO / "target.onnx", images, phi_file, FAST)
    for fault, at, words in (
        ("403 AccessDenied", "", "access is denied; check the credentials"),
        ("503 SlowDown", "1.parquet", "the store says that it is asked too often"),
    ):
        store.fault = lambda method, path, fault=fault, at=at: fault if at in path else None  # type: ignore[misc]
        with pytest.raises(OnnxmintError) as problem:
            plan_work(ready, FAST, asked=asked, images=images)
        said = str(problem.value)
        assert said.startswith(f"cannot read s3://{BUCKET}/shards{'/' if at else ''}{at} to know it again: {words}")
        assert said.endswith("so run the same command again once they can")
        assert "\n" not in said
        assert SECRET not in said


def _auditor(file: Path):  # type: ignore[no-untyped-def]
    from onnxmint.mint.auditor import load_auditor

    return load_auditor(file)
