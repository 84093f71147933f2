"""Running /bin/true: from Python, from a shell, and in a container that runs already."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks import peers
from benchmarks.arena import IMAGE, ISOLATED, RUN, Arena
from benchmarks.measure import Contestant, alternate, timed
from benchmarks.rows import Row, beside, milliseconds

__all__ = ["executions", "runs", "shell_runs"]

_Actions = dict[str, Callable[[], object]]


def runs(arena: Arena) -> list[Row]:
    """Run with full isolation from a running Python, log captured, record kept and removed."""

    def ours() -> None:
        arena.engine.containers.run(IMAGE, ["/bin/true"], **RUN).check()

    fast: _Actions = {name: peer.run for name, peer in arena.runtimes.items()}
    goals = {"crun": 1 / 1.2, "docker": 20, "podman": 12, "runc": 0, "bwrap": 0}
    return _rows("run /bin/true", arena, ours, {**fast, **_engine_runs(arena)}, goals)


def shell_runs(arena: Arena) -> list[Row]:
    """Run from a shell, the start of the interpreter included."""
    conlab = os.path.join(os.path.dirname(sys.executable), "conlab")
    words = [conlab, "--home", str(arena.home), "run", "--rm", "--network", "none", IMAGE, "/bin/true"]
    goals = {"docker": 2, "podman": 0}
    return _rows("conlab run from a shell", arena, partial(peers.command, *words), _engine_runs(arena), goals)


def executions(arena: Arena) -> list[Row]:
    """Run one more process in a running container."""
    with arena.engine.containers.start(IMAGE, ["sleep", "600"], **ISOLATED) as container:
        theirs: _Actions = {}
        for name, engine in arena.engines.items():
            engine.run("--detach", "--name", "sleeper", peers.IMAGE, "/bin/sleep", "600")
            theirs[name] = partial(engine.call, "exec", "sleeper", "/bin/true")
        try:
            goals = {"docker": 15, "podman": 0}
            return _rows(
                "exec /bin/true", arena, lambda: container.exec(["/bin/true"]).check(), theirs, goals
            )
        finally:
            for engine in arena.engines.values():
                engine.call("rm", "--force", "sleeper")


def _engine_runs(arena: Arena) -> _Actions:
    return {
        name: partial(engine.run, "--rm", peers.IMAGE, "/bin/true") for name, engine in arena.engines.items()
    }


def _rows(
    subject: str, arena: Arena, ours: Callable[[], object], theirs: _Actions, goals: Mapping[str, float]
) -> list[Row]:
    counts = arena.counts
    contestants = [Contestant("ours", timed(ours), counts.fast)]
    for name, action in theirs.items():
        times = counts.fast if name in arena.runtimes else counts.slow
        contestants.append(Contestant(name, timed(action), times))
    samples = alternate(contestants)
    figures = {name: milliseconds(taken) for name, taken in samples.items()}
    return [beside(subject, figures["ours"], name, figures.get(name), goal) for name, goal in goals.items()]
