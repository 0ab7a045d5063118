"""How much of a set of images is in memory at once: images looked at beside each other, within a fixed budget."""

import ctypes
import functools
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

MOST_BYTES = 64 << 20  # encoded, waiting for a worker; one file more may be there, whatever its size
_KEPT_PIXELS = 16_000_000  # freed, and perhaps kept by the allocator of some thread
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


class _Freed:
    """Counts the pixels whose memory was freed, and gives it back to the system now and then.

    glibc keeps what a thread frees for that thread: with one large image a thread, a machine of many cores would hold
    as many of them as it has cores, though one is decoded at a time.
    """

    def __init__(self) -> None:
        self._pixels = 0

    def add(self, pixels: int) -> None:
        """Count an image; threads may lose a count to each other, not the order of magnitude."""
        self._pixels += pixels
        if self._pixels > _KEPT_PIXELS:
            self._pixels = 0
            _trim()


@functools.cache
def _allocator() -> Any:
    """Return the C library where it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None


def _trim() -> None:
    """Give freed memory back to the system."""
    library = _allocator()
    if library is not None:
        library.malloc_trim(0)


_PIXELS = Budget(MOST_PIXELS)  # of the process: whoever decodes images
_FREED = _Freed()


@contextmanager
def decoding(pixels: int) -> Iterator[None]:
    """Hold room for an image of so many pixels while it is decoded and looked at, in all threads together."""
    with _PIXELS.taken(pixels):
        yield
    _FREED.add(pixels)


def in_order(
    items: Iterable[Item],
    work: Callable[[Item, threading.Event], Result],
    *,
    workers: int,
    ahead: int = 2,
    size: Callable[[Item], int] = lambda _: 0,
    name: str = "onnxmint-worker",
) -> Generator[Result, None, None]:
    """Yield what comes of each item, in order, by several threads, a bounded number of items and of bytes ahead.

    An error in a worker, a consumer that stops early and Ctrl-C all end the threads before this generator returns.

    Args:
        items: taken in the consumer's thread, and no further than the bounds allow.
        work: called by several threads at once; is to return soon when the event is set.
        workers: threads.
        ahead: items for each of them that are taken and not yet yielded.
        size: bytes that an item holds; none is taken while MOST_BYTES of them wait.
        name: of the threads.
    """
    stop = threading.Event()
    held: deque[tuple[int, Future[Result]]] = deque()
    total = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        for item in items:
            weight = size(item)
            held.append((weight, pool.submit(work, item, stop)))
            total += weight
            del item  # the next one is read while this name lasts: two large files would be in memory
            while held and (len(held) > ahead * workers or total >= MOST_BYTES):
                weight, oldest = held.popleft()
                yield oldest.result()
                total -= weight
        while held:
            yield held.popleft()[1].result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


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
