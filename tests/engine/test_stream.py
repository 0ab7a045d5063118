"""The pipeline from encoded images to outputs: order, completeness, prompt ends."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from onnxmint.engine.stream import SkippedImage, stream
from onnxmint.errors import ImagesError


@dataclass(frozen=True)
class _Image:
    index: int
    path: str
    data: bytes | None
    error: str | None = None


class _Numbers:
    """A source whose image k is the byte k."""

    def __init__(self, count: int, unreadable: tuple[int, ...] = ()) -> None:
        self.count, self.unreadable = count, unreadable

    def read(self, wanted: set[int] | None = None) -> Iterator[_Image]:
        for index in range(self.count):
            if wanted is None or index in wanted:
                data = None if index in self.unreadable else bytes([index])
                yield _Image(index, f"{index}.png", data, "gone" if data is None else None)


def _decode(data: bytes) -> np.ndarray:
    if data[0] == 13:
        raise ImagesError("truncated")
    return np.full((2, 2, 1), data[0], np.uint8)


def _run(pixels: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
    return {"value": pixels[:, 0, 0, 0].astype(np.float32)}


def _collect(source: object, **options: object) -> tuple[list[int], list[float], list[SkippedImage]]:
    skipped: list[SkippedImage] = []
    options = {"batch_size": 4, "skip": skipped.append} | options
    batches = list(stream(source, _run, _decode, **options))
    index = [int(number) for batch in batches for number in batch.index]
    values = [float(value) for batch in batches for value in batch.outputs["value"]]
    return index, values, skipped


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 50])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_comes_once_and_in_order(count: int, workers: int) -> None:
    index, values, skipped = _collect(_Numbers(count), workers=workers)
    kept = [number for number in range(count) if number != 13]
    assert index == kept
    assert values == kept
    assert [image.path for image in skipped] == (["13.png"] if count > 13 else [])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_results_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    assert _collect(_Numbers(40), batch_size=batch_size)[1] == _collect(_Numbers(40), batch_size=7)[1]


def test_only_wanted_images_are_read() -> None:
    assert _collect(_Numbers(30), wanted={2, 17, 29})[0] == [2, 17, 29]


def test_an_unreadable_image_is_skipped_with_its_reason() -> None:
    index, _, skipped = _collect(_Numbers(6, unreadable=(2,)))
    assert index == [0, 1, 3, 4, 5]
    assert skipped == [SkippedImage(index=2, path="2.png", reason="gone")]


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("onnxmint")]


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    batches = stream(_Numbers(200), _run, _decode, batch_size=2, skip=lambda image: None)
    next(batches)
    start = time.monotonic()
    batches.close()
    assert time.monotonic() - start < 2
    assert _threads() == []


def test_an_error_in_a_decoder_reaches_the_consumer_and_leaves_no_thread() -> None:
    def broken(data: bytes) -> np.ndarray:
        raise ZeroDivisionError("a defect, not a bad image")

    with pytest.raises(ZeroDivisionError):
        list(stream(_Numbers(20), _run, broken, skip=lambda image: None))
    assert _threads() == []


def test_an_error_in_the_model_leaves_no_thread() -> None:
    def broken(pixels: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stream(_Numbers(200), broken, _decode, batch_size=2, skip=lambda image: None))
    assert _threads() == []


def test_reading_stays_close_to_inference() -> None:
    """Memory is bounded: the source is never read far ahead of the model."""
    read = 0

    class Counting(_Numbers):
        def read(self, wanted: set[int] | None = None) -> Iterator[_Image]:
            nonlocal read
            for image in super().read(wanted):
                read += 1
                yield image

    batches = stream(Counting(200), _run, _decode, batch_size=4, skip=lambda image: None)
    next(batches)
    time.sleep(0.3)
    assert read <= 4 * 7
    batches.close()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_do_not_depend_on_the_workers_or_who_is_first(workers: int) -> None:
    def at_its_own_pace(data: bytes) -> np.ndarray:
        time.sleep(0.002 * (data[0] % 3))
        return _decode(data)

    options = {"batch_size": 3, "workers": workers, "skip": lambda image: None}
    found = [batch.outputs["value"] for batch in stream(_Numbers(60), _run, at_its_own_pace, **options)]
    assert np.concatenate(found).tolist() == [number for number in range(60) if number != 13]


def test_a_slow_source_does_not_hold_up_what_was_read() -> None:
    """Images read so far are decoded and run while the next are waited for."""

    class Slow(_Numbers):
        def read(self, wanted: set[int] | None = None) -> Iterator[_Image]:
            for image in super().read(wanted):
                time.sleep(0.005)
                yield image

    def run(pixels: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(0.005 * len(index))
        return _run(pixels, index)

    start = time.monotonic()
    found = list(stream(Slow(60), run, _decode, batch_size=4, skip=lambda image: None))
    assert sum(len(batch.index) for batch in found) == 59
    assert time.monotonic() - start < 0.9 * 60 * 0.010  # one after the other


def test_stopping_does_not_wait_for_the_batches_under_way() -> None:
    decoded = 0

    def slow(data: bytes) -> np.ndarray:
        nonlocal decoded
        decoded += 1
        time.sleep(0.02)
        return _decode(data)

    batches = stream(_Numbers(250), _run, slow, batch_size=50, workers=2, skip=lambda image: None)
    next(batches)
    start, before = time.monotonic(), decoded
    batches.close()
    assert decoded - before < 50  # each worker ends with the image it is at; two batches would be a hundred
    assert time.monotonic() - start < 0.8 * 50 * 0.02
    assert _threads() == []
