"""The trial of `runtime/host.py`: a process of its own does for a moment what containers need."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable

from containerlab.linux import mounts, roots, syscalls
from containerlab.linux.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUTS,
)

__all__ = ["main"]


def main() -> None:
    """Print what was refused as JSON: name → the kernel's answer."""
    refused: dict[str, str] = {}
    _attempt(refused, "namespaces", lambda: syscalls.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC))
    _attempt(refused, "netns", lambda: syscalls.unshare(CLONE_NEWNET))
    _attempt(refused, "time", lambda: syscalls.unshare(CLONE_NEWTIME))
    _attempt(refused, "pid", lambda: syscalls.unshare(CLONE_NEWPID))
    if not refused.get("namespaces"):
        refused |= _try_in_child()
    print(json.dumps(refused))


def _attempt(refused: dict[str, str], name: str, action: Callable[[], object]) -> None:
    try:
        action()
    except OSError as error:
        refused[name] = error.strerror or str(error)


def _try_in_child() -> dict[str, str]:
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory() as root:
        pid = os.fork()
        if pid == 0:
            _try_mounts(writer, root)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer: dict[str, str] = json.loads(pipe.read() or '{"namespaces": "the trial died"}')
        os.waitpid(pid, 0)
    return answer


def _try_mounts(writer: int, root: str) -> None:
    """In the new PID namespace: a fresh /proc and /sys, and pivot_root."""
    refused: dict[str, str] = {}
    try:
        # Pivoting would take the parent's root along, which is to remove the directory.
        syscalls.unshare(CLONE_NEWNS)
        roots.set_propagation(mounts.MS_REC | mounts.MS_PRIVATE)
        _attempt(refused, "namespaces", lambda: syscalls.mount("tmpfs", root, "tmpfs"))
        os.mkdir(root + "/proc")
        os.mkdir(root + "/sys")
        _attempt(refused, "proc", lambda: _mount_fresh("proc"))
        _attempt(refused, "sysfs", lambda: _mount_fresh("sysfs"))
        new = os.open(root, os.O_PATH | os.O_DIRECTORY)
        roots.go_to_namespace()
        os.fchdir(new)
        _attempt(refused, "pivot", lambda: syscalls.pivot_root(".", "."))
        if "pivot" not in refused:
            syscalls.umount2(".", mounts.MNT_DETACH)
    except OSError as error:
        refused["namespaces"] = str(error)
    finally:
        os.write(writer, json.dumps(refused).encode())
        os._exit(0)


def _mount_fresh(fstype: str) -> None:
    context = syscalls.fsopen(fstype)
    syscalls.fsconfig(context, syscalls.FSCONFIG_CMD_CREATE)
    syscalls.fsmount(context)
