"""Threads for things that have a number: one for each that has work, so that none waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["Crew"]

_LOG = logging.getLogger(__name__)


class Crew:
    """Safe for many threads.

    Its threads are daemons: one that waits for a name server, which nothing ends, keeps no process alive.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._lock = threading.Lock()
        self._busy: dict[int, threading.Thread] = {}
        self.is_stopped = False

    def start(self, number: int, work: Callable[[int], None]) -> None:
        """Work on something, unless that goes on already, or too much else does: then ask again later."""
        with self._lock:
            if self.is_stopped or number in self._busy or len(self._busy) >= self._most:
                return
            thread = threading.Thread(
                target=self._work, args=(number, work), name=f"{self._name}-{number}", daemon=True
            )
            self._busy[number] = thread
            thread.start()

    def stop(self, patience_s: float) -> None:
        """Begin nothing more, and wait a while for what goes on."""
        with self._lock:
            self.is_stopped = True
            threads = list(self._busy.values())
        until = time.monotonic() + patience_s
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, number: int, work: Callable[[int], None]) -> None:
        try:
            work(number)
        except Exception:
            _LOG.exception("%s %s failed", self._name, number)
        finally:
            with self._lock:
                del self._busy[number]
