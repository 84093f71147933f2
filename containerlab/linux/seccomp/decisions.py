"""What a profile decides for each system call of one instruction set: rules → ranges of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from containerlab.linux.seccomp import multiplexed
from containerlab.linux.seccomp.actions import ENOSYS, PERMISSIVE, verdict
from containerlab.linux.seccomp.numbers import numbers
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp

__all__ = ["OPERATORS", "Case", "Decision", "Range", "Test", "ranges"]

# --- conditions ---------------------------------------------------------------------------------

_64, _32 = 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF
OPERATORS = {
    "SCMP_CMP_EQ": ("EQ", False),
    "SCMP_CMP_NE": ("EQ", True),
    "SCMP_CMP_GT": ("GT", False),
    "SCMP_CMP_LE": ("GT", True),
    "SCMP_CMP_GE": ("GE", False),
    "SCMP_CMP_LT": ("GE", True),
    "SCMP_CMP_MASKED_EQ": ("EQ", False),
}
_INT_ARGUMENTS = {
    "arch_prctl": (0,),
    "bpf": (0, 2),
    "clone": (0,),
    "fcntl": (0, 1),
    "futex": (1,),
    "getsockopt": (0, 1, 2),
    "ioctl": (0, 1),
    "keyctl": (0,),
    "kill": (0, 1),
    "madvise": (2,),
    "memfd_create": (1,),
    "open": (1,),
    "openat": (0, 2),
    "personality": (0,),
    "prctl": (0,),
    "prlimit64": (0, 1),
    "quotactl": (0,),
    "seccomp": (0, 1),
    "setns": (0, 1),
    "setsockopt": (0, 1, 2),
    "socket": (0, 1, 2),
    "socketpair": (0, 1, 2),
    "umount2": (1,),
}
"""Arguments of which the kernel reads the low 32 bits only. A comparison of all 64 would be a way around
the filter: socket(2**32 + AF_ALG) is none of the families that are refused, yet opens AF_ALG
(the same trick as CVE-2019-10063 with ioctl). libseccomp leaves this to the author of the profile."""


class Test(NamedTuple):
    """(argument & mask) is EQ, GT or GE value, unsigned; or is not, if negated."""

    argument: int
    mask: int
    comparison: str
    value: int
    negated: bool


def _test(arg: Arg, width: int) -> Test:
    comparison, negated = OPERATORS[arg.op]
    if arg.op == "SCMP_CMP_MASKED_EQ":
        return Test(arg.argument, arg.value & width, comparison, arg.value_two & width, negated)
    return Test(arg.argument, width, comparison, arg.value & width, negated)


# --- cases of one system call -------------------------------------------------------------------


class Case(NamedTuple):
    """When all tests hold, this is the verdict."""

    tests: tuple[Test, ...]
    verdict: int


class Decision(NamedTuple):
    """The first case that holds counts."""

    cases: tuple[Case, ...]
    otherwise: int


def _alternatives(rule: Rule) -> Iterator[tuple[Arg, ...]]:
    """Yield alternatives: two conditions on one argument are an «or», as runc and crun have it.

    Source: runc, libcontainer/seccomp/seccomp_linux.go, matchCall.
    """
    if len({arg.argument for arg in rule.args}) == len(rule.args):
        yield rule.args
    else:
        yield from ((arg,) for arg in rule.args)


def _decide(cases: Sequence[Case], default: int) -> Decision:
    """Leave out what can never be reached or makes no difference."""
    kept: list[Case] = []
    for case in cases:
        if not case.tests:
            default = case.verdict
            break
        kept.append(case)
    while kept and kept[-1].verdict == default:
        kept.pop()
    return Decision(tuple(dict.fromkeys(kept)), default)


# --- all calls of one instruction set -----------------------------------------------------------


class Range(NamedTuple):
    """The numbers from `first` to the one before the next range."""

    first: int
    decision: Decision


def ranges(seccomp: Seccomp, table: str) -> list[Range]:
    """Return what holds for the numbers from 0 on, neighbours always different.

    table: "x86_64", "i386" or "aarch64". Names that are not in it are skipped, as runc does: a profile
    is written for many machines.
    """
    default = verdict(seccomp.default_action, seccomp.default_errno)
    by_number = _cases(seccomp, table)
    fallback = Decision((), default)
    found: list[Range] = []
    following = 0
    for number, cases in sorted(by_number.items()):
        if number != following:
            _extend(found, following, fallback)
        _extend(found, number, _decide(cases, default))
        following = number + 1
    is_stub = by_number and seccomp.default_action not in PERMISSIVE
    _extend(found, following, Decision((), ENOSYS) if is_stub else fallback)
    return found


def _extend(found: list[Range], first: int, decision: Decision) -> None:
    if not found or found[-1].decision != decision:
        found.append(Range(first, decision))


def _cases(seccomp: Seccomp, table: str) -> dict[int, list[Case]]:
    known = numbers(table)
    by_number: dict[int, list[Case]] = {}
    for rule in seccomp.rules:
        answer = verdict(rule.action, rule.errno, has_listener=seccomp.has_listener)
        for name in rule.names:
            for call, tests in _ways(name, rule, table):
                if call in known:
                    by_number.setdefault(known[call], []).append(Case(tests, answer))
    return by_number


def _ways(name: str, rule: Rule, table: str) -> Iterator[tuple[str, tuple[Test, ...]]]:
    """Yield the system calls and conditions by which a rule about `name` is carried out."""
    ints = range(6) if table == "i386" else _INT_ARGUMENTS.get(name, ())
    for args in _alternatives(rule):
        yield name, tuple(_test(arg, _32 if arg.argument in ints else _64) for arg in args)
    if table == "i386" and name in multiplexed.DOORS:
        door, mask, number = multiplexed.DOORS[name]
        # The arguments of the call behind the door stand in memory, where no filter can read: a condition
        # on them permits nothing, and refuses whatever they are.
        if not (rule.args and rule.action in PERMISSIVE):
            yield door, (Test(0, mask, "EQ", number, False),)
