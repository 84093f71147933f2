"""libseccomp through ctypes: the same profile as its program, for a second opinion."""

from __future__ import annotations

import ctypes
import errno
import tempfile

from containerlab.linux.seccomp.actions import verdict
from containerlab.linux.seccomp.profile import Rule, Seccomp

_OPERATORS = {
    name: number for number, name in enumerate(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"), 1)
}
_OPTIMIZE = 8  # SCMP_FLTATR_CTL_OPTIMIZE: 1 a list by priority, 2 a binary tree


class _Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class Libseccomp:
    def __init__(self) -> None:
        self.library = ctypes.CDLL("libseccomp.so.2")
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.library.seccomp_arch_native.restype = ctypes.c_uint32
        self.library.seccomp_init.argtypes = [ctypes.c_uint32]
        self.library.seccomp_rule_add_array.argtypes = [
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.POINTER(_Compare),
        ]
        for name in ("arch_add", "arch_remove"):
            getattr(self.library, f"seccomp_{name}").argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        self.library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
        self.library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.library.seccomp_release.argtypes = [ctypes.c_void_p]

    def knows(self, name: str) -> bool:
        return self._number(name) != -1

    def _number(self, name: str) -> int:
        return int(self.library.seccomp_syscall_resolve_name(name.encode()))

    def compile(self, seccomp: Seccomp, arches: list[int], *, optimize: int = 1) -> bytes:
        """Return libseccomp's program for exactly these instruction sets (AUDIT_ARCH_*)."""
        default = verdict(seccomp.default_action, seccomp.default_errno)
        context = self.library.seccomp_init(default)
        assert context
        try:
            for arch in arches:
                assert self.library.seccomp_arch_add(context, arch) in (0, -errno.EEXIST)  # native
            if self.library.seccomp_arch_native() not in arches:
                assert self.library.seccomp_arch_remove(context, self.library.seccomp_arch_native()) == 0
            assert self.library.seccomp_attr_set(context, _OPTIMIZE, optimize) == 0
            for rule in seccomp.rules:
                if verdict(rule.action, rule.errno) != default:
                    self._add(context, rule)
            return self._export(context)
        finally:
            self.library.seccomp_release(context)

    def _add(self, context: int, rule: Rule) -> None:
        compares = (_Compare * len(rule.args))(
            *(
                _Compare(a.argument, _OPERATORS[a.op.removeprefix("SCMP_CMP_")], a.value, a.value_two)
                for a in rule.args
            )
        )
        for name in rule.names:
            answer = verdict(rule.action, rule.errno)
            added = self.library.seccomp_rule_add_array(
                context, answer, self._number(name), len(compares), compares
            )
            assert added == 0, (name, added)

    def _export(self, context: int) -> bytes:
        with tempfile.TemporaryFile() as file:
            assert self.library.seccomp_export_bpf(context, file.fileno()) == 0
            file.seek(0)
            return file.read()
