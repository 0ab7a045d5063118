"""However many images there are and however large they are, few bytes and few pixels are in memory at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.images.flight import MOST_BYTES, Budget, in_batches, in_order


def test_a_budget_is_never_exceeded_and_never_stuck() -> None:
    budget, lock = Budget(100), threading.Lock()
    held, most = 0, 0

    def work(amount: int) -> None:
        nonlocal held, most
        with budget.taken(amount):
            with lock:
                held += min(amount, 100)
                most = max(most, held)
            threading.Event().wait(0.001)
            with lock:
                held -= min(amount, 100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [7, 60, 100, 5000, 1, 33] * 20))
    assert most <= 100
    assert held == 0


def test_a_budget_is_given_back_after_an_error() -> None:
    budget = Budget(1)
    with pytest.raises(KeyError), budget.taken(1):
        raise KeyError
    with budget.taken(1):
        pass


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 2 * MOST_BYTES), max_size=40), workers=st.integers(1, 3), ahead=st.integers(1, 3))
def test_results_come_in_order_and_nothing_is_read_above_the_budget(sizes: list[int], workers: int, ahead: int) -> None:
    taken: list[int] = []
    read: list[int] = []

    def items() -> Iterator[int]:
        for number, size in enumerate(sizes):
            held = [sizes[k] for k in read if k not in taken]
            assert sum(held) < MOST_BYTES
            assert len(held) <= ahead * workers
            read.append(number)
            yield size

    found = in_order(items(), lambda size, _: size, workers=workers, ahead=ahead, size=int)
    for number, size in enumerate(found):
        assert size == sizes[number]
        taken.append(number)
    assert len(taken) == len(sizes)


@given(sizes=st.lists(st.integers(0, MOST_BYTES), max_size=60), most=st.integers(1, 8))
def test_a_batch_of_large_images_is_shorter(sizes: list[int], most: int) -> None:
    batches = list(in_batches(iter(sizes), most, size=int))
    assert [size for batch in batches for size in batch] == sizes
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert sum(batch[:-1]) < MOST_BYTES // 2
    assert all(len(batch) == most or sum(batch) >= MOST_BYTES // 2 for batch in batches[:-1])


def test_an_error_in_the_work_is_the_readers_and_ends_the_threads() -> None:
    def fail(item: int, stop: threading.Event) -> int:
        if not item:
            raise KeyError
        assert stop.wait(10)
        return item

    with pytest.raises(KeyError):
        list(in_order(range(9), fail, workers=3))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onnxmint-worker")]


def test_whoever_stops_early_ends_the_threads() -> None:
    found = in_order(range(100), lambda item, _: item, workers=2)
    assert next(found) == 0
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onnxmint-worker")]
