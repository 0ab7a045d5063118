"""What an image in an object store costs: calls, bytes, CPU and memory, by the form it lies in; and a row of a run.

    pip install ".[test]" && python tools/bench/places.py

An S3 server (moto) on this machine, in a process of its own, whose time does not count; calls and bytes are counted by
a door before it, in a pass of their own. Each pass reads every image once, as an audit does twice.
"""

import io
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from measuring import WORK, machine, rounds_from, save
from pictures import jpegs
from pyarrow import fs

import onnxmint
from onnxmint.images.sources import open_source
from onnxmint.report.files import run_files
from onnxmint.settings import AuditSettings, TrainSettings

_BUCKET, _COUNT, _PORT = "bench", 400, 9765
_DEMO = Path(onnxmint.__file__).parent / "demo"
_ROWS = (100, 300)  # images of the two audits whose files are compared


@contextmanager
def server() -> Iterator[int]:
    """Run an S3 server in another process."""
    command = [sys.executable, "-m", "moto.server", "-p", str(_PORT)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            time.sleep(0.1)
            try:
                HTTPConnection("127.0.0.1", _PORT, timeout=1).connect()
                break
            except OSError:
                continue
        yield _PORT
    finally:
        process.terminate()
        process.wait()


class Door(BaseHTTPRequestHandler):
    """Counts calls and the bytes of answers."""

    protocol_version = "HTTP/1.1"
    calls = sent = 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        inner = HTTPConnection("127.0.0.1", _PORT, timeout=30)
        inner.request(self.command, self.path, headers=dict(self.headers))
        answer = inner.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in {"connection"}}
        if "Content-Length" not in kept:
            kept["Content-Length"] = str(len(content))
        for name, value in kept.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        Door.calls, Door.sent = Door.calls + 1, Door.sent + len(content)

    do_GET = do_HEAD = _pass


@contextmanager
def door() -> Iterator[int]:
    """Open the door before the server."""
    one = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    try:
        yield one.server_address[1]
    finally:
        one.shutdown()


def fill(files: list[Path]) -> int:
    """Put the images there in every form; return their bytes."""
    store = fs.S3FileSystem(
        access_key="a", secret_key="b", endpoint_override=f"127.0.0.1:{_PORT}", scheme="http", region="us-east-1",
        allow_bucket_creation=True, allow_delayed_open=True,
    )  # fmt: skip
    store.create_dir(_BUCKET)

    def put(key: str, content: bytes) -> None:
        with store.open_output_stream(f"{_BUCKET}/{key}") as out:
            out.write(content)

    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents, strict=True):
        put(f"folder/{file.name}", content)
    table = io.BytesIO()
    images = [{"bytes": content, "path": file.name} for file, content in zip(files, contents, strict=True)]
    pq.write_table(pa.table({"image": images}), table, row_group_size=100)
    put("parquet/0.parquet", table.getvalue())
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        for file, content in zip(files, contents, strict=True):
            entry = tarfile.TarInfo(file.name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    put("tar/0.tar", shard.getvalue())
    return sum(map(len, contents))


def place(form: str, port: int) -> str:
    return f"s3://a:b@{_BUCKET}/{form}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


def measure(form: str, total: int, port: int, rounds: int) -> dict[str, Any]:
    """Return what one form costs."""
    with door() as counted:
        Door.calls = Door.sent = 0
        source = open_source(place(form, counted))
        listing, listed = Door.calls, Door.sent
        read = sum(len(image.data or b"") for image in source.read())
        calls, sent = Door.calls - listing, Door.sent - listed
    if read != total:
        raise SystemExit(f"{form}: {read:,} of {total:,} bytes were read")
    tracemalloc.start()
    source = open_source(place(form, port))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        for _ in source.read():
            pass
        spent.append(time.process_time() - before)
    return {
        "form": form,
        "images": _COUNT,
        "kB an image": round(total / _COUNT / 1000, 1),
        "calls to list, for 1,000": round(1000 * listing / _COUNT, 1),
        "calls to read, for 1,000": round(1000 * calls / _COUNT, 1),
        "bytes to list, of the images'": round(listed / total, 4),
        "bytes to read, of the images'": round(sent / total, 4),
        "CPU ms to read an image": round(1000 * min(spent) / _COUNT, 3),
        "bytes in memory an image": round(held / _COUNT),
    }


def a_row() -> dict[str, Any]:
    """Return what a questioned image adds to the files of a run."""
    training = TrainSettings(preprocess="0-1", device="cpu", module="phi", views=2, limit=200, controls=False)
    auditor = onnxmint.train(
        _DEMO / "target.onnx", _DEMO / "members.parquet", _DEMO / "nonmembers.parquet", settings=training
    )
    sizes = []
    for count in _ROWS:
        settings = AuditSettings(device="cpu", controls=False)
        found = onnxmint.audit(
            _DEMO / "target.onnx", f"{_DEMO}/questioned.parquet?rows=0:{count}", auditor, settings=settings
        )
        sizes.append({name: len(content) for name, content in run_files(found, run_settings={}).items()})
    more = _ROWS[1] - _ROWS[0]
    return {f"bytes of {name} a row": round((sizes[1][name] - sizes[0][name]) / more, 1) for name in _KEPT}


_KEPT = ("scores.parquet", "scores.csv", "report.json", "report.html")


def main() -> None:
    rounds = rounds_from(__doc__, default=3)
    about = machine()
    files = sorted(jpegs(WORK, _COUNT).glob("*.jpg"))
    with server() as port:
        total = fill(files)
        rows = [measure(form, total, port, rounds) for form in ("folder", "parquet", "tar")]
    save("places", [*rows, {"form": "a row of a run", **a_row()}], about)


if __name__ == "__main__":
    main()
