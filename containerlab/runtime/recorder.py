"""The recorder: it answers chown and its like in a container that has one id, and notes who is to own what.

It is in the container's user namespace, where it may reach every file, but neither in its mount nor its PID
namespace; the working directory is the host's /proc, the root is changed to that of each caller. Paths are
read from the caller's memory once, resolved here and acted upon by descriptor, so that nothing which the
caller changes meanwhile counts. The kernel's own chown is called with the one id: it takes set-id bits and
capabilities away, copies up, and refuses where it would. A call on anything but the container's root file
system (volumes, the host's files, pipes) has no effect, as no layer will tell of it.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import NamedTuple

from containerlab.linux import syscalls
from containerlab.linux.seccomp import notify
from containerlab.linux.seccomp.notify import Call
from containerlab.linux.seccomp.numbers import numbers
from containerlab.store import ownership
from containerlab.store.ownership import ROOT, Owner, Table

__all__ = ["Recorder"]

_TABLES = {0xC000003E: "x86_64", 0x40000003: "i386", 0xC00000B7: "aarch64"}
"""AUDIT_ARCH_*, linux/audit.h."""
_NAMES = ("chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat")
_SHORT_IDS = ("chown", "fchown", "lchown")
"""With ids of 16 bits where there are others with 32."""
_AT_SYMLINK_NOFOLLOW = 0x100
_PATH_BYTES = 4096
_PLACE = os.O_PATH | os.O_CLOEXEC
_NO_ROOM = (errno.ENOTSUP, errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE)
_MOST_LINKS = 8


class _Request(NamedTuple):
    """A call, understood; -1 keeps an id.

    path: an address; None for what the open descriptor itself refers to.
    """

    directory: int
    path: int | None
    uid: int
    gid: int
    flags: int = 0


class _WithoutEffect(Exception):
    """The call succeeds, and nothing happens."""


class Recorder:
    """Serves a listener until nobody uses its filter any more."""

    def __init__(self, listener: int, mount: int, table: str) -> None:
        self._listener = listener
        self._mount = mount
        self._table = Table(table, writing=True)
        self._names = {
            (arch, number): name
            for arch, machine in _TABLES.items()
            for name, number in numbers(machine).items()
            if name in _NAMES
        }

    @property
    def descriptors(self) -> tuple[int, int]:
        """What must stay open."""
        return self._listener, self._table.descriptor

    def serve(self) -> None:
        notify.switch_at_once(self._listener)
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while poll.poll()[0][1] & select.POLLIN:
            if call := notify.receive(self._listener):
                notify.answer(self._listener, call, self._perform(call))

    def _perform(self, call: Call) -> int:
        """Return the error number that the call is answered with."""
        try:
            request = self._request(call)
            fd = self._open(call, request)
        except _WithoutEffect:
            return 0
        except OSError as error:
            return error.errno or errno.EIO
        try:
            self._change(fd, request)
        except OSError as error:
            return error.errno or errno.EIO
        finally:
            os.close(fd)
        return 0

    def _request(self, call: Call) -> _Request:
        name = self._names[call.arch, call.number]
        is_32_bit = _TABLES[call.arch] == "i386"
        args = [value & 0xFFFFFFFF for value in call.args] if is_32_bit else list(call.args)
        absent = 0xFFFF if is_32_bit and name in _SHORT_IDS else 0xFFFFFFFF
        if name == "fchownat":
            return _Request(_signed(args[0]), args[1], *_ids(args[2:4], absent), flags=args[4])
        if name.startswith("fchown"):
            return _Request(_signed(args[0]), None, *_ids(args[1:3], absent))
        flags = _AT_SYMLINK_NOFOLLOW if name.startswith("lchown") else 0
        return _Request(syscalls.AT_FDCWD, args[0], *_ids(args[1:3], absent), flags=flags)

    # --- what the caller means ------------------------------------------------------------------

    def _open(self, call: Call, request: _Request) -> int:
        if request.flags & 0xFFFFFFFF & ~(_AT_SYMLINK_NOFOLLOW | syscalls.AT_EMPTY_PATH):
            raise OSError(errno.EINVAL, "")
        if request.path is None:
            return self._checked(call, _open_directory(call.pid, request.directory))
        path = _read_path(call.pid, request)
        if not path and not request.flags & syscalls.AT_EMPTY_PATH:
            raise OSError(errno.ENOENT, "")
        try:
            os.chroot(f"{call.pid}/root")
        except OSError as error:  # it has just been killed
            raise _WithoutEffect from error
        start = -1 if path.startswith(b"/") else _open_directory(call.pid, request.directory)
        self._checked(call, start)
        if not path:
            return start
        try:
            return _resolve(start, path, request.flags)
        finally:
            if start >= 0:
                os.close(start)

    def _checked(self, call: Call, fd: int) -> int:
        """Return a descriptor that was got by the caller's pid, if that has been the caller's until now."""
        if not notify.is_waiting(self._listener, call):
            if fd >= 0:
                os.close(fd)
            raise _WithoutEffect
        return fd

    # --- what is done about it ------------------------------------------------------------------

    def _change(self, fd: int, request: _Request) -> None:
        facts = syscalls.statx(fd)
        if facts.mount != self._mount:
            return
        path = f"self/fd/{fd}"
        os.chown(path, min(request.uid, 0), min(request.gid, 0))
        if stat.S_ISREG(facts.mode) or stat.S_ISDIR(facts.mode):
            _note(path, request, syscalls.statx(fd).mode if facts.mode & 0o6000 else facts.mode)
        else:
            target = os.readlink(b"", dir_fd=fd) if stat.S_ISLNK(facts.mode) else b""
            before = self._table.get(facts.inode, target)
            owner = _merged(request, before)
            if owner != (before or ROOT):
                self._table.put(facts.inode, target, owner)


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _ids(values: list[int], absent: int) -> tuple[int, int]:
    uid, gid = (-1 if value & absent == absent else value & absent for value in values)
    return uid, gid


def _open_directory(pid: int, directory: int) -> int:
    if directory == syscalls.AT_FDCWD:
        return os.open(f"{pid}/cwd", _PLACE)
    try:
        return os.open(f"{pid}/fd/{directory}", _PLACE)
    except FileNotFoundError as error:
        raise OSError(errno.EBADF, "") from error


def _read_path(pid: int, request: _Request) -> bytes:
    assert request.path is not None
    if not request.path and request.flags & syscalls.AT_EMPTY_PATH:  # a null pointer, since Linux 6.11
        return b""
    try:
        path, end, _ = syscalls.process_vm_readv(pid, request.path, _PATH_BYTES).partition(b"\0")
    except PermissionError as error:  # memory of others cannot be read on this host at all
        raise _WithoutEffect from error
    if not end:
        raise OSError(errno.ENAMETOOLONG if len(path) == _PATH_BYTES else errno.EFAULT, "")
    return path


def _resolve(start: int, path: bytes, flags: int) -> int:
    link = os.O_NOFOLLOW if flags & _AT_SYMLINK_NOFOLLOW else 0
    try:
        return syscalls.openat2(start, path, _PLACE | link, 0, syscalls.RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        # What leads through /proc/self or a link of /proc does so for the caller only.
        if error.errno == errno.ELOOP or (error.errno == errno.ENOENT and _leads_to_itself(start, path)):
            raise _WithoutEffect from error
        raise


def _leads_to_itself(start: int, path: bytes) -> bool:
    """Say whether a path, links at its end followed, is one of the caller's own in /proc."""
    for _ in range(_MOST_LINKS):
        if os.path.normpath(path).startswith((b"/proc/self", b"/proc/thread-self")):
            return True
        try:
            fd = syscalls.openat2(start, path, _PLACE | os.O_NOFOLLOW, 0, syscalls.RESOLVE_NO_MAGICLINKS)
        except OSError:
            return False
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(b"", dir_fd=fd))
        except OSError:
            return False
        finally:
            os.close(fd)
    return False


def _merged(request: _Request, before: Owner | None) -> Owner:
    uid, gid = before or ROOT
    return Owner(uid if request.uid < 0 else request.uid, gid if request.gid < 0 else request.gid)


def _note(path: str, request: _Request, mode: int) -> None:
    before = ownership.read(path)
    owner = _merged(request, before)
    if owner == (before or ROOT):
        return
    if owner == ROOT:
        ownership.forget(path)
        return
    try:
        ownership.write(path, owner, mode)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
