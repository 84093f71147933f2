"""The default profile: what it must do in any case, and that it equals Docker's where that is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from containerlab.linux.capabilities import ALL, DOCKER_DEFAULT
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.document import from_docker_json
from containerlab.linux.seccomp.numbers import numbers
from containerlab.linux.seccomp.profile import default
from tests.linux.seccomp import bpf

REFERENCE = Path(__file__).parents[3].parent / "shared/data/docker/seccomp-default.json"
KERNEL = (6, 18)
TABLES = {"x86_64": {"x86_64": bpf.X86_64, "i386": bpf.I386}, "aarch64": {"aarch64": bpf.AARCH64}}

CAP_SETS = {
    "default": DOCKER_DEFAULT,
    "none": frozenset(),
    "all": frozenset(ALL),
    **{f"default+{name}": DOCKER_DEFAULT | {name} for name in ALL if name not in DOCKER_DEFAULT},
    "default-CAP_SYS_CHROOT": DOCKER_DEFAULT - {"CAP_SYS_CHROOT"},
}


def program(capabilities: frozenset[str] = DOCKER_DEFAULT, machine: str = "x86_64") -> bpf.Program:
    return bpf.Program(compile_filter(default(capabilities, KERNEL, machine), machine))


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _verdict(machine: str, name: str, *arguments: int, capabilities: frozenset[str] = DOCKER_DEFAULT) -> int:
    arch = TABLES[machine][machine]
    return program(capabilities, machine).verdict(arch, numbers(machine)[name], arguments)


# --- in any case ---------------------------------------------------------------------------------

NEVER = """
    pivot_root io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key
    kexec_load kexec_file_load swapon swapoff migrate_pages move_pages nfsservctl
"""


@pytest.mark.parametrize("name", NEVER.split())
def test_call_that_no_capability_gives(machine: str, name: str) -> None:
    if name in numbers(machine):
        assert _verdict(machine, name, capabilities=frozenset(ALL)) == bpf.EPERM


def test_clone3_does_not_exist_unless_namespaces_may_be_made(machine: str) -> None:
    assert _verdict(machine, "clone3") == bpf.ENOSYS
    assert _verdict(machine, "clone3", capabilities=frozenset({"CAP_SYS_ADMIN"})) == bpf.ALLOW


@pytest.mark.parametrize("name", ["open_tree_attr", "file_getattr", "file_setattr"])
def test_calls_newer_than_the_profile_do_not_exist(machine: str, name: str) -> None:
    assert _verdict(machine, name) == bpf.ENOSYS


@pytest.mark.parametrize("bit", range(64))
def test_clone_flags(machine: str, bit: int) -> None:
    expected = bpf.EPERM if 0x7E020000 >> bit & 1 else bpf.ALLOW
    assert _verdict(machine, "clone", 1 << bit | 17) == expected
    assert _verdict(machine, "clone", 1 << bit | 17, capabilities=frozenset({"CAP_SYS_ADMIN"})) == bpf.ALLOW


@pytest.mark.parametrize("persona", [0, 8, 0x20000, 0x20008, 0xFFFFFFFF])
def test_personality_that_is_allowed(machine: str, persona: int) -> None:
    assert _verdict(machine, "personality", persona) == bpf.ALLOW


@pytest.mark.parametrize("persona", [1, 7, 9, 0x40000, 0x20009, 0xFFFFFFFE, 0x0400000])
def test_personality_that_is_refused(machine: str, persona: int) -> None:
    assert _verdict(machine, "personality", persona) == bpf.EPERM


@pytest.mark.parametrize("family", [*range(46), 2**32 - 1])
def test_socket_families(machine: str, family: int) -> None:
    expected = bpf.EPERM if family in (38, 40) else bpf.ALLOW
    assert _verdict(machine, "socket", family, 1, 0) == expected
    assert _verdict(machine, "socket", 2**32 | family, 1, 0) == expected


def test_ptrace_waits_for_a_kernel_in_which_it_cannot_escape() -> None:
    old = bpf.Program(compile_filter(default(DOCKER_DEFAULT, (4, 7), "x86_64"), "x86_64"))
    assert old.verdict(bpf.X86_64, numbers("x86_64")["ptrace"]) == bpf.EPERM
    assert _verdict("x86_64", "ptrace") == bpf.ALLOW


def test_what_is_allowed_outright_loads_no_argument(machine: str) -> None:
    """Only then does the kernel answer it from its bitmap (kernel/seccomp.c, seccomp_is_const_allow)."""
    compiled = program(machine=machine)
    looked_at = {
        name
        for name, number in numbers(machine).items()
        if compiled.run(TABLES[machine][machine], number).loaded_arguments
    }
    assert looked_at == {"clone", "personality", "socket"}


# --- Docker's ------------------------------------------------------------------------------------


class Reference:
    """Docker's profile, evaluated straight from its JSON: an opinion that shares no code with ours."""

    def __init__(
        self, raw: bytes, capabilities: frozenset[str], kernel: tuple[int, int], machine: str
    ) -> None:
        self.document = json.loads(raw)
        self.machine = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
        self.rules = [r for r in self.document["syscalls"] if self._is_on(r, capabilities, kernel)]

    def _is_on(self, rule: dict[str, Any], capabilities: frozenset[str], kernel: tuple[int, int]) -> bool:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        oldest = tuple(map(int, includes.get("minKernel", "0.0").split(".")))
        return (
            all(cap in capabilities for cap in includes.get("caps") or ())
            and not any(cap in capabilities for cap in excludes.get("caps") or ())
            and self.machine in (includes.get("arches") or [self.machine])
            and self.machine not in (excludes.get("arches") or [])
            and kernel >= oldest
        )

    def verdict(self, known: dict[str, int], number: int, arguments: Sequence[int]) -> int:
        for rule in self.rules:
            if any(known.get(name) == number for name in rule["names"]) and self._holds(rule, arguments):
                return self._answer(rule["action"], rule.get("errnoRet"))
        newest = max(known[name] for rule in self.rules for name in rule["names"] if name in known)
        return bpf.ENOSYS if number > newest else self._answer(self.document["defaultAction"], 1)

    @staticmethod
    def _answer(action: str, errno: int | None) -> int:
        return bpf.ALLOW if action == "SCMP_ACT_ALLOW" else bpf.ERRNO | (errno or 1)

    @staticmethod
    def _holds(rule: dict[str, Any], arguments: Sequence[int]) -> bool:
        for arg in rule.get("args") or ():
            value = arguments[arg["index"]] % 2**32  # what the kernel reads of socket, personality and clone
            holds = {
                "SCMP_CMP_LT": value < arg["value"],
                "SCMP_CMP_EQ": value == arg["value"],
                "SCMP_CMP_GT": value > arg["value"],
                "SCMP_CMP_MASKED_EQ": value & arg["value"] == arg.get("valueTwo", 0),
            }[arg["op"]]
            if not holds:
                return False
        return True


