"""A program that serves a directory to a guest is started where it can reach no more than that.

It runs in a mount namespace of its own, for an ordinary user in a user namespace too; what the guest may only
read is read-only there, whatever the guest's kernel does. Only the standard library.
"""

from __future__ import annotations

import marshal
import os
import signal
from collections.abc import Sequence
from typing import NoReturn

from containerlab.linux import idmap as idmaps
from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap, Range
from containerlab.linux.mounts import MS_PRIVATE, MS_REC
from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER

__all__ = ["main", "words"]

_MOUNT_ATTR_RDONLY = 1


def words(idmap: IdMap, path: str, is_readonly: bool, server: Sequence[str]) -> list[str]:
    """Return the words for `main`."""
    uids, gids = ([tuple(each) for each in ranges] for ranges in (idmap.uids, idmap.gids))
    return [marshal.dumps((uids, gids, idmap.kind)).hex(), path, str(int(is_readonly)), *server]


def main(words: Sequence[str]) -> int:
    """Become a server of a directory, or for an ordinary user wait for it."""
    encoded, path, is_readonly, *server = words
    uids, gids, kind = marshal.loads(bytes.fromhex(encoded))
    if kind == "none":
        syscalls.unshare(CLONE_NEWNS)
        _serve(path, is_readonly == "1", server, os.getppid())
    idmap = IdMap(tuple(Range(*each) for each in uids), tuple(Range(*each) for each in gids), kind)
    return _serve_mapped(idmap, path, is_readonly == "1", server)


def _serve_mapped(idmap: IdMap, path: str, is_readonly: bool, server: Sequence[str]) -> int:
    """Start the server as root of the map, and wait for it: its map must be written from outside."""
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(go_w)
        syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNS)
        os.write(ready_w, b"r")
        if os.read(go_r, 1) != b"g":
            os._exit(1)
        syscalls.setresgid(0, 0, 0)
        syscalls.setresuid(0, 0, 0)
        _serve(path, is_readonly, server, parent)
    os.close(ready_w)
    if os.read(ready_r, 1) == b"r":
        idmaps.write(pid, idmap)
        os.write(go_w, b"g")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _serve(path: str, is_readonly: bool, server: Sequence[str], parent: int) -> NoReturn:
    syscalls.mount("", "/", "", MS_REC | MS_PRIVATE, "")
    if is_readonly:
        _protect(path)
    # Only now, as it is forgotten whenever a process gains privileges: prctl(2).
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.execv(server[0], list(server))


def _protect(path: str) -> None:
    """Lay a read-only copy of a directory and of all mounts in it above it."""
    tree = syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
    syscalls.mount_setattr(tree, "", syscalls.AT_EMPTY_PATH | syscalls.AT_RECURSIVE, set=_MOUNT_ATTR_RDONLY)
    syscalls.move_mount(tree, "", syscalls.AT_FDCWD, path, syscalls.MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)
