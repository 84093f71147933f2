"""The kernel's side of a filter in Python: runs a program on one system call."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028

ALLOW, LOG, TRACE, ERRNO, TRAP, KILL_PROCESS, KILL_THREAD = (
    0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x00050000, 0x00030000, 0x80000000, 0x00000000,
)  # fmt: skip
EPERM, ENOSYS = ERRNO | 1, ERRNO | 38

_LOAD, _AND, _JA, _JEQ, _JGT, _JGE, _JSET, _RET = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06


class Outcome(NamedTuple):
    verdict: int
    executed: int
    loaded_arguments: bool


class Program:
    """A program that has passed what the kernel checks before it takes one (net/core/filter.c)."""

    def __init__(self, raw: bytes) -> None:
        assert len(raw) % 8 == 0
        self.instructions = list(struct.iter_unpack("=HBBI", raw))
        assert 0 < len(self.instructions) <= 4096
        for i, (code, yes, no, k) in enumerate(self.instructions):
            assert code in (_LOAD, _AND, _JA, _JEQ, _JGT, _JGE, _JSET, _RET)
            if code in (_JEQ, _JGT, _JGE, _JSET):
                assert i + 1 + max(yes, no) < len(self.instructions)
            if code == _JA:
                assert i + 1 + k < len(self.instructions)
            if code == _LOAD:
                assert k % 4 == 0
                assert k < 64
        assert self.instructions[-1][0] == _RET

    def run(self, arch: int, number: int, arguments: Sequence[int] = ()) -> Outcome:
        padded = [*arguments, *[0] * (6 - len(arguments))]
        data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
        accumulator = at = executed = 0
        loaded_arguments = False
        while True:
            code, yes, no, k = self.instructions[at]
            executed += 1
            at += 1
            if code == _RET:
                return Outcome(k, executed, loaded_arguments)
            if code == _LOAD:
                (accumulator,) = struct.unpack_from("<I", data, k)
                loaded_arguments |= k >= 16
            elif code == _AND:
                accumulator &= k
            elif code == _JA:
                at += k
            else:
                at += yes if _holds(code, accumulator, k) else no

    def verdict(self, arch: int, number: int, arguments: Sequence[int] = ()) -> int:
        return self.run(arch, number, arguments).verdict


def _holds(code: int, accumulator: int, k: int) -> bool:
    if code == _JEQ:
        return accumulator == k
    if code == _JGT:
        return accumulator > k
    if code == _JGE:
        return accumulator >= k
    return bool(accumulator & k)
