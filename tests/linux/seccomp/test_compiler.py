from __future__ import annotations

import operator
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.numbers import numbers
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp
from tests.linux.seccomp import bpf

X86 = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")
ARCHES = {"x86_64": bpf.X86_64, "i386": bpf.I386, "aarch64": bpf.AARCH64}
ACTIONS = {
    "SCMP_ACT_ALLOW": bpf.ALLOW,
    "SCMP_ACT_ERRNO": bpf.ERRNO,
    "SCMP_ACT_KILL": bpf.KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": bpf.KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": bpf.KILL_PROCESS,
    "SCMP_ACT_TRAP": bpf.TRAP,
    "SCMP_ACT_TRACE": bpf.TRACE,
    "SCMP_ACT_LOG": bpf.LOG,
}
WITH_DATA = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
COMPARISONS = {
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}


def program(seccomp: Seccomp, machine: str = "x86_64") -> bpf.Program:
    return bpf.Program(compile_filter(seccomp, machine))


def allowing(*rules: Rule) -> Seccomp:
    """Return a profile that refuses all else with EPERM."""
    return Seccomp("SCMP_ACT_ERRNO", architectures=X86, rules=rules)


# --- any profile, against a direct evaluation of its rules ---------------------------------------


def answer(action: str, errno: int | None) -> int:
    return ACTIONS[action] | ((1 if errno is None else errno) if action in WITH_DATA else 0)


def holds(arg: Arg, arguments: Sequence[int]) -> bool:
    if arg.op == "SCMP_CMP_MASKED_EQ":
        return arguments[arg.argument] & arg.value == arg.value_two
    return bool(COMPARISONS[arg.op](arguments[arg.argument], arg.value))


def matches(rule: Rule, arguments: Sequence[int]) -> bool:
    repeats = len({arg.argument for arg in rule.args}) < len(rule.args)
    return (any if repeats else all)(holds(arg, arguments) for arg in rule.args)


def evaluate(seccomp: Seccomp, table: str, number: int, arguments: Sequence[int]) -> int:
    known = numbers(table)
    for rule in seccomp.rules:
        if any(known.get(name) == number for name in rule.names) and matches(rule, arguments):
            return answer(rule.action, rule.errno)
    named = [known[name] for rule in seccomp.rules for name in rule.names if name in known]
    is_refusing = seccomp.default_action not in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
    if is_refusing and named and number > max(named):
        return bpf.ENOSYS
    return answer(seccomp.default_action, seccomp.default_errno)


# Of none of these is an argument cut to 32 bits, and none stands behind a multiplexer.
NAMES = ("read", "write", "close", "mmap", "munmap", "pread64", "sendfile", "mprotect", "tee", "brk",
         "listxattrat", "chdir", "no_such_call", "arm_sync_file_range", "_llseek")  # fmt: skip
CORNERS = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 0x100000001,
           0x1FFFFFFFF, 0x200000000, 0x7E020000, 2**63, 2**64 - 1)  # fmt: skip

