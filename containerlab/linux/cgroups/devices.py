"""The device filter of cgroup v2: rules become an eBPF program that the kernel asks at every open and mknod.

Source: include/uapi/linux/bpf.h, struct bpf_cgroup_dev_ctx; runtime-spec config-linux.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from containerlab.linux.cgroups import ebpf
from containerlab.linux.cgroups.resources import DeviceRule

__all__ = ["attach", "program"]

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_RESULT, _SCRATCH, _TYPE, _WANTED, _MAJOR, _MINOR = range(6)
_CONTEXT = 1


def program(rules: Sequence[DeviceRule]) -> bytes:
    """Return the instructions. The last rule that fits decides, so the rules are asked from the last on.

    Without a rule that fits access is allowed, as in a new device cgroup of v1.
    """
    code = [
        ebpf.load_word(_TYPE, _CONTEXT, 0),
        ebpf.and32(_TYPE, 0xFFFF),
        ebpf.load_word(_WANTED, _CONTEXT, 0),
        ebpf.shift_right32(_WANTED, 16),
        ebpf.load_word(_MAJOR, _CONTEXT, 4),
        ebpf.load_word(_MINOR, _CONTEXT, 8),
    ]
    for rule in reversed(rules):
        code.append(_rule(rule))
        if rule.type == "a":
            return b"".join(code)
    code.append(_answer(True))
    return b"".join(code)


def _rule(rule: DeviceRule) -> bytes:
    """Conditions, each of which skips to the next rule, then the answer."""
    if rule.type == "a":
        return _answer(rule.allow)
    tests = [(_TYPE, _TYPES[rule.type])]
    tests += [(_MAJOR, rule.major)] if rule.major is not None and rule.major >= 0 else []
    tests += [(_MINOR, rule.minor)] if rule.minor is not None and rule.minor >= 0 else []
    rest = _access(rule) + _answer(rule.allow)
    for register, value in reversed(tests):
        rest = ebpf.jump_if_not_equal(register, value, len(rest) // 8) + rest
    return rest


def _access(rule: DeviceRule) -> bytes:
    """An allowing rule must cover all that is wanted; a denying one fits if it covers any of it."""
    mask = sum(_ACCESS[letter] for letter in set(rule.access)) or 7
    if mask == 7:
        return b""
    covered = ebpf.move_register32(_SCRATCH, _WANTED) + ebpf.and32(_SCRATCH, mask)
    if rule.allow:
        return covered + ebpf.jump_if_registers_differ(_SCRATCH, _WANTED, 2)
    return covered + ebpf.jump_if_equal(_SCRATCH, 0, 2)


def _answer(allow: bool) -> bytes:
    return ebpf.move(_RESULT, int(allow)) + ebpf.exit_()


def attach(code: bytes, directory: str) -> None:
    """Put the filter onto a v2 cgroup.

    Raises: OSError, EPERM without CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) in the first user namespace.
    """
    fd = ebpf.load(ebpf.BPF_PROG_TYPE_CGROUP_DEVICE, code)
    try:
        ebpf.attach(fd, directory, ebpf.BPF_CGROUP_DEVICE)
    finally:
        os.close(fd)
