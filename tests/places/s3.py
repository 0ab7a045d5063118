"""A local S3 server that tests start (moto), behind a door that lets calls fail."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

BUCKET = "evidence"
SECRET = "s3cr3t-k3y-that-nobody-may-see"
_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{0}</Code><Message>{0}</Message></Error>'
_OF_ONE_HOP = {"transfer-encoding", "connection", "content-length", "expect"}
Fault = Callable[[str, str], str | None]
"""Of method and path: None lets a call through; "reset" breaks it in the middle; else "503 SlowDown" and alike."""


def let_through(method: str, path: str) -> str | None:
    """Let every call through."""
    return None


@dataclass(slots=True)
class Store:
    """A running server.

    Attributes:
        port: of the door.
        fault: decides what becomes of a call.
        asked: (method, path) of every call.
    """

    port: int
    fault: Fault = let_through
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def options(self) -> str:
        """Return what connects to it, to be put behind a question mark."""
        return f"endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def files(self) -> Any:
        """Return pyarrow's file system for it."""
        from pyarrow import fs

        return fs.S3FileSystem(
            access_key="tester",
            secret_key=SECRET,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            allow_delayed_open=True,
        )

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        with self.files().open_output_stream(f"{BUCKET}/{key}") as out:
            out.write(content)

    def put_below(self, folder: Path, key: str) -> None:
        """Write a folder, or a file, as objects."""
        if folder.is_file():
            self.put(key, folder.read_bytes())
            return
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.put(f"{key}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def all(self) -> dict[str, bytes]:
        """Return every object."""
        from pyarrow import fs

        found = self.files().get_file_info(fs.FileSelector(BUCKET, recursive=True))
        names = [one.path for one in found if one.type == fs.FileType.File]
        return {name: self.files().open_input_file(name).readall() for name in names}


class _Door(BaseHTTPRequestHandler):
    """Passes calls on, unless they are to fail."""

    store: Store
    behind: int
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self) -> None:
        self.store.asked.append((self.command, self.path))
        body = self._body()
        fault = self.store.fault(self.command, self.path)
        if fault not in (None, "reset"):
            self._refuse(str(fault))
            return
        inner = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
        inner.request(self.command, self.path, body, kept)
        answer = inner.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if fault == "reset":
            self._break(content)
        else:
            self.wfile.write(content)
        inner.close()

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def _refuse(self, fault: str) -> None:
        status, _, code = fault.partition(" ")
        content = b"" if self.command == "HEAD" else _ERROR.format(code).encode()
        self.send_response_only(int(status))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(content)

    def _break(self, content: bytes) -> None:
        """Send half of the content, and reset the connection."""
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass


@contextmanager
def serving() -> Iterator[Store]:
    """Start a server with an empty bucket."""
    server = pytest.importorskip("moto.server", reason='no moto: pip install "onnxmint[test]"')
    inner = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    inner.start()
    _, behind = inner.get_host_and_port()
    store = Store(port=0)
    door = ThreadingHTTPServer(("127.0.0.1", 0), type("Door", (_Door,), {"store": store, "behind": behind}))
    door.daemon_threads = True
    store.port = door.server_address[1]
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        store.files().create_dir(BUCKET)
        store.asked.clear()
        yield store
    finally:
        door.shutdown()
        door.server_close()
        inner.stop()
