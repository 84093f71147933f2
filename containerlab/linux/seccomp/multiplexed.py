"""Calls of 32-bit x86 that can also be made through socketcall or ipc. Source: linux/net.h, linux/ipc.h."""

from __future__ import annotations

__all__ = ["DOORS"]

_SOCKETCALL = """
    socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown
    setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
"""
_IPC = {
    1: "semop semget semctl semtimedop",
    11: "msgsnd msgrcv msgget msgctl",
    21: "shmat shmdt shmget shmctl",
}

DOORS = {
    **{name: ("socketcall", 0xFFFFFFFF, number) for number, name in enumerate(_SOCKETCALL.split(), 1)},
    **{
        name: ("ipc", 0xFFFF, number)
        for first, names in _IPC.items()
        for number, name in enumerate(names.split(), first)
    },
}
"""Name → the call in front of it, the bits of its first argument that count, and their value.

The high half of the first argument of ipc is a version."""
