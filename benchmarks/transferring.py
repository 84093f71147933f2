"""Pulling and pushing an image of 0.5 GB in 10 layers, at docker-registry: docker, podman and skopeo beside.

A pull ends with the image in the store, unpacked and ready to run; between two of them it is removed. Every
first push goes to a registry of its own, so that nothing can be taken over from an earlier one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import peers, registries, registry_image
from benchmarks.arena import Arena
from benchmarks.measure import Contestant, alternate, timed
from benchmarks.rows import Figure, Row, beside, milliseconds, within
from containerlab.engine.engine import Engine
from tests.distribution.transfer import cable

__all__ = ["transfers"]

_REPOSITORY = "bench/big"
_SMALL = "bench/small-files:v1"
_MOST_MIB = 150
_numbers = count()


def transfers(arena: Arena) -> list[Row]:
    """Pull and push in turns."""
    if not (found := registries.version()):
        arena.absent["docker-registry"] = "install the package docker-registry"
        return []
    arena.tools["docker-registry"] = found
    layouts = [registry_image.layout(arena.directory), registry_image.layout(arena.directory, "new")]
    with ExitStack() as stack:
        server = stack.enter_context(registries.docker_registry(arena.directory / "transfers"))
        engine = stack.enter_context(Engine(home=arena.directory / "transfer-home"))
        host = f"localhost:{server.port}"
        for number, layout in enumerate(layouts, 1):
            name = f"{host}/{_REPOSITORY}:v{number}"
            _skopeo(layout, name)
        _skopeo(registry_image.layout(arena.directory, smallest=registry_image.ANY_SIZE), f"{host}/{_SMALL}")
        rows = _pulls(arena, engine, f"{host}/{_SMALL}", "pull 0.5 GB in 10 layers, unpacked")
        rows += _pulls(arena, engine, f"{host}/{_REPOSITORY}:v1", "… of files of 8 KiB and more")
        rows.append(_memory(arena, host))
        rows.append(_delta(engine, host))
        return [*rows, *_pushes(arena, engine, layouts[0], f"{host}/{_REPOSITORY}:v1")]


def _skopeo(layout: Path, name: str) -> None:
    words = ("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
    peers.command(*words, f"oci:{layout}", f"docker://{name}")


def _pulls(arena: Arena, engine: Engine, name: str, subject: str) -> list[Row]:
    times = arena.counts.unpack
    contestants = [Contestant("ours", partial(_pull, engine, name), times)]
    for peer in arena.engines.values():
        contestants.append(Contestant(peer.name, partial(_pull_by, peer, name), times))
    figures = {each: milliseconds(taken) for each, taken in alternate(contestants, warm_up=0).items()}
    return [beside(subject, figures["ours"], each, figures.get(each), 3) for each in ("docker", "podman")]


def _pull(engine: Engine, name: str) -> float:
    took_s = timed(lambda: engine.images.pull(name))()
    engine.images.remove(name, force=True)
    return took_s


def _pull_by(peer: peers.Engine, name: str) -> float:
    words = ("pull", "--quiet", *(("--tls-verify=false",) if peer.name == "podman" else ()), name)
    took_s = timed(lambda: peer.call(*words))()
    peer.call("rmi", name)
    return took_s


def _memory(arena: Arena, host: str) -> Row:
    """Pull in a process of its own, and look at it and all that it starts."""
    home = arena.directory / "memory-home"
    words = [sys.executable, "-m", "containerlab", "--home", str(home), "pull", "--quiet"]
    most = 0
    with subprocess.Popen([*words, f"{host}/{_SMALL}"], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, _resident_bytes(process.pid))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit("The pull whose memory was to be measured has failed.")
    return within("… most memory, with all it starts", Figure(most / (1 << 20), "MiB"), _MOST_MIB)


def _resident_bytes(pid: int) -> int:
    """Sum what a process and its descendants have in memory; pages that several have count for each."""
    total, pids = 0, [pid]
    for each in pids:
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in os.listdir(f"/proc/{each}/task"):
                pids += map(int, Path(f"/proc/{each}/task/{task}/children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _delta(engine: Engine, host: str) -> Row:
    """Pull a version of which only the top layer is new, and count what comes over the wire."""
    with cable.laid(host) as wire:
        name = f"{wire.host}/{_REPOSITORY}"
        engine.images.pull(f"{name}:v1")
        before = wire.moved["down"]
        engine.images.pull(f"{name}:v2")
        moved = wire.moved["down"] - before
        needed = _top_layer_bytes(engine, f"{name}:v2")
        for tag in ("v1", "v2"):
            engine.images.remove(f"{name}:{tag}", force=True)
    return within("… of a new top layer: bytes over that layer's", Figure(100 * (moved / needed - 1), "%"), 1)


def _top_layer_bytes(engine: Engine, name: str) -> int:
    """Return the size of the top layer and of the manifest."""
    from containerlab.backends.embedded import Embedded

    backend = engine.backend
    assert isinstance(backend, Embedded)
    image = backend.store.get(name)
    return image.layers[-1].size + len(image.manifest_raw)


def _pushes(arena: Arena, engine: Engine, layout: Path, name: str) -> list[Row]:
    engine.images.pull(name)

    def ours(target: str) -> None:
        engine.images.tag(name, target)
        engine.images.push(target)

    def again(target: str) -> float:
        engine.images.tag(name, target)
        engine.images.push(target)
        return timed(lambda: engine.images.push(target))()

    acts: dict[str, Callable[[str], float]] = {
        "ours": lambda target: timed(lambda: ours(target))(),
        "skopeo": lambda target: timed(lambda: _skopeo(layout, target))(),
        "again": again,
    }
    contestants = [
        Contestant(each, partial(_in_a_new_registry, arena, act), arena.counts.unpack)
        for each, act in acts.items()
    ]
    figures = {each: milliseconds(taken) for each, taken in alternate(contestants, warm_up=0).items()}
    arena.tools["skopeo"] = peers.version("skopeo", "skopeo")
    return [
        beside("push the same", figures["ours"], "skopeo", figures["skopeo"], 2),
        within("… again, nothing new", figures["again"], 100),
    ]


def _in_a_new_registry(arena: Arena, act: Callable[[str], float]) -> float:
    with registries.docker_registry(arena.directory / f"pushed-{next(_numbers)}") as server:
        return act(f"localhost:{server.port}/{_REPOSITORY}:v1")
