"""What is killed: each scenario is a state to begin with and a verb; and what must hold after the kill.

Everything here runs in children of the zygote, as the user whose home it is.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from containerlab.backends.base import ContainerInfo
from containerlab.engine.engine import Engine
from containerlab.errors import LabError, NotFound
from containerlab.linux import procfs
from containerlab.oci import digest as digests
from containerlab.options import container as _options  # noqa: F401 (imported before the fork)
from tests.containers import IMAGE, add_image, until

__all__ = ["SCENARIOS", "Scenario", "perform", "preload"]

NAME, OTHER, VOLUME, NEW_IMAGE = "victim", "renamed", "kept", "test/new"
_SLEEP = ["sh", "-c", "echo out; sleep 1000"]
_QUICK = {"stop_timeout": 0.1}
_SECRET = "KILLED_TOKEN"
_DOCKERFILE = f"""\
FROM {IMAGE} AS one
COPY file /a/
RUN --mount=type=cache,target=/cache --mount=type=secret,id=token echo one > /one; echo > /cache/f
FROM {IMAGE}
WORKDIR /work
RUN --mount=type=bind,target=/context,rw cat /context/file > two
COPY --from=one --chown=1:1 /one /a /
"""


class Scenario(NamedTuple):
    """setup: makes the state. act: the verb. roles: who takes part in it, beside the client."""

    setup: Callable[[Engine], object]
    act: Callable[[Engine], object]
    roles: tuple[str, ...] = ("client",)


def _nothing(engine: Engine) -> None:
    """Begin with an image and nothing else."""


def _running(engine: Engine) -> None:
    engine.containers.start(IMAGE, _SLEEP, name=NAME, volume=[f"{VOLUME}:/data"], **_QUICK)


def _running_removed(engine: Engine) -> None:
    engine.containers.start(IMAGE, _SLEEP, name=NAME, rm=True, volume=["/anonymous"], **_QUICK)


def _ended(engine: Engine) -> None:
    engine.containers.run(IMAGE, ["sh", "-c", "echo out; echo new > /file"], name=NAME)


def _created(engine: Engine) -> None:
    engine.containers.create(IMAGE, _SLEEP, name=NAME)


def _frozen(engine: Engine) -> None:
    _running(engine)
    engine.containers.pause(NAME)


def _archived(engine: Engine) -> None:
    _ended(engine)
    engine.containers.commit(NAME, NEW_IMAGE)
    engine.images.save(NEW_IMAGE, output=_archive(engine))
    engine.containers.remove(NAME)
    engine.images.remove(NEW_IMAGE)


def _tagged(engine: Engine) -> None:
    _ended(engine)
    engine.containers.commit(NAME, NEW_IMAGE)
    engine.containers.remove(NAME)


def _prunable(engine: Engine) -> None:
    _tagged(engine)
    engine.containers.run(NEW_IMAGE, ["true"], name=NAME)
    engine.images.remove(NEW_IMAGE, force=True)
    engine.volumes.create(VOLUME)


def _filled(engine: Engine) -> None:
    engine.containers.run(
        IMAGE, ["sh", "-c", "mkdir -p /data/a; echo > /data/a/b"], rm=True, volume=[f"{VOLUME}:/data"]
    )


def _build(engine: Engine) -> str:
    os.environ[_SECRET] = "open-sesame"
    result = engine.builder.build(
        _copied_in(engine), dockerfile=_DOCKERFILE, tag=NEW_IMAGE, secret=[f"id=token,env={_SECRET}"]
    )
    return str(result.id)


def _built(engine: Engine) -> None:
    _build(engine)
    engine.builder.build(_copied_in(engine), dockerfile=_DOCKERFILE.replace("two", "three"))


def _archive(engine: Engine) -> str:
    return f"{engine.backend.home.root}-files/archive.tar"


def _copied_in(engine: Engine) -> str:
    return f"{engine.backend.home.root}-files/in"


def _run(engine: Engine, **options: Any) -> object:
    result = engine.containers.run(
        IMAGE, ["sh", "-c", "echo out; exit 7"], name=NAME, memory="64m", volume=["/anonymous"], **options
    )
    return result.exit_code


ALL = ("client", "launcher", "monitor", "init", "helper")
LIVING = ("client", "monitor", "init")
SCENARIOS: dict[str, Scenario] = {
    "run": Scenario(_nothing, lambda e: _run(e, rm=True), ALL),
    "run-kept": Scenario(_nothing, _run, ALL),
    "run-detached": Scenario(_nothing, _running, ALL),
    "run-detached-rm": Scenario(_nothing, _running_removed, ALL),
    "create": Scenario(_nothing, _created, ("client", "helper")),
    "start": Scenario(_created, lambda e: e.containers.resume(NAME), ALL),
    "start-again": Scenario(_ended, lambda e: e.containers.resume(NAME), ALL),
    "exec": Scenario(_running, lambda e: e.containers.exec(NAME, ["echo", "x"]).exit_code, ALL),
    "stop": Scenario(_running, lambda e: e.containers.stop(NAME), LIVING),
    "stop-rm": Scenario(_running_removed, lambda e: e.containers.stop(NAME), LIVING),
    "kill": Scenario(_running, lambda e: e.containers.kill(NAME), LIVING),
    "restart": Scenario(_running, lambda e: e.containers.restart(NAME), ALL),
    "rm": Scenario(_ended, lambda e: e.containers.remove(NAME), ("client", "helper")),
    "rm-force": Scenario(_running, lambda e: e.containers.remove(NAME, force=True, volumes=True), LIVING),
    "rm-force-rm": Scenario(_running_removed, lambda e: e.containers.remove(NAME, force=True), LIVING),
    "commit": Scenario(_ended, lambda e: str(e.containers.commit(NAME, NEW_IMAGE)), ("client", "helper")),
    "commit-running": Scenario(
        _running, lambda e: str(e.containers.commit(NAME, NEW_IMAGE)), ("client", "helper", "monitor")
    ),
    "load": Scenario(_archived, lambda e: e.images.load(input=_archive(e)), ("client", "helper")),
    "run-loaded": Scenario(_tagged, lambda e: str(e.containers.run(NEW_IMAGE, ["true"], name=NAME)), ALL),
    "copy-in": Scenario(
        _running, lambda e: e.containers.copy(_copied_in(e), f"{NAME}:/tmp/"), ("client", "helper", "init")
    ),
    "copy-in-ended": Scenario(
        _ended, lambda e: e.containers.copy(_copied_in(e), f"{NAME}:/tmp/"), ("client", "helper")
    ),
    "copy-out": Scenario(
        _running,
        lambda e: e.containers.copy(f"{NAME}:/etc", f"{_archive(e)}.out"),
        ("client", "helper"),
    ),
    "update": Scenario(_running, lambda e: e.containers.update(NAME, memory="32m"), LIVING),
    "rename": Scenario(_running, lambda e: e.containers.rename(NAME, OTHER)),
    "pause": Scenario(_running, lambda e: e.containers.pause(NAME), LIVING),
    "unpause": Scenario(_frozen, lambda e: e.containers.unpause(NAME), LIVING),
    "volume-create": Scenario(_nothing, lambda e: str(e.volumes.create(VOLUME))),
    "volume-rm": Scenario(_filled, lambda e: e.volumes.remove(VOLUME), ("client", "helper")),
    "tag": Scenario(_nothing, lambda e: e.images.tag(IMAGE, NEW_IMAGE)),
    "rmi": Scenario(_tagged, lambda e: e.images.remove(NEW_IMAGE)),
    "build": Scenario(_nothing, _build, ALL),
    "builder-prune": Scenario(_built, lambda e: str(e.builder.prune(all=True)), ("client", "helper")),
    "prune": Scenario(_prunable, lambda e: str(e.system.prune(volumes=True)), ("client", "helper")),
    "list": Scenario(_running, lambda e: len(e.containers.list(all=True)), LIVING),
}  # fmt: skip
NEEDS_CGROUP = ("pause", "unpause", "update")


def preload() -> None:
    """Import what the verbs import, so that it is not done again in each child."""
    import concurrent.futures.thread  # noqa: F401
    import hashlib  # noqa: F401
    import sqlite3  # noqa: F401
    import tarfile  # noqa: F401

    from containerlab.backends import embedded  # noqa: F401
    from containerlab.build import building  # noqa: F401
    from containerlab.build.cache import kept  # noqa: F401

    gc.freeze()


def perform(task: str, engine: Engine, about: dict[str, Any]) -> Any:
    """Do one of the tasks of a trial, or `NAME:setup` and `NAME:act` of a scenario."""
    name, _, part = task.partition(":")
    if part:
        found = SCENARIOS[name]
        result = (found.setup if part == "setup" else found.act)(engine)
        return result if isinstance(result, (int, str)) else None
    return {
        "others": _others,
        "judge": _judge,
        "repeat": _repeat,
        "clear": _clear,
        "facts": _facts,
        "prepare": _prepare,
    }[name](engine, about)


def _others(engine: Engine, about: dict[str, Any]) -> list[int]:
    """Return the pid of the victim's first process, or nothing."""
    with contextlib.suppress(LabError):
        return [engine.containers.info(NAME).pid]
    return []


