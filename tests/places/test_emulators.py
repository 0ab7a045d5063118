"""Google's and Azure's stores, by emulators where these are installed: an audit from there to there, or one line."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from pyarrow import fs

from onnxmint.cli.main import run
from onnxmint.places import calls
from tests.conftest import DEMO

pytestmark = pytest.mark.slow
ACCOUNT = "devstoreaccount1"  # Azurite's, with the key that is the same for everybody
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """A store, and how a place in it is written."""

    files: fs.FileSystem
    start: str
    options: str

    def uri(self, key: str, bucket: str = "box") -> str:
        return f"{self.start.format(bucket=bucket)}/{key}?{self.options}"


@contextmanager
def served(program: str, *words: str, place: Path) -> Iterator[int]:
    """Start an emulator at a free port."""
    with closing(socket.socket()) as room:
        room.bind(("127.0.0.1", 0))
        port: int = room.getsockname()[1]
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: it emulates a store")
    command = [found, *(word.format(port=port) for word in words)]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with closing(socket.socket()) as room:
            if room.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no emulator at port {port}")


@contextmanager
def google(place: Path) -> Iterator[Emulated]:
    with served(
        "gcp-storage-emulator", "start", "--host", "127.0.0.1", "--port", "{port}", "--in-memory", place=place
    ) as port:
        host = f"127.0.0.1:{port}"
        yield Emulated(
            files=fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=host, project_id="test"),
            start="gs://{bucket}",
            options=f"scheme=http&endpoint_override={host}&anonymous=true",
        )


@contextmanager
def azure(place: Path) -> Iterator[Emulated]:
    words = (
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        "{port}",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
    )
    with served("azurite-blob", *words, "--location", str(place), place=place) as port:
        host = f"127.0.0.1:{port}"
        both = {"blob_storage_authority": host, "dfs_storage_authority": host}
        plain = {"blob_storage_scheme": "http", "dfs_storage_scheme": "http"}
        yield Emulated(
            files=fs.AzureFileSystem(ACCOUNT, account_key=KEY, **both, **plain),
            start=f"abfs://{{bucket}}@{ACCOUNT}.dfs.core.windows.net",
            options="&".join(["enable_tls=false", *(f"{name}={value}" for name, value in both.items())]),
        )


@pytest.fixture(params=[google, azure], scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with request.param(tmp_path_factory.mktemp("store")) as emulated:
        emulated.files.create_dir("box")
        for name in ("target.onnx", "questioned.parquet"):
            with emulated.files.open_output_stream(f"box/d/{name}") as file:
                file.write((DEMO / name).read_bytes())
        yield emulated


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "WAITS", (0.01,))
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)


def _audit(
    store: Emulated, phi_file: Path, out: str, images: str = "d/questioned.parquet", rows: str = "rows=0:40"
) -> list[str]:
    given = ["audit", store.uri("d/target.onnx"), f"{store.uri(images)}&{rows}", "--auditor", str(phi_file)]
    return [*given, "-o", out, "--no-controls", "--device", "cpu", "-q", "--no-record"]


def test_an_audit_from_there_to_there(store: Emulated, phi_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(_audit(store, phi_file, store.uri("run"))) == 0, capfd.readouterr().err
    run(["verify", store.uri("run")])
    assert "all 7 files are those that manifest.json names" in " ".join(capfd.readouterr().out.split())
    there = {info.base_name: info for info in store.files.get_file_info(fs.FileSelector("box/run"))}
    assert {"report.json", "report.html", "scores.parquet", "run.toml"} <= set(there)
    assert not store.files.get_file_info("box/run.unfinished/begun").is_file
    for info in there.values():
        with store.files.open_input_file(info.path) as file:
            assert KEY.encode() not in file.read()
    capfd.readouterr()
    assert run(_audit(store, phi_file, store.uri("run"))) == 2
    assert "holds results already" in capfd.readouterr().err


def test_what_is_not_there_is_one_line(
    store: Emulated, phi_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for images in ("none", "none/x.parquet"):
        assert run(_audit(store, phi_file, str(tmp_path / "run"), images)) == 1
        said = capfd.readouterr().err
        assert "does not exist" in said
        assert said.count("\n") == 1
    given = ["audit", str(DEMO / "target.onnx"), f"{DEMO / 'questioned.parquet'}?rows=0:40", "--auditor", str(phi_file)]
    assert (
        run([*given, "-o", store.uri("run", "nothere"), "--no-controls", "-q", "--no-record", "--device", "cpu"]) == 1
    )
    said = capfd.readouterr().err
    assert "there is no such bucket" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("key", ["QUJD", "QUJ"])
def test_keys_of_azure_stand_in_the_address_or_around(
    phi_file: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    with azure(tmp_path) as store:
        store.files.create_dir("box")
        with store.files.open_output_stream("box/q.parquet") as file:
            file.write((DEMO / "questioned.parquet").read_bytes())
        given = [
            "--auditor",
            str(phi_file),
            "-o",
            str(tmp_path / "run"),
            "--no-controls",
            "-q",
            "--no-record",
            "--device",
            "cpu",
        ]
        monkeypatch.setenv("AZURE_STORAGE_KEY", key)
        assert run(["audit", str(DEMO / "target.onnx"), f"{store.uri('q.parquet')}&rows=0:40", *given]) == 1
        said = capfd.readouterr().err
        assert "the credentials are not known" in said
        assert said.count("\n") == 1
        monkeypatch.delenv("AZURE_STORAGE_KEY")
        with_key = store.uri("q.parquet").replace("box@", f"box:{quote(KEY, safe='')}@")
        assert run(["audit", str(DEMO / "target.onnx"), f"{with_key}&rows=0:40", *given]) == 0
        for file in (tmp_path / "run").iterdir():
            assert os.fsencode(KEY) not in file.read_bytes()
            assert os.fsencode(quote(KEY, safe="")) not in file.read_bytes()
