"""Work on trees whose files may belong to ids that only a user namespace's root may touch.

Such work is done by a small interpreter in that namespace (`inside`); without a map it just runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from containerlab import errors
from containerlab.linux import idmap as idmaps
from containerlab.linux.files import remove_tree
from containerlab.linux.idmap import IdMap

if TYPE_CHECKING:
    import subprocess

    from containerlab.store.workshop import Worker, Workshop

__all__ = [
    "inside",
    "killed_on_error",
    "last_line",
    "main",
    "own",
    "perform",
    "remove",
    "rename",
    "words_of",
    "workshops",
]

workshops: dict[IdMap, Workshop] = {}
"""Those that are open, see `store/workshop.py`; they start processes in less time."""
_PACKAGE = __file__.removesuffix("/containerlab/store/trees.py")
_START = f"""
import sys
sys.path.append({_PACKAGE!r})
from importlib import import_module
sys.exit(import_module(sys.argv[1]).main(sys.argv[2:]))
"""


def words_of(module: str, arguments: Sequence[str]) -> list[str]:
    """Return what executes `main(arguments)` of a module that needs only the standard library."""
    return [sys.executable, "-I", "-S", "-c", _START, module, *arguments]


def inside(
    idmap: IdMap, module: str, arguments: Sequence[str], **popen: Any
) -> subprocess.Popen[bytes] | Worker:
    """Start `main(arguments)` of a module that needs only the standard library, as root of the map.

    It does not share this process' signals from the terminal: whoever waits decides how it ends.

    Raises: Unavailable when it cannot be started, or somebody kills those who help.
    """
    try:
        shop = workshops.get(idmap)
        if shop is not None and "pass_fds" not in popen:
            return shop.start(module, arguments, popen)
        return idmaps.run(idmap, words_of(module, arguments), start_new_session=True, **popen)
    except OSError as error:
        said = error.strerror or str(error)
        raise errors.Unavailable(f"cannot work as root of the id map: {said}", "try again") from error


def perform(idmap: IdMap, module: str, arguments: Sequence[str]) -> bytes:
    """Run `inside` to its end and return what it printed.

    Raises: NotPermitted with what it said last.
    """
    import subprocess

    process = inside(
        idmap, module, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        output, complaint = process.communicate()
    if process.returncode:
        raise errors.NotPermitted(
            f"{module.rpartition('.')[2]} {arguments[0]} failed: {last_line(complaint)}"
        )
    return output


@contextlib.contextmanager
def killed_on_error(process: subprocess.Popen[bytes] | Worker) -> Iterator[None]:
    """Kill a process when the work with it fails or is interrupted."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def last_line(complaint: bytes) -> str:
    """Return what a process said last, which of a traceback is the error."""
    return complaint.decode(errors="replace").strip().rpartition("\n")[2]


def remove(path: Path, idmap: IdMap) -> None:
    """Remove a tree if it is there, whoever of the map owns what is in it.

    Raises: NotPermitted.
    """
    try:
        remove_tree(os.fspath(path))
    except PermissionError:
        perform(idmap, __name__, ["remove", os.fspath(path)])


def own(path: Path, idmap: IdMap, owner: tuple[int, int], mode: int) -> None:
    """Give a file an owner, a uid and a gid in the map, and a mode.

    Raises: NotPermitted, also for an id that the map does not have.
    """
    words = [os.fspath(path), *map(str, owner), str(mode)]
    if idmap.kind == "none":
        _own(*words)
    else:
        perform(idmap, __name__, ["own", *words])


def rename(old: Path, new: Path, idmap: IdMap) -> None:
    """Move a directory that may belong to another id of the map, or forbid its owner to write.

    Raises: OSError, NotPermitted.
    """
    try:
        old.rename(new)
    except PermissionError:
        perform(idmap, __name__, ["rename", os.fspath(old), os.fspath(new)])


def _own(path: str, uid: str, gid: str, mode: str) -> None:
    os.chown(path, int(uid), int(gid))
    os.chmod(path, int(mode))


def main(words: Sequence[str]) -> int:
    """Do in a user namespace what `remove` and `own` ask for."""
    _COMMANDS[words[0]](*words[1:])
    return 0


_COMMANDS: dict[str, Callable[..., None]] = {"own": _own, "remove": remove_tree, "rename": os.rename}
