"""Classic BPF, written from its end to its beginning.

A jump of classic BPF goes forwards, at most 255 instructions far. Written backwards, the place that it
leads to is always known, and a nearer copy of a far place can be put in between.
Source: Linux, Documentation/networking/filter.rst; linux/filter.h, linux/bpf_common.h.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["Assembler", "Instruction"]

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP = 0x05  # BPF_JMP | BPF_JA
JEQ, JGT, JGE = 0x15, 0x25, 0x35  # BPF_JMP | … | BPF_K, unsigned
RETURN = 0x06  # BPF_RET | BPF_K

_REACH = 255
_INSTRUCTION = struct.Struct("=HBBI")


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    yes: int
    no: int
    k: int


class Assembler:
    """Each method writes an instruction in front of the others and returns its place.

    A place counts from the end of the program, so it stays true while the program grows.
    """

    def __init__(self) -> None:
        self._reversed: list[Instruction] = []
        self._returns: dict[int, int] = {}
        self._copies: dict[int, int] = {}

    def returns(self, verdict: int) -> int:
        """End the program; one instruction serves all who ask for the same verdict."""
        if verdict not in self._returns:
            self._returns[verdict] = self._write(RETURN, k=verdict)
        return self._returns[verdict]

    def load(self, offset: int, then: int) -> int:
        """Load the 32-bit word at `offset` of struct seccomp_data and go on at `then`."""
        self._go_on_at(then)
        return self._write(LOAD, k=offset)

    def keep(self, mask: int, then: int) -> int:
        """Clear all bits that are not in `mask` and go on at `then`."""
        self._go_on_at(then)
        return self._write(AND, k=mask)

    def jump(self, comparison: int, k: int, yes: int, no: int) -> int:
        """Compare (JEQ, JGT, JGE) what was loaded with `k` and go on at one of two places."""
        if yes == no:
            return yes
        yes, no = self._near(yes), self._near(no)
        end = len(self._reversed) - 1
        return self._write(comparison, end - yes, end - no, k)

    def program(self) -> bytes:
        """Return the array of struct sock_filter; the last instruction written is the first of it."""
        return b"".join(_INSTRUCTION.pack(*instruction) for instruction in reversed(self._reversed))

    def _write(self, code: int, yes: int = 0, no: int = 0, k: int = 0) -> int:
        self._reversed.append(Instruction(code, yes, no, k))
        return len(self._reversed) - 1

    def _go_on_at(self, place: int) -> None:
        distance = len(self._reversed) - 1 - place
        if distance:
            self._write(JUMP, k=distance)

    def _near(self, place: int) -> int:
        """Return a place in reach that does what `place` does, also if one more copy comes in between."""
        nearest = self._copies.get(place, place)
        if len(self._reversed) - 1 - nearest < _REACH:
            return nearest
        instruction = self._reversed[place]
        if instruction.code == RETURN:
            copy = self._write(*instruction)
        else:
            copy = self._write(JUMP, k=len(self._reversed) - 1 - place)
        self._copies[place] = copy
        return copy
