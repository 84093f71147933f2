"""Several processes at one socket."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from containerlab.distribution.server.serving import process

__all__ = ["supervise"]

_PAUSE_S = 1.0
"""Before a worker that died is started again, so that one which cannot start does not fill the machine."""
_END_S = 15.0


def supervise(
    order: process.Order,
    listening: socket.socket,
    command: Callable[[process.Order], Sequence[str]],
    ready: Callable[[], None],
) -> None:
    """Keep as many workers as the settings say, until standard input ends or a signal comes."""
    ended = threading.Event()
    process.end_with_input(ended.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    listening.set_inheritable(True)
    words = command(msgspec.structs.replace(order, socket_fd=listening.fileno()))
    is_told = False
    with _ended_together() as workers:
        while not ended.is_set():
            for _ in range(order.settings.workers - len(workers)):
                workers.append(_start(words, listening))
            if not is_told:
                ready()
                is_told = True
            ended.wait(_PAUSE_S)
            workers[:] = [worker for worker in workers if worker.poll() is None]


def _start(words: Sequence[str], listening: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[listening.fileno()])


@contextlib.contextmanager
def _ended_together() -> Iterator[list[subprocess.Popen[bytes]]]:
    workers: list[subprocess.Popen[bytes]] = []
    try:
        yield workers
    finally:
        for worker in workers:
            if worker.stdin:
                worker.stdin.close()
        limit = time.monotonic() + _END_S
        for worker in workers:
            try:
                worker.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
