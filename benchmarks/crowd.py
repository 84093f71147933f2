"""How many containers start per second when many start, eight at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks import peers
from benchmarks.arena import IMAGE, Arena, isolated
from benchmarks.rows import Figure, Row, beside

__all__ = ["starts"]

_AT_A_TIME = 8


def starts(arena: Arena) -> list[Row]:
    """Start detached containers that sleep; they are removed after the clock has stopped."""
    containers = arena.engine.containers
    ours = _rate(
        arena.counts.crowd,
        lambda name: containers.start(IMAGE, ["sleep", "600"], **isolated(name)),
        lambda name: containers.remove(name, force=True),
    )
    rows = []
    for name in ("docker", "podman"):
        engine = arena.engines.get(name)
        theirs = _rate(arena.counts.peer_crowd, *_verbs(engine)) if engine else None
        rows.append(beside("start detached, 8 at a time", ours, name, theirs, 10))
    return rows


def _verbs(engine: peers.Engine) -> tuple[Callable[[str], object], Callable[[str], object]]:
    def start(name: str) -> str:
        return engine.run("--detach", "--name", name, peers.IMAGE, "/bin/sleep", "600")

    return start, lambda name: engine.call("rm", "--force", name)


def _rate(count: int, start: Callable[[str], object], remove: Callable[[str], object]) -> Figure:
    names = [f"crowd{number}" for number in range(count)]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        begin = time.perf_counter()
        list(pool.map(start, names))
        took_s = time.perf_counter() - begin
        list(pool.map(remove, names))
    return Figure(count / took_s, "/s", count)
