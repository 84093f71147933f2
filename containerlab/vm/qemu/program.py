"""QEMU as it is installed: where, which version, what it can."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.linux.files import write_atomically

__all__ = ["Program", "find"]

_NAMES = {"x86_64": "qemu-system-x86_64", "aarch64": "qemu-system-aarch64"}
_PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_ASKING_LIMIT_S = 20


class Program(NamedTuple):
    """A QEMU for guests of one architecture.

    architecture: as `uname -m` prints it. version: as 7.2.22. machines: the types of machine that it knows.
    is_sandboxed: it can deny itself system calls. identity: another file has another.
    """

    path: str
    architecture: str
    version: str
    machines: tuple[str, ...]
    is_sandboxed: bool
    identity: str


def find(architecture: str = "", cache: Path | None = None) -> Program:
    """Return the QEMU for guests of an architecture, this host's if none is named.

    cache: a directory where what it says of itself is kept, as asking takes it some 60 ms.

    Raises: Unsupported when there is none.
    """
    wanted = architecture or platform.machine()
    wanted = _ARCHITECTURES.get(wanted, wanted)
    if wanted not in _NAMES:
        raise errors.Unsupported(f"virtual machines are x86_64 or aarch64, and not {wanted}")
    path = shutil.which(_NAMES[wanted])
    if path is None:
        raise errors.Unsupported(
            f"a virtual machine needs {_NAMES[wanted]}, which is not installed",
            f"apt-get install {_PACKAGES[wanted]}, or your system's package of QEMU",
        )
    real = os.path.realpath(path)
    status = os.stat(real)
    known = (real, status.st_size, status.st_mtime_ns, status.st_ino)
    identity = hashlib.sha256(repr(known).encode()).hexdigest()
    return _kept(cache, identity) or _keep(cache, _ask(real, wanted, identity))


def _kept(cache: Path | None, identity: str) -> Program | None:
    try:
        content = (cache / f"qemu-{identity[:32]}.json").read_bytes() if cache else b""
        return msgspec.json.decode(content, type=Program)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _keep(cache: Path | None, program: Program) -> Program:
    if cache:
        where = str(cache / f"qemu-{program.identity[:32]}.json")
        write_atomically(where, msgspec.json.encode(program))
    return program


@functools.lru_cache(maxsize=4)
def _ask(path: str, architecture: str, identity: str) -> Program:
    version = _answer(path, "--version")
    found = re.search(r"version (\d[\w.]*)", version)
    if not found:
        raise errors.Unsupported(f"{path} --version says no version: {version.strip()[:100]!r}")
    machines = tuple(line.split()[0] for line in _answer(path, "-M", "help").splitlines()[1:] if line)
    # Without seccomp, QEMU is built without this option, and its help tells of none.
    is_sandboxed = "\n-sandbox" in _answer(path, "-help")
    return Program(path, architecture, found[1], machines, is_sandboxed, identity)


def _answer(path: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASKING_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise errors.Unsupported(f"{path} {' '.join(words)} does not work: {error}") from error
    return done.stdout
