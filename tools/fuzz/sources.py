"""Places of images that strangers wrote: folders, CSV, Parquet, tar, labels in all of them; and declarations."""

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from damage import flipped
from declarations import Declarations
from forms import same_images
from making import made_auditor
from PIL import Image
from seeds import DEMO
from trial import Trial

from onnxmint.images.facts import look_at
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet

_VALUES: tuple[Any, ...] = (
    0, 1, -1, 2**63 - 1, -(2**63), 3.0, 3.5, float("nan"), None, "3", "cat", "", b"x", [1], {"a": 1}, True, "9" * 400,
    "\x1b[31m", "\u202e", "x" * 5000,
)  # fmt: skip
_NAMES = (
    "a.png", "b/c.png", "b/d.jpg", "\x1b[31m.png", "\u202egnp.png", "x" * 200 + ".png", ".hidden.png", "b/.png",
    "e.txt", "f.PNG",
    "9" * 30 + "/g.png", "0/h.png", "1/i.png", "<script>/j.png", "a\nb.png", "é.png", "sub/deep/er/k.png", "l.png.gz",
    " .png",
)  # fmt: skip
_MEMBERS = (
    "a.png", "b.png", "a.b.png", "c/d.png", "../x.png", "/etc/x.png", "é.png", "k.1.png", ".h.png", "x" * 90 + ".png",
    "a.cls",
    "a.json", "b.txt", "a.seg.png", "a.PNG", "b.3.cls", ".", "a\x1b.png", "b.json",
)  # fmt: skip
_SELECTIONS = (
    "",
    "",
    "",
    "",
    "?rows=0:3",
    "?labels=fine_label",
    "?key=last-dot",
    "?split=cat",
    "?labels=label&rows=1:",
    "?rows=9:1",
)


