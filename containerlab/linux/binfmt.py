"""Which programs of other processors this kernel hands to an interpreter, as qemu's.

Source: Documentation/admin-guide/binfmt-misc.rst; elf(5).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["DIRECTORY", "Interpreter", "interpreter"]

DIRECTORY = "/proc/sys/fs/binfmt_misc"
_CONTROL = ("register", "status")
_EXECUTABLE = 2
_LITTLE, _BIG = "<", ">"
# elf.h: class (1 is 32 bit, 2 is 64), byte order and e_machine, by Go's name of the architecture.
_MACHINES = {
    "386": (1, _LITTLE, 3),
    "amd64": (2, _LITTLE, 62),
    "arm": (1, _LITTLE, 40),
    "arm64": (2, _LITTLE, 183),
    "loong64": (2, _LITTLE, 258),
    "mips": (1, _BIG, 8),
    "mipsle": (1, _LITTLE, 8),
    "mips64": (2, _BIG, 8),
    "mips64le": (2, _LITTLE, 8),
    "ppc64": (2, _BIG, 21),
    "ppc64le": (2, _LITTLE, 21),
    "riscv64": (2, _LITTLE, 243),
    "s390x": (2, _BIG, 22),
}


class Interpreter(NamedTuple):
    """What runs programs of another processor.

    is_enabled: whether the kernel asks it now. is_open: whether the kernel holds it open (flag F), so that it
    works in a container, which does not have its file.
    """

    path: str
    is_enabled: bool
    is_open: bool


def interpreter(architecture: str, directory: str = DIRECTORY) -> Interpreter | None:
    """Return what the kernel would run a program of this architecture with; None if nothing.

    architecture: in Go's words. One that is enabled goes before one that is not.
    """
    program = _program(architecture)
    found = [each for text in _entries(directory) if (each := _reads(text, program))]
    return max(found, key=lambda each: (each.is_enabled, each.is_open), default=None)


def _program(architecture: str) -> bytes:
    """Return how an executable of this architecture begins; nothing for one that is not known."""
    if architecture not in _MACHINES:
        return b""
    bits, order, machine = _MACHINES[architecture]
    start = bytes((0x7F, *b"ELF", bits, 1 if order == _LITTLE else 2, 1))
    return start.ljust(16, b"\0") + struct.pack(f"{order}HHI", _EXECUTABLE, machine, 1)


def _entries(directory: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
        with open(f"{directory}/status") as file:
            is_on = file.read().strip() == "enabled"
    except OSError:
        return
    for name in names:
        if name not in _CONTROL:
            with open(f"{directory}/{name}") as file:
                yield file.read() if is_on else file.read().replace("enabled", "disabled", 1)


def _reads(text: str, program: bytes) -> Interpreter | None:
    """Read an entry of binfmt_misc, and return it if it takes this program."""
    first, *lines = text.splitlines() or [""]
    fields = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in lines)}
    magic = bytes.fromhex(fields.get("magic", ""))
    mask = bytes.fromhex(fields.get("mask", "ff" * len(magic)))
    offset = int(fields.get("offset", "0"))
    begun = program[offset : offset + len(magic)]
    if not magic or len(begun) < len(magic):
        return None
    if any((ours ^ theirs) & bits for ours, theirs, bits in zip(begun, magic, mask, strict=True)):
        return None
    return Interpreter(fields.get("interpreter", ""), first == "enabled", "F" in fields.get("flags", ""))
