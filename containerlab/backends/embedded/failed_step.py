"""A container as a step of a build left it when it failed: `build --debug`, then `exec`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from containerlab.build.result.built import Built
from containerlab.build.result.export import to_store
from containerlab.errors import Conflict, NotFound
from containerlab.oci.image import Config, ImageConfig, RootFS, format_time
from containerlab.oci.platform import Platform

if TYPE_CHECKING:
    from containerlab.backends.embedded.containers import ContainerVerbs
    from containerlab.build.ops import Run
    from containerlab.store.layer_writer import Committed

__all__ = ["NAME", "keep"]

NAME = "failed-step"
_LABEL = "containerlab.failed-step"


def keep(backend: ContainerVerbs, run: Run, layers: tuple[Committed, ...]) -> str:
    """Start a container of what a failed step left, in the place of the last such one.

    It has the step's variables, user and directory, and what the step had changed; no secrets. Returns its
    name.

    Raises: Conflict when somebody's own container has the name; others when it cannot be started.
    """
    _remove_last(backend)
    image = to_store(backend.store, [_image(run, layers)], ())
    shell = run.words[0] if run.words[1:2] == ("-c",) else "/bin/sh"
    options = {"name": NAME, "interactive": True, "label": {_LABEL: "true"}, "network": _network(run)}
    # A shell whose input never comes does nothing, in any image that has one.
    backend.start(backend.create(image.digest, [shell], options))  # type: ignore[arg-type]  # the table narrows it
    return NAME


def _remove_last(backend: ContainerVerbs) -> None:
    with contextlib.suppress(NotFound):
        if _LABEL not in backend.inspect(NAME).labels:
            raise Conflict(
                f"a container is called {NAME}, so the step's cannot be kept", "rename or remove it"
            )
        backend.remove(NAME, force=True)


def _network(run: Run) -> str:
    return "none" if run.network == "none" else "host"


def _image(run: Run, layers: tuple[Committed, ...]) -> Built:
    platform = Platform.host()
    config = ImageConfig(
        created=format_time(time.time()),
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        config=Config(env=run.environment, user=run.user, working_dir=run.directory),
        rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
    )
    return Built(platform=platform, layers=layers, config=config)
