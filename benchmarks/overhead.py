"""What a container's processor does for its program, beside a bare process of the host.

The same static program in both, in cgroups of equal weight beside each other, in turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks.arena import IMAGE, Arena
from benchmarks.rows import Figure, Row, beside
from containerlab.experiments.probe import probe
from containerlab.experiments.shares import Shares
from containerlab.experiments.subject import PROBE, Instance
from containerlab.experiments.subjects.bare import Bare
from containerlab.experiments.subjects.own import Own

__all__ = ["processor"]

_MS = "250"
_LIMIT_S = 60.0
_AT_LEAST = 0.99
_UNITS = {
    "sha256": ("sha256_bytes_per_s", 1e6, "MB/s"),
    "integer": ("integer_ops_per_s", 1e6, "Mop/s"),
    "float": ("float_ops_per_s", 1e6, "Mop/s"),
}


def processor(arena: Arena) -> list[Row]:
    """Hash, and count with whole numbers and with fractions."""
    image = probe.image(arena.engine, IMAGE)
    scratch = arena.directory / "bare"
    scratch.mkdir()
    with (
        closing(Shares()) as shares,
        closing(Bare(shares, scratch)) as bare,
        _idle(bare) as process,
        _idle(Own(arena.engine, image, shares)) as container,
    ):
        return [_row(arena, word, process, container) for word in _UNITS]


@contextmanager
def _idle(subject: Bare | Own) -> Iterator[Instance]:
    instance: Instance = subject.create([PROBE, "idle"])
    instance.start()
    try:
        yield instance
    finally:
        instance.delete()


def _row(arena: Arena, word: str, process: Instance, container: Instance) -> Row:
    metric, scale, unit = _UNITS[word]
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(arena.counts.fast):
        both = list(zip((process, container), rates, strict=True))
        for instance, taken in both if turn % 2 else reversed(both):
            said = instance.execute([PROBE, word, _MS], _LIMIT_S)
            taken.append(probe.figures(said)[metric] / scale)
    theirs, ours = (Figure(statistics.median(taken), unit, len(taken)) for taken in rates)
    return beside(f"{word} in a container", ours, "bare process", theirs, _AT_LEAST)
