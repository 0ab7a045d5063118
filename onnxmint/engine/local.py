"""The engine of this process: a worker a core, memory stays bounded, order is kept.

    source --read--> batches of encoded images --> [workers: decode, run, reduce] --> columns by row

Each worker takes a batch through decoding and inference, so that no core waits for a neighbour: not for decoders when
images are large, nor at the end of every operator as threads within one session do. Reading stays at most
two batches a worker ahead of what is gathered, whatever the number of images, and stops while these hold many bytes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import Probe
from onnxmint.engine.session import share_cores
from onnxmint.engine.worker import Encoded, Told, Worker, to_numpy
from onnxmint.images import flight
from onnxmint.images.chosen import Decoded, Images, Part
from onnxmint.images.entries import size_of
from onnxmint.images.flight import in_order
from onnxmint.images.labels import FAULTY
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped

ODD = "the model gives NaN or infinity of it"
_SAMPLE = 64  # pixels of at most so many images are kept to hold another graph against


class Local:
    """Shows images to models in this process, and tells a stage of its progress."""

    def __init__(self, stage: Stage = quiet, *, workers: int | None = None) -> None:
        """Tell `stage` of the progress; so many workers take batches side by side, for None what suits the device."""
        self.stage = stage
        self._workers = workers

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        """Return what the probe finds out about the images; see `Engine.observe`."""
        suitable, threads = share_cores(probe.device)
        workers, worker = self._workers or suitable, Worker(probe, threads=threads)
        with contextlib.ExitStack() as stack:
            gathered = Gathered(probe, images)
            stack.callback(gathered.close)
            for part in images.parts:
                stage = self.stage if isinstance(part, Part) else quiet  # pixels in memory take no time to speak of
                with stage(f"{_name(part)}{name}", len(part.row)) as advance:
                    for told in _told(worker, part, probe.batch_size, workers):
                        gathered.add(told)
                        advance(len(told.row) + len(told.skipped))
            stack.pop_all()
        return gathered.observations()


def _name(part: Part | Decoded) -> str:
    return f"{part.name}, " if isinstance(part, Part) else ""


def _told(worker: Worker, part: Part | Decoded, batch_size: int, workers: int) -> Iterator[Told]:
    if isinstance(part, Part):
        return in_order(in_batches(part, batch_size), worker, workers=workers, size=_bytes)
    return in_order(_decoded(part, batch_size), lambda batch, _: _show(worker, batch), workers=workers)


def _show(worker: Worker, batch: Decoded) -> Told:
    return Told(row=batch.row, columns=worker.show(batch.pixels, batch.label), pixels=batch.pixels)


def in_batches(part: Part, size: int) -> Iterator[Encoded]:
    """Yield the images of a source in batches of `size`, the last one smaller, and those of large images."""
    place_of = {index: place for place, index in enumerate(part.index.tolist())}
    for images in flight.in_batches(part.source.read(place_of.keys()), size, size=size_of):
        place = [place_of[image.index] for image in images]
        label = None if part.label is None else part.label[place]
        yield Encoded(images=tuple(images), row=part.row[place], label=label)


def _bytes(batch: Encoded) -> int:
    return sum(map(size_of, batch.images))


def _decoded(part: Decoded, size: int) -> Iterator[Decoded]:
    for start in range(0, len(part.row), size):
        rows = slice(start, start + size)
        label = None if part.label is None else part.label[rows]
        yield Decoded(pixels=part.pixels[rows], row=part.row[rows], label=label)


class Gathered:
    """Columns as they come in, batch by batch."""

    def __init__(self, probe: Probe, images: Images) -> None:
        """Make room for the columns that are stored."""
        self._count = images.count
        self._row: list[Any] = []
        self._columns: dict[str, list[Any]] = {}
        self._skipped: list[Any] = []
        self._sample: list[Any] = []
        self._odd: dict[str, list[Any]] = {}
        self._paths: list[str] = []
        self._stored = _stores(probe, len(images))

    def add(self, told: Told) -> None:
        """Take in one batch."""
        self._skipped.extend(told.skipped)
        if told.columns is None or told.pixels is None:
            return
        if not self._row:
            self._sample.append(told.pixels[:_SAMPLE])
        self._row.append(told.row)
        self._paths.extend(told.paths if told.odd else ())
        for name, odd in told.odd.items():
            self._odd.setdefault(name, []).append(odd)
        for name, value in told.columns.items():
            if name in self._stored:
                self._stored[name].append(value)
            else:
                self._columns.setdefault(name, []).append(to_numpy(value))

    def observations(self) -> Observations:
        """Return all that came in, but for the few images of which an output is no number."""
        row = np.concatenate([np.empty(0, np.int64), *self._row])
        columns = {name: np.concatenate(values) for name, values in self._columns.items()}
        sample = self._sample[0] if self._sample else np.empty((0, 0, 0, 0), np.uint8)
        odd, places = self._few_odd(len(row)), None
        if odd.any():
            places = np.flatnonzero(~odd)
            row, columns = row[places], {name: values[places] for name, values in columns.items()}
            sample = sample[places[places < len(sample)]]
        return Observations(
            count=self._count,
            row=row,
            columns=columns,
            stored=self._stored,
            skipped=(*self._skipped, *(Skipped(path=self._paths[at], reason=ODD) for at in np.flatnonzero(odd))),
            places=places,
            sample=sample,
        )

    def _few_odd(self, count: int) -> NDArray[np.bool_]:
        """Return (count,) which rows hold NaN or infinity in an output that does so in few; of others all rows stay.

        One such image says something of itself, many say something of the layer, which who asked has to judge.
        """
        found = np.zeros(count, np.bool_)
        for parts in self._odd.values():
            odd = np.concatenate(parts)
            if odd.sum() <= max(1, FAULTY * count):
                found |= odd
        return found

    def close(self) -> None:
        """Give back the room of stored columns."""
        for store in self._stored.values():
            store.close()


def _stores(probe: Probe, count: int) -> dict[str, Any]:
    """Return a store for each column that fitting reads; PyTorch is imported only where there is one."""
    if not probe.stored:
        return {}
    from onnxmint.engine.store import ActivationStore

    return {name: ActivationStore(count, shape, probe.device) for name, shape in probe.stored}
