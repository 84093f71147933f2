"""The kinds of namespaces, by the names that /proc and the OCI specification give them."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["BY_OCI_NAME", "KINDS", "Kind", "foreign", "of_pid"]

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000


class Kind(NamedTuple):
    """A kind of namespace.

    file: its name below /proc/PID/ns.
    oci: its name in config.json.
    flag: the CLONE_NEW* flag of clone(2), unshare(2) and setns(2).
    isolates: what processes in different ones see differently.
    """

    file: str
    oci: str
    flag: int
    isolates: str


KINDS = (
    Kind("user", "user", CLONE_NEWUSER, "user and group ids, capabilities"),
    Kind("mnt", "mount", CLONE_NEWNS, "mounted file systems"),
    Kind("uts", "uts", CLONE_NEWUTS, "host name"),
    Kind("ipc", "ipc", CLONE_NEWIPC, "System V IPC, POSIX message queues"),
    Kind("pid", "pid", CLONE_NEWPID, "process ids"),
    Kind("net", "network", CLONE_NEWNET, "interfaces, routes, ports"),
    Kind("cgroup", "cgroup", CLONE_NEWCGROUP, "the cgroup that counts as root"),
    Kind("time", "time", CLONE_NEWTIME, "monotonic and boot-time clocks"),
)
BY_OCI_NAME = {kind.oci: kind for kind in KINDS}


def of_pid(pid: int | str) -> dict[str, int]:
    """Return the inode of each namespace of a process, by its /proc name; equal inodes are one namespace.

    Raises: PermissionError for a process of somebody else, FileNotFoundError when it is gone.
    Source: namespaces(7).
    """
    return {kind.file: os.stat(f"/proc/{pid}/ns/{kind.file}").st_ino for kind in KINDS}


def foreign(pid: int) -> int:
    """Return the flags of those of a process that are not this process's own: joining these may be refused.

    Raises: as `of_pid`.
    """
    theirs, ours = of_pid(pid), of_pid("self")
    return sum(kind.flag for kind in KINDS if theirs[kind.file] != ours[kind.file])
