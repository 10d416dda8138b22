"""Work done by a thread of its own, so that the main one can be told to stop while it waits. No TensorFlow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

BLOCKS_AHEAD = 2  # blocks of training steps drawn in the background while TensorFlow works


def prefetch(iterator: Iterator, ahead: int) -> Iterator:
    """Yield what an iterator yields, made by a thread of its own that stays `ahead` items in front.

    When it is closed, what the thread is making is not waited for.
    """
    thread = ThreadPoolExecutor(1, "prefetch")
    try:
        pending = deque(thread.submit(next, iterator) for _ in range(ahead))
        while True:
            item = pending.popleft()
            pending.append(thread.submit(next, iterator))
            yield item.result()
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def in_background(work: Callable[[], object]) -> None:
    """Have a thread do it, and wait: a signal is answered meanwhile, as it is not where native code takes seconds."""
    thread = ThreadPoolExecutor(1, "background")
    try:
        thread.submit(work).result()
    finally:
        thread.shutdown(wait=False)
