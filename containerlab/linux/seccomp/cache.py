"""Compiled programs, kept in memory and on disk.

A file is named by a digest of the profile, the machine and the compiler's version, and begins
with a digest of that name and of the program. What was cut short, belongs to another profile or could
have been written by another user is not used but compiled anew.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from containerlab.hashes import sha256
from containerlab.linux.seccomp.profile import Seccomp

__all__ = ["compiled", "kept"]

_VERSION = 1  # changes whenever the same profile, or document, becomes another program
_DIGEST_BYTES = 32
_MAX_BYTES = _DIGEST_BYTES + 8 * 4096


@lru_cache(maxsize=64)
def compiled(seccomp: Seccomp, directory: Path | None = None, machine: str = "") -> bytes:
    """Return the program of a profile, from `directory` (mode 0700, ours) when it is there.

    A directory that is missing, foreign or read-only costs time, nothing else.

    Raises: what `compile_filter` raises.
    """
    return kept(repr(seccomp).encode(), lambda: seccomp, directory, machine)


def kept(
    name: bytes, resolve: Callable[[], Seccomp], directory: Path | None = None, machine: str = ""
) -> bytes:
    """Do the same for a profile that is known by a name of its own, and resolved only to be compiled.

    name: what tells it from every other profile.
    """
    machine = machine or os.uname().machine
    if directory is None or not _is_private(directory):
        return _compile(resolve(), machine)
    key = sha256(repr((_VERSION, machine, name)).encode()).hex()
    file = directory / f"{key}.bpf"
    program = _read(file)
    if program is None:
        program = _compile(resolve(), machine)
        with contextlib.suppress(OSError):
            _write(file, program)
    return program


def _compile(seccomp: Seccomp, machine: str) -> bytes:
    from containerlab.linux.seccomp.compiler import compile_filter  # not needed when the file is there

    return compile_filter(seccomp, machine)


def _is_private(directory: Path) -> bool:
    try:
        status = os.stat(directory, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _is_ours(status)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(file: Path) -> bytes | None:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status):
            return None
        content = os.read(fd, _MAX_BYTES)
    finally:
        os.close(fd)
    digest, program = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    is_whole = program and len(program) % 8 == 0 and digest == _digest(file, program)
    return program if is_whole else None


def _digest(file: Path, program: bytes) -> bytes:
    return sha256(file.name.encode() + program)


def _write(file: Path, program: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}-{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as out:
            out.write(_digest(file, program) + program)
        os.rename(temporary, file)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
