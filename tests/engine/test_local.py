"""From encoded images to columns by row: order, completeness, prompt ends, and no result that hangs on the division."""

import threading
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import Shown
from onnxmint.engine.worker import Encoded, Worker
from onnxmint.images.chosen import Decoded, Images, Part
from onnxmint.images.entries import EncodedImage
from onnxmint.images.flight import in_order
from onnxmint.results.facts import Skipped
from tests.engine.conftest import DAMAGED, Numbers, all_of, picture, probe


def _observed(count: int, *, batch_size: int = 4, workers: int = 2, unreadable: tuple[int, ...] = ()) -> Observations:
    images = all_of(Numbers(count, unreadable))
    return Local(workers=workers).observe(probe(batch_size=batch_size), images, name="numbers")


def _levels(seen: Observations) -> list[float]:
    return seen.columns["value"][:, 0, 0, 0].tolist() if len(seen.row) else []


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 50])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_comes_once_and_in_order(count: int, workers: int) -> None:
    seen = _observed(count, workers=workers)
    kept = [number for number in range(count) if number != DAMAGED]
    assert seen.row.tolist() == kept
    assert _levels(seen) == kept
    assert [image.path for image in seen.skipped] == ([f"{DAMAGED}.png"] if count > DAMAGED else [])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_results_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    assert _levels(_observed(40, batch_size=batch_size)) == _levels(_observed(40, batch_size=7))


def test_only_wanted_images_are_read_and_land_in_their_rows() -> None:
    source, index = Numbers(30), np.array([2, 17, 29])
    parts = (
        Part(name="first", source=source, index=index, row=np.array([0, 3, 4]), label=None),
        Part(name="second", source=source, index=np.array([5]), row=np.array([6]), label=None),
    )
    seen = Local().observe(probe(), Images(parts=parts, count=8), name="")
    assert seen.row.tolist() == [0, 3, 4, 6]
    assert _levels(seen) == [2, 17, 29, 5]


def test_an_unreadable_image_is_skipped_with_its_reason() -> None:
    seen = _observed(6, unreadable=(2,))
    assert seen.row.tolist() == [0, 1, 3, 4, 5]
    assert seen.skipped == (Skipped(path="2.png", reason="gone"),)


def test_pixels_in_memory_are_shown_as_they_are() -> None:
    pixels = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    images = Images(parts=(Decoded(pixels=pixels, row=np.arange(10) * 2, label=None),), count=20)
    seen = Local(workers=3).observe(probe(batch_size=3), images, name="")
    assert seen.row.tolist() == list(range(0, 20, 2))
    np.testing.assert_array_equal(seen.columns["value"], pixels)


def test_a_column_goes_back_to_its_rows() -> None:
    first_levels = _First()
    images = all_of(Numbers(3), first_row=2, count=6)
    seen = Local().observe(probe(reduce=first_levels), images, name="")
    np.testing.assert_array_equal(seen.full("first"), [np.nan, np.nan, 0, 1, 2, np.nan])


class _First:
    def __call__(self, shown: Shown) -> dict[str, np.ndarray]:
        return {"first": shown.outputs["value"][:, 0, 0, 0]}


def test_the_first_pixels_are_kept_to_hold_another_graph_against() -> None:
    seen = _observed(30, batch_size=5)
    np.testing.assert_array_equal(seen.sample[:, 0, 0, 0], np.arange(5))
    assert _observed(0).sample.shape == (0, 0, 0, 0)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("onnxmint")]


def _broken(shown: Shown) -> dict[str, np.ndarray]:
    raise ZeroDivisionError("a defect, not a bad image")


def _interrupted(shown: Shown) -> dict[str, np.ndarray]:
    raise KeyboardInterrupt


def test_an_error_in_a_worker_reaches_the_caller_and_leaves_no_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        Local().observe(probe(reduce=_broken), all_of(Numbers(20)), name="")
    assert _threads() == []


def test_ctrl_c_leaves_no_thread() -> None:
    with pytest.raises(KeyboardInterrupt):
        Local().observe(probe(batch_size=2, reduce=_interrupted), all_of(Numbers(200)), name="")
    assert _threads() == []


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    results = in_order(range(200), lambda item, stop: item, workers=2)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 2
    assert _threads() == []


def test_reading_stays_close_to_inference() -> None:
    """Memory is bounded: the source is never read far ahead of the model."""
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(200):
            taken += 1
            yield item

    results = in_order(items(), lambda item, stop: item, workers=2)
    next(results)
    time.sleep(0.3)
    assert taken <= 7
    results.close()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_do_not_depend_on_the_workers_or_who_is_first(workers: int) -> None:
    def at_its_own_pace(item: int, stop: threading.Event) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    assert list(in_order(range(60), at_its_own_pace, workers=workers)) == list(range(60))


def test_a_slow_source_does_not_hold_up_what_was_read() -> None:
    """Images read so far are decoded and run while the next are waited for."""

    ran = threading.Event()

    class Waiting(Numbers):
        """Give the last image only once others have been run."""

        def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
            for image in super().read(wanted):
                if image.index == 59:
                    assert ran.wait(60)
                yield image

    def reduce(shown: Shown) -> dict[str, np.ndarray]:
        ran.set()
        return {}

    seen = Local(workers=2).observe(probe(reduce=reduce), all_of(Waiting(60)), name="")
    assert len(seen.row) == 59  # 13 is of one value in the output


def test_stopping_does_not_wait_for_what_is_under_way() -> None:
    done = 0

    def slow(item: int, stop: threading.Event) -> int:
        nonlocal done
        for _ in range(50):
            if stop.is_set():
                break
            done += 1
            time.sleep(0.02)
        return item

    results = in_order(range(5), slow, workers=2)
    next(results)
    start, before = time.monotonic(), done
    results.close()
    assert done - before < 50
    assert time.monotonic() - start < 0.8 * 50 * 0.02
    assert _threads() == []


def test_a_worker_ends_with_the_image_it_is_at_when_nobody_wants_the_batch() -> None:
    stop, decoded = threading.Event(), []

    class Watched:
        error = None

        def __init__(self, index: int) -> None:
            self.index, self.path = index, f"{index}.png"

        @property
        def data(self) -> bytes:
            decoded.append(self.index)
            if self.index == 2:
                stop.set()
            return picture(self.index)

    told = Worker(probe())(Encoded(images=tuple(map(Watched, range(50))), row=np.arange(50), label=None), stop)
    assert told.columns is None
    assert max(decoded) == 2
