"""Judge made-up images and write their run, from columns as parts would have filled them; say what it took.

python tools/bench/columns.py AUDITOR COUNT    (an auditor of the bundled target)

`merging.py --from-columns` calls this: what is left out of a merge are the listing and the reading of parts, which take
most of its time and little memory.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measuring import WORK
from merging import DEMO, REAL, SETTINGS, pictures

from onnxmint.engine.local import Local
from onnxmint.engine.recorded import FromParts
from onnxmint.engine.units import Recorded
from onnxmint.evidence.questioned import to_describe
from onnxmint.images.entries import EncodedImage, ImageSource
from onnxmint.images.facts import ImageFacts, Seen
from onnxmint.images.file_facts import FILE_FACTS
from onnxmint.images.listing import Listing, Texts
from onnxmint.images.pixels import PIXEL_FACTS
from onnxmint.mint.auditor import load_auditor
from onnxmint.progress import quiet
from onnxmint.report.files import run_files
from onnxmint.workflows.auditing import judge
from onnxmint.workflows.opening import open_with_auditor
from onnxmint.workflows.questioning import scoring
from onnxmint.writing.folders import new_folder
from onnxmint.writing.scratch import Shelf, Spool, empty, kept, release

_BLOCK, _NAME = 100_000, 12  # images made at once; letters of a name
Real = list[tuple[bytes, Seen]]


def listing(count: int, rng: np.random.Generator) -> Listing:
    """Return entries 00000000.png and so on, with labels."""
    names = Spool()
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        text = np.empty((len(rows), _NAME), np.uint8)
        for place in range(8):
            text[:, 7 - place] = ord("0") + (rows // 10**place) % 10
        text[:, 8:] = np.frombuffer(b".png", np.uint8)
        names.add(text.tobytes())
    found = Listing([])
    found.paths = Texts(names.array(), kept(np.arange(count + 1) * _NAME))
    found.label, found.groups = kept(rng.integers(0, 10, count)), None
    found.labelled, found.grouped = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    return found


class Made:
    """A source of which the first images are real."""

    location, passed_over, notes = "made up", (), ()

    def __init__(self, like: ImageSource, entries: Listing, real: Real) -> None:
        self.numbering, self.classes = like.numbering, like.classes
        self._entries, self._real = entries, real

    def entries(self) -> Listing:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[()]:
        """Return nothing: nobody asks."""
        return ()

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images, which are real."""
        for index in sorted(wanted or ()):
            yield EncodedImage(index=index, path=self._entries.paths[index], data=self._real[index][0])


def recorded(count: int, real: Real, rng: np.random.Generator) -> Recorded:
    """Return what parts may have recorded; one image in a thousand is a near copy of the one before."""
    kinds: dict[str, tuple[tuple[int, ...], Any]] = {
        "index": ((), np.int64), "digest": ((), np.uint64), "phash": ((), np.uint64), "encoded": ((32,), np.uint8),
        "size": ((), np.int64), "more": ((), np.bool_), "file": ((len(FILE_FACTS),), np.float32),
        "place": ((), np.int32),
    }  # fmt: skip
    columns = {name: empty((count, *shape), kind) for name, (shape, kind) in kinds.items()}
    score, free, predicted = empty((count, 1), np.float64), empty((count, 1), np.float64), empty((count,), np.int64)
    shelf, noise = Shelf(count, 192), rng.integers(0, 30, (_BLOCK, 64, 3)).astype(np.uint8)
    for start in range(0, count, _BLOCK):
        many = min(_BLOCK, count - start)
        part = slice(start, start + many)
        columns["index"][part], columns["place"][part] = np.arange(start, start + many), -1
        columns["digest"][part] = rng.integers(1 << 63, 1 << 64, many, dtype=np.uint64)
        columns["phash"][part] = rng.integers(0, 1 << 64, many, dtype=np.uint64)
        columns["encoded"][part] = rng.integers(0, 256, (many, 32), dtype=np.uint8)
        columns["size"][part], columns["more"][part], columns["file"][part] = 1000, False, 0
        thumb = (rng.integers(0, 226, (many, 1, 3), dtype=np.uint8) + noise[:many]).reshape(many, 192)
        columns["phash"][part][1::1000], thumb[1::1000] = columns["phash"][part][:-1:1000], thumb[:-1:1000]
        for row in range(REAL if start == 0 else 0):
            thumb[row] = real[row][1].thumb
            for name in ("digest", "phash", "encoded", "size", "more", "file"):
                columns[name][row] = getattr(real[row][1], name)
        shelf.add(thumb)
        score[part], predicted[part] = rng.normal(size=(many, 1)), rng.integers(0, 10, many)
        free[part] = 0.9 * score[part]
        release()
    described = np.array(sorted(to_describe(count, np.random.default_rng(SETTINGS.seed))))
    columns["place"][described] = np.arange(len(described))
    statistics = rng.normal(size=(len(described), len(PIXEL_FACTS))).astype(np.float32)
    facts = ImageFacts(thumb=shelf.done(), statistics=statistics, **columns)
    told = {"free": free, "score": score, "predicted": predicted}
    return Recorded(index=columns["index"], facts=facts, row=columns["index"], columns=told)


def main() -> None:
    auditor, count = load_auditor(Path(sys.argv[1])), int(sys.argv[2])
    rng, real, begun = np.random.default_rng(count), pictures(), (time.perf_counter(), time.process_time())
    like = open_with_auditor(DEMO / "target.onnx", str(DEMO / "questioned.parquet"), auditor, SETTINGS)
    ready = replace(like, source=Made(like.source, listing(count, rng), real))
    engine = FromParts(recorded(count, real, rng), scoring(ready, SETTINGS), Local(quiet))
    result = judge(ready, SETTINGS, engine, engine.look)
    release()
    WORK.mkdir(exist_ok=True)
    with new_folder(WORK / f"columns{count}", overwrite=True) as folder:
        files = folder.finish(run_files(result, run_settings={"folder": ""}, auditor=auditor.model))
    took = {
        "seconds": time.perf_counter() - begun[0],
        "CPU seconds": time.process_time() - begun[1],
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-3,
        "run MB": sum(path.stat().st_size for path in files) / 1e6,
    }
    print(json.dumps({"code": 0} | {name: round(value) for name, value in took.items()}), file=sys.stderr)


if __name__ == "__main__":
    main()
