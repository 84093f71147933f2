"""Filters in the real kernel: a process loads one, makes system calls, and says what came back.

The calls have arguments that change nothing: a descriptor that is not open, an address that is not mapped,
flags that exclude each other. Where the filter allows, the answer must be the one without a filter.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from containerlab.linux.capabilities import ALL, DOCKER_DEFAULT
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.numbers import numbers
from containerlab.linux.seccomp.ownership import WITHOUT_EFFECT
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp, default
from tests.linux.seccomp import bpf

MACHINE = os.uname().machine
KNOWN = numbers(MACHINE)
ARCH = {"x86_64": bpf.X86_64, "aarch64": bpf.AARCH64}[MACHINE]
KERNEL = (5, 11)
BAD = 2**64 - 1
IMPOSSIBLE_FLAGS = 0x800  # CLONE_SIGHAND without CLONE_VM: EINVAL before anything is cloned

Call = Sequence[int]


def probe(
    seccomps: Sequence[Seccomp], calls: Sequence[Call] = (), calls_32: Sequence[Call] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    order = {
        "programs": [compile_filter(seccomp).hex() for seccomp in seccomps],
        "flags": 0,
        "privileged": False,
        "calls": calls,
        "calls_32": calls_32,
        **options,
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.linux.seccomp.probe"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


def answers(
    seccomps: Sequence[Seccomp], calls: Sequence[Call] = (), calls_32: Sequence[Call] = (), **options: Any
) -> list[int]:
    done = probe(seccomps, calls, calls_32, **options)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def profile(*capabilities: str) -> Seccomp:
    return default(DOCKER_DEFAULT | set(capabilities), KERNEL, MACHINE)


# --- the default profile, rule by rule -----------------------------------------------------------


def test_every_refused_call_is_refused() -> None:
    program = bpf.Program(compile_filter(profile()))
    # Linux lets these two past any filter (kernel/seccomp.c): only its own breakpoints make them.
    unfiltered = {KNOWN.get("uretprobe"), KNOWN.get("uprobe")}
    verdicts = {n: program.verdict(ARCH, n, [BAD] * 6) for n in range(500) if n not in unfiltered}
    refused = {number: verdict for number, verdict in verdicts.items() if verdict in (bpf.EPERM, bpf.ENOSYS)}
    assert len(refused) > 90
    found = answers([profile()], [[number, *[BAD] * 6] for number in refused])
    assert found == [verdict & 0xFFF for verdict in refused.values()]


BY_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": ["open_by_handle_at"],
    "CAP_SYS_ADMIN": [
        *(
            "bpf",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "mount",
            "mount_setattr",
        ),
        *("move_mount", "open_tree", "perf_event_open", "quotactl", "setdomainname", "sethostname", "setns"),
        *("syslog", "umount2", "unshare"),
    ],
    "CAP_SYS_BOOT": ["reboot"],
    "CAP_SYS_CHROOT": ["chroot"],
    "CAP_SYS_MODULE": ["delete_module", "init_module", "finit_module"],
    "CAP_SYS_PACCT": ["acct"],
    "CAP_SYS_PTRACE": ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "ptrace"],
    "CAP_SYS_RAWIO": ["iopl", "ioperm"],
    "CAP_SYS_TIME": ["settimeofday", "clock_settime"],
    "CAP_SYS_NICE": ["get_mempolicy", "mbind", "set_mempolicy"],
    "CAP_SYSLOG": ["syslog"],
    "CAP_BPF": ["bpf"],
    "CAP_PERFMON": ["perf_event_open"],
}


@pytest.mark.parametrize("capability", BY_CAPABILITY)
def test_calls_that_a_capability_brings(capability: str) -> None:
    calls = [[KNOWN[name], *[BAD] * 6] for name in BY_CAPABILITY[capability] if name in KNOWN]
    assert answers([profile(capability)], calls) == answers([], calls)


def test_sockets() -> None:
    calls = [[KNOWN["socket"], family, 0x7FF, 0] for family in range(46)]
    through, unfiltered = answers([profile()], calls), answers([], calls)
    assert [family for family in range(46) if through[family] == errno.EPERM != unfiltered[family]] == [
        38,
        40,
    ]
    assert [family for family in range(46) if through[family] != unfiltered[family]] == [38, 40]


def test_high_half_of_a_socket_family_is_no_way_around() -> None:
    calls = [[KNOWN["socket"], 2**32 + family, 5, 0] for family in (38, 40)]
    assert answers([profile()], calls) == [errno.EPERM] * 2
    assert errno.EPERM not in answers([], calls)


def test_personality() -> None:
    """Ends with the question, as each success changes the process."""
    calls = [[KNOWN["personality"], value] for value in (8, 0x20000, 0x20008, 0, 9, 0x40000, 0xFFFFFFFF)]
    assert answers([profile()], calls) == [0, 0, 0, 0, errno.EPERM, errno.EPERM, 0]
    assert answers([], calls) == [0] * 7


def test_clone_makes_no_namespaces() -> None:
    spaces = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
    calls = [[KNOWN["clone"], IMPOSSIBLE_FLAGS | flags, 0, 0, 0, 0] for flags in (0, *spaces)]
    assert answers([profile()], calls) == [errno.EINVAL] + [errno.EPERM] * 7
    assert answers([profile("CAP_SYS_ADMIN")], calls) == [errno.EINVAL] * 8


def test_ordinary_programs_run_through_the_profile() -> None:
    assert answers([profile()], [[KNOWN["getpid"]], [KNOWN["close"], BAD], [KNOWN["read"], BAD, 0, 0]]) == [
        0,
        errno.EBADF,
        errno.EBADF,
    ]


# --- foreign instruction sets --------------------------------------------------------------------

only_x86_64 = pytest.mark.skipif(MACHINE != "x86_64", reason="is about x86")


@pytest.fixture(scope="module")
def _int_80() -> None:
    done = probe([], calls_32=[[numbers("i386")["getpid"]]])
    if done.returncode == -signal.SIGSEGV:
        pytest.skip("this kernel runs no 32-bit programs (CONFIG_IA32_EMULATION)")
    assert done.returncode == 0, done.stderr


@only_x86_64
@pytest.mark.usefixtures("_int_80")
def test_32_bit_calls_are_filtered_by_their_own_numbers() -> None:
    known = numbers("i386")
    calls = [
        [known["getpid"]],
        [known["socket"], 1, 0x7FF],
        [known["socket"], 38, 0x7FF],
        [known["unshare"], 1],
        [known["clone"], IMPOSSIBLE_FLAGS | 0x10000000],
        [known["clone3"], 0],
    ]
    expected = [0, errno.EINVAL, errno.EPERM, errno.EPERM, errno.EPERM, errno.ENOSYS]
    assert answers([profile()], calls_32=calls) == expected
    unfiltered = answers([], calls_32=calls)
    assert [a for a, b in zip(expected, unfiltered, strict=True) if a == b] == [0, errno.EINVAL]


@only_x86_64
@pytest.mark.usefixtures("_int_80")
def test_32_bit_call_kills_where_the_profile_does_not_list_it() -> None:
    done = probe([profile()._replace(architectures=())], calls_32=[[numbers("i386")["getpid"]]])
    assert done.returncode == -signal.SIGSYS
    assert done.stdout == ""


@only_x86_64
def test_x32_numbers_do_not_exist() -> None:
    calls = [[0x40000000 | KNOWN["getpid"]], [0x40000000 | KNOWN["unshare"], 0x10000000]]
    assert answers([profile()], calls) == [errno.ENOSYS] * 2


# --- actions -------------------------------------------------------------------------------------

GETPPID = [KNOWN["getppid"]]


def _on_getppid(action: str, number: int | None = None) -> Seccomp:
    return Seccomp("SCMP_ACT_ALLOW", rules=(Rule(("getppid",), action, number),))


@pytest.mark.parametrize(
    "action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]
)
def test_actions_that_end_the_process(action: str) -> None:
    done = probe([_on_getppid(action)], [[KNOWN["getpid"]], GETPPID, GETPPID])
    assert done.returncode == -signal.SIGSYS
    assert done.stdout == "0\n"


@pytest.mark.parametrize(
    ("action", "number", "expected"),
    [
        ("SCMP_ACT_ALLOW", None, 0),
        ("SCMP_ACT_LOG", None, 0),
        ("SCMP_ACT_ERRNO", None, errno.EPERM),
        ("SCMP_ACT_ERRNO", 0, 0),
        ("SCMP_ACT_ERRNO", 4095, 4095),
        ("SCMP_ACT_TRACE", None, errno.ENOSYS),
    ],
)
def test_actions_that_answer(action: str, number: int | None, expected: int) -> None:
    assert answers([_on_getppid(action, number)], [GETPPID]) == [expected]


@pytest.mark.parametrize("flags", [1, 2, 4, 7], ids=["TSYNC", "LOG", "SPEC_ALLOW", "all"])
def test_flags_are_taken(flags: int) -> None:
    assert answers([_on_getppid("SCMP_ACT_ERRNO")], [GETPPID], flags=flags) == [errno.EPERM]


@pytest.mark.root
def test_filter_without_no_new_privs_needs_root() -> None:
    assert answers([_on_getppid("SCMP_ACT_ERRNO")], [GETPPID], privileged=True) == [errno.EPERM]


def test_strictest_of_two_filters_counts() -> None:
    filters = [_on_getppid("SCMP_ACT_ERRNO", 5), _on_getppid("SCMP_ACT_LOG")]
    assert answers(filters, [GETPPID]) == [5]


# --- comparisons of 64 bits, in the kernel --------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "value", "value_two", "inside", "outside"),
    [
        ("EQ", 2**32 + 5, 0, [2**32 + 5], [5, 2**33 + 5, 2**32 + 4]),
        ("NE", 2**32 + 5, 0, [5, 2**33 + 5, 2**32], [2**32 + 5]),
        ("GT", 2**32 + 5, 0, [2**32 + 6, 2**33], [2**32 + 5, 6, 2**32]),
        ("GE", 2**32 + 5, 0, [2**32 + 5, 2**33], [2**32 + 4, 6]),
        ("LT", 2**32 + 5, 0, [2**32 + 4, 6], [2**32 + 5, 2**33]),
        ("LE", 2**32 + 5, 0, [2**32 + 5, 6], [2**32 + 6, 2**33]),
        ("MASKED_EQ", 2**32 | 0xF0, 2**32 | 0x50, [2**32 | 0x55, 2**63 | 2**32 | 0x50], [0x50, 2**32 | 0x60]),
    ],
)
def test_comparison(op: str, value: int, value_two: int, inside: list[int], outside: list[int]) -> None:
    arg = Arg(1, value, f"SCMP_CMP_{op}", value_two)
    seccomp = Seccomp("SCMP_ACT_ALLOW", rules=(Rule(("munmap",), "SCMP_ACT_ERRNO", 99, (arg,)),))
    found = answers([seccomp], [[KNOWN["munmap"], 1, value] for value in inside + outside])
    assert found == [99] * len(inside) + [errno.EINVAL] * len(outside)  # address 1 is no page


# --- ownership -----------------------------------------------------------------------------------


def test_ownership_calls_succeed_without_effect() -> None:
    names = ["fchown", "fchownat", "setgroups", "setuid", "setresuid", "setgid", "setresgid", "setfsuid"]
    names += [name for name in ("chown", "lchown") if name in KNOWN]
    calls = [[KNOWN[name], *[BAD - 1] * 5] for name in names]
    assert answers([profile(), WITHOUT_EFFECT], calls) == [0] * len(calls)
    assert answers([WITHOUT_EFFECT, profile()], calls) == [0] * len(calls)
    assert answers([WITHOUT_EFFECT], [[KNOWN["fchmod"], BAD, 0]]) == [errno.EBADF]
    assert 0 not in answers([], calls[:2])


def test_every_capability_still_filters() -> None:
    seccomp = default(frozenset(ALL), KERNEL, MACHINE)
    assert answers([seccomp], [[KNOWN["pivot_root"], 0, 0], [KNOWN["keyctl"], BAD]]) == [errno.EPERM] * 2
