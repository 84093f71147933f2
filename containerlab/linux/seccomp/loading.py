"""Put a compiled program on the calling thread."""

from __future__ import annotations

from collections.abc import Iterable

from containerlab.errors import InvalidInput, nearest
from containerlab.linux import syscalls

__all__ = ["flag_bits", "load"]

_FLAGS = {  # linux/seccomp.h
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}


def flag_bits(flags: Iterable[str]) -> int:
    """Return the flags of a profile as one number.

    Raises: InvalidInput for an unknown flag, and for WAIT_KILLABLE_RECV, which needs a listener.
    """
    bits = 0
    for flag in flags:
        if flag not in _FLAGS:
            raise InvalidInput(f"no such seccomp flag: {flag}", nearest(flag, _FLAGS))
        bits |= _FLAGS[flag]
    return bits


def load(program: bytes, flags: int = 0) -> None:
    """Filter every system call of this thread from now on, also after execve; never to be undone.

    Needs CAP_SYS_ADMIN in the own user namespace, or no_new_privs. Of several filters the strictest
    answer counts, and of equally strict ones that of the filter loaded last.

    Raises: OSError. Source: seccomp(2).
    """
    syscalls.seccomp(program, flags)
