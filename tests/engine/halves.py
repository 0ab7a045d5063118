"""An engine that divides the work between two workers, each made of a copy of the probe, and joins what they say."""

import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from onnxmint.engine.local import in_batches
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import Probe
from onnxmint.engine.store import ActivationStore
from onnxmint.engine.worker import Told, Worker, to_numpy
from onnxmint.images.chosen import Decoded, Images, Part, Rows
from onnxmint.progress import Stage, quiet


@dataclass
class Halves:
    """Knows nothing of the local engine's threads, and remembers what it was asked."""

    stage: Stage = quiet
    asked: list[str] = field(default_factory=list)

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        self.asked.append(name)
        workers = [Worker(pickle.loads(pickle.dumps(probe))) for _ in range(2)]
        told = [
            one
            for part in images.parts
            for worker, rows in zip(workers, np.array_split(np.arange(len(part.row)), 2), strict=True)
            for one in _told(worker, _some(part, rows), probe.batch_size)
        ]
        shown = [one for one in told if one.columns is not None and one.pixels is not None]
        stored = {column: ActivationStore(len(images), shape, probe.device) for column, shape in probe.stored}
        columns: dict[str, list[np.ndarray]] = {}
        for one in shown:
            for column, value in (one.columns or {}).items():
                if column in stored:
                    stored[column].append(value)
                else:
                    columns.setdefault(column, []).append(to_numpy(value))
        return Observations(
            count=images.count,
            row=np.concatenate([np.empty(0, np.int64), *(one.row for one in shown)]),
            columns={column: np.concatenate(values) for column, values in columns.items()},
            stored=stored,
            skipped=tuple(image for one in told for image in one.skipped),
            sample=shown[0].pixels if shown and shown[0].pixels is not None else np.empty((0, 0, 0, 0), np.uint8),
        )


def _some(part: Part | Decoded, rows: Rows) -> Part | Decoded:
    label = None if part.label is None else part.label[rows]
    if isinstance(part, Part):
        return replace(part, index=part.index[rows], row=part.row[rows], label=label)
    return replace(part, pixels=part.pixels[rows], row=part.row[rows], label=label)


def _told(worker: Worker, part: Part | Decoded, size: int) -> Iterator[Told]:
    if isinstance(part, Part):
        for batch in in_batches(part, size):
            yield worker(batch, threading.Event())
        return
    for start in range(0, len(part.row), size):
        some = _some(part, np.arange(start, min(start + size, len(part.row))))
        assert isinstance(some, Decoded)
        yield Told(row=some.row, columns=worker.show(some.pixels, some.label), pixels=some.pixels)
