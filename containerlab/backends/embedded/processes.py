"""Which processes a container has, as the host's /proc shows them (CVE-2022-1227: never by its own `ps`)."""

from __future__ import annotations

import os

from containerlab.backends.base import Process
from containerlab.linux import procfs

__all__ = ["of_container"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def of_container(pid: int) -> list[Process]:
    """Return the processes that share the PID namespace of a container's first one, or descend from it.

    Of one that has ended, none.
    """
    boot = _boot_time()
    found = {}
    for each in _pids_beside(pid):
        try:
            found[each] = _read(each, boot)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [found[each] for each in sorted(found)]


def _pids_beside(pid: int) -> list[int]:
    namespace = _namespace(pid)
    if not namespace:
        return []
    if namespace == os.stat("/proc/self/ns/pid").st_ino:
        return _descendants(pid)
    return [each for each in _all_pids() if _namespace(each) == namespace]


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return 0


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        try:
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _boot_time() -> float:
    with open("/proc/stat") as file:
        return next(float(line.split()[1]) for line in file if line.startswith("btime"))


def _read(pid: int, boot: float) -> Process:
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    name = text[text.index(b"(") + 1 : text.rindex(b")")].decode(errors="replace")
    fields = text[text.rindex(b")") + 2 :].split()
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read(4096).rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return Process(
        pid=pid,
        ppid=int(fields[1]),
        uid=os.stat(f"/proc/{pid}").st_uid,
        started_at=boot + procfs.start_ticks(pid) / _TICKS_PER_S,
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
        command=words or f"[{name}]",
    )
