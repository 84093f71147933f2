"""A tree arrives in a directory of the user: complete beside what is there, or not at all.

It is unpacked out of sight first. Only then its files are moved to their places, by descriptors, and no link
that is there is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from containerlab import errors
from containerlab.linux import syscalls
from containerlab.linux.files import remove_tree

__all__ = ["staged"]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY, _OTHER = "a directory", "no directory"
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS


@contextlib.contextmanager
def staged(target: Path, *, alone: bool = False) -> Iterator[Path]:
    """Give an empty directory whose content is in `target` after the block; after an error nothing is.

    Files of `target` that have the same names are replaced, the others stay; with `alone` they go.

    Raises: Conflict where a directory would have to give way, or give way to one; NotPermitted.
    """
    place = Path(os.path.realpath(target))
    if alone:
        _refuse_emptying(place)
    is_new = not place.exists()
    if not is_new and not place.is_dir():
        raise errors.Conflict(f"{target} is not a directory", "name another place")
    stage = (place.parent if is_new else place) / f".{place.name}.{os.getpid()}.partial"
    try:
        os.makedirs(place.parent, exist_ok=True)
        os.mkdir(stage, 0o755)
    except OSError as error:
        raise errors.of_the_system(error, f"write to {target}") from error
    try:
        yield stage
        _arrive(stage, place, is_new=is_new, alone=alone)
    finally:
        remove_tree(stage)


def _refuse_emptying(place: Path) -> None:
    if place in (Path.home(), Path.cwd(), *Path.home().parents, *Path.cwd().parents):
        raise errors.InvalidInput(
            f"{place} is not emptied", "mode=delete needs a directory for the output alone"
        )


def _arrive(stage: Path, place: Path, *, is_new: bool, alone: bool) -> None:
    if is_new:
        os.rename(stage, place)
        return
    source, target = os.open(stage, _OPEN), os.open(place, _OPEN)
    try:
        new = _directories(source)
        if alone:
            _remove_others(source, target, new, stage.name)
        else:
            _check(source, target, new)
        for path, names in new.items():
            _move(source, target, path, names)
    finally:
        os.close(source)
        os.close(target)


def _directories(top: int) -> dict[str, list[str]]:
    """Return what each directory has, by its path; those above come first."""
    return {path: sorted([*below, *files]) for path, below, files, _ in os.fwalk(".", dir_fd=top)}


def _check(source: int, target: int, new: dict[str, list[str]]) -> None:
    """Raise Conflict where something other than a directory meets a directory."""
    for path, names in new.items():
        with _opened(target, path) as there, _opened(source, path) as here:
            for name in names if there >= 0 else ():
                found = _kind(there, name)
                if found and found != _kind(here, name):
                    shown = os.path.normpath(os.path.join(path, name))
                    raise errors.Conflict(f"{shown} is there and {found}", "remove it first")


def _remove_others(source: int, target: int, new: dict[str, list[str]], stage: str) -> None:
    """Remove what the new tree has not, or has as something else."""
    for path, names in new.items():
        with _opened(target, path) as there, _opened(source, path) as here:
            for name in os.listdir(there) if there >= 0 else ():
                found = _kind(there, name)
                stays = (name == stage and path == ".") or (name in names and found == _kind(here, name))
                if not stays and found == _DIRECTORY:
                    remove_tree(name, there)
                elif not stays:
                    os.unlink(name, dir_fd=there)


def _move(source: int, target: int, path: str, names: list[str]) -> None:
    """Move files, and directories that are not there yet; those that are take the mode."""
    with _opened(target, path) as there, _opened(source, path) as here:
        if here < 0:  # moved with the directory above
            return
        for name in names:
            if _kind(there, name) != _DIRECTORY:
                os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)
        if path != ".":
            os.fchmod(there, stat.S_IMODE(os.fstat(here).st_mode))


def _kind(directory: int, name: str) -> str:
    """Say whether a name is a directory; nothing if it is not there."""
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return ""
    return _DIRECTORY if stat.S_ISDIR(mode) else _OTHER


@contextlib.contextmanager
def _opened(top: int, path: str) -> Iterator[int]:
    """Give a directory below an open one, or -1 when it is not there."""
    try:
        fd = syscalls.openat2(top, os.fsencode(path), _OPEN, 0, _WITHOUT_LINKS)
    except (FileNotFoundError, NotADirectoryError):
        fd = -1
    try:
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)
