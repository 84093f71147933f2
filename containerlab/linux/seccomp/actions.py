"""What a filter answers: the actions of the OCI runtime specification as SECCOMP_RET_* values."""

from __future__ import annotations

from containerlab.errors import InvalidInput, Unsupported, nearest

__all__ = ["ENOSYS", "KILL_PROCESS", "PERMISSIVE", "verdict"]

_EPERM, _MAX_ERRNO = 1, 4095
_ERRNO, _TRACE, _USER_NOTIF = 0x00050000, 0x7FF00000, 0x7FC00000
_ACTIONS = {  # linux/seccomp.h
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_TRACE": _TRACE,
    "SCMP_ACT_TRAP": 0x00030000,
}

PERMISSIVE = frozenset({"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"})
"""Actions after which the system call takes place."""

KILL_PROCESS = 0x80000000
ENOSYS = _ERRNO | 38


def verdict(action: str, errno: int | None = None, *, has_listener: bool = False) -> int:
    """Return what the program answers for an action: SECCOMP_RET_* with its data.

    has_listener: whether SCMP_ACT_NOTIFY makes sense.

    Raises: InvalidInput for an unknown action or an error number that does not belong there;
    Unsupported for SCMP_ACT_NOTIFY.
    """
    if action == "SCMP_ACT_NOTIFY" and has_listener:
        return _USER_NOTIF
    if action == "SCMP_ACT_NOTIFY":
        raise Unsupported(
            "SCMP_ACT_NOTIFY cannot be used: nobody would listen, and the call would hang",
            "use SCMP_ACT_ERRNO",
        )
    if action not in _ACTIONS:
        raise InvalidInput(f"no such seccomp action: {action}", nearest(action, _ACTIONS))
    base = _ACTIONS[action]
    if base in (_ERRNO, _TRACE):
        return base | _data(_EPERM if errno is None else errno)
    if errno is not None:
        raise InvalidInput(f"{action} takes no error number, but errnoRet is {errno}", "leave errnoRet out")
    return base


def _data(errno: int) -> int:
    if 0 <= errno <= _MAX_ERRNO:
        return errno
    raise InvalidInput(f"errnoRet {errno} is no error number", f"use 0 to {_MAX_ERRNO}")
