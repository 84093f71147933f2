"""Container technology that you can pip install, run in a notebook and see through.

    import containerlab as lab

    lab.run("lab/base", ["echo", "hi"], memory="64m", rm=True).stdout

Names are loaded when they are first used: importing this costs next to nothing.
"""

from __future__ import annotations

# As in `typing`, which takes almost as long to load as Python itself. Type checkers take the name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from containerlab.build.building import BuildFailed
    from containerlab.build.language.located import DockerfileError
    from containerlab.default import compare, default_engine, run, start
    from containerlab.engine.build_result import BuildResult
    from containerlab.engine.builder import Builder
    from containerlab.engine.container import Container
    from containerlab.engine.containers import Containers
    from containerlab.engine.engine import Engine
    from containerlab.engine.images import Image, Images
    from containerlab.engine.machine import Machine
    from containerlab.engine.machine_result import VmResult
    from containerlab.engine.machines import Machines
    from containerlab.engine.manifests import Manifests
    from containerlab.engine.registries.registry import Registry
    from containerlab.engine.result import Interrupted, RunResult
    from containerlab.engine.see import See
    from containerlab.engine.system import System
    from containerlab.engine.volumes import Volumes
    from containerlab.errors import (
        AlreadyExists,
        CannotExecute,
        CommandNotFound,
        Conflict,
        ContainerFailed,
        CorruptContent,
        DigestMismatch,
        HostileArchive,
        InvalidInput,
        LabError,
        NotFound,
        NotPermitted,
        SetupFailed,
        TimedOut,
        Unavailable,
        Unsupported,
    )
    from containerlab.experiments.comparison import Comparison
    from containerlab.magics import load_ipython_extension, unload_ipython_extension

    builder: Builder
    containers: Containers
    images: Images
    machines: Machines
    manifests: Manifests
    registry: Registry
    volumes: Volumes
    system: System
    see: See

__version__ = "0.1.0"

last: Any = None
"""What the last magic gave."""

_HOME_OF = {
    "BuildFailed": "build.building",
    "BuildResult": "engine.build_result",
    "Comparison": "experiments.comparison",
    "DockerfileError": "build.language.located",
    "compare": "default",
    "default_engine": "default",
    "run": "default",
    "start": "default",
    "Container": "engine.container",
    "Engine": "engine.engine",
    "Image": "engine.images",
    "Interrupted": "engine.result",
    "Machine": "engine.machine",
    "RunResult": "engine.result",
    "VmResult": "engine.machine_result",
    "load_ipython_extension": "magics",
    "unload_ipython_extension": "magics",
}
_ERRORS = (
    *("AlreadyExists", "CannotExecute", "CommandNotFound", "Conflict", "ContainerFailed", "CorruptContent"),
    *("DigestMismatch", "HostileArchive", "InvalidInput", "LabError", "NotFound", "NotPermitted"),
    *("SetupFailed", "TimedOut", "Unavailable", "Unsupported"),
)
_NOUNS = ("builder", "containers", "images", "machines", "manifests", "registry", "see", "system", "volumes")

__all__ = [
    "AlreadyExists",
    "BuildFailed",
    "BuildResult",
    "CannotExecute",
    "CommandNotFound",
    "Comparison",
    "Conflict",
    "Container",
    "ContainerFailed",
    "CorruptContent",
    "DigestMismatch",
    "DockerfileError",
    "Engine",
    "HostileArchive",
    "Image",
    "Interrupted",
    "InvalidInput",
    "LabError",
    "Machine",
    "NotFound",
    "NotPermitted",
    "RunResult",
    "SetupFailed",
    "TimedOut",
    "Unavailable",
    "Unsupported",
    "VmResult",
    "builder",
    "compare",
    "containers",
    "default_engine",
    "images",
    "load_ipython_extension",
    "machines",
    "manifests",
    "registry",
    "run",
    "see",
    "start",
    "system",
    "unload_ipython_extension",
    "volumes",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _NOUNS:
        return import_module("containerlab.default").noun(name)
    module = "errors" if name in _ERRORS else _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'containerlab' has no attribute {name!r}")
    return getattr(import_module(f"containerlab.{module}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__", "last"]