class Sources:
    """Sources of images and declarations."""

    name, share = "sources", 0.15

    def __init__(self) -> None:
        """Know nothing yet."""
        self._declarations = Declarations()
        self._auditor = Path()
        self._makers: tuple[tuple[str, Callable[[Path, random.Random], Path]], ...] = (
            ("folder", _folder), ("CSV", _csv), ("Parquet", _parquet), ("tar", _tar),
        )  # fmt: skip

    def prepare(self, work: Path) -> None:
        """Make an auditor, unless there is one of this version."""
        self._auditor = made_auditor(work, "phi")

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Make a place or a declaration and have it read."""
        how = rng.random()
        if how < 0.4:
            self._declarations.case(trial, rng)
        elif how < 0.48:
            same_images(trial, rng)
        else:
            self._place(trial, rng)

    def _place(self, trial: Trial, rng: random.Random) -> None:
        name, make = rng.choice(self._makers)
        trial.marks.append(name)
        place = make(trial.folder, rng)
        if place.is_file() and rng.random() < 0.35:
            place.write_bytes(flipped(place.read_bytes(), rng))
        chosen = f"{place}{rng.choice(_SELECTIONS)}"
        how = rng.random()
        trial.may_read = (DEMO, trial.folder.parent) if name == "CSV" else (DEMO,)  # a CSV may name files anywhere
        if how < 0.3:
            trial.command("check", DEMO / "target.onnx", chosen, "-q", "--device", "cpu", "--preprocess", "0-1")
        elif how < 0.45:
            trial.may_read = (*trial.may_read, self._auditor)
            words = (
                "audit",
                DEMO / "target.onnx",
                chosen,
                "--auditor",
                self._auditor,
                "--no-controls",
                "--no-record",
                "-q",
            )
            trial.command(*words, "--device", "cpu", "-o", trial.folder / "run")
        else:
            self._open(trial, rng, chosen)

    def _open(self, trial: Trial, rng: random.Random, chosen: str) -> None:
        """Open a place and look at all its images."""
        group = rng.choice(["who", "a", "(", "(.)/"]) if rng.random() < 0.2 else None
        classes = ("cat", "a", "b") if rng.random() < 0.3 else None
        source = trial.call(open_source, chosen, group=group, labels=rng.random() < 0.8, classes=classes)
        if source is None:
            return
        entries = source.entries()
        facts = trial.call(look_at, source, wanted={one.index for one in entries}, stage=quiet, name="x")
        if facts is not None:
            trial.same(len(facts.index) + len(facts.unreadable), len(entries), "images lost on the way")
        kinds = {type(one.path) for one in entries} - {str}
        if kinds or any(one.label is not None and abs(one.label) >= 2**63 for one in entries):
            trial.found("defect", "an entry of a wrong type", str(kinds))


def _png(rng: random.Random) -> bytes:
    room = io.BytesIO()
    Image.frombytes("RGB", (8, 8), rng.randbytes(192)).save(room, "PNG")
    return room.getvalue() if rng.random() < 0.9 else flipped(room.getvalue(), rng)


def _folder(root: Path, rng: random.Random) -> Path:
    top = root / "images"
    top.mkdir()
    for name in rng.sample(_NAMES, rng.randrange(0, 9)):
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        how = rng.random()
        if how < 0.75:
            file.write_bytes(_png(rng))
        elif how < 0.8:
            os.mkfifo(file)
        elif how < 0.85:
            file.mkdir()
        elif how < 0.95:
            file.symlink_to(rng.choice(["nowhere", file.name, "/dev/zero", "/proc/kmsg", ".", ".."]))
        else:
            with file.open("wb") as sparse:
                sparse.truncate(rng.choice([0, 1 << 28, 1 << 40]))
    return top


def _cell(rng: random.Random) -> str:
    return rng.choice(
        [
            "a.png",
            "",
            "x\0",
            "../secret.png",
            '"',
            "1",
            "cat",
            "3.0",
            "9" * 70,
            "\u202e",
            "a,b",
            "images/a.png",
            "/dev/zero",
        ]
    )


def _csv(root: Path, rng: random.Random) -> Path:
    file = root / "images.csv"
    (root / "a.png").write_bytes(_png(rng))
    head = rng.choice(
        ["path,label", "path", "label,path", "path,label,who", "path,label,label", "image,target", "", "path;label"]
    )
    lines = [head, *(",".join(_cell(rng) for _ in range(rng.randrange(0, 5))) for _ in range(rng.randrange(0, 9)))]
    if rng.random() < 0.1:
        lines.append("a.png," + "y" * 300_000)
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return file


def _column(count: int, rng: random.Random) -> pa.Array:
    first = rng.choice(_VALUES)
    for share in (0.3, 0.1, 0.0):
        values = [rng.choice(_VALUES) if rng.random() < share else first for _ in range(count)]
        try:
            return pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):  # they do not go together
            continue
    return pa.array([first] * count)


def _parquet(root: Path, rng: random.Random) -> Path:
    file, count = root / "images.parquet", rng.randrange(1, 8)
    pictures = [_png(rng) for _ in range(count)]
    kinds: list[Callable[[], Any]] = [
        lambda: pa.array([{"bytes": data, "path": f"{at}.png"} for at, data in enumerate(pictures)]),
        lambda: pa.array(pictures),
        lambda: pa.StructArray.from_arrays([pa.array(pictures), _column(count, rng)], ["bytes", "path"]),
        lambda: _column(count, rng),
    ]
    columns = {rng.choice(["image", "image", "img", "bytes"]): rng.choice([kinds[0], *kinds])()}
    columns |= {
        name: _column(count, rng) for name in ("label", "labels", "fine_label", "who", "split") if rng.random() < 0.4
    }
    if rng.random() < 0.4:
        columns["label"] = pa.array([at % 3 for at in range(count)])
    table = pa.table(columns)
    if rng.random() < 0.3:
        names = (
            "[" * 3000,
            '{"info":{"features":{"label":{"names":["a","b"]}}}}',
            '["a","a"]',
            "3",
            "\x00",
            '{"info":[]}',
        )
        table = table.replace_schema_metadata({rng.choice(["huggingface", "classes"]): rng.choice(names)})
    options = {"use_dictionary": rng.random() < 0.5, "compression": rng.choice(["none", "snappy", "zstd"])}
    pq.write_table(table, file, row_group_size=rng.randrange(1, 5), **options)
    return file


def _tar(root: Path, rng: random.Random) -> Path:
    file = root / "images.tar"
    form = rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
    with tarfile.open(file, "w", format=form) as archive:
        for name in rng.choices(_MEMBERS, k=rng.randrange(0, 10)):
            texts = (b"3", b'{"label":3.0,"g":[1]}', b"[" * 9000, b"\xff", b"1e9", b"9" * 60, b"cat", b"")
            data = _png(rng) if name.lower().endswith(".png") and rng.random() < 0.9 else rng.choice(texts)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            if rng.random() < 0.1:
                entry.type = rng.choice(
                    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE]
                )
                entry.size, entry.linkname = 0, rng.choice(["/etc/passwd", "../secret.png", name])
                archive.addfile(entry)
            else:
                archive.addfile(entry, io.BytesIO(data))
    return file
