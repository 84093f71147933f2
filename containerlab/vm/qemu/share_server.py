"""A program that serves a directory to a guest is started where it can reach no more than that.

It runs in a mount namespace of its own, for an ordinary user in a user namespace too; what the guest may only
read is read-only there, whatever the guest's kernel does. An image's layers are laid over each other there,
as for a container. Only the standard library.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from containerlab.linux import idmap as idmaps
from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap, Range
from containerlab.linux.mounts import MS_PRIVATE, MS_REC, Mount, mount_at
from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER

__all__ = ["Served", "main", "words"]

_MOUNT_ATTR_RDONLY = 1


class Served(NamedTuple):
    """A directory. laid: what is mounted on it first. is_readonly: whatever is mounted in it too."""

    path: str
    is_readonly: bool
    laid: Mount | None = None


def words(idmap: IdMap, served: Served, server: Sequence[str]) -> list[str]:
    """Return the words for `main`. server: the command line of the program that serves."""
    return [json.dumps({"ids": idmap, "served": served}), *server]


def main(words: Sequence[str]) -> int:
    """Become a server of a directory, or for an ordinary user wait for it."""
    told, *server = words
    found = json.loads(told)
    (uids, gids, kind, _), (path, is_readonly, laid) = found["ids"], found["served"]
    served = Served(path, is_readonly, laid and Mount(*laid))
    if kind == "none":
        syscalls.unshare(CLONE_NEWNS)
        _serve(served, server, os.getppid())
    idmap = IdMap(tuple(Range(*each) for each in uids), tuple(Range(*each) for each in gids), kind)
    return _serve_mapped(idmap, served, server)


def _serve_mapped(idmap: IdMap, served: Served, server: Sequence[str]) -> int:
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
        _serve(served, server, parent)
    os.close(ready_w)
    if os.read(ready_r, 1) == b"r":
        idmaps.write(pid, idmap)
        os.write(go_w, b"g")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _serve(served: Served, server: Sequence[str], parent: int) -> NoReturn:
    syscalls.mount("", "/", "", MS_REC | MS_PRIVATE, "")
    if served.laid:
        mount_at(served.laid, served.path)
    if served.is_readonly:
        _protect(served.path)
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
