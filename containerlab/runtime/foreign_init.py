"""How a monitor learns whether another runtime made its container, and which process is its first one."""

from __future__ import annotations

import contextlib
import errno
import os
import select

from containerlab.runtime.spawn import ChildFailed, Spawned
from containerlab.runtime.steps import Plan

__all__ = ["await_init", "forget"]

_MOST_BYTES = 4096


def forget(pid_file: str) -> None:
    """Take away what an earlier run left, so that the next one is not mistaken for it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pid_file)


def await_init(spawned: Spawned, pid_file: str, complaints: int, plan: Plan) -> int:
    """Wait until the runtime has written the pid of the container's first process, and return it.

    complaints: where the runtime prints why not.
    Raises: ChildFailed with the runtime's own words when it ends before.
    """
    poll = select.poll()
    poll.register(spawned.pidfd, select.POLLIN)
    has_ended = False
    while not (pid := _read(pid_file)):
        if has_ended:
            os.waitpid(spawned.pid, 0)
            os.close(spawned.pidfd)
            words = _words(complaints)
            raise _failure(words or "the runtime ended without a word", plan)
        # A file cannot be polled, and the runtime needs a few milliseconds.
        has_ended = bool(poll.poll(2))
    return pid


def _read(pid_file: str) -> int:
    try:
        with open(pid_file, "rb") as file:
            text = file.read().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() else 0


def _words(complaints: int) -> str:
    os.set_blocking(complaints, False)
    try:
        raw = os.read(complaints, _MOST_BYTES)
    except OSError:
        return ""
    return " ".join(raw.decode(errors="replace").split())


def _failure(words: str, plan: Plan) -> ChildFailed:
    """Tell from the runtime's words whether only the program is missing, which has its own exit code."""
    names = [name for name, _ in plan.steps]
    if "executable file" in words and ("not found" in words or "No such file" in words):
        return ChildFailed(names.index("find_program"), errno.ENOENT, words)
    return ChildFailed(names.index("become_runtime"), 0, words)
