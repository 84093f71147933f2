"""A small assembler for eBPF and the two bpf(2) commands that put a program onto a cgroup.

Source: Documentation/bpf/standardization/instruction-set.rst; include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import os
import struct

from containerlab.linux import syscalls

__all__ = [
    "and32", "attach", "exit_", "jump_if_equal", "jump_if_not_equal", "jump_if_registers_differ",
    "load", "load_word", "move", "move_register32", "shift_right32",
]  # fmt: skip

# code, destination and source register (4 bits each), offset, immediate
_INSTRUCTION = struct.Struct("=BBhi")


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, target | source << 4, offset, value)


def load_word(target: int, source: int, offset: int) -> bytes:
    """target = *(u32 *)(source + offset)."""
    return _instruction(0x61, target, source, offset)


def move(target: int, value: int) -> bytes:
    """target = value."""
    return _instruction(0xB7, target, value=value)


def move_register32(target: int, source: int) -> bytes:
    """target = (u32) source."""
    return _instruction(0xBC, target, source)


def and32(target: int, value: int) -> bytes:
    """target &= value, the upper half becomes 0."""
    return _instruction(0x54, target, value=value)


def shift_right32(target: int, bits: int) -> bytes:
    """target >>= bits, the upper half becomes 0."""
    return _instruction(0x74, target, value=bits)


def jump_if_equal(target: int, value: int, skip: int) -> bytes:
    """Skip so many instructions if target == value."""
    return _instruction(0x15, target, offset=skip, value=value)


def jump_if_not_equal(target: int, value: int, skip: int) -> bytes:
    """Skip so many instructions if target != value."""
    return _instruction(0x55, target, offset=skip, value=value)


def jump_if_registers_differ(target: int, source: int, skip: int) -> bytes:
    """Skip so many instructions if target != source."""
    return _instruction(0x5D, target, source, offset=skip)


def exit_() -> bytes:
    """Return register 0."""
    return _instruction(0x95)


_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
_BPF_F_ALLOW_MULTI = 2


def load(program_type: int, program: bytes) -> int:
    """Have the kernel verify a program and return a descriptor of it."""
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    count = len(program) // _INSTRUCTION.size
    attributes = struct.pack(
        "=IIQQIIQII", program_type, count, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0
    )
    return syscalls.bpf(_BPF_PROG_LOAD, attributes)


def attach(program_fd: int, directory: str, attach_type: int) -> None:
    """Put a loaded program onto a v2 cgroup, beside those that stand there; all of them must agree."""
    cgroup_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attributes = struct.pack("=IIIII", cgroup_fd, program_fd, attach_type, _BPF_F_ALLOW_MULTI, 0)
        syscalls.bpf(_BPF_PROG_ATTACH, attributes)
    finally:
        os.close(cgroup_fd)