CORNERS = (1, 7, 8, 9, 17, 37, 38, 39, 40, 41, 45, 0x20000, 0x20008, 0x40000, 0x3D0F00, 0x1200011,
           0x2000000, 0x7E020000, 0x80000000, 0xFFFFFFFF)  # fmt: skip


def _corners(number: int, known: dict[str, int]) -> Iterator[tuple[int, ...]]:
    yield (0,) * 6
    if number in (known["socket"], known["personality"], known["clone"]):
        for value in CORNERS:
            yield (value, 0, 0, 0, 0, 0)
            yield (0, value, value, value, value, value)


@pytest.fixture(scope="module")
def reference() -> bytes:
    if not REFERENCE.exists():
        pytest.skip(
            "Docker's own profile is not beside this checkout (shared/data/docker/seccomp-default.json)"
        )
    return REFERENCE.read_bytes()


@pytest.mark.parametrize("capabilities", CAP_SETS.values(), ids=CAP_SETS)
def test_equals_dockers(reference: bytes, machine: str, capabilities: frozenset[str]) -> None:
    for kernel in ((4, 7), (6, 18)):
        expected = Reference(reference, capabilities, kernel, machine)
        ours = bpf.Program(compile_filter(default(capabilities, kernel, machine), machine))
        for table, arch in TABLES[machine].items():
            known = numbers(table)
            for number in range(500):
                for arguments in _corners(number, known):
                    assert ours.verdict(arch, number, arguments) == expected.verdict(known, number, arguments)


@pytest.mark.parametrize("capabilities", CAP_SETS.values(), ids=CAP_SETS)
def test_dockers_file_becomes_the_same_program(
    reference: bytes, machine: str, capabilities: frozenset[str]
) -> None:
    read = from_docker_json(reference, capabilities, KERNEL, machine)
    ours = default(capabilities, KERNEL, machine)
    assert compile_filter(read, machine) == compile_filter(ours, machine)
    assert read.architectures == ours.architectures
