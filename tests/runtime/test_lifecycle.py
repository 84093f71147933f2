"""Connections of clients to monitors."""

from __future__ import annotations

import itertools
import os
import socket
import sys
from types import FrameType
from typing import Any

from containerlab.runtime import lifecycle, wire
from containerlab.runtime.lifecycle import Connection

_PIECES = [b"%d" % number for number in range(4)]
_SAID = (
    wire.frame(wire.STARTED, b'{"status": "running"}'),
    *(wire.frame(wire.STDOUT, piece) for piece in _PIECES),
    wire.frame(wire.EXITED, b'{"status": "exited", "exit_code": 7}'),
)


def test_an_interrupt_at_any_moment_costs_at_most_one_piece_of_output() -> None:
    assert _pumped(interrupted_at=0) == (_PIECES, 7, False)
    for moment in itertools.count(1):
        pieces, exit_code, is_interrupted = _pumped(moment)
        if not is_interrupted:
            break
        assert exit_code == 7
        assert pieces in ([piece for piece in _PIECES if piece != lost] for lost in (None, *_PIECES))
    assert moment > 100


def _pumped(interrupted_at: int) -> tuple[list[bytes], int, bool]:
    """Pump what a monitor says, once more after an interrupt; say what came and whether there was one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(_SAID))
        theirs.shutdown(socket.SHUT_WR)
        connection = Connection(ours)
        pieces: list[bytes] = []
        is_interrupted = False
        try:
            with _Interrupt(interrupted_at):
                connection.pump(lambda stream, piece: pieces.append(piece))
        except KeyboardInterrupt:
            is_interrupted = True
        assert connection.pump(lambda stream, piece: pieces.append(piece))
        assert connection.state is not None
        return pieces, connection.state["exit_code"], is_interrupted


class _Interrupt:
    """Interrupts before the instruction of that number of the modules that are tried; 0: never."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> None:
        sys.settrace(self._trace)

    def __exit__(self, *exception: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in (lifecycle.__file__, wire.__file__):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._trace


def test_a_frame_that_comes_in_pieces_is_put_together() -> None:
    reader = wire.FrameReader()
    reading, writing = os.pipe()
    for byte in wire.frame(wire.STDOUT, b"hi"):
        assert reader.peek() is None
        os.write(writing, bytes([byte]))
        assert reader.receive(lambda most: os.read(reading, most), 100)
    os.close(writing)
    assert not reader.receive(lambda most: os.read(reading, most), 100)
    os.close(reading)
    assert list(reader.frames()) == [(wire.STDOUT, b"hi")]
