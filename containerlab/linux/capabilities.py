"""Capabilities: names, masks, which ones a container gets, and how a process gives the others up.

What the child needs after the fork takes and returns only ints; everything that reads or decides
is done before it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import NamedTuple

from containerlab.errors import InvalidInput, nearest
from containerlab.linux import syscalls

__all__ = [
    "ALL",
    "DOCKER_DEFAULT",
    "Chosen",
    "Sets",
    "apply",
    "bounding",
    "chosen",
    "clear_ambient",
    "drop_bounding",
    "keep_caps",
    "last_cap",
    "mask",
    "names",
    "of_pid",
    "parse",
    "set_ambient",
]

_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
_DEFAULT = """
    CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
    SYS_CHROOT KILL AUDIT_WRITE
"""

ALL = tuple(f"CAP_{name}" for name in _NAMES.split())
"""Every name at the index of its bit. Source: linux/capability.h, Linux 5.9 to 6.18."""

DOCKER_DEFAULT = frozenset(f"CAP_{name}" for name in _DEFAULT.split())
"""What a container has when nothing was asked for. Source: moby, daemon/pkg/oci/caps/defaults.go."""

_EVERY = "ALL"
_BIT = {name: bit for bit, name in enumerate(ALL)}


def parse(text: str) -> str:
    """Return the full name of a capability, or "ALL"; any case, with or without "CAP_".

    Raises: InvalidInput with the nearest name.

    >>> parse("net_admin")
    'CAP_NET_ADMIN'
    """
    name = text.strip().upper()
    if name == _EVERY:
        return name
    full = name if name.startswith("CAP_") else f"CAP_{name}"
    if full not in _BIT:
        raise InvalidInput(f"no such capability: {text}", nearest(full, ALL))
    return full


def mask(capabilities: Iterable[str]) -> int:
    """Return the bits of full names.

    >>> hex(mask(DOCKER_DEFAULT))
    '0xa80425fb'
    """
    bits = 0
    for name in capabilities:
        bits |= 1 << _BIT[name]
    return bits


def names(bits: int) -> frozenset[str]:
    """Return the full names of bits; one that this table does not know is called CAP_41 and so on."""
    return frozenset(
        ALL[bit] if bit < len(ALL) else f"CAP_{bit}" for bit in range(bits.bit_length()) if bits >> bit & 1
    )


class Sets(NamedTuple):
    """The five capability sets of a process. Source: capabilities(7), "Thread capability sets"."""

    inheritable: frozenset[str]
    permitted: frozenset[str]
    effective: frozenset[str]
    bounding: frozenset[str]
    ambient: frozenset[str]


def of_pid(pid: int | str = "self") -> Sets:
    """Return the capability sets of a process.

    Raises: FileNotFoundError or ProcessLookupError when there is no such process.
    """
    with open(f"/proc/{pid}/status", "rb") as file:
        fields = dict(line.split(b":\t", 1) for line in file if line.startswith(b"Cap"))
    return Sets(
        *(names(int(fields[key], 16)) for key in (b"CapInh", b"CapPrm", b"CapEff", b"CapBnd", b"CapAmb"))
    )


def bounding() -> frozenset[str]:
    """Return the bounding set of this process: all that a program started by it can ever have.

    Not for a process in a new user namespace, which starts with all of them.
    Source: user_namespaces(7), "Capabilities".
    """
    return of_pid().bounding


def last_cap() -> int:
    """Return the highest capability that this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        return int(file.read())


# --- which ones a container gets ----------------------------------------------------------------


class Chosen(NamedTuple):
    """capabilities: what the container gets; notices: a sentence for each wish that the host refuses."""

    capabilities: frozenset[str]
    notices: tuple[str, ...]


def chosen(
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
    privileged: bool = False,
    available: frozenset[str] | None = None,
) -> Chosen:
    """Decide the capabilities of a container by Docker's rules, from those `available` (the bounding set).

    `ALL` in `add` starts from all of them and `drop` takes away; `ALL` in `drop` leaves only those of
    `add`; else `drop` is taken from the default first, and `add` wins over it. `privileged` means all,
    whatever the other two say. Source: moby, daemon/pkg/oci/caps/utils.go, TweakCapabilities.

    Raises: InvalidInput for a name that is no capability.
    """
    available = bounding() if available is None else available
    wanted = _wanted(frozenset(map(parse, add)), frozenset(map(parse, drop)), privileged)
    return Chosen(wanted & available, _notices(wanted - available))


def _wanted(add: frozenset[str], drop: frozenset[str], privileged: bool) -> frozenset[str]:
    if privileged:
        return frozenset(ALL)
    if _EVERY in add:
        return frozenset(ALL) - drop
    if _EVERY in drop:
        return add
    return (DOCKER_DEFAULT - drop) | add


def _notices(missing: frozenset[str]) -> tuple[str, ...]:
    return tuple(
        f"{name} is not given: it is not in the bounding set of this host's processes"
        for name in sorted(missing, key=_BIT.__getitem__)
    )


# --- what the child does; Source of all: capabilities(7), prctl(2) ------------------------------

_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def drop_bounding(keep: int) -> None:
    """Drop every capability from the bounding set but those of the mask `keep`.

    Drops without asking first which are there: /proc may be a forgery of the container's image, and asking
    the kernel costs as much as dropping. Needs CAP_SETPCAP if there is anything to drop.
    """
    for bit in range(64):
        if keep >> bit & 1:
            continue
        try:
            syscalls.prctl(_PR_CAPBSET_DROP, bit)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return  # beyond the last one that this kernel knows
            if _is_in_bounding(bit):
                raise


def _is_in_bounding(bit: int) -> bool:
    try:
        return syscalls.prctl(_PR_CAPBSET_READ, bit) == 1
    except OSError:  # not known to this kernel
        return False


def clear_ambient() -> None:
    """Empty the ambient set."""
    syscalls.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def set_ambient(bits: int) -> None:
    """Make the ambient set equal to a mask; each bit must be permitted and inheritable already."""
    clear_ambient()
    while bits:
        lowest = bits & -bits
        syscalls.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, lowest.bit_length() - 1)
        bits ^= lowest


def keep_caps(keep: bool) -> None:
    """Say whether the permitted set outlives the change from uid 0 to another; execve clears this."""
    syscalls.prctl(_PR_SET_KEEPCAPS, int(keep))


def apply(effective: int, permitted: int, inheritable: int) -> None:
    """Set the three sets of this thread to masks; what is given up cannot be had back."""
    syscalls.capset(effective, permitted, inheritable)
