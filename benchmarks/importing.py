"""What `import containerlab` adds to the start of a bare interpreter."""

from __future__ import annotations

import sys
from functools import partial

from benchmarks import peers
from benchmarks.arena import Arena
from benchmarks.measure import Contestant, alternate, timed
from benchmarks.rows import Figure, Row, within

__all__ = ["imports"]

_PROGRAMS = {"bare": "pass", "import": "import containerlab", "run": "import containerlab; containerlab.run"}


def imports(arena: Arena) -> list[Row]:
    """Start interpreters that import nothing, the package, and all that its `run` needs at once."""
    times = arena.counts.fast
    samples = alternate(
        [
            Contestant(name, timed(partial(peers.command, sys.executable, "-c", program)), times)
            for name, program in _PROGRAMS.items()
        ]
    )
    bare_s = samples["bare"].median_s
    added = {name: Figure((taken.median_s - bare_s) * 1000, "ms", times) for name, taken in samples.items()}
    return [
        within("import containerlab, over a bare interpreter", added["import"], 40),
        Row("… and containerlab.run looked up", added["run"]),
    ]
