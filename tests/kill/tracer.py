"""Follow a process and all that it makes, and kill one of them at a chosen system call.

A kill between two system calls that change nothing outside of the process leaves what a kill before the first
one leaves. So only calls that change something count, and the kill comes when one of them is about to begin.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from containerlab.linux.seccomp.numbers import numbers

__all__ = ["Blow", "Story", "trace"]

_SYSCALL, _GETEVENTMSG, _SEIZE, _INTERRUPT, _LISTEN = 24, 0x4201, 0x4206, 0x4207, 0x4208
_GET_SYSCALL_INFO, _ENTRY = 0x420E, 1
_SYSGOOD, _FORK, _VFORK, _CLONE, _EXEC = 1, 2, 4, 8, 16
_EVENT_EXEC, _EVENT_STOP, _MAKES = 4, 128, (1, 2, 3)
_ALL = 0x40000000  # __WALL
_GRACE_S = 0.3
"""How long nobody may do anything after the client has ended, before the story is over."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_NAMES = {number: name for name, number in numbers(os.uname().machine).items()}
_OPENS = {"open": 1, "openat": 2}
_CREATING = os.O_CREAT | os.O_TRUNC
_CHANGING = """
    write pwrite64 writev sendto sendmsg connect bind listen shutdown mkdir mkdirat rmdir unlink unlinkat
    rename renameat renameat2 link linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat chown fchown
    lchown fchownat utimensat truncate ftruncate fallocate setxattr lsetxattr fsetxattr mount umount2
    pivot_root open_tree move_mount fsopen fsconfig fsmount mount_setattr setns unshare chroot clone
    clone3 fork vfork execve kill tgkill pidfd_send_signal flock fsync fdatasync prctl setresuid setresgid
    setgroups setuid setgid capset seccomp
    prlimit64 setsid exit_group openat2 copy_file_range sendfile
"""
_CHANGES = frozenset(_CHANGING.split())
_CHILDREN = {"client": "helper", "launcher": "monitor", "monitor": "init", "init": "inside"}


class Blow(NamedTuple):
    """Who is to be killed, and at which of the calls that change something, counted from 1."""

    role: str
    number: int


class Story(NamedTuple):
    """What the processes did: for each role the names of its calls, and whom the blow hit at which one."""

    calls: dict[str, list[str]]
    hit: str = ""


class _Info(ctypes.Structure):
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("args", ctypes.c_uint64 * 6),
        ("more", ctypes.c_uint64 * 4),
    )


def trace(client: int, others: Mapping[int, str], blow: Blow | None, ready: int) -> Story:
    """Follow a client, and `others` (pid → role), to the blow, or until it has ended and all is quiet.

    A byte is written to `ready` once they are followed. Whoever calls must end then: only so the kernel lets
    go of those that are followed, and they run on by themselves.
    """
    return _Tracer(client, others, blow).run(ready)


class _Tracer:
    def __init__(self, client: int, others: Mapping[int, str], blow: Blow | None) -> None:
        self.client = client
        self.blow = blow
        self.roles: dict[int, str] = {client: "client", **others}
        self.alive = set(self.roles)
        self.calls: dict[str, list[str]] = {}
        self.counts: Counter[str] = Counter()
        self.hit = ""

    def run(self, ready: int) -> Story:
        for pid in self.roles:
            _ptrace(_SEIZE, pid, 0, _SYSGOOD | _FORK | _VFORK | _CLONE | _EXEC)
            _ptrace(_INTERRUPT, pid)
        os.write(ready, b"g")
        signal.signal(signal.SIGALRM, _raise_timeout)
        with contextlib.suppress(TimeoutError, ChildProcessError):
            while not self.hit and (self.client in self.alive or self.alive):
                if self.client not in self.alive:
                    signal.setitimer(signal.ITIMER_REAL, _GRACE_S)
                pid, status = os.waitpid(-1, _ALL)
                signal.setitimer(signal.ITIMER_REAL, 0)
                self._handle(pid, status)
        return Story(self.calls, self.hit)

    def _handle(self, pid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self.alive.discard(pid)
            return
        self.alive.add(pid)
        event, number = status >> 16, os.WSTOPSIG(status)
        passed = 0
        if number == signal.SIGTRAP | 0x80:
            self._on_call(pid)
        elif event in _MAKES:
            self._on_child(pid)
        elif event == _EVENT_EXEC:
            self._on_exec(pid)
        elif event == _EVENT_STOP and number != signal.SIGTRAP:
            _ptrace(_LISTEN, pid)
            return
        elif not event:
            passed = number
        if not self.hit:
            _ptrace(_SYSCALL, pid, 0, passed)

    def _on_child(self, pid: int) -> None:
        child = ctypes.c_ulong()
        _ptrace(_GETEVENTMSG, pid, 0, ctypes.addressof(child))
        role = self.roles[pid]
        if _leader(child.value) != _leader(pid):
            role = _CHILDREN.get(role, role)
        self.roles.setdefault(child.value, role)
        self.alive.add(child.value)

    def _on_exec(self, pid: int) -> None:
        if self.roles[pid] == "init":  # from now on the container's own program
            self.roles[pid] = "inside"
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if self.roles[pid] == "helper" and b"runtime.launcher" in file.read():
                self.roles[pid] = "launcher"

    def _on_call(self, pid: int) -> None:
        info = _Info()
        size = ctypes.sizeof(info)
        if _ptrace(_GET_SYSCALL_INFO, pid, size, ctypes.addressof(info)) < 0 or info.op != _ENTRY:
            return
        name = _NAMES.get(info.number, "?")
        if not _changes(name, info.args):
            return
        role = self.roles.setdefault(pid, "inside")
        if role == "inside":
            return
        self.counts[role] += 1
        self.calls.setdefault(role, []).append(name)
        if self.blow and self.blow.role in (role, "all") and self._is_due(role):
            self._strike(pid, name)

    def _is_due(self, role: str) -> bool:
        assert self.blow
        count = self.counts.total() if self.blow.role == "all" else self.counts[role]
        return count == self.blow.number

    def _strike(self, pid: int, name: str) -> None:
        assert self.blow
        self.hit = f"{self.roles[pid]} at {name}"
        everybody = self.blow.role == "all"
        for victim in {_leader(each) for each in (self.alive if everybody else {pid})}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)


def _changes(name: str, args: Any) -> bool:
    if name in _OPENS:
        return bool(args[_OPENS[name]] & _CREATING)
    if name == "fcntl":
        return args[1] in (6, 7, 37, 38)  # the kinds of SETLK
    return name in _CHANGES


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    return int(_libc.ptrace(request, pid, address, data))


def _leader(pid: int) -> int:
    """Return the process that a thread belongs to."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    except (OSError, StopIteration):
        return pid


def _raise_timeout(*_: object) -> None:
    raise TimeoutError
