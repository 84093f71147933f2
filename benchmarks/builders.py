"""Who builds images: ours, Docker and Buildah, each with what it takes to call it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peers
from benchmarks.arena import IMAGE, Arena
from containerlab.errors import NotFound

__all__ = ["Builder", "Rootless", "buildah", "docker", "ours", "ours_from_shell"]

_TAG = "bench-built"
_ROOT_OF_IMAGE = "FROM scratch\nADD root.tar /\n"


class Builder(NamedTuple):
    """base: what its store calls the image of busybox. build: a context becomes an image.

    export: the same, and the image is written to a file. forget: removes the image and what was cached.
    """

    name: str
    base: str
    build: Callable[[Path], object]
    export: Callable[[Path, Path], object]
    forget: Callable[[], object]


class Rootless(NamedTuple):
    """An ordinary user: how a process becomes it, and the words that run our command as it can."""

    identity: Mapping[str, Any]
    conlab: tuple[str, ...]
    directory: Path


def ours(arena: Arena) -> Builder:
    """Build from a running Python."""
    builder, images = arena.engine.builder, arena.engine.images

    def build(context: Path, *outputs: str) -> None:
        builder.build(str(context), tag=(_TAG,), network="none", output=outputs)

    def forget() -> None:
        with suppress(NotFound):  # an archive alone leaves none
            images.remove(_TAG, force=True)
        builder.prune(all=True)

    return Builder(
        "ours",
        IMAGE,
        build,
        lambda context, file: build(context, f"type=oci,dest={file}"),
        forget,
    )


def ours_from_shell(arena: Arena, user: Rootless | None = None) -> Builder:
    """Build by the command `conlab`."""
    script = (os.path.join(os.path.dirname(sys.executable), "conlab"), "--home", str(arena.home))
    identity = user.identity if user else {}
    call = partial(peers.command, *(user.conlab if user else script), **identity)
    tag = f"{_TAG}-from-shell"  # the store may be that of `ours`
    usual = ("build", "--quiet", "--network", "none", "-t", tag)

    def forget() -> None:
        with suppress(peers.Absent):
            call("rmi", "--force", tag)
        call("builder", "prune", "--all", "--force")

    return Builder(
        "conlab",
        IMAGE,
        lambda context: call(*usual, str(context)),
        lambda context, file: call(*usual, "-o", f"type=oci,dest={file}", str(context)),
        forget,
    )


def docker(engine: peers.Engine) -> Builder:
    """Build by Docker's BuildKit; what it exports is an archive of `docker save`, not compressed."""
    call = partial(peers.command, *engine.argv, env={**os.environ, "DOCKER_BUILDKIT": "1"})

    def build(context: Path) -> None:
        call("build", "--quiet", "--network", "none", "-t", _TAG, str(context))

    def export(context: Path, file: Path) -> None:
        build(context)
        call("save", "--output", str(file), _TAG)

    def forget() -> None:
        call("rmi", "--force", _TAG)
        call("builder", "prune", "--all", "--force")

    return Builder("docker", peers.IMAGE, build, export, forget)


def buildah(directory: Path, archive: Path, user: Rootless | None = None) -> Builder:
    """Build by Buildah, with a cache and as many steps at once as it can; crun refuses hybrid cgroups.

    Raises: peers.Absent.
    """
    peers.version("buildah", "buildah")
    places = ("--root", f"{directory}/buildah", "--runroot", f"{directory}/buildah-run")
    identity = user.identity if user else {}
    call = partial(peers.command, "buildah", *places, "--storage-driver", "overlay", **identity)
    usual = ("bud", "--quiet", "--runtime", "runc", "--network", "none")
    _make_base(lambda context: call(*usual, "-t", peers.IMAGE, str(context)), directory, archive)

    def build(context: Path) -> None:
        call(*usual, "--layers", "--jobs", "0", "-t", _TAG, str(context))

    def export(context: Path, file: Path) -> None:
        build(context)
        call("push", "--quiet", _TAG, f"oci-archive:{file}")

    def forget() -> None:
        call("rmi", "--force", _TAG)
        call("rmi", "--prune", "--force")

    return Builder("buildah", peers.IMAGE, build, export, forget)


def _make_base(build: Callable[[Path], object], directory: Path, archive: Path) -> None:
    context = directory / "buildah-base"
    context.mkdir(mode=0o755)
    (context / "root.tar").hardlink_to(archive)
    (context / "Dockerfile").write_text(_ROOT_OF_IMAGE)
    build(context)
