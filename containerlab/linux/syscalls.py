"""Doors to the system calls that Python's `os` lacks: same names, same order of arguments.

Each returns what the kernel returns and raises `OSError` with the name of the call. Numbers from 424 on
are the same on every architecture; older ones stand in `_NUMBERS`.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import struct
from typing import NamedTuple

__all__ = [
    "bpf",
    "capget",
    "capset",
    "clone",
    "clone3",
    "close_range",
    "fsconfig",
    "fsmount",
    "fsopen",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "openat2",
    "personality",
    "pivot_root",
    "prctl",
    "process_vm_readv",
    "seccomp",
    "seccomp_listener",
    "setdomainname",
    "setgroups",
    "sethostname",
    "setns",
    "setresgid",
    "setresuid",
    "statx",
    "syncfs",
    "umount2",
    "unshare",
]

_NUMBERS = {
    #              x86_64 aarch64
    "capget": (125, 90),
    "capset": (126, 91),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "mount": (165, 40),
    "umount2": (166, 39),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "clone": (56, 220),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "syncfs": (306, 267),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "statx": (332, 291),
    "seccomp": (317, 277),
    "bpf": (321, 280),
    "setgroups": (116, 159),
    "setresgid": (119, 149),
    "setresuid": (117, 147),
}
_COLUMN = ("x86_64", "aarch64").index(os.uname().machine)
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_CLONE3, _CLOSE_RANGE, _OPENAT2, _MOUNT_SETATTR = 435, 436, 437, 442

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
# Takes numbers, bytes (as their address) and None alike, and converts them in C: a third of the time that
# an object of ctypes for each argument takes.
_syscall.argtypes = (ctypes.c_void_p,) * 7

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000


_Argument = int | bytes | None


def _call(
    name: str,
    number: int,
    a: _Argument = 0,
    b: _Argument = 0,
    c: _Argument = 0,
    d: _Argument = 0,
    e: _Argument = 0,
) -> int:
    result: int = _syscall(number, a, b, c, d, e, 0)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def _old(name: str, *arguments: _Argument) -> int:
    return _call(name, _NUMBERS[name][_COLUMN], *arguments)


# --- mounts -------------------------------------------------------------------------------------


def mount(
    source: str | bytes, target: str | bytes, fstype: str, flags: int = 0, data: str | bytes = b""
) -> None:
    """Mount a file system, or change a mount. Source: mount(2)."""
    raw = os.fsencode(data)
    _old("mount", os.fsencode(source), os.fsencode(target), fstype.encode() or None, flags, raw or None)


def umount2(target: str | bytes, flags: int = 0) -> None:
    """Unmount. Source: umount2(2)."""
    _old("umount2", os.fsencode(target), flags)


def pivot_root(new_root: str | bytes, put_old: str | bytes) -> None:
    """Make `new_root` the root mount and move the old one to `put_old`. Source: pivot_root(2)."""
    _old("pivot_root", os.fsencode(new_root), os.fsencode(put_old))


OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC


def open_tree(dirfd: int, path: str | bytes, flags: int = 0) -> int:
    """Return a descriptor of a mount or of a copy of it (Linux 5.2). Source: open_tree(2)."""
    return _call("open_tree", _OPEN_TREE, dirfd, os.fsencode(path), flags | OPEN_TREE_CLOEXEC)


MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40


def move_mount(
    from_dirfd: int, from_path: str | bytes, to_dirfd: int, to_path: str | bytes, flags: int
) -> None:
    """Attach or move a mount given by descriptors (Linux 5.2). Source: move_mount(2)."""
    source, target = os.fsencode(from_path), os.fsencode(to_path)
    _call("move_mount", _MOVE_MOUNT, from_dirfd, source, to_dirfd, target, flags)


def fsopen(fstype: str) -> int:
    """Open a configuration context of a file system (Linux 5.2). Source: fsopen(2)."""
    return _call("fsopen", _FSOPEN, fstype.encode(), 1)


FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_SET_FD, FSCONFIG_CMD_CREATE = 0, 1, 5, 6


def fsconfig(fd: int, command: int, key: str = "", value: str | bytes = b"", aux: int = 0) -> None:
    """Set a parameter of, or create, the file system of a context. Source: fsconfig(2)."""
    raw = os.fsencode(value)
    _call("fsconfig", _FSCONFIG, fd, command, key.encode() or None, raw or None, aux)


def fsmount(fd: int, attributes: int = 0) -> int:
    """Return a detached mount of a created file system; `attributes` are MOUNT_ATTR_*. Source: fsmount(2)."""
    return _call("fsmount", _FSMOUNT, fd, 1, attributes)


_MOUNT_ATTR = struct.Struct("=QQQQ")
"""struct mount_attr: attr_set, attr_clr, propagation, userns_fd."""


def mount_setattr(
    dirfd: int,
    path: str | bytes,
    flags: int,
    *,
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    """Change the attributes of a mount or a mount tree (Linux 5.12). Source: mount_setattr(2)."""
    attr = _MOUNT_ATTR.pack(set, clear, propagation, userns_fd)
    _call("mount_setattr", _MOUNT_SETATTR, dirfd, os.fsencode(path), flags, attr, len(attr))


# --- paths --------------------------------------------------------------------------------------

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 1, 2, 4
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 8, 16


_OPEN_HOW = struct.Struct("=QQQ")
"""struct open_how: flags, mode, resolve."""


def openat2(dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open a path under rules for its resolution (Linux 5.6); always close-on-exec. Source: openat2(2)."""
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    return _call("openat2", _OPENAT2, dirfd, os.fsencode(path), how, len(how))


