"""Bytes that go through a socket of this machine, counted: as a file goes from one host to another."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO

__all__ = ["Carried", "carried"]


class Carried:
    """stream: what has been sent, to be read. passed_bytes: how many bytes have gone through."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.passed_bytes = 0


@contextlib.contextmanager
def carried(pieces: Iterable[bytes]) -> Iterator[Carried]:
    """Send pieces from a thread while the block receives them.

    Raises: what making the pieces raised, after the block.
    """
    near, far = socket.socketpair()
    failed: list[BaseException] = []
    with near, near.makefile("rb") as stream:
        found = Carried(stream)
        sender = threading.Thread(target=_send, args=(pieces, far, found, failed), daemon=True)
        sender.start()
        try:
            yield found
        finally:
            near.shutdown(socket.SHUT_RDWR)  # a sender that still waits for room gives up
            sender.join()
    if failed:
        raise failed[0]


def _send(pieces: Iterable[bytes], far: socket.socket, found: Carried, failed: list[BaseException]) -> None:
    with far:
        try:
            for piece in pieces:
                found.passed_bytes += len(piece)
                far.sendall(piece)
        except BrokenPipeError:  # nobody reads any more; they say why
            pass
        except Exception as error:
            failed.append(error)
