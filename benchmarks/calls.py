"""How many system calls one run makes: a measure that no noise touches."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.client import Client, client
from benchmarks.processes import launcher_and_monitors_of
from benchmarks.rows import Figure, Row, beside

__all__ = ["system_calls"]


def system_calls(arena: Arena) -> list[Row]:
    """Count those of our launcher, monitor and container together, of our client, and of whole peers."""
    if shutil.which("strace") is None:
        arena.absent["strace"] = "not installed (package strace)"
        return []
    report = arena.directory / "strace"
    with client(arena.home, 0) as ours:
        ours.run()
        below = _attached(ours, launcher_and_monitors_of(ours.process.pid), report)
        above = _attached(ours, [ours.process.pid], report)
    rows = [Row("system calls of the client", above)]
    for name in ("crun", "runc", "bwrap"):
        peer = arena.runtimes.get(name)
        theirs = _of_program(peer.words(), report) if peer else None
        rows.append(beside("system calls from launcher to exit", below, name, theirs))
    return rows


def _attached(ours: Client, pids: list[int], report: Path) -> Figure:
    words = ["strace", "-f", "-c", "-o", str(report), "-p", ",".join(map(str, pids))]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    for _ in pids:
        while "attached" not in tracer.stderr.readline():
            pass
    ours.run()
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    return _total(report)


def _of_program(words: list[str], report: Path) -> Figure:
    subprocess.run(["strace", "-f", "-c", "-o", str(report), *words], check=True, stdout=subprocess.DEVNULL)
    return _total(report)


def _total(report: Path) -> Figure:
    """Read the last line of strace's table: % time, seconds, µs/call, calls, errors, total."""
    return Figure(int(report.read_text().split("\n")[-2].split()[3]), "calls")
