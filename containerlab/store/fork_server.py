"""A small interpreter that waits as root of an id map and forks for each work: see `store/workshop`.

Only the standard library.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]

_DESCRIPTORS = 5


def main(words: Sequence[str]) -> int:
    """Take requests from the socket that is standard input, until its other end is closed.

    A request is a byte with descriptors: a file with (module, words), standard input, output, error, and a
    socket for the answer: `p` with a pidfd of the worker, then its exit code. One with the file alone is to
    import the module only.
    """
    control = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects who ends
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
        if not data:
            return 0
        request, *given = descriptors
        with open(request, "rb") as file:
            module, arguments = marshal.load(file)
        _preload(module)
        if given and os.fork() == 0:
            control.close()
            _work(module, arguments, given)
        for descriptor in given:
            os.close(descriptor)


def _preload(module: str) -> None:
    """Import once for all workers; what is wrong with it the worker will tell."""
    try:
        import_module(module)
    except Exception:
        return


def _work(module: str, arguments: Sequence[str], descriptors: Sequence[int]) -> None:
    code = 1
    *streams, answers = descriptors
    answer = socket.socket(fileno=answers)
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
            os.close(descriptor)
        pidfd = os.pidfd_open(os.getpid())
        with contextlib.suppress(BrokenPipeError):  # nobody waits for this worker
            socket.send_fds(answer, [b"p"], [pidfd])
        os.close(pidfd)
        code = import_module(module).main(arguments) or 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for target in range(3):
            os.close(target)
        with contextlib.suppress(BrokenPipeError):
            answer.send(bytes([code & 0xFF]))
        os._exit(0)
