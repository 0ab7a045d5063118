"""What was tried before on this machine: one line of JSON an audit, in the user's state folder.

It lies with the user and not beside a run, for runs are written anywhere, moved and passed on; and it holds hashes, the
method and the answer only, so that it gives away neither files nor names. `ONNXMINT_STATE` names another folder.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_FILE = "tries.jsonl"
_LARGEST = 64 << 20  # bytes that are read; some 200,000 audits


def tries_file() -> Path:
    """Return where tries are recorded: `ONNXMINT_STATE`, or the user's folder for states of programs."""
    given = os.environ.get("ONNXMINT_STATE")
    if given:
        return Path(given) / _FILE
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "onnxmint" / _FILE
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "onnxmint" / _FILE
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "onnxmint" / _FILE


def recorded(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a record; what is no line of ours is passed over, and a file that is not there is empty."""
    try:
        with file.open("rb") as room:
            content = room.read(_LARGEST)
    except OSError:
        return
    for line in content.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def record(file: Path, facts: Mapping[str, Any]) -> bool:
    """Add a line to a record, and say whether that could be done.

    The folder is the user's alone. One write of one line: two audits at once both stand there.
    """
    line = (json.dumps(facts) + "\n").encode()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(number, line)
        finally:
            os.close(number)
    except OSError:
        return False
    return True
