"""Files between the host and a container, as `docker cp` has it.

What comes out of a container is a stranger's archive: it is unpacked by the store's careful reader, never by
tarfile, and below a new directory, from where the one wanted name is moved to its place.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

from containerlab.backends.optional import FileAccess
from containerlab.errors import InvalidInput, NotFound

__all__ = ["Place", "copy", "place"]


class Place(NamedTuple):
    """A path, in a container or (container empty) on the host."""

    container: str
    path: str


def place(text: str) -> Place:
    """Read `CONTAINER:PATH` or `PATH`; a path of the host with a colon begins with / or ./.

    >>> place("web:/etc/hosts"), place("./a:b")
    (Place(container='web', path='/etc/hosts'), Place(container='', path='./a:b'))
    """
    name, colon, path = text.partition(":")
    if not colon or not name or "/" in name or name.startswith("."):
        return Place("", text)
    if not path:
        raise InvalidInput(f"no path in {text!r}", "write CONTAINER:PATH")
    return Place(name, path if path.startswith("/") else f"/{path}")


def copy(files: FileAccess, source_text: str, target_text: str, options: Mapping[str, Any]) -> None:
    """Copy from or to a container."""
    source, target = place(source_text), place(target_text)
    if bool(source.container) == bool(target.container):
        raise InvalidInput(
            f"cannot copy {source_text} to {target_text}", "exactly one of the two is CONTAINER:PATH"
        )
    if target.container:
        _into(files, source.path, target, options)
    elif target.path == "-":
        files.get_archive(source.container, source.path, sys.stdout.buffer, follow=_follows(options))
    else:
        _out_of(files, source, target.path, options)


def _follows(options: Mapping[str, Any]) -> bool:
    return bool(options.get("follow_link"))


def _into(files: FileAccess, source: str, target: Place, options: Mapping[str, Any]) -> None:
    if source == "-":
        files.put_archive(target.container, target.path, sys.stdin.buffer)
        return
    if not os.path.lexists(source):
        raise NotFound(f"no such file: {source}")
    if _follows(options):
        source = os.path.realpath(source)
    directory, name = _arrival(files, target, source)

    def write(stream: BinaryIO) -> None:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            archive.add(source, arcname=name, filter=_owned(options))

    _through_pipe(write, lambda stream: files.put_archive(target.container, directory, stream))


def _arrival(files: FileAccess, target: Place, source: str) -> tuple[str, str]:
    """Return the directory to unpack in and the name there, by the rules of `docker cp`."""
    whole = os.path.basename(source.rstrip("/")) not in ("", ".") and not source.endswith("/.")
    if _is_directory(files, target):
        return target.path, os.path.basename(source.rstrip("/")) if whole else "."
    if target.path.endswith("/") and not os.path.isdir(source):
        raise NotFound(f"no such directory in the container: {target.path}")
    directory, name = os.path.split(target.path.rstrip("/"))
    return directory or "/", name


def _is_directory(files: FileAccess, target: Place) -> bool:
    return files.is_directory(target.container, target.path)


def _owned(options: Mapping[str, Any]) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
    """Make files belong to root in the container unless owners are to be kept, as Docker does."""

    def change(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if not options.get("archive"):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
        return member

    return change


def _out_of(files: FileAccess, source: Place, target: str, options: Mapping[str, Any]) -> None:
    from containerlab.store.unpack import unpack

    parent = target if os.path.isdir(target) else os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(parent):
        raise NotFound(f"no such directory: {parent}")
    with tempfile.TemporaryDirectory(prefix=".conlab-cp-", dir=parent) as scratch, _opened(scratch) as root:
        _through_pipe(
            lambda stream: files.get_archive(source.container, source.path, stream, follow=_follows(options)),
            lambda stream: unpack(stream.read, root, whiteouts=False),
        )
        if not options.get("archive"):
            _make_mine(root)
        _arrive(scratch, source.path, target)


def _make_mine(root: int) -> None:
    """Let what was copied out belong to who copies; only root could have made it somebody else's."""
    for _, directories, files, directory in os.fwalk(".", dir_fd=root):
        for name in (*directories, *files):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(name, os.geteuid(), os.getegid(), dir_fd=directory, follow_symlinks=False)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _arrive(scratch: str, source: str, target: str) -> None:
    names = os.listdir(scratch)
    if source.endswith("/.") or source.strip("/") == "" or len(names) != 1:
        os.makedirs(target, exist_ok=True)
        moves = [(name, os.path.join(target, name)) for name in names]
    elif os.path.isdir(target):
        moves = [(names[0], os.path.join(target, names[0]))]
    else:
        moves = [(names[0], target)]
    for name, place_ in moves:
        _move(os.path.join(scratch, name), place_)


def _move(source: str, target: str) -> None:
    """Move a file over a file, or what is in a directory into a directory that is there."""
    if (
        os.path.isdir(target)
        and not os.path.islink(target)
        and os.path.isdir(source)
        and not os.path.islink(source)
    ):
        for name in os.listdir(source):
            _move(os.path.join(source, name), os.path.join(target, name))
    else:
        os.replace(source, target)


def _through_pipe(write: Callable[[BinaryIO], object], read: Callable[[BinaryIO], object]) -> None:
    """Run a writer in a thread and a reader here; the writer's error counts, it is the cause."""
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def produce() -> None:
        try:
            with open(writing, "wb") as stream:
                write(stream)
        except BrokenPipeError:
            return
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=produce, name="containerlab-copy")
    thread.start()
    try:
        with open(reading, "rb") as stream:
            read(stream)
    except BaseException as error:
        thread.join()
        raise (failures[0] if failures else error) from None
    thread.join()
    if failures:
        raise failures[0]
