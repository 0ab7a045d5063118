"""Four newcomers' walks, again and again: commands that the README names, in fresh folders, timed as a user sees them.

    python tools/walks/walk.py --data cifar10.parquet --model cifar10-resnet20.onnx --work /tmp/walks

`README.md` beside this file has what they gave, before and after they were made short.
"""

import argparse
import io
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

SEED = 7
Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a walk.

    Attributes:
        words: after `onnxmint`.
        expected: exit codes that are an answer; others are failures.
    """

    words: str
    expected: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A newcomer, and what the README makes them type.

    Attributes:
        name: of the newcomer, and of the folder.
        goal: what they want, and with how many commands.
        commands: in their order.
    """

    name: str
    goal: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a command took; times in seconds.

    Attributes:
        walk: whose.
        words: of the command.
        status: its exit code.
        answered: whether that is an answer.
        wall: from start to end.
        cpu: user and system time, of all its processes.
        first: until the first line.
        silence: longest time without a line.
        last: the last line.
    """

    walk: str
    words: str
    status: int
    answered: bool
    wall: float
    cpu: float
    first: float
    silence: float
    last: str


WALKS = (
    Walk(
        name="officer",
        goal="a paragraph to send, with at most 3 commands and no failure; photos without labels",
        commands=(Command(words="audit model.onnx images/ -o run"), Command(words="report run --language de")),
    ),
    Walk(
        name="officer-classes",
        goal="the same with class folders, as the report advises",
        commands=(Command(words="audit model.onnx images/ -o run"),),
    ),
    Walk(
        name="artist",
        goal="an answer with 2 commands, though no member is known",
        commands=(
            Command(words="audit model.onnx 'my art'", expected=(2,)),  # three ways on, with words to copy
            Command(words="audit model.onnx 'my art' --nonmembers later/ -o run"),
        ),
    ),
    Walk(
        name="engineer",
        goal="a gate with 2 commands",
        commands=(
            Command(
                words="evaluate model.onnx --members train/ --nonmembers val/ --fail-above auc=0.60 -o run",
                expected=(0, 3, 4),
            ),
        ),
    ),
    Walk(
        name="researcher",
        goal="the table with 2 commands",
        commands=(
            Command(words="evaluate model.onnx --members train/ --nonmembers test/ --format latex -o run"),
            Command(words="evaluate model.onnx --members train/ --nonmembers test/ --layers all --views 2 -o layers"),
        ),
    ),
)


class Pictures:
    """Images of a data set in the Hugging Face form, shuffled, written as files where a newcomer would have them."""

    def __init__(self, data: Path) -> None:
        """Read the table and shuffle each split."""
        table = pq.read_table(data)
        self._classes = json.loads(table.schema.metadata[b"classes"])
        self._label = table["label"].to_pylist()
        self._image = table["image"]
        split, rng = np.array(table["split"].to_pylist()), np.random.default_rng(SEED)
        self._rows = {name: rng.permutation(np.flatnonzero(split == name)) for name in ("train", "test")}

    def write(
        self, folder: Path, rows: Sequence[tuple[str, int, int]], *, labelled: bool, size: Size | None = None
    ) -> None:
        """Write images, PNG or, resized, JPEG.

        Args:
            folder: where to.
            rows: split, first, last of its shuffled images; several are mixed.
            labelled: into one folder a class.
            size: to resize to, (width, height).
        """
        chosen = np.concatenate([self._rows[name][first:last] for name, first, last in rows])
        for number, row in enumerate(np.random.default_rng(SEED).permutation(chosen).tolist()):
            place = folder / self._classes[self._label[row]] if labelled else folder
            place.mkdir(parents=True, exist_ok=True)
            image = Image.open(io.BytesIO(self._image[row].as_py()["bytes"])).convert("RGB")
            if size is None:
                image.save(place / f"IMG_{number:04d}.png")
            else:
                image.resize(size, Image.Resampling.BICUBIC).save(place / f"IMG_{number:04d}.jpg", quality=90)


def furnish(pictures: Pictures, model: Path, work: Path) -> None:
    """Make the folder of every newcomer: members are of the training split, all others of the test split."""
    for name, labelled in (("officer", False), ("officer-classes", True)):
        images = work / name / "images"
        pictures.write(images / "members", [("train", 0, 600)], labelled=labelled)
        pictures.write(images / "nonmembers", [("test", 0, 600)], labelled=labelled)
        pictures.write(images / "questioned", [("train", 600, 700), ("test", 600, 700)], labelled=labelled)
    large = (640, 640)
    pictures.write(work / "artist" / "my art", [("train", 1000, 1060)], labelled=False, size=large)
    pictures.write(work / "artist" / "later", [("test", 1000, 1200)], labelled=False, size=large)
    pictures.write(work / "engineer" / "train", [("train", 2000, 3000)], labelled=True)
    pictures.write(work / "engineer" / "val", [("test", 2000, 3000)], labelled=True)
    pictures.write(work / "researcher" / "train", [("train", 3000, 3300)], labelled=True)
    pictures.write(work / "researcher" / "test", [("test", 3000, 3300)], labelled=True)
    for walk in WALKS:
        shutil.copy(model, work / walk.name / "model.onnx")


def measured(walk: str, program: Sequence[str], command: Command, folder: Path) -> Measured:
    """Run a command in a folder as a pipe reads it, and note what it took.

    Args:
        walk: whose it is.
        program: words before the command's.
        command: to run.
        folder: where.
    """
    start = last_line = time.monotonic()
    lines, first, silence = [""], 0.0, 0.0
    said = {**os.environ, "PYTHONUNBUFFERED": "1"}
    words = [*program, *shlex.split(command.words)]
    with subprocess.Popen(words, cwd=folder, env=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        for line in running.stdout or ():
            now = time.monotonic()
            first = first or now - start
            silence, last_line = max(silence, now - last_line), now
            lines = [*lines, line.decode(errors="replace").rstrip()]
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    with (folder / f"{walk}.log").open("a") as log:
        log.write("\n".join([f"$ onnxmint {command.words}", *lines[1:], ""]))
    return Measured(
        walk=walk,
        words=command.words,
        status=running.returncode,
        answered=running.returncode in command.expected,
        wall=round(time.monotonic() - start, 1),
        cpu=round(used.ru_utime + used.ru_stime, 2),
        first=round(first, 2),
        silence=round(silence, 1),
        last=next((line for line in reversed(lines) if line), ""),
    )


def table(found: Sequence[Measured]) -> str:
    """Return a Markdown table, a row a command."""
    head = ("newcomer", "command", "exit", "CPU s", "first line s", "longest silence s")
    rows = (
        f"| {one.walk} | `onnxmint {one.words}` | {one.status}{'' if one.answered else ', a failure'} | {one.cpu:.0f} "
        f"| {one.first:.1f} | {one.silence:.0f} |"
        for one in found
    )
    return "\n".join([f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 in the Hugging Face form, with its splits")
    parser.add_argument("--model", type=Path, required=True, help="a classifier trained on its training split")
    parser.add_argument("--work", type=Path, required=True, help="a folder to be made")
    parser.add_argument("--program", default="onnxmint", help="the command, as installed")
    parser.add_argument("walks", nargs="*", metavar="WALK", help="which; all when none is named")
    given: Any = parser.parse_args()
    given.work.mkdir(parents=True)
    furnish(Pictures(given.data), given.model, given.work)
    found = []
    for walk in (one for one in WALKS if not given.walks or one.name in given.walks):
        for command in walk.commands:
            found.append(measured(walk.name, shlex.split(given.program), command, given.work / walk.name))
            print(table(found[-1:]).splitlines()[-1], flush=True)
    (given.work / "walks.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    print(table(found))


if __name__ == "__main__":
    main()
