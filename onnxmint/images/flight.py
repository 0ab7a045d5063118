"""How much of a set of images is in memory at once: images looked at beside each other, within a fixed budget."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TypeVar

MOST_BYTES = 64 << 20  # encoded, waiting for a worker; one file more may be there, whatever its size
MOST_PIXELS = 60_000_000  # decoded at once by all threads together, at 4 to 8 bytes each; one image is never more

Item = TypeVar("Item")
Result = TypeVar("Result")


class Budget:
    """So much of something is there for all threads; who needs more than is left waits until others are done.

    A thread that holds a part must not ask for another one: two such threads would wait for each other.
    """

    def __init__(self, most: int) -> None:
        """Start with all of it free."""
        self._most = most
        self._free = most
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Hold an amount; one that exceeds all there is goes alone."""
        amount = min(amount, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


PIXELS = Budget(MOST_PIXELS)
"""Of the process: images that are decoded in this moment, whoever decodes them."""


def in_order(
    pool: Executor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    waiting: int,
    size: Callable[[Item], int],
) -> Iterator[Result]:
    """Yield work(item) for every item in order; the pool works ahead while the next items are read.

    Args:
        pool: whose workers do it.
        work: what is done with an item.
        items: read in the caller's thread, and no further than the budget allows.
        waiting: at most so many items are handed to the pool and not yet yielded.
        size: bytes that an item holds; nothing is read while MOST_BYTES of them wait.
    """
    held: deque[tuple[int, Future[Result]]] = deque()
    total = 0
    for item in items:
        weight = size(item)
        held.append((weight, pool.submit(work, item)))
        total += weight
        del item  # the next one is read while this name lasts: two large files would be in memory
        while held and (len(held) >= waiting or total >= MOST_BYTES):
            weight, oldest = held.popleft()
            yield oldest.result()
            total -= weight
    while held:
        yield held.popleft()[1].result()


def in_batches(items: Iterable[Item], most: int, *, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield lists of `most` items, or of fewer where they hold half of MOST_BYTES already; the last may be short.

    Args:
        items: read as the batches are asked for.
        most: items of a batch.
        size: bytes that an item holds.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        del item
        if len(batch) == most or total >= MOST_BYTES // 2:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
