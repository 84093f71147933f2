"""How fast the host's time stamp counter runs, which an emulated guest sees as its own."""

from __future__ import annotations

import ctypes
import mmap
import platform
import re
import time
from pathlib import Path

from containerlab.linux.files import write_atomically
from containerlab.linux.procfs import boot_id

__all__ = ["tsc_khz"]

_RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret."""
_SAMPLE_NS = 20_000_000


def tsc_khz(cache: Path | None = None) -> int:
    """Return the counter's speed in thousands a second, or 0 where it cannot be told.

    cache: a directory where it is kept for this boot of the host, as it is a bit different each time.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return 0
    kept = cache / f"tsc-{boot_id()}" if cache else None
    if kept and kept.exists():
        return int(kept.read_text())
    try:
        khz = _measured()
    except OSError:  # a hardened host makes no memory executable
        khz = _told()
    if kept:
        write_atomically(str(kept), b"%d" % khz)
    return khz


def _measured() -> int:
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(_RDTSC)
        where = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(where))
        begin_ns, begin = _both(read)
        time.sleep(_SAMPLE_NS / 1e9)
        end_ns, end = _both(read)
        del where
    return round((end - begin) * 1_000_000 / (end_ns - begin_ns))


def _both(read: ctypes._CFunctionType) -> tuple[int, int]:
    """Read both clocks at one moment: of some tries the one that took least time."""
    tries = []
    for _ in range(5):
        before = time.monotonic_ns()
        counter = read()
        after = time.monotonic_ns()
        tries.append((after - before, (before + after) // 2, counter))
    _, now_ns, counter = min(tries)
    return now_ns, counter


def _told() -> int:
    try:
        found = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        return 0
    return round(float(found[1]) * 1000) if found else 0
