"""How much a machine takes, as its host sees it and as it says itself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from containerlab.backends.machine import MachineSample
from containerlab.errors import Conflict

__all__ = ["pids", "sample"]

_TICKS = os.sysconf("SC_CLK_TCK")


def sample(qemu: int, ask: Callable[[], Mapping[str, int]]) -> MachineSample:
    """Read /proc for QEMU, its companions and their monitor, and ask the guest.

    Raises: Conflict when it has ended.
    """
    try:
        found = pids(qemu)
        cpu_s, memory_bytes = sum(map(_cpu_s, found)), sum(map(_pss_bytes, found))
    except (FileNotFoundError, ProcessLookupError) as error:
        raise Conflict("the machine has ended", "start it") from error
    clock_s = time.monotonic()
    guest = ask()
    total, available = guest.get("memory_total_bytes"), guest.get("memory_available_bytes")
    return MachineSample(
        clock_s=clock_s,
        cpu_s=cpu_s,
        memory_bytes=memory_bytes,
        pids=len(found),
        guest_cpu_s=guest["cpu_usec"] / 1e6 if "cpu_usec" in guest else None,
        guest_memory_bytes=None if total is None or available is None else total - available,
        guest_memory_limit_bytes=total,
        guest_processes=guest.get("processes"),
    )


def pids(qemu: int) -> list[int]:
    """Return the processes of a machine on the host: its monitor, and that one's children."""
    monitor = _stat(qemu)[1]
    return [
        int(monitor),
        *(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_of(pid, monitor)),
    ]


def _is_of(pid: int, parent: str) -> bool:
    try:
        return _stat(pid)[1] == parent
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return False


def _stat(pid: int) -> list[str]:
    """Return what follows the name: state, ppid, … Source: proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss_bytes(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0
