"""What /proc says about processes: who a pid is, and whether it still is the same one."""

from __future__ import annotations

import errno
import functools
import os
import signal
from typing import NamedTuple

from containerlab.linux.files import read_whole

__all__ = [
    "Identity",
    "boot_id",
    "identify",
    "is_alive",
    "myself",
    "network_bytes",
    "open_pidfd",
    "rename",
    "send_signal",
]


class Identity(NamedTuple):
    """A process that can be recognised again: pids are reused, the three together are not.

    start_ticks: clock ticks from boot to its start, field 22 of /proc/PID/stat.
    boot: the kernel's random id of this boot.
    """

    pid: int
    start_ticks: int
    boot: str


@functools.cache
def rename(name: bytes) -> None:
    """Give this process another name, of up to 15 bytes. Source: proc_pid_comm(5)."""
    fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, name)
    os.close(fd)


def boot_id() -> str:
    """Return the id that the kernel drew at this boot. Source: random(4)."""
    return read_whole("/proc/sys/kernel/random/boot_id").strip().decode()


def start_ticks(pid: int) -> int:
    """Return when a process started. Raises FileNotFoundError or ProcessLookupError when it is gone."""
    text = read_whole(f"/proc/{pid}/stat")
    return int(text[text.rindex(b")") + 2 :].split()[19])


def identify(pid: int) -> Identity:
    """Return the identity of a living process."""
    return Identity(pid, start_ticks(pid), boot_id())


def myself() -> Identity:
    """Return the identity of this process."""
    return _identity_of_process(os.getpid())


@functools.lru_cache(maxsize=1)
def _identity_of_process(pid: int) -> Identity:
    return identify(pid)


def is_alive(identity: Identity) -> bool:
    """Say whether this very process still exists and is no zombie."""
    if identity.pid <= 0 or identity.boot != boot_id():
        return False
    try:
        fields = read_whole(f"/proc/{identity.pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, *rest = fields[fields.rindex(b")") + 2 :].split()
    return int(rest[18]) == identity.start_ticks and state not in (b"Z", b"X")


def open_pidfd(identity: Identity) -> int:
    """Open a pidfd of this very process. Raises ProcessLookupError when it is gone."""
    if identity.pid <= 0:
        raise ProcessLookupError(errno.ESRCH, f"no process {identity.pid}")
    fd = os.pidfd_open(identity.pid)
    if is_alive(identity):
        return fd
    os.close(fd)
    raise ProcessLookupError(errno.ESRCH, f"process {identity.pid} is gone")


def network_bytes(pid: int) -> tuple[int, int]:
    """Return what came in and went out over the interfaces of a process's network namespace, loopback aside.

    Raises: ProcessLookupError.
    """
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            lines = file.read().splitlines()[2:]
    except OSError as error:
        raise ProcessLookupError(errno.ESRCH, f"process {pid} is gone") from error
    counted = [line.partition(":") for line in lines if not line.lstrip().startswith("lo:")]
    fields = [numbers.split() for _, _, numbers in counted]
    return sum(int(each[0]) for each in fields), sum(int(each[8]) for each in fields)


def send_signal(identity: Identity, number: int) -> None:
    """Send a signal to this very process; to one that has ended, nothing."""
    try:
        pidfd = open_pidfd(identity)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)
