"""A target made ready to read images: what the model says about a source, batch by batch, on one device."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.session import Device, open_session, share_cores
from onnxmint.engine.stream import Batch, Readable, Runner, SkippedImage, stream
from onnxmint.evidence.table import EvidenceTable
from onnxmint.graph.views import LABEL
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped


class Reader:
    """Runs one prepared model over sources of images and remembers what had to be skipped."""

    def __init__(
        self, model: bytes | Path, outputs: tuple[str, ...], *, spec: PreprocessSpec, device: Device, batch_size: int
    ) -> None:
        """Open the model on the device; it must take (N, H, W, C) uint8 pixels, which `spec` makes."""
        self.device = device
        self.batch_size = batch_size
        self._workers, threads = share_cores(device)
        self.run = Runner(open_session(model, device, threads=threads), device, outputs)
        self._decode: Callable[[bytes], NDArray[np.uint8]] = partial(decode, spec=spec)
        self.skipped: list[Skipped] = []

    def read(
        self,
        source: Readable,
        *,
        wanted: AbstractSet[int],
        stage: Stage,
        name: str,
        labels: Mapping[int, int] | None = None,
    ) -> Iterator[Batch]:
        """Yield what the model says of the wanted images of a source, in order, with progress.

        Args:
            source: the images.
            wanted: indices of those to read.
            stage: told of the progress.
            name: what the progress is called.
            labels: class of each index, for models with a label input; None leaves it at its default.
        """
        with stage(name, len(wanted)) as advance:

            def skip(image: SkippedImage) -> None:
                self.skipped.append(Skipped(path=image.path, reason=image.reason))
                advance(1)

            batches = stream(
                source,
                lambda pixels, index: self.run(pixels, label_input(labels, index)),
                self._decode,
                wanted=wanted,
                batch_size=self.batch_size,
                workers=self._workers,
                skip=skip,
            )
            for batch in batches:
                yield batch
                advance(len(batch.index))

    def show(self, pixels: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Return the outputs for (n, H, W, C) pixels in memory, batch by batch."""
        batches = [pixels[start : start + self.batch_size] for start in range(0, len(pixels), self.batch_size)]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="onnxmint-worker") as pool:
            return list(pool.map(self.run, batches))


def to_numpy(value: Any) -> NDArray[Any]:
    """Return an output as a NumPy array on the host."""
    if isinstance(value, np.ndarray):
        return value
    found: NDArray[Any] = value.cpu().numpy()
    return found


def label_input(labels: Mapping[int, int] | None, index: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return what is fed beside the pixels: the labels of some images, or nothing."""
    if labels is None:
        return {}
    return {LABEL: np.array([labels[number] for number in index.tolist()], np.int64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImages:
    """The evidence with the means to read it."""

    table: EvidenceTable
    sources: tuple[Readable, Readable]  # members, non-members
    with_labels: bool  # whether the graph is told the labels
    stage: Stage

    def read(self, reader: Reader, *parts: int, name: str) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        """Yield (row numbers of the table, batch) for all readable images of some parts."""
        for source, member, words in zip(self.sources, (True, False), ("members", "non-members"), strict=True):
            rows = self.table.rows(*parts, member=member)
            row_of = dict(zip(self.table.index[rows].tolist(), rows.tolist(), strict=True))
            labels = self.labels_of(rows)
            batches = reader.read(
                source,
                wanted=row_of.keys(),
                stage=self.stage,
                name=f"{words}, {name}",
                labels=None if labels is None else dict(zip(row_of, labels.tolist(), strict=True)),
            )
            for batch in batches:
                yield np.array([row_of[index] for index in batch.index.tolist()], np.int64), batch

    def labels_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the labels that the graph is told of some rows, None when it takes none."""
        return self.table.labels[rows] if self.with_labels and self.table.labels is not None else None
