"""Run folders that were edited, their hashes made right again, through `report`."""

import contextlib
import hashlib
import io
import json
import random
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from damage import flipped
from judging import hidden_in
from making import made_run
from trees import ODD, damaged, edited, shuffled, text_of
from trial import Trial

_FILES = ("report.json", "scores.parquet", "run.toml", "report.html", "auditor.onnx")


class Runs:
    """Edited run folders."""

    name, share = "runs", 0.08

    def __init__(self) -> None:
        """Know none yet."""
        self._files: dict[str, bytes] = {}
        self._report: Any = None
        self._page = ""

    def prepare(self, work: Path) -> None:
        """Make a run, unless there is one of this version."""
        run = made_run(work)
        self._files = {name: (run / name).read_bytes() for name in _FILES}
        self._report = json.loads(self._files["report.json"])

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Change a file of a run and have its page rendered."""
        run = trial.folder / "run"
        run.mkdir()
        how = rng.random()
        harmless = how < 0.08
        files = self._changed(rng, how)
        if how < 0.95:
            files["run.toml"] = _rehashed(files, rng)
        for name, content in files.items():
            (run / name).write_bytes(content)
        self._tamper(run, trial, rng, none=harmless)
        said = trial.command("report", run, *(["--json"] if rng.random() < 0.3 else []))
        if said.done:
            page = (run / "report.html").read_text("utf-8")
            if hidden := hidden_in(page):
                trial.found("control", "report.html", hidden)
            if "<script>alert(1)" in page or "{{ 7" in page.replace("{{ 7 * 7 }}", ""):
                trial.found("defect", "unescaped markup in report.html")
            if harmless:
                trial.marks.append("harmless")
                trial.same(page, self._page_of(trial), "page of a run whose JSON is laid out otherwise")

    def _changed(self, rng: random.Random, how: float) -> dict[str, bytes]:
        """Return the files with one of them changed, by one of the ways."""
        files = dict(self._files)
        if how < 0.08:
            files["report.json"] = json.dumps(shuffled(self._report, rng), indent=rng.choice([None, 3])).encode()
        elif how < 0.65:
            tree = self._report
            for _ in range(rng.choice([1, 1, 1, 3])):
                tree = edited(tree, rng)
            files["report.json"] = text_of(tree, rng)
        elif how < 0.85:
            files["scores.parquet"] = _scores(files["scores.parquet"], rng)
        else:
            name = rng.choice(_FILES)
            files[name] = rng.choice([flipped, damaged])(files[name], rng)
        return files

    def _page_of(self, trial: Trial) -> str:
        """Return the page of the run as it was."""
        if not self._page:
            run = trial.folder / "run"
            shutil.rmtree(run)
            run.mkdir()
            for name, content in self._files.items():
                (run / name).write_bytes(content)
            trial.command("report", run)
            self._page = (run / "report.html").read_text("utf-8")
        return self._page

    def _tamper(self, run: Path, trial: Trial, rng: random.Random, *, none: bool) -> None:
        """Now and then put a link, a folder or nothing in the place of a file."""
        if none or rng.random() < 0.85:
            return
        file = run / rng.choice(_FILES)
        file.unlink()
        how = rng.randrange(4)
        if how == 0:
            file.symlink_to("../../secret.bin")
        elif how == 1:
            file.mkdir()
        elif how == 2:
            file.symlink_to(file.name)
        trial.may_read = tuple(run.parent.parent / name for name in ("secret.bin",)) if how == 0 else ()


def _rehashed(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Return a run.toml that fits the files, perhaps with another value changed."""
    facts = tomllib.loads(files["run.toml"].decode("utf-8", "replace")) if _is_toml(files["run.toml"]) else {}
    if not facts:
        return files["run.toml"]
    facts["sha256"] = {name: hashlib.sha256(files[name]).hexdigest() for name in facts["sha256"] if name in files}
    if rng.random() < 0.1:
        facts["sha256"] = edited(facts["sha256"], rng, odd=tuple(one for one in ODD if one is not None))
    with contextlib.suppress(TypeError, ValueError, AttributeError, UnicodeEncodeError):
        return tomli_w.dumps(facts).encode()
    return files["run.toml"]


def _is_toml(content: bytes) -> bool:
    try:
        return "sha256" in tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return False


def _scores(content: bytes, rng: random.Random) -> bytes:
    """Return the table with a column changed in type, values, name, order or length."""
    table = pq.read_table(io.BytesIO(content))
    name, how = rng.choice(table.column_names), rng.randrange(6)
    at = table.column_names.index(name)
    if how == 0:
        table = table.drop_columns([name])
    elif how == 1:
        table = table.rename_columns(
            [rng.choice(["x", "", "\x1b[31m"]) if one == name else one for one in table.column_names]
        )
    elif how == 2:
        table = table.slice(0, rng.randrange(len(table)))
    elif how == 3:
        table = table.append_column(name, table[name])
    else:
        values = table[name].to_pylist()
        for _ in range(rng.choice([1, 3])):
            values[rng.randrange(len(values))] = rng.choice(ODD)
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeEncodeError):
            kind = table.schema.field(name).type if how == 4 else None
            table = table.set_column(at, name, pa.array(values, kind))
    room = io.BytesIO()
    pq.write_table(table, room, compression=rng.choice(["none", "zstd"]))
    return room.getvalue()
