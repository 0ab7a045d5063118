"""The auditor as one value that travels: Arrow tables in, Arrow tables out, in any process of any engine."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.probe import at_once
from onnxmint.engine.session import choose_device
from onnxmint.engine.worker import Encoded, Worker
from onnxmint.errors import UsageError
from onnxmint.graph.auditor_outputs import ANSWER, SCORE
from onnxmint.images.entries import EncodedImage
from onnxmint.images.given import images_of, read_files, read_pixels
from onnxmint.images.labels import class_number, numbers_that_are_names
from onnxmint.mint.auditor import OBSERVED, Auditor, load_auditor
from onnxmint.mint.scoring import ODD, PREDICTED, scoring_probe
from onnxmint.settings import DeviceChoice
from onnxmint.stats.conformal import p_values
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.yardstick import Traces

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (PREDICTED, "score", "p_value", "error")
_LABEL, _PATH = "label", "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An open session, with the images that it takes at once and the classes that it knows."""

    worker: Worker
    size: int
    classes: int | None


class Scorer:
    """Scores images with an auditor: rows in, the same rows in the same order out, with what `audit` would give them.

    It is pickled with the auditor inside and opens its session where it is first called, so it can be given to whatever
    runs Python on tables: Ray Data, Spark, Dask, a pool of processes. An image that cannot be read, or lacks a label
    that the auditor has to be told, is a row with its reason under `error`. The results are columns beside those that
    came in: `predicted` (the target's top class), `score` (float64, mean over the networks), `p_value` (against the
    held-out non-members, for the image alone) and `error`. Flags and a verdict are of a whole set: they are made by
    `onnxmint.audit`.

        scorer = onnxmint.Scorer("auditor.onnx")
        scorer(pyarrow.parquet.read_table("images.parquet"))  # columns image, and label where the auditor needs it
        scorer.paths(["a.png", "b.jpg"], labels=[3, 5])
        scorer.arrays(pixels, labels=classes)  # uint8, of any size
        dataset.map_batches(scorer, batch_format="pyarrow")  # Ray Data
        frame.mapInArrow(scorer.batches, schema)  # Spark
    """

    def __init__(
        self,
        auditor: Auditor | str | Path,
        *,
        threads: int = 1,
        batch: int | None = None,
        device: DeviceChoice = "auto",
    ) -> None:
        """Read the auditor; nothing of it runs before the first call.

        Args:
            auditor: or its file.
            threads: within an operator. Processes side by side, one a core, do more than threads within one.
            batch: images in one run; None takes what suits.
            device: where the session will be opened: "cpu", "cuda", or "auto".

        Raises:
            OnnxmintError: the file is no auditor, or a number makes no sense.
        """
        for name, value in (("threads", threads), ("batch", batch)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UsageError(f"{name} is {value!r}; give a whole number of 1 or more")
        found = auditor if isinstance(auditor, Auditor) else load_auditor(Path(auditor))
        if found.observed:
            raise UsageError(f"this auditor scores no images. {OBSERVED} Train one with the model")
        self.threads, self.batch, self.device = threads, batch, device
        self._outside = _outside(found)
        self._auditor = replace(found, traces=_no_traces())
        self._names = None if found.classes is None else found.classes.by_name()
        self._named = numbers_that_are_names(found.classes)
        self._lock = threading.Lock()
        self._open: _Open | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: all but the open session."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_open")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it in; the session is opened when it is needed."""
        self.__dict__.update(state, _lock=threading.Lock(), _open=None)

    def __call__(self, table: "pa.Table | pa.RecordBatch") -> "pa.Table":
        """Return the table without its images and with COLUMNS.

        Args:
            table: a column `image` (bytes, or struct<bytes, path> as Hugging Face's datasets have it), or else `path`
                of files; `label` where the auditor has to be told one.

        Raises:
            ImagesError: no column of images.
            UsageError: the table has a column of the results already.
            ModelError: the auditor cannot be run.
        """
        import pyarrow as pa

        whole = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
        taken = next((name for name in COLUMNS if name in whole.column_names), None)
        if taken is not None:
            raise UsageError(f"the table has a column {taken!r} already; drop or rename it")
        given = images_of(whole.schema)
        scored, paths = [_columns([])], list[str | None]()
        for part in whole.to_batches(max_chunksize=self._ready().size) if whole.num_rows else ():
            images = list(given.read(part))
            labels = part.column(_LABEL).to_pylist() if _LABEL in whole.column_names else None
            scored.append(self._scored(images, labels))
            paths.extend(image.path or None for image in images)
        kept = whole if given.image is None else whole.drop_columns([given.image])
        if _PATH not in whole.column_names:
            kept = kept.append_column(_PATH, pa.array(paths, pa.string()))
        found = pa.concat_tables(scored).combine_chunks()
        for name in COLUMNS:
            kept = kept.append_column(name, found[name])
        return kept

    def batches(self, parts: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """Yield the scores of record batches, as Spark's mapInArrow wants them."""
        for part in parts:
            yield from self(part).to_batches()

    def paths(self, paths: Sequence[str | Path], labels: Sequence[object] | None = None) -> "pa.Table":
        """Return the scores of files, with their paths."""
        import pyarrow as pa

        found = self._all(read_files(paths), len(paths), labels)
        return found.add_column(0, _PATH, pa.array([str(path) for path in paths], pa.string()))

    def arrays(self, images: Sequence[Any] | NDArray[np.uint8], labels: Sequence[object] | None = None) -> "pa.Table":
        """Return the scores of pixels: (n, H, W, C) or a list of (H, W) or (H, W, C), uint8, red first, of any size."""
        return self._all(read_pixels(images), len(images), labels)

    def _all(self, images: Iterator[EncodedImage], count: int, labels: Sequence[object] | None) -> "pa.Table":
        """Return the scores of some images, few of which are in memory at once."""
        import pyarrow as pa

        if labels is not None and len(labels) != count:
            raise UsageError(f"{len(labels):,} labels for {count:,} images; give one for each")
        scored, start = [_columns([])], 0
        while start < count:
            some = list(islice(images, self._ready().size))
            told = None if labels is None else list(labels[start : start + len(some)])
            scored.append(self._scored(some, told))
            start += len(some)
        return pa.concat_tables(scored).combine_chunks()

    def _ready(self) -> _Open:
        """Open the session once, whoever comes first."""
        with self._lock:
            if self._open is None:
                device = choose_device(self.device)
                size = self.batch or at_once(device.kind, self._auditor.method.views)
                worker = Worker(scoring_probe(self._auditor, device, size), threads=self.threads)
                self._open = _Open(worker=worker, size=1 if worker.one_by_one else size, classes=worker.width(ANSWER))
            return self._open

    def _scored(self, images: Sequence[EncodedImage], labels: Sequence[object] | None) -> "pa.Table":
        """Return the COLUMNS of a few images."""
        errors = [image.error for image in images]
        number = np.full(len(images), -1, np.int64)
        if self._auditor.method.labels:
            for row in range(len(images)):
                value = self._label(None if labels is None else _plain(labels[row]))
                number[row], errors[row] = (
                    (-1, errors[row] or value) if isinstance(value, str) else (value, errors[row])
                )
        rows: NDArray[np.int64] = np.flatnonzero([error is None for error in errors])
        score = np.full((len(images), self._auditor.method.folds), np.nan)
        predicted = np.full(len(images), -1, np.int64)
        batch = Encoded(images=tuple(images[one] for one in rows.tolist()), row=rows, label=number[rows])
        told = self._ready().worker(batch, threading.Event())
        for one, skipped in zip(np.setdiff1d(rows, told.row).tolist(), told.skipped, strict=True):
            errors[one] = skipped.reason
        if told.columns is not None:
            score[told.row], predicted[told.row] = told.columns[SCORE], told.columns[PREDICTED]
        for one in told.row[~np.isfinite(score[told.row]).all(axis=1)].tolist():
            errors[one] = ODD
        return _columns(errors, score, predicted, self._outside)

    def _label(self, value: object) -> int | str:
        """Return the class that a label means, or why it means none."""
        try:
            number = class_number(value, self._names)
        except ValueError as problem:
            return str(problem)
        if number is None:
            return "has no label, which the auditor has to be told"
        number = self._named.get(number, -1) if self._named else number
        classes = self._ready().classes
        if number < 0 or (classes is not None and number >= classes):
            return f"label {value!r} is none of the target's {classes or ''} classes".replace("  ", " ")
        return number


def _plain(label: object) -> object:
    """Return a label as Python's own kind of value, as tables give it."""
    return label.item() if isinstance(label, np.generic) else label


def _outside(auditor: Auditor) -> HeldOut:
    """Return the known non-members that single images are measured by, as an audit takes them."""
    _, yardstick = gate_and_yardstick(auditor.gate, auditor.yardstick)
    return yardstick.thinned(1, auditor.traces.digest[yardstick.number]).groups()


def _no_traces() -> Traces:
    """Return what an auditor remembers of known images for controls only, of none."""
    none = np.empty(0, np.int32)
    return Traces(
        digest=np.empty(0, np.uint64),
        is_member=np.empty(0, np.bool_),
        features=np.empty((0, 0), np.float32),
        described=none,
        difficulty=np.empty(0, np.float32),
        judged=none,
    )


def _columns(
    errors: Sequence[str | None],
    score: FloatArray | None = None,
    predicted: NDArray[np.int64] | None = None,
    known: HeldOut | None = None,
) -> "pa.Table":
    """Return the COLUMNS as a table, null where there is an error."""
    import pyarrow as pa

    wrong = np.array([error is not None for error in errors], np.bool_)
    mean, p_value = np.zeros(len(errors)), np.zeros(len(errors))
    if score is not None and known is not None and not wrong.all():
        mean[~wrong] = score[~wrong].mean(axis=1)
        p_value[~wrong] = p_values(score[~wrong], known.nonmember, known.nonmember_fold)
    top = np.zeros(len(errors), np.int64) if predicted is None else predicted
    values = [pa.array(column, mask=wrong) for column in (top, mean, p_value)]
    return pa.table([*values, pa.array(errors, pa.string())], names=list(COLUMNS))
