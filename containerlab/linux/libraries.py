"""Find the shared libraries of programs, as the dynamic loader would, without running anything.

Source: ld.so(8), ldconfig(8). `ldd` may execute the program, which is why it is not used.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator

from containerlab.linux import elf
from containerlab.linux.elf import Elf, NotElf

__all__ = ["DEFAULT_DIRECTORIES", "Libraries"]

_MACHINE = os.uname().machine
DEFAULT_DIRECTORIES = (
    f"/lib/{_MACHINE}-linux-gnu",
    f"/usr/lib/{_MACHINE}-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
)
"""Where loaders look unless told otherwise: those of Debian, Fedora, Alpine and others together."""
_CONFIGURATION = "/etc/ld.so.conf"
_MOST_INCLUDES = 8


class Libraries:
    """Finds libraries; remembers what it has read."""

    def __init__(self) -> None:
        self._directories = (*DEFAULT_DIRECTORIES, *_configured(_CONFIGURATION, _MOST_INCLUDES))

    def closure(self, files: Iterable[str]) -> tuple[dict[str, str], set[str]]:
        """Return all libraries that files need, by name, and the loaders; files that are not ELF need none.

        Raises: FileNotFoundError naming the library and who needs it.
        """
        found: dict[str, str] = {}
        loaders = set()
        pending = list(files)
        while pending:
            file = pending.pop()
            try:
                needs = elf.read(file)
            except NotElf:
                continue
            if needs.interpreter:
                loaders.add(needs.interpreter)
            for name in needs.needed:
                if name not in found:
                    found[name] = self._find(name, file, needs)
                    pending.append(found[name])
        return found, loaders

    def _find(self, name: str, file: str, needs: Elf) -> str:
        if "/" in name:
            return name
        for directory in (*_runpath(file, needs), *self._directories):
            candidate = os.path.join(directory, name)
            if self._fits(candidate, needs):
                return candidate
        raise FileNotFoundError(2, f"library {name}, which {file} needs, is not on this host")

    @staticmethod
    def _fits(candidate: str, needs: Elf) -> bool:
        """Tell whether a library is of the same architecture: 32-bit ones may have the same name."""
        try:
            library = elf.read(candidate)
        except (OSError, NotElf):
            return False
        return (library.bits, library.machine) == (needs.bits, needs.machine)


def _runpath(file: str, needs: Elf) -> Iterator[str]:
    origin = os.path.dirname(os.path.realpath(file))
    for directory in needs.runpath:
        yield directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)


def _configured(path: str, depth: int) -> Iterator[str]:
    """Read ld.so.conf and what it includes."""
    try:
        with open(path) as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        if line.startswith("include"):
            pattern = os.path.join(os.path.dirname(path), line.removeprefix("include").strip())
            for included in sorted(glob.glob(pattern)) if depth else ():
                yield from _configured(included, depth - 1)
        elif line.startswith("/"):
            yield line