def syncfs(fd: int) -> None:
    """Bring all that was written to the file system of a descriptor to its medium. Source: syncfs(2)."""
    _old("syncfs", fd)


class FileFacts(NamedTuple):
    """What `statx` tells here; `mount` is the id of the mount by which the file was opened."""

    mode: int
    inode: int
    mount: int


_STATX_BYTES = 256
_STATX, _STATX_MOUNT = struct.Struct("=28xH2xQ"), struct.Struct("=Q")
_STATX_MASK = 0x1 | 0x2 | 0x100 | 0x1000
"""STATX_TYPE | STATX_MODE | STATX_INO | STATX_MNT_ID (Linux 5.8), linux/stat.h."""


def statx(fd: int) -> FileFacts:
    """Return facts about what a descriptor refers to. Source: statx(2)."""
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    _old("statx", fd, b"", AT_EMPTY_PATH, _STATX_MASK, ctypes.addressof(buffer))
    mode, inode = _STATX.unpack_from(buffer)
    (mount,) = _STATX_MOUNT.unpack_from(buffer, 0x90)
    return FileFacts(mode, inode, mount)


# --- processes and namespaces -------------------------------------------------------------------


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_NEW* flags for new ones. Source: unshare(2)."""
    _old("unshare", flags)


def setns(fd: int, nstype: int) -> None:
    """Join the namespace, or with a pidfd the namespaces (Linux 5.8), of a descriptor. Source: setns(2)."""
    _old("setns", fd, nstype)


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal",
            "stack", "stack_size", "tls", "set_tid", "set_tid_size", "cgroup",
        )
    )  # fmt: skip


CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_INTO_CGROUP = 0x200000000


def clone3(flags: int, *, exit_signal: int, cgroup: int = 0) -> tuple[int, int]:
    """Fork with flags (Linux 5.3) and return (pid, pidfd), or (0, -1) in the child.

    Only for single-threaded processes: no library is told of the fork. Source: clone(2).
    """
    pidfd = ctypes.c_int(-1)
    args = _CloneArgs(
        flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=exit_signal, cgroup=cgroup
    )
    pid = _call("clone3", _CLONE3, ctypes.addressof(args), ctypes.sizeof(args))
    return (pid, pidfd.value) if pid else (0, -1)


def clone(flags: int) -> int:
    """Fork with flags and return the child's pid, or 0 in the child, where a filter refuses clone3.

    Only for single-threaded processes: no library is told of the fork. Source: clone(2).
    """
    return _old("clone", flags, 0, 0, 0, 0)


CLOSE_RANGE_CLOEXEC = 4


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close descriptors, or set close-on-exec on them (Linux 5.9/5.11). Source: close_range(2)."""
    _call("close_range", _CLOSE_RANGE, first, last, flags)


# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """Change or ask an attribute of the calling thread. Source: prctl(2)."""
    return _old("prctl", option, arg2, arg3, arg4, arg5)


_IOVEC = struct.Struct("=QQ")
"""struct iovec: base, length."""
_PAGE_BYTES = 4096


