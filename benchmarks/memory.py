"""How much memory each further idle detached container takes, the processes around it included.

The proportional set size (smaps_rollup) of all of an engine's processes that grow with containers (launcher,
monitors or shims, and the containers' own) is summed with one container and with eleven; a tenth of the
difference is what each adds. Memory of the kernel (cgroups, mounts, namespaces) is not in it, on no side.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import peers
from benchmarks.arena import IMAGE, Arena, isolated
from benchmarks.processes import proportional_bytes, with_descendants
from benchmarks.rows import Figure, Row, beside, within

__all__ = ["idle_containers"]

_MORE = 10
_SLEEP = ("sleep", "600")
_SUBJECT = "memory of one more idle container"


def idle_containers(arena: Arena) -> list[Row]:
    """Start eleven idle containers in every engine, one after another."""
    containers = arena.engine.containers
    ours = _each(
        lambda name: containers.start(IMAGE, _SLEEP, **isolated(name)),
        lambda name: containers.remove(name, force=True),
        ("containerlab.runtime.launcher",),
    )
    marks = {
        "docker": ("containerd-shim", f"{arena.directory}/docker-run"),
        "podman": ("conmon", f"{arena.directory}/podman"),
    }
    rows = [within(_SUBJECT, ours, 3)]
    for name, words in marks.items():
        engine = arena.engines.get(name)
        rows.append(beside(_SUBJECT, ours, name, _of_peer(engine, words) if engine else None))
    return rows


def _of_peer(engine: peers.Engine, marks: tuple[str, ...]) -> Figure:
    return _each(
        lambda name: engine.run("--detach", "--name", name, peers.IMAGE, *_SLEEP),
        lambda name: engine.call("rm", "--force", name),
        marks,
    )


def _each(start: Callable[[str], object], remove: Callable[[str], object], marks: tuple[str, ...]) -> Figure:
    names = [f"idle{number}" for number in range(_MORE + 1)]
    start(names[0])
    before = proportional_bytes(with_descendants(marks))
    for name in names[1:]:
        start(name)
    grown = proportional_bytes(with_descendants(marks)) - before
    for name in names:
        remove(name)
    return Figure(grown / _MORE / (1 << 20), "MiB")
