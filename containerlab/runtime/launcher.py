"""The launcher: a small single-threaded process that forks monitors, since a notebook kernel must not.

It is started by exec and ends with its client. Monitors are forked ahead of the requests and take them from
the client's socket themselves. One whose container ended with its command comes back for the next, since a
process that has just been forked pays for each page that it writes to; one whose container may outlive the
client leaves for good.

A request is one byte with descriptors: `marshal` of (launch, plan) in a memory file, the client's socket,
then those that the plan names. A monitor's words to the launcher are single bytes.
"""

from __future__ import annotations

import _socket
import contextlib
import gc
import marshal
import os
import select
import signal
from typing import NoReturn

from containerlab.linux import syscalls
from containerlab.runtime import monitor, steps
from containerlab.runtime.launch import Launch

__all__ = ["main"]

_CONTROL, _LAUNCHER, _FIRST_OTHER = 3, 4, 5
"""Descriptors of a monitor: where requests come from, where the launcher is, and those of its container."""
_MOST_DESCRIPTORS = 16
_MOST_WAITING = 4
"""A monitor that still clears up after one container is not there yet for the next."""
_MOST_DEATHS = 100
"""Of monitors that wait, one after the other: then it is no accident, and the client is to be told."""
_BUSY, _BACK = b"-", b"+"


def main() -> NoReturn:
    """Keep at least one monitor waiting for requests until the client hangs up."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir("/")  # the client's directory could not be unmounted as long as a container lives
    # Objects that no collector touches stay on pages that all monitors share; it was started without one.
    gc.freeze()
    monitors: dict[int, bool] = {}  # socket → whether that monitor waits for a request
    died_waiting = 0
    while died_waiting < _MOST_DEATHS:
        if not any(monitors.values()):
            monitors[_fork()] = True
        for fd in _speaking(monitors):
            waited = monitors[fd]
            _answer(fd, monitors)
            died_waiting = died_waiting + 1 if waited and fd not in monitors else 0
    os._exit(1)


def _speaking(monitors: dict[int, bool]) -> list[int]:
    poll = select.poll()
    poll.register(_CONTROL, 0)
    for fd in monitors:
        poll.register(fd, select.POLLIN)
    ready = [fd for fd, _ in poll.poll()]
    if _CONTROL in ready:
        os._exit(0)  # the interpreter would take longer to clear itself up than to serve a client
    return ready


def _answer(fd: int, monitors: dict[int, bool]) -> None:
    """Note that a monitor is busy, or gone; give one that is back the control socket, or let it go."""
    word = os.read(fd, 1)
    monitors[fd] = False
    if word == _BACK and sum(monitors.values()) < _MOST_WAITING:
        monitors[fd] = True
        _hand(fd, _CONTROL)
    elif word != _BUSY:
        del monitors[fd]
        os.close(fd)


def _fork() -> int:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    launcher = os.getpid()
    if os.fork() == 0:
        os.dup2(theirs.detach(), _LAUNCHER, inheritable=False)
        _serve(launcher)
    theirs.close()
    return ours.detach()


def _hand(fd: int, control: int) -> None:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
    try:
        sock.sendmsg([_BACK], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, control.to_bytes(4, "little"))])
    except OSError:
        return  # it was killed, and the next poll tells
    finally:
        sock.detach()


# --- the monitor's side --------------------------------------------------------------------------


def _serve(launcher: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        monitor.prepare()
        while True:
            syscalls.close_range(_FIRST_OTHER)
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != launcher or not _serve_one():
                break
            gc.collect()
            _bury()
        code = 0
    finally:
        os._exit(code)


def _bury() -> None:
    """Collect recorders that were left to processes which outlived an exec session."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve_one() -> bool:
    """Wait for a request and do what it asks for; say whether to wait for another."""
    message, descriptors = _receive(_CONTROL)
    if not message:
        return False
    body = os.pread(descriptors[0], os.fstat(descriptors[0]).st_size, 0)
    launch, plan = marshal.loads(body)
    is_coming_back = _take_leave(Launch(*launch))
    try:
        monitor.look_after(Launch(*launch), steps.unpack(plan), descriptors[1], descriptors[2:])
    except BaseException:
        _complain(launch[0])
        raise
    # What was secret is still in its memory, which the first process of the next container would get.
    return is_coming_back and not steps.has_secrets(plan) and _come_back()


def _receive(fd: int) -> tuple[bytes, list[int]]:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
    try:
        space = _socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
        message, ancillary, _, _ = sock.recvmsg(1, space, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    finally:
        sock.detach()
    return message, [each for _, _, data in ancillary for each in memoryview(data).cast("i")]


def _take_leave(launch: Launch) -> bool:
    """Tell the launcher that another monitor must wait; say whether this one comes back.

    Without the control socket: when all who wait have died, the client is to notice.
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0)
    os.dup2(0, _CONTROL, inheritable=False)
    if launch.attached:
        os.write(_LAUNCHER, _BUSY)
    else:
        os.dup2(0, _LAUNCHER, inheritable=False)
    return launch.attached


def _come_back() -> bool:
    """Ask the launcher for the control socket; say whether it gave it."""
    try:
        os.write(_LAUNCHER, _BACK)
    except BrokenPipeError:
        return False
    message, descriptors = _receive(_LAUNCHER)
    if not message:
        return False
    os.dup2(descriptors[0], _CONTROL, inheritable=False)
    return True


def _complain(path: str) -> None:
    import traceback  # costly, and only needed here

    with open(path, "a") as file:
        traceback.print_exc(file=file)
