"""Work on trees whose files may belong to ids that only a user namespace's root may touch.

Such work is done by a small interpreter in that namespace (`inside`); without a map it just runs.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from containerlab import errors
from containerlab.linux import idmap as idmaps
from containerlab.linux.idmap import IdMap

__all__ = ["inside", "main", "perform", "remove", "remove_content", "remove_tree"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PACKAGE = __file__.removesuffix("/containerlab/store/trees.py")
_START = f"""
import sys
sys.path.append({_PACKAGE!r})
from importlib import import_module
sys.exit(import_module(sys.argv[1]).main(sys.argv[2:]))
"""


def inside(idmap: IdMap, module: str, arguments: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
    """Start `main(arguments)` of a module that needs only the standard library, as root of the map.

    It does not share this process' signals from the terminal: whoever waits decides how it ends.
    """
    words = [sys.executable, "-I", "-S", "-c", _START, module, *arguments]
    return idmaps.run(idmap, words, start_new_session=True, **popen)


def perform(idmap: IdMap, module: str, arguments: Sequence[str]) -> bytes:
    """Run `inside` to its end and return what it printed.

    Raises: NotPermitted with what it said last.
    """
    process = inside(
        idmap, module, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        output, complaint = process.communicate()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise errors.NotPermitted(f"{module.rpartition('.')[2]} {arguments[0]} failed: {last}")
    return output


def remove(path: Path, idmap: IdMap) -> None:
    """Remove a tree if it is there, whoever of the map owns what is in it.

    Raises: NotPermitted.
    """
    try:
        remove_tree(os.fspath(path))
    except PermissionError:
        perform(idmap, __name__, ["remove", os.fspath(path)])


def main(words: Sequence[str]) -> int:
    """Do in a user namespace what `remove` asks for."""
    _COMMANDS[words[0]](*words[1:])
    return 0


def remove_tree(path: str | bytes, dir_fd: int | None = None) -> None:
    """Remove a directory and all in it if it is there, by descriptors and without following a link.

    Raises: PermissionError where it belongs to other ids.
    """
    try:
        fd = _open(path, dir_fd)
    except FileNotFoundError:
        return
    try:
        remove_content(fd)
    finally:
        os.close(fd)
    os.rmdir(path, dir_fd=dir_fd)


def remove_content(top: int) -> None:
    """Empty an open directory.

    Each directory in it is first moved to the top, so that no depth exhausts descriptors or the stack.
    """
    count = 0
    pending = _clear(top)
    while pending:
        name = pending.pop()
        fd = _open(name, top)
        try:
            for child in _clear(fd):
                count += 1
                moved = b".gone-%d-%d" % (os.getpid(), count)
                os.chmod(child, 0o700, dir_fd=fd)  # moving a directory writes its `..`
                os.rename(child, moved, src_dir_fd=fd, dst_dir_fd=top)
                pending.append(moved)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=top)


def _clear(directory: int) -> list[bytes]:
    """Remove all but directories, and empty directories; return the names of what remains."""
    remaining = []
    with os.scandir(directory) as entries:
        names = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
        elif not _is_removed(name, directory):
            remaining.append(name)
    return remaining


def _is_removed(name: bytes, directory: int) -> bool:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError:
        return False
    return True


def _open(path: str | bytes, dir_fd: int | None) -> int:
    """Open a directory that may deny even its owner, as overlay's work directory does."""
    mode = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.chmod(path, 0o700, dir_fd=dir_fd)
    return os.open(path, _DIRECTORY, dir_fd=dir_fd)


_COMMANDS: dict[str, Callable[..., None]] = {"remove": remove_tree}
