"""libseccomp's program and ours give the same verdict on every call.

What differs on purpose is left out or said here: numbers newer than the profile (ENOSYS, ours), and the
high half of int arguments (ignored by the kernel and by us, compared by libseccomp).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.linux.capabilities import ALL, DOCKER_DEFAULT
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.numbers import numbers
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp, default
from tests.linux.seccomp import bpf
from tests.linux.seccomp.libseccomp import Libseccomp

pytestmark = pytest.mark.system("libseccomp2")

ARCHES = {"x86_64": [bpf.X86_64, bpf.I386], "aarch64": [bpf.AARCH64]}
TABLES = {bpf.X86_64: "x86_64", bpf.I386: "i386", bpf.AARCH64: "aarch64"}
CAP_SETS = [DOCKER_DEFAULT, frozenset[str](), frozenset(ALL), DOCKER_DEFAULT | {"CAP_SYS_ADMIN"}]


@pytest.fixture(scope="module")
def library() -> Libseccomp:
    return Libseccomp()


def _known_to(library: Libseccomp, seccomp: Seccomp) -> Seccomp:
    """Leave out names that are newer than the installed libseccomp."""
    return seccomp._replace(
        rules=tuple(
            rule._replace(names=names)
            for rule in seccomp.rules
            if (names := tuple(name for name in rule.names if library.knows(name)))
        )
    )


def _arguments(arch: int, number: int) -> Iterator[tuple[int, ...]]:
    yield (0,) * 6
    known = numbers(TABLES[arch])
    if number in (known["socket"], known["personality"], known["clone"]):
        for value in (
            1,
            8,
            17,
            37,
            38,
            39,
            40,
            41,
            0x20000,
            0x20008,
            0x40000,
            0x2000000,
            0x10000011,
            2**32 - 1,
        ):
            yield (value, 0, 0, 0, 0, 0)
    if number == known.get("socketcall"):
        yield from ((call, 0, 0, 0, 0, 0) for call in range(1, 21))


@pytest.mark.parametrize("capabilities", CAP_SETS, ids=["default", "none", "all", "default+SYS_ADMIN"])
@pytest.mark.parametrize("machine", ARCHES)
def test_default_profile(library: Libseccomp, machine: str, capabilities: frozenset[str]) -> None:
    seccomp = _known_to(library, default(capabilities, (6, 18), machine))
    ours = bpf.Program(compile_filter(seccomp, machine))
    theirs = bpf.Program(library.compile(seccomp, ARCHES[machine]))
    for arch in ARCHES[machine]:
        known = numbers(TABLES[arch])
        newest = max(known[name] for rule in seccomp.rules for name in rule.names if name in known)
        for number in range(newest + 1):
            for arguments in _arguments(arch, number):
                assert ours.verdict(arch, number, arguments) == theirs.verdict(arch, number, arguments)
        assert {ours.verdict(arch, number) for number in range(newest + 1, 1000)} == {bpf.ENOSYS}


# One rule a call: of several with different actions libseccomp sorts the conditions by its own lights, and
# 2.5.4 loses one of (LT 0) and (LT 2**32). None of these calls has an int argument.
NAMES = ("read", "write", "close", "mmap", "munmap", "sendfile", "mprotect", "tee", "brk", "chdir")
CORNERS = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x100000001, 2**63, 2**64 - 1)
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT")

args = st.builds(
    Arg,
    st.integers(0, 2),
    st.sampled_from(CORNERS),
    st.sampled_from([f"SCMP_CMP_{op}" for op in OPERATORS]),
)
masks = st.builds(
    lambda argument, mask, value: Arg(argument, mask, "SCMP_CMP_MASKED_EQ", value & mask),
    st.integers(0, 2),
    st.sampled_from(CORNERS),
    st.sampled_from(CORNERS),
)
rules = st.builds(
    Rule,
    st.tuples(st.sampled_from(NAMES)),
    st.just("SCMP_ACT_ERRNO"),
    st.just(9),
    st.lists(args | masks, max_size=3, unique_by=lambda arg: arg.argument).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rules, min_size=1, max_size=6, unique_by=lambda rule: rule.names))
def test_any_conditions(rules: list[Rule]) -> None:
    seccomp = Seccomp("SCMP_ACT_ALLOW", rules=tuple(rules))
    ours = bpf.Program(compile_filter(seccomp, "x86_64"))
    theirs = bpf.Program(Libseccomp().compile(seccomp, [bpf.X86_64]))
    known = numbers("x86_64")
    for name in {name for rule in rules for name in rule.names}:
        for arguments in itertools.product((0, 1, 0x80000000, 0x100000000, 0x100000001, 2**64 - 1), repeat=3):
            found = ours.verdict(bpf.X86_64, known[name], arguments)
            assert found == theirs.verdict(bpf.X86_64, known[name], arguments)