corners = st.sampled_from(CORNERS)
args = st.builds(
    Arg, st.integers(0, 5), corners, st.sampled_from([*COMPARISONS, "SCMP_CMP_MASKED_EQ"]), corners
)
actions = st.sampled_from(sorted(ACTIONS)).flatmap(
    lambda action: st.tuples(
        st.just(action), st.none() | st.integers(0, 4095) if action in WITH_DATA else st.none()
    )
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    action, errno = draw(actions)
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    return Rule(tuple(names), action, errno, tuple(draw(st.lists(args, max_size=3))))


@st.composite
def profiles(draw: st.DrawFn) -> Seccomp:
    action, errno = draw(actions)
    return Seccomp(action, errno, X86, (), tuple(draw(st.lists(rules(), max_size=12))))


@settings(max_examples=150, deadline=None)
@given(
    profiles(),
    st.sampled_from(["x86_64", "aarch64"]),
    st.lists(st.tuples(*[corners] * 6), min_size=1, max_size=6),
)
def test_program_answers_as_the_rules_say(
    seccomp: Seccomp, machine: str, calls: list[tuple[int, ...]]
) -> None:
    compiled = program(seccomp, machine)
    known = numbers(machine)
    interesting = {known[name] for name in NAMES if name in known}
    for number in interesting | {n + 1 for n in interesting} | {0, 469, 470, 2000}:
        for arguments in calls:
            expected = evaluate(seccomp, machine, number, arguments)
            assert compiled.verdict(ARCHES[machine], number, arguments) == expected


@settings(max_examples=75, deadline=None)
@given(profiles(), st.lists(st.tuples(*[st.sampled_from(CORNERS[:7])] * 6), min_size=1, max_size=4))
def test_32_bit_calls_are_answered_by_their_own_table(seccomp: Seccomp, calls: list[tuple[int, ...]]) -> None:
    low = tuple(
        rule._replace(
            args=tuple(a._replace(value=a.value % 2**32, value_two=a.value_two % 2**32) for a in rule.args)
        )
        for rule in seccomp.rules
    )
    compiled = program(seccomp)
    for number in {numbers("i386").get(name, 0) for name in NAMES} | {470}:
        for arguments in calls:
            expected = evaluate(seccomp._replace(rules=low), "i386", number, arguments)
            assert compiled.verdict(bpf.I386, number, arguments) == expected


def test_every_jump_stays_in_reach_of_a_program_as_large_as_it_may_be() -> None:
    known = numbers("x86_64")
    names = list(known)[:230]
    seccomp = allowing(
        *(
            Rule((name,), "SCMP_ACT_ERRNO", errno, (Arg(errno % 6, errno << 32 | errno, "SCMP_CMP_GT"),))
            for errno, name in enumerate(names, 100)
        )
    )._replace(default_action="SCMP_ACT_ALLOW", architectures=())
    compiled = program(seccomp)
    assert len(compiled.instructions) > 1000
    for errno, name in enumerate(names, 100):
        arguments = [0] * 6
        assert compiled.verdict(bpf.X86_64, known[name], arguments) == bpf.ALLOW
        arguments[errno % 6] = (errno << 32 | errno) + 1
        assert compiled.verdict(bpf.X86_64, known[name], arguments) == bpf.ERRNO | errno


def test_profile_beyond_the_kernels_limit_is_refused() -> None:
    many = tuple(
        Rule(("read",), "SCMP_ACT_ALLOW", args=(Arg(0, value, "SCMP_CMP_EQ"),)) for value in range(2000)
    )
    with pytest.raises(InvalidInput, match=r"needs \d+ instructions, and the kernel takes 4096"):
        compile_filter(allowing(*many), "x86_64")


# --- order ---------------------------------------------------------------------------------------


def test_first_rule_that_fits_counts() -> None:
    refused = Rule(("read",), "SCMP_ACT_ERRNO", 5, (Arg(0, 7, "SCMP_CMP_EQ"),))
    compiled = program(allowing(refused, Rule(("read",), "SCMP_ACT_ALLOW")))
    assert compiled.verdict(bpf.X86_64, 0, [7]) == bpf.ERRNO | 5
    assert compiled.verdict(bpf.X86_64, 0, [8]) == bpf.ALLOW


def test_two_conditions_on_one_argument_are_alternatives() -> None:
    rule = Rule(("read",), "SCMP_ACT_ALLOW", args=(Arg(0, 1, "SCMP_CMP_EQ"), Arg(0, 5, "SCMP_CMP_EQ")))
    compiled = program(allowing(rule))
    assert [compiled.verdict(bpf.X86_64, 0, [value]) for value in (1, 5, 2)] == [
        bpf.ALLOW,
        bpf.ALLOW,
        bpf.EPERM,
    ]


# --- no way around -------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("default", ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"])
def test_instruction_sets_that_the_profile_does_not_list_kill(machine: str, default: str) -> None:
    compiled = program(Seccomp(default, rules=(Rule(("read", "getpid"), "SCMP_ACT_ALLOW"),)), machine)
    for arch in {bpf.X86_64, bpf.I386, bpf.AARCH64, bpf.ARM, 0, 0xFFFFFFFF} - {ARCHES[machine]}:
        for number in (0, 20, 39, 0x40000000, 0xFFFFFFFF):
            assert compiled.verdict(arch, number) == bpf.KILL_PROCESS


@pytest.mark.parametrize("default", ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG"])
def test_x32_does_not_exist(default: str) -> None:
    seccomp = Seccomp(
        default, architectures=(*X86, "SCMP_ARCH_X32"), rules=(Rule(("read",), "SCMP_ACT_ALLOW"),)
    )
    for number in (0x40000000, 0x40000000 | 39, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        assert program(seccomp).verdict(bpf.X86_64, number) == bpf.ENOSYS


@pytest.mark.parametrize("family", [38, 2**32 + 38, 2**64 - 2**32 + 38])
def test_high_half_of_an_int_argument_is_no_way_around(family: int) -> None:
    refusing = Seccomp(
        "SCMP_ACT_ALLOW", rules=(Rule(("socket",), "SCMP_ACT_ERRNO", args=(Arg(0, 38, "SCMP_CMP_EQ"),)),)
    )
    below = Rule(("socket",), "SCMP_ACT_ALLOW", args=(Arg(0, 40, "SCMP_CMP_GT"),))
    for seccomp in (refusing, allowing(below)):
        assert program(seccomp).verdict(bpf.X86_64, numbers("x86_64")["socket"], [family]) == bpf.EPERM


def test_socketcall_and_ipc_obey_the_rules_of_the_calls_behind_them() -> None:
    refusing = Seccomp(
        "SCMP_ACT_ALLOW", architectures=X86, rules=(Rule(("connect", "msgrcv"), "SCMP_ACT_ERRNO", 5),)
    )
    compiled, known = program(refusing), numbers("i386")
    assert compiled.verdict(bpf.I386, known["socketcall"], [3]) == bpf.ERRNO | 5
    assert compiled.verdict(bpf.I386, known["socketcall"], [4]) == bpf.ALLOW
    assert compiled.verdict(bpf.I386, known["ipc"], [12]) == bpf.ERRNO | 5
    assert compiled.verdict(bpf.I386, known["ipc"], [1 << 16 | 12]) == bpf.ERRNO | 5
    assert compiled.verdict(bpf.I386, known["ipc"], [13]) == bpf.ALLOW


def test_condition_behind_socketcall_permits_nothing_and_refuses_all() -> None:
    unix = (Arg(0, 1, "SCMP_CMP_EQ"),)
    permitted = program(allowing(Rule(("socket",), "SCMP_ACT_ALLOW", args=unix)))
    refused = program(
        Seccomp("SCMP_ACT_ALLOW", architectures=X86, rules=(Rule(("socket",), "SCMP_ACT_ERRNO", args=unix),))
    )
    for compiled in (permitted, refused):
        assert compiled.verdict(bpf.I386, numbers("i386")["socketcall"], [1]) == bpf.EPERM


# --- calls that no table knows -------------------------------------------------------------------


def test_names_of_other_machines_are_skipped() -> None:
    compiled = program(allowing(Rule(("s390_pci_mmio_read", "no_such_call", "read"), "SCMP_ACT_ALLOW")))
    assert compiled.verdict(bpf.X86_64, 0) == bpf.ALLOW


def test_call_newer_than_the_profile_does_not_exist() -> None:
    compiled = program(allowing(Rule(("read", "clone3"), "SCMP_ACT_ALLOW")))
    assert compiled.verdict(bpf.X86_64, 434) == bpf.EPERM
    assert compiled.verdict(bpf.X86_64, 435) == bpf.ALLOW
    assert compiled.verdict(bpf.X86_64, 436) == bpf.ENOSYS
    assert compiled.verdict(bpf.X86_64, 9999) == bpf.ENOSYS


def test_call_newer_than_a_profile_that_permits_the_rest_is_permitted() -> None:
    seccomp = Seccomp("SCMP_ACT_ALLOW", rules=(Rule(("read",), "SCMP_ACT_ERRNO"),))
    assert program(seccomp).verdict(bpf.X86_64, 9999) == bpf.ALLOW


def test_profile_without_rules_is_its_default_action() -> None:
    compiled = program(Seccomp("SCMP_ACT_ERRNO", 7))
    assert {compiled.verdict(bpf.X86_64, number) for number in (0, 100, 469, 9999)} == {bpf.ERRNO | 7}


# --- errors --------------------------------------------------------------------------------------


def test_notify_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsupported, match="nobody would listen"):
        compile_filter(allowing(Rule(("read",), "SCMP_ACT_NOTIFY")), "x86_64")


def test_machine_without_a_table_is_refused() -> None:
    with pytest.raises(Unsupported, match="riscv64"):
        compile_filter(allowing(), "riscv64")
