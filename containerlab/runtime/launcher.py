"""The launcher: a small single-threaded process that forks monitors, since a notebook kernel must not.

It is started by exec, reads requests from a socket, and ends with its client. A request is a length of 8
bytes (big-endian) and as many bytes of `marshal`: (launch, plan); the descriptors come with its first byte:
the client's socket first, then those the plan names.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import signal

from containerlab.runtime import monitor, steps
from containerlab.runtime.launch import Launch

__all__ = ["main"]

_MOST_DESCRIPTORS = 16


def main(fd: int) -> None:
    """Serve the client behind a descriptor until it hangs up."""
    control = _socket.socket(fileno=fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Objects that no collector touches stay on pages that all monitors share; it was started without one.
    gc.freeze()
    while request := _receive(control):
        body, descriptors = request
        if os.fork() == 0:
            _become_monitor(control, body, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)  # the interpreter would take longer to clear itself up than to serve a client


def _receive(control: _socket.socket) -> tuple[bytes, list[int]] | None:
    space = _socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
    head, ancillary, _, _ = control.recvmsg(8, space, _socket.MSG_CMSG_CLOEXEC)
    if not head:
        return None
    descriptors = [fd for _, _, data in ancillary for fd in memoryview(data).cast("i")]
    head += _read(control, 8 - len(head))
    return _read(control, int.from_bytes(head, "big")), descriptors


def _read(control: _socket.socket, length: int) -> bytes:
    pieces = []
    while length:
        piece = control.recv(min(length, 1 << 20))
        if not piece:
            raise EOFError("the client hung up in the middle of a request")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _become_monitor(control: _socket.socket, body: bytes, descriptors: list[int]) -> None:
    code = 1
    try:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        launch, plan = marshal.loads(body)
        monitor.look_after(Launch(*launch), steps.unpack(plan), descriptors[0], descriptors[1:])
        code = 0
    except BaseException:
        import traceback  # costly, and only needed here

        with open(marshal.loads(body)[0][0], "a") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(code)
