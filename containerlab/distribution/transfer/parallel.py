"""Work on several things at once, ended as a whole by the first failure or an interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

__all__ = ["each"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def each(
    items: Iterable[_T], work: Callable[[_T], _R], jobs: int, stop: Callable[[], None] = lambda: None
) -> list[_R]:
    """Work on all items, so many at once, and return what comes of them in their order.

    stop: lets what is under way end early; called at the first failure.

    Raises: the failure that came first.
    """
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        futures: list[Future[_R]] = []
        try:  # an interrupt may come while the first are at work already
            for item in items:
                futures.append(pool.submit(work, item))
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            stop()
            raise
    return [future.result() for future in futures]
