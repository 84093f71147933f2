"""The process that reads and writes files of a container, for `cp` and `export`.

It sees the file system from inside: of a running container by joining its mount (and user) namespace, of
another by mounting its snapshot in a mount namespace of its own. The root is held by descriptor and every
path is resolved in it by `openat2`, so that no link that the container makes, and no swap of one, leads out
(CVE-2018-15664, CVE-2019-10152, CVE-2021-41089, CVE-2023-0778).
All code is loaded before it enters, and nothing can be loaded afterwards (CVE-2019-14271).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from containerlab import errors
from containerlab.linux import mounts, roots, syscalls
from containerlab.linux.files import write_all
from containerlab.linux.namespaces import CLONE_NEWNS
from containerlab.runtime import rootfs
from containerlab.store import pack
from containerlab.store.unpack import unpack

__all__ = ["REFUSED", "error_of", "main"]

REFUSED = 3
"""Exit status when one line on standard error says why: class of the error, message and hint, by tabs."""

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_PLACE = os.O_PATH | os.O_DIRECTORY
_MOST_LINKS = 40


def main(words: Sequence[str]) -> NoReturn:
    """Perform `get|put|is-directory VIEW REQUEST`, the last two in JSON, and end without any clean-up.

    VIEW: {"pidfd", "namespaces", "alone"} of a running container, or {"root", "sources", "binds",
    "readonly"} of another; binds are (source, target, recursive, readonly).
    REQUEST: {"path", "single"}, the last for whether there is but one id, and for get {"follow", "hidden"};
    the archive goes to standard output, or comes from
    standard input.
    """
    operation, view, request = words[0], json.loads(words[1]), json.loads(words[2])
    status = 0
    try:
        _refuse_to_load()
        root = _join(**view) if "pidfd" in view else _mount(**view)
        _OPERATIONS[operation](root, **request)
    except errors.LabError as error:
        status = _say(error)
    except OSError as error:
        status = _say(_translated(error, operation, str(request["path"])))
    except BaseException as error:  # a traceback would be printed with sources from the container
        status = _say(errors.Unavailable(f"{operation} {request['path']} failed: {error!r}"))
    if view.get("sources"):
        with contextlib.suppress(OSError):
            syscalls.umount2(view["root"], mounts.MNT_DETACH)  # ends a program that serves it
    os._exit(status)


def _refuse_to_load() -> None:
    import sys

    sys.path.clear()
    sys.meta_path.clear()


def _say(error: errors.LabError) -> int:
    words = (type(error).__name__, error.message, error.hint)
    line = "\t".join(word.replace("\t", " ").replace("\n", " ") for word in words)
    os.write(2, line.encode(errors="replace"))
    return REFUSED


# --- the root ------------------------------------------------------------------------------------


def _join(pidfd: int, namespaces: int, alone: bool) -> int:
    """Enter a running container; `alone`: its root file system without what is mounted in it."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    root = roots.open_of(pidfd)
    syscalls.setns(pidfd, namespaces)
    os.close(pidfd)
    roots.enter(root)
    if alone:
        return syscalls.open_tree(root, "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH)
    return root


def _mount(
    root: str,
    sources: Sequence[tuple[str, str, str, Sequence[str]]],
    binds: Sequence[tuple[str, str, bool, bool]],
    readonly: bool,
) -> int:
    syscalls.unshare(CLONE_NEWNS)
    scene = rootfs.Scene(-1, (), ())
    rootfs.set_propagation(scene, mounts.MS_PRIVATE | mounts.MS_REC)
    rootfs.mount_root(scene, root, [(*source[:3], tuple(source[3])) for source in sources])
    for source, target, recursive, is_readonly in binds:
        rootfs.bind(scene, source, target, recursive, rootfs.ATTR_RDONLY if is_readonly else 0, 0)
    if readonly:
        rootfs.make_root_readonly(scene)
    return scene.root


# --- what is done in it --------------------------------------------------------------------------


def _get(root: int, path: str, single: bool, follow: bool, hidden: Collection[int]) -> None:
    """Write a file or a directory as an archive in which it has the last name of the path.

    `/.` at the end: only what is in the directory. A slash at the end: the link before it is followed.
    hidden: devices whose files the kernel makes up; directories of them come out empty.
    """
    bare = os.path.normpath("/" + path).lstrip("/")
    if not bare or path.endswith("/."):
        directory = _open(root, bare or ".", _DIRECTORY)
        _refuse_hidden(os.fstat(directory), path, hidden)
        pack.write_tree(directory, b".", _write, b"", hidden, is_single=single)
        return
    parent, name = _locate(root, os.fsencode(bare), follow or path.endswith("/"))
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if path.endswith("/") and not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "")
    _refuse_hidden(found, path, hidden)
    pack.write_tree(parent, name, _write, os.path.basename(os.fsencode(bare)), hidden, is_single=single)


def _locate(root: int, path: bytes, follow: bool) -> tuple[int, bytes]:
    """Return the open directory that has the last name of a path, and that name, links followed if asked."""
    for _ in range(_MOST_LINKS):
        above, _, name = path.rstrip(b"/").rpartition(b"/")
        if name in (b"", b".", b".."):
            return _open(root, path or b".", _PLACE), b"."
        parent = _open(root, above or b".", _PLACE)
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not follow or not stat.S_ISLNK(found.st_mode):
            return parent, name
        target = os.readlink(name, dir_fd=parent)
        os.close(parent)
        path = target if target.startswith(b"/") else above + b"/" + target
    raise OSError(errno.ELOOP, "")


def _refuse_hidden(found: os.stat_result, path: str, hidden: Collection[int]) -> None:
    if found.st_dev in hidden:
        raise errors.NotPermitted(
            f"cannot copy {path}: the kernel makes it up as it is read", "read it with exec: cat"
        )


def _put(root: int, path: str, single: bool) -> None:
    """Unpack an archive into a directory."""
    os.umask(0)
    place = _open(root, path, _DIRECTORY)
    unpack(lambda count: os.read(0, count), place, whiteouts=False, notes_owners=single)


def _is_directory(root: int, path: str, single: bool) -> None:
    try:
        os.close(_open(root, path, _PLACE))
    except (FileNotFoundError, NotADirectoryError):
        return
    _write(b"yes")


_OPERATIONS: dict[str, Callable[..., None]] = {"get": _get, "put": _put, "is-directory": _is_directory}


def _open(root: int, path: str | bytes, flags: int) -> int:
    return syscalls.openat2(root, path, flags, 0, _IN_ROOT)


def _write(data: bytes) -> None:
    write_all(1, data)


def _translated(error: OSError, operation: str, path: str) -> errors.LabError:
    match error.errno:
        case errno.ENOENT:
            return errors.NotFound(f"no such file or directory in the container: {path}")
        case errno.ENOTDIR:
            return errors.NotFound(f"not a directory in the container: {path}")
        case errno.EROFS:
            return errors.NotPermitted(f"cannot write to {path}: it is read-only in the container")
        case errno.ELOOP:
            return errors.NotPermitted(f"cannot {operation} {path}: a link leads in circles, or was changed")
        case errno.ESRCH:
            return errors.Unavailable("the container has just ended", "try again")
    return errors.NotPermitted(
        f"cannot {operation} {path} in the container: {os.strerror(error.errno or errno.EIO)}"
    )


def error_of(line: bytes) -> errors.LabError:
    """Return the error that a process which ended with REFUSED told of."""
    kind, message, hint = line.decode(errors="replace").split("\t")
    failure: type[Any] = getattr(errors, kind)
    result: errors.LabError = failure(message, hint)
    return result
