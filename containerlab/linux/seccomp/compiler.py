"""Compile a profile to classic BPF: the instruction set first, then a tree over the call's number.

Numbers with the same outcome stand next to each other in ranges, and the tree halves the ranges; what
needs no argument loads none, so that Linux 5.11 or newer can answer it from its bitmap of calls that are
always allowed (kernel/seccomp.c, seccomp_cache_prepare).

Foreign instruction sets are never a way around the filter:
- 32-bit x86 on x86_64 is filtered by its own table when the profile lists SCMP_ARCH_X86; its multiplexers
  socketcall and ipc obey the rules of the calls behind them.
- x32 (numbers from 0x40000000) answers ENOSYS, like a kernel without it.
- all else, also 32-bit Arm, kills the process.

A call newer than the newest that the profile names answers ENOSYS where the default is to refuse, so
that a C library falls back to an older one; so does runc (libcontainer/seccomp/patchbpf).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux.seccomp.actions import ENOSYS, KILL_PROCESS
from containerlab.linux.seccomp.assembler import JEQ, JGE, JGT, Assembler
from containerlab.linux.seccomp.decisions import Decision, Range, Test, ranges
from containerlab.linux.seccomp.profile import Seccomp

__all__ = ["compile_filter"]

_MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS, linux/bpf_common.h
_X32 = 0x40000000  # __X32_SYSCALL_BIT, asm/unistd.h

# AUDIT_ARCH_*, linux/audit.h
_NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_I386 = 0x40000003


def compile_filter(seccomp: Seccomp, machine: str = "") -> bytes:
    """Return the program, an array of struct sock_filter, for a machine ("x86_64", "aarch64"; default: this).

    Raises: InvalidInput for an unknown action or a profile too large for the kernel; Unsupported for
    SCMP_ACT_NOTIFY or another machine.
    """
    machine = machine or os.uname().machine
    if machine not in _NATIVE:
        raise Unsupported(f"no seccomp filter can be made for {machine}: its system calls are not known here")
    assembler = Assembler()
    foreign = assembler.returns(KILL_PROCESS)
    if machine == "x86_64" and "SCMP_ARCH_X86" in seccomp.architectures:
        foreign = assembler.jump(JEQ, _I386, _calls(assembler, ranges(seccomp, "i386")), foreign)
    native = ranges(seccomp, machine)
    if machine == "x86_64":
        native = [part for part in native if part.first < _X32] + [Range(_X32, Decision((), ENOSYS))]
    assembler.load(_ARCH, assembler.jump(JEQ, _NATIVE[machine], _calls(assembler, native), foreign))
    return _checked(assembler.program())


def _checked(program: bytes) -> bytes:
    length = len(program) // 8
    if length > _MAX_INSTRUCTIONS:
        raise InvalidInput(
            f"the seccomp profile needs {length} instructions, and the kernel takes {_MAX_INSTRUCTIONS}",
            "write fewer rules with conditions on arguments",
        )
    return program


# --- struct seccomp_data, linux/seccomp.h; both machines are little-endian ----------------------

_NR, _ARCH, _ARGS = 0, 4, 16


def _calls(assembler: Assembler, parts: Sequence[Range]) -> int:
    return assembler.load(_NR, _tree(assembler, parts, {}))


def _tree(assembler: Assembler, parts: Sequence[Range], places: dict[Decision, int]) -> int:
    first = parts[0].decision
    if len(parts) == 1:
        if first not in places:
            places[first] = _decision(assembler, first)
        return places[first]
    if _is_hole(parts):
        outside = _tree(assembler, parts[:1], places)
        return assembler.jump(JEQ, parts[1].first, _tree(assembler, parts[1:2], places), outside)
    middle = len(parts) // 2
    above = _tree(assembler, parts[middle:], places)
    return assembler.jump(JGE, parts[middle].first, above, _tree(assembler, parts[:middle], places))


def _is_hole(parts: Sequence[Range]) -> bool:
    """Say whether a single number stands in the midst of an otherwise uniform range."""
    return len(parts) == 3 and parts[0].decision == parts[2].decision and parts[1].first + 1 == parts[2].first


def _decision(assembler: Assembler, decision: Decision) -> int:
    place = assembler.returns(decision.otherwise)
    for case in reversed(decision.cases):
        holds, otherwise = assembler.returns(case.verdict), place
        for test in reversed(case.tests):
            holds = _test(assembler, test, holds, otherwise)
        place = holds
    return place


_LOW = 0xFFFFFFFF
_COMPARISONS = {"EQ": JEQ, "GT": JGT, "GE": JGE}


def _test(assembler: Assembler, test: Test, yes: int, no: int) -> int:
    """Compare 64 bits, the high half first; a half that the mask leaves out is not even loaded."""
    if test.negated:
        yes, no = no, yes
    low = _half(assembler, test, 0, _COMPARISONS[test.comparison], yes, no)
    if test.mask <= _LOW and test.value <= _LOW:
        return low
    if test.comparison == "EQ":
        return _half(assembler, test, 1, JEQ, low, no)
    equal = assembler.jump(JEQ, test.value >> 32, low, no)
    return _half(assembler, test, 1, JGT, yes, equal)


def _half(assembler: Assembler, test: Test, half: int, comparison: int, yes: int, no: int) -> int:
    mask, value = test.mask >> 32 * half & _LOW, test.value >> 32 * half & _LOW
    place = assembler.jump(comparison, value, yes, no)
    if mask != _LOW:
        place = assembler.keep(mask, place)
    return assembler.load(_ARGS + 8 * test.argument + 4 * half, place)
