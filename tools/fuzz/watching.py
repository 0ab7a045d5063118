"""What a case does beside answering: files outside its folder, memory, left-overs."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnxmint.writing.leftovers import is_own

ROOT = Path(__file__).parents[2]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {  # events of Python's audit hooks that change files -> how many paths come first
    "os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1, "shutil.move": 2, "shutil.copyfile": 2,
}  # fmt: skip
_FORBIDDEN = ("socket.connect", "socket.bind", "os.exec", "os.posix_spawn", "os.system")
_SYSTEM = tuple(
    os.path.realpath(place)
    for place in (
        sys.prefix,
        sys.base_prefix,
        "/proc",
        "/sys",
        "/dev/null",
        "/dev/urandom",
        "/usr",
        "/lib",
        "/etc",
        ROOT,
    )
)
CANARIES = ("secret.bin", "secret.png", "m.onnx.data", "w.bin")
_LONG_AGO = 1.0  # when canaries were last read: a read sets it to now on a disk mounted relatime


class Watch:
    """Sees which files this process opens and changes; Python tells of all but what libraries in C++ open."""

    def __init__(self) -> None:
        """Start to see; nothing is noted outside of `on`."""
        self._inside: tuple[str, ...] | None = None
        self._may_read: tuple[str, ...] = ()
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def on(self, *inside: Path, reading: tuple[Path, ...] = ()) -> Iterator[None]:
        """Note what happens outside of some folders; `reading` may be read beside the system's own."""
        self.seen = []
        self._inside = tuple(os.path.realpath(folder) for folder in inside)
        self._may_read = (*self._inside, *_SYSTEM, *(os.path.realpath(place) for place in reading))
        try:
            yield
        finally:
            self._inside = None

    def _hear(self, event: str, words: tuple[Any, ...]) -> None:
        if self._inside is None:
            return
        if event == "open":
            path, _, flags = words
            writes = isinstance(flags, int) and bool(flags & _WRITING)
            self._note(path, self._inside if writes else self._may_read, "writes" if writes else "reads")
        elif event in _CHANGES:
            where = words[-1] if isinstance(words[-1], int) and words[-1] > 0 else None
            for path in words[: _CHANGES[event]]:
                if where is None:  # else a name in an open folder, which was seen when it was opened
                    self._note(_unfollowed(path), self._inside, event, resolved=True)
        elif event in _FORBIDDEN:
            self.seen.append(f"{event} {words!r:.100}")
        elif event == "subprocess.Popen" and words[0] != sys.executable:
            self.seen.append(f"starts {words[0]!r:.100}")

    def _note(self, path: Any, within: tuple[str, ...], what: str, *, resolved: bool = False) -> None:
        if isinstance(path, int) or path is None:
            return
        with contextlib.suppress(OSError, ValueError, TypeError):
            real = os.fsdecode(path) if resolved else os.path.realpath(os.fsdecode(path))
            if real == "/dev/null" or any(real == place or real.startswith(f"{place}/") for place in within):
                return
            self.seen.append(f"{what} {real[:150]!r}")


def _unfollowed(path: Any) -> Any:
    """Return a path with only its folder resolved: what renames or removes a link leaves alone what it leads to."""
    if not isinstance(path, str | bytes | os.PathLike):
        return path
    folder, name = os.path.split(os.fsdecode(path))
    return f"{os.path.realpath(folder)}/{name}"


def set_canaries(folder: Path, content: bytes) -> None:
    """Put files beside the folders of cases that nothing may read or change."""
    for name in CANARIES:
        (folder / name).write_bytes(content)
        os.utime(folder / name, (_LONG_AGO, _LONG_AGO + 1))


def touched_canaries(folder: Path) -> list[str]:
    """Return canaries that were read or changed, also by libraries in C++, and set them again."""
    found = []
    for name in CANARIES:
        facts = (folder / name).stat() if (folder / name).exists() else None
        if facts is None or facts.st_mtime != _LONG_AGO + 1:
            found.append(f"changes {name}")
        elif facts.st_atime != _LONG_AGO:
            found.append(f"reads {name}")
            os.utime(folder / name, (_LONG_AGO, _LONG_AGO + 1))
    return found


def left_in(*folders: Path) -> list[str]:
    """Return temporary files and folders of the package that are still there."""
    return [
        str(path.name)
        for folder in folders
        for path in folder.rglob("*")
        if is_own(path.name) or path.name.endswith((".onnxmint", ".unfinished"))
    ]


def start_peak() -> None:
    """Forget the most memory that this process and its children had."""
    for pid in ("self", *_children()):
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak() -> int:
    """Return the most MB since then, of this process and of its children together."""
    return sum(_peak_of(pid) for pid in ("self", *_children())) // 1024


def _children() -> list[str]:
    with contextlib.suppress(OSError):
        return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return []


def _peak_of(pid: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
