"""Rows and the machine they were measured on, as text and as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.peers import Engine, Runtime
from benchmarks.rows import Row

__all__ = ["host", "markdown", "write"]

README = Path(__file__).with_name("README.md")
_HEAD = ("subject", "ours", "peer", "peer's", "times better", "goal", "")


def host(arena: Arena, load_before: float) -> list[str]:
    """Return what there is to know about the machine and the peers."""
    load_after = os.getloadavg()[0]
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; Linux {platform.release()}, {_processor()}, "
        f"{os.cpu_count()} cores; Python {platform.python_version()}; "
        f"load average {load_before:.2f} before, {load_after:.2f} after",
        f"stores on {_file_system(arena.directory)}",
        "peers: " + ", ".join(f"{name} {version}" for name, version in _versions(arena).items()),
        *(f"missing: {name}: {reason}" for name, reason in arena.absent.items()),
    ]


def _versions(arena: Arena) -> dict[str, str]:
    peers: list[Engine | Runtime] = [*arena.engines.values(), *arena.runtimes.values()]
    return {**{peer.name: peer.version for peer in peers}, **arena.tools}


def _file_system(directory: Path) -> str:
    """Return the type of the file system that holds a directory, and its mount options."""
    with open("/proc/self/mounts") as file:
        mounts = [line.split()[1:4] for line in file]
    holding = [mount for mount in mounts if directory.is_relative_to(mount[0])]
    _, fstype, options = max(reversed(holding), key=lambda mount: len(mount[0]))
    return f"{fstype} ({options})"


def _processor() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown(rows: Sequence[Row], facts: Sequence[str]) -> str:
    """Return the table, its columns aligned, and the facts below it."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(
        [*lines, "", "Medians; in brackets of how many measurements.", "", *(f"- {fact}" for fact in facts)]
    )


def _cells(row: Row) -> tuple[str, ...]:
    theirs = str(row.theirs) if row.theirs else "missing" if row.peer else ""
    better = f"{row.better:.3g}" if row.better is not None else ""
    verdict = {True: "met", False: "**missed**", None: ""}[row.met]
    return row.subject, str(row.ours), row.peer, theirs, better, row.goal, verdict


def write(text: str, where: str) -> None:
    """Put the text between the markers that README.md has for it."""
    begin, end = (f"<!-- measured {where}: {edge} -->" for edge in ("begin", "end"))
    before, _, rest = README.read_text().partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}")
