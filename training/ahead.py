"""Work that threads have begun before it is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """What they have not begun at the end is dropped."""
    import cv2

    # The threads are the parallelism; OpenCV would start as many again in each.
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(
    begin: Callable[[_Item], "Future[_Result]"], items: Iterable[_Item], count: int
) -> Iterator[tuple[_Item, "Future[_Result]"]]:
    """(item, its work) in order; while one is used the next `count` - 1 are begun."""
    queue: deque[tuple[_Item, Future[_Result]]] = deque()
    for item in items:
        queue.append((item, begin(item)))
        if len(queue) == count:
            yield queue.popleft()
    yield from queue