def _prepare(engine: Engine, about: dict[str, Any]) -> None:
    add_image(engine.backend, IMAGE)
    engine.containers.run(IMAGE, ["true"], rm=True)
    _build(engine)
    _empty(engine)


def _facts(engine: Engine, about: dict[str, Any]) -> dict[str, Any]:
    return {"has_cgroup": any(part.bases for part in engine.backend.host.cgroups.parts)}


def _judge(engine: Engine, about: dict[str, Any]) -> list[str]:
    """Return what is wrong right after the kill: what the next command says must be true."""
    until(lambda: not _is_settling(engine))
    return [*_untrue(engine), *_damaged(engine)]


def _is_settling(engine: Engine) -> bool:
    """Say whether an attached container still is about to end with its client, or a monitor to clean up."""
    found = engine.containers.list(all=True)
    passing = [each for each in found if each.status == "created" or _runs_attached(each.info)]
    return any(_is_orphan(engine, each.id) for each in passing)


def _runs_attached(info: ContainerInfo) -> bool:
    """What sleeps was started in the background, and outlives its client."""
    return info.status == "running" and list(info.command) != _SLEEP


def _is_orphan(engine: Engine, container_id: str) -> bool:
    records = engine.backend.records
    try:
        creator = records.record(container_id).creator
    except NotFound:
        return True
    gone = creator is not None and not procfs.is_alive(creator)
    return gone and records.is_supervised(container_id)


