"""The same labelled images as a folder, a CSV, a Parquet file and a tar shard: pixels and labels must be the same."""

import csv
import io
import json
import random
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from trial import Trial

from onnxmint.images.facts import look_at
from onnxmint.images.sources import open_source
from onnxmint.progress import quiet


def same_images(trial: Trial, rng: random.Random) -> None:
    """Store the same labelled images in two forms: pixels and labels must be the same."""
    trial.marks.append("harmless")
    images = [(f"{label}/{at}.png", label, _whole(rng)) for at, label in enumerate(rng.choices([0, 1, 2], k=6))]
    found = []
    for write in rng.sample([_to_folder, _to_csv, _to_parquet, _to_tar], 2):
        source = trial.call(open_source, write(trial.folder, images, rng), classes=("0", "1", "2"))
        if source is None:
            trial.found("wrong", "plain images are refused", _listed(trial))
            return
        facts = look_at(source, wanted=set(range(len(images))), stage=quiet, name="x", threads=1)
        labels = {one.index: one.label for one in source.entries()}
        found.append(
            sorted((int(digest), labels[int(at)]) for digest, at in zip(facts.digest, facts.index, strict=True))
        )
    trial.same(found[1], found[0], "the same images in another form")


def _listed(trial: Trial) -> str:
    """Return what the folder of a case holds, to tell which form it was."""
    return ", ".join(sorted(path.name for path in trial.folder.iterdir()))


def _whole(rng: random.Random) -> bytes:
    room = io.BytesIO()
    Image.frombytes("RGB", (8, 8), rng.randbytes(192)).save(room, "PNG")
    return room.getvalue()


_Labelled = list[tuple[str, int, bytes]]


def _to_folder(root: Path, images: _Labelled, rng: random.Random) -> Path:
    for name, _, data in images:
        (root / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "folder" / name).write_bytes(data)
    return root / "folder"


def _to_csv(root: Path, images: _Labelled, rng: random.Random) -> Path:
    _to_folder(root, images, rng)
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((f"folder/{name}", label) for name, label, _ in images)])
    return root / "table.csv"


def _to_parquet(root: Path, images: _Labelled, rng: random.Random) -> Path:
    pictures = [{"bytes": data, "path": name} for name, _, data in images]
    table = pa.table({"image": pictures, "label": [label for _, label, _ in images]})
    pq.write_table(
        table,
        root / "table.parquet",
        row_group_size=rng.randrange(1, 7),
        compression=rng.choice(["none", "zstd", "gzip"]),
    )
    return root / "table.parquet"


def _to_tar(root: Path, images: _Labelled, rng: random.Random) -> Path:
    with tarfile.open(root / "shard.tar", "w", format=rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])) as archive:
        for at, (_, label, data) in enumerate(images):
            for suffix, content in (
                (".png", data),
                (rng.choice([".cls"]), str(label).encode()),
                (".json", json.dumps({"at": at}).encode()),
            ):
                entry = tarfile.TarInfo(f"{at:04}{suffix}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return root / "shard.tar"
