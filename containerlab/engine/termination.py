"""A request to end this process, taken as an interrupt: what is under way ends in order first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "orderly"]

_REQUESTS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """Somebody asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextmanager
def orderly() -> Iterator[None]:
    """Raise Terminated where SIGTERM or SIGHUP would kill; another thread than the main one changes nothing.

    A handler that somebody set, and what is ignored (nohup), stays.
    """
    is_main = threading.current_thread() is threading.main_thread()
    wanted = [number for number in _REQUESTS if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in wanted:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in wanted:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