def process_vm_readv(pid: int, address: int, most_bytes: int) -> bytes:
    """Read memory of another process up to where it may not be read. Source: process_vm_readv(2).

    Raises: OSError, EFAULT when not even the first byte may be.
    """
    buffer = ctypes.create_string_buffer(most_bytes)
    # One piece for each page: of a piece that cannot be read to its end nothing counts.
    end = address + most_bytes
    edges = [address, *range(address - address % _PAGE_BYTES + _PAGE_BYTES, end, _PAGE_BYTES), end]
    pieces = [(start, stop - start) for start, stop in itertools.pairwise(edges)]
    remote = b"".join(_IOVEC.pack(*piece) for piece in pieces)
    local = _IOVEC.pack(ctypes.addressof(buffer), most_bytes)
    # The sixth argument, flags, is the zero that every call here ends with.
    count = _old("process_vm_readv", pid, local, 1, remote, len(pieces))
    return buffer.raw[:count]


def personality(persona: int) -> int:
    """Set the execution domain and return the one before. Source: personality(2)."""
    return _old("personality", persona)


def sethostname(name: bytes) -> None:
    """Set the host name of the UTS namespace. Source: sethostname(2)."""
    _old("sethostname", name, len(name))


def setdomainname(name: bytes) -> None:
    """Set the NIS domain name of the UTS namespace. Source: setdomainname(2)."""
    _old("setdomainname", name, len(name))


KEYCTL_JOIN_SESSION_KEYRING = 1


def keyctl(operation: int, arg2: int | bytes | None = None) -> int:
    """Operate on the kernel's keyrings. Source: keyctl(2)."""
    return _old("keyctl", operation, arg2)


# --- privileges ---------------------------------------------------------------------------------

_CAP_VERSION_3 = 0x20080522


_CAP_HEADER = struct.Struct("=Ii")
"""struct __user_cap_header_struct: version, pid."""
_CAP_DATA = struct.Struct("=6I")
"""Two of struct __user_cap_data_struct, the low bits first: effective, permitted, inheritable."""


def capget(pid: int = 0) -> tuple[int, int, int]:
    """Return (effective, permitted, inheritable) as 64-bit masks. Source: capget(2)."""
    data = ctypes.create_string_buffer(_CAP_DATA.size)
    _old("capget", _CAP_HEADER.pack(_CAP_VERSION_3, pid), ctypes.addressof(data))
    low_high = _CAP_DATA.unpack(data.raw)
    effective, permitted, inheritable = (low_high[i] | low_high[i + 3] << 32 for i in range(3))
    return effective, permitted, inheritable


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the capability sets of the calling thread, as 64-bit masks. Source: capset(2)."""
    sets = (effective, permitted, inheritable)
    data = _CAP_DATA.pack(*(mask & 0xFFFFFFFF for mask in sets), *(mask >> 32 for mask in sets))
    _old("capset", _CAP_HEADER.pack(_CAP_VERSION_3, 0), data)


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


SECCOMP_SET_MODE_FILTER = 1


def seccomp(program: bytes, flags: int = 0) -> int:
    """Install a classic BPF program (an array of struct sock_filter) as filter. Source: seccomp(2)."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.addressof(buffer))
    return _old("seccomp", SECCOMP_SET_MODE_FILTER, flags, ctypes.addressof(fprog))


_NEW_LISTENER, _WAIT_KILLABLE_RECV = 1 << 3, 1 << 5


def seccomp_listener(program: bytes) -> int:
    """Install a filter and return the descriptor where the calls that it hands on are received.

    Only one filter of a thread can have one: EBUSY. Source: seccomp_unotify(2).
    """
    try:
        # Or every signal, and Go sends many, would interrupt and repeat a call that was already answered.
        return seccomp(program, _NEW_LISTENER | _WAIT_KILLABLE_RECV)
    except OSError as error:
        if error.errno != errno.EINVAL:  # before Linux 5.19
            raise
    return seccomp(program, _NEW_LISTENER)


def bpf(command: int, attributes: bytes) -> int:
    """Perform a bpf(2) command on a `union bpf_attr` given as bytes. Source: bpf(2)."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _old("bpf", command, ctypes.addressof(buffer), len(attributes))


def setgroups(groups: list[int]) -> None:
    """Set the supplementary groups, without the C library's broadcast to threads. Source: setgroups(2)."""
    array = (ctypes.c_uint32 * len(groups))(*groups)
    _old("setgroups", len(groups), ctypes.addressof(array))


def setresgid(real: int, effective: int, saved: int) -> None:
    """Set the group ids of the calling thread. Source: setresgid(2)."""
    _old("setresgid", real, effective, saved)


def setresuid(real: int, effective: int, saved: int) -> None:
    """Set the user ids of the calling thread. Source: setresuid(2)."""
    _old("setresuid", real, effective, saved)
