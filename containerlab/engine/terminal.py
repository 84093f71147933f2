"""The terminal of this process as the terminal of a container."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from containerlab.backends.base import Session
from containerlab.errors import InvalidInput, LabError

__all__ = ["Conduct", "parse_keys", "raw"]

_HELD = "abcdefghijklmnopqrstuvwxyz@[\\]^_"
"""What makes another character with the control key."""
_HANDED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP")


def parse_keys(text: str) -> bytes:
    """Read detach keys: `ctrl-p,ctrl-q` or letters.

    >>> parse_keys("ctrl-p,q")
    b'\\x10q'
    """
    keys = b""
    for word in filter(None, text.split(",")):
        letter = word.removeprefix("ctrl-")
        is_held = word != letter
        if len(letter) != 1 or not letter.isascii() or (is_held and letter.lower() not in _HELD):
            raise InvalidInput(f"--detach-keys: not a key: {word!r}", "write ctrl-p,ctrl-q or a,b")
        keys += bytes([ord(letter.upper()) & 0x1F]) if is_held else letter.encode()
    return keys


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Let every key through while the block runs; the old mode comes back whatever happens."""
    if not os.isatty(descriptor):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)  # what is typed already is not lost
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Conduct:
    """Hands signals, and the size of the terminal, from this process on to a session.

    A second SIGINT is not handed on but interrupts: a program that ignores the first can still be stopped.
    """

    def __init__(self, *, signals: bool, terminal: bool) -> None:
        self._signals = signals
        self._terminal = terminal
        self._session: Session | None = None
        self._interrupts = 0
        self._before: dict[int, Any] = {}

    def attached(self, session: Session) -> None:
        """Begin: called when the program runs."""
        self._session = session
        if self._terminal:
            self._resize()

    def __enter__(self) -> Conduct:
        wanted = [getattr(signal, name) for name in _HANDED_ON] if self._signals else []
        for number in wanted:
            self._before[number] = signal.signal(number, self._hand_on)
        if self._terminal:
            self._before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resized)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        if self._session is None or self._interrupts > 1:
            raise KeyboardInterrupt
        try:
            self._session.signal(number)
        except (LabError, OSError):
            return  # the program has just ended

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self._resize()

    def _resize(self) -> None:
        import termios

        size = (
            fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)) if os.isatty(0) else struct.pack("4H", 24, 80, 0, 0)
        )
        rows, columns, _, _ = struct.unpack("4H", size)
        if self._session is not None and rows and columns:
            try:
                self._session.resize(rows, columns)
            except (LabError, OSError):
                return