def _untrue(engine: Engine) -> Iterator[str]:
    for found in engine.containers.list(all=True):
        with contextlib.suppress(NotFound):  # with --rm it may go at any time
            yield from _untrue_of(engine, found.id)


def _untrue_of(engine: Engine, container_id: str) -> Iterator[str]:
    info = engine.containers.info(container_id)
    if (
        info.status in ("running", "paused")
        and not os.path.exists(f"/proc/{info.pid}")
        and _stays(engine, info)
    ):
        yield f"{info.name} is said to be {info.status}, and process {info.pid} is gone"
    if info.status == "exited" and info.exit_code == 0 and info.command and info.command[-1] == _SLEEP[-1]:
        yield f"{info.name} is said to have ended well, and never did"
    if engine.containers.get(info.name).id != info.id:
        yield f"the name {info.name} leads elsewhere"
    if info.status == "running":
        yield from _entered(engine, info.id)


def _stays(engine: Engine, info: ContainerInfo) -> bool:
    """Say whether a container goes on to be called what it was, longer than a monitor needs to notice."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        now = engine.containers.info(info.id)
        if (now.status, now.pid) != (info.status, info.pid):
            return False
        select.poll().poll(2)
    return True


def _entered(engine: Engine, container_id: str) -> Iterator[str]:
    try:
        code = engine.containers.exec(container_id, ["true"]).exit_code
    except LabError as error:
        code = str(error)
    deadline = time.monotonic() + 2  # which a monitor may take to notice that its container has ended
    while code and engine.containers.info(container_id).status == "running":
        if time.monotonic() > deadline:
            yield f"a running container cannot be entered: {code}"
            return
        select.poll().poll(2)


def _damaged(engine: Engine) -> Iterator[str]:
    """Recompute every digest; read every image through the door."""
    blobs = engine.backend.store.blobs
    for digest in blobs.digests():
        if digests.of(blobs.path(digest).read_bytes()) != digest:
            yield f"blob {digest} is damaged"
    for image in engine.images.list():
        for layer in engine.backend.store.get(image.id).layers:
            if not blobs.has(layer.digest):
                yield f"image {image} lacks {layer.digest}"
    for volume in engine.volumes.list():
        if not os.path.isdir(volume.path):
            yield f"volume {volume.name} has no directory"


def _repeat(engine: Engine, about: dict[str, Any]) -> list[str]:
    """Do the verb again, on what is left, and then from the start; return what does not work."""
    found = SCENARIOS[about["scenario"]]
    with contextlib.suppress(LabError):  # the victim may be gone, or have its name taken
        found.act(engine)
    _empty(engine)
    found.setup(engine)
    try:
        found.act(engine)
    except LabError as error:
        return [f"the verb fails afterwards: {error}"]
    return [*_untrue(engine), *_damaged(engine)]


def _clear(engine: Engine, about: dict[str, Any]) -> list[str]:
    """Remove all that users can remove; return what cannot be."""
    _empty(engine)
    engine.system.check()
    left = [info.name for info in engine.containers.list(all=True)]
    left += [volume.name for volume in engine.volumes.list()]
    left += [
        str(image.info.names) for image in engine.images.list() if image.info.names != (f"{IMAGE}:latest",)
    ]
    return [f"{name} is still there" for name in left]


def _empty(engine: Engine) -> None:
    deadline = time.monotonic() + 20
    while containers := engine.containers.list(all=True):
        for container in containers:
            with contextlib.suppress(NotFound):
                engine.containers.remove(container.id, force=True, volumes=True)
        assert time.monotonic() < deadline, "containers do not go away"
        select.poll().poll(2)
    for volume in engine.volumes.list():
        engine.volumes.remove(volume.name)
    engine.system.prune(volumes=True)
    engine.builder.prune(all=True)
    for image in engine.images.list():
        for name in image.info.names or [image.id]:
            if name != f"{IMAGE}:latest":
                with contextlib.suppress(NotFound):  # an image with two names is listed twice
                    engine.images.remove(name, force=True)
