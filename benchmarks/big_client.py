"""Whether a client that holds much data starts containers more slowly: it must never be forked."""

from __future__ import annotations

from benchmarks.arena import Arena
from benchmarks.client import client
from benchmarks.measure import Contestant, alternate
from benchmarks.rows import Row, beside, milliseconds

__all__ = ["big_clients"]


def big_clients(arena: Arena) -> list[Row]:
    """Run from a process that holds 1 GiB and from one that holds nothing."""
    with client(arena.home, 1024) as big, client(arena.home, 0) as empty:
        times = arena.counts.fast
        samples = alternate([Contestant("big", big.run, times), Contestant("empty", empty.run, times)])
    ours, same_but_empty = milliseconds(samples["big"]), milliseconds(samples["empty"])
    return [beside("run, the client holds 1 GiB", ours, "itself, empty", same_but_empty, 1 / 1.2)]
