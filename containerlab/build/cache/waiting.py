"""Waiting for a lock that another build may hold for long, without becoming deaf to the end of this one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from containerlab import errors
from containerlab.store.home import Home

__all__ = ["locked"]

_WAIT_S = 0.05


@contextlib.contextmanager
def locked(home: Home, name: str, stopped: threading.Event, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock of the home.

    Raises: Unavailable when the build is stopped before that.
    """
    with contextlib.ExitStack() as stack:
        while not _is_entered(stack, home, name, shared):
            if stopped.wait(_WAIT_S):
                raise errors.Unavailable("the build was stopped")
        yield


def _is_entered(stack: contextlib.ExitStack, home: Home, name: str, shared: bool) -> bool:
    try:
        stack.enter_context(home.lock(name, shared=shared, wait=False))
    except errors.Conflict:
        return False
    return True
