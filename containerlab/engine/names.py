"""The names that exist now, for completion; remembered for a moment so that every key is answered at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from containerlab.errors import LabError
from containerlab.oci.reference import Reference

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Names", "names"]

_REMEMBER_S = 2.0


def names(engine: Engine, kind: str) -> list[str]:
    """Return the names of a kind, as `complete` asks for them; none when there are none."""
    try:
        match kind:
            case "image":
                return [name for info in engine.backend.images() for name in info.names]
            case "repository":
                return _repositories(engine)
            case "container":
                return [info.name for info in engine.backend.list()]
            case "volume":
                return [info.name for info in engine.volumes.list()]
            case "machine":
                return [info.name for info in engine.machines.list(all=True)]
            case "kernel":
                return [kernel.release for kernel in engine.machines.kernels()]
            case "list":
                return [Reference.parse(draft.name).familiar() for draft in engine.manifests.list()]
    except (LabError, OSError):
        return []
    return []


def _repositories(engine: Engine) -> list[str]:
    """Return the repositories of the registry that is meant when none is named, of which an image is here."""
    from containerlab.engine.registries.remote import default_host

    host = default_host()
    known = (Reference.parse(name) for info in engine.backend.images() for name in info.names)
    return sorted({each.repository for each in known if each.registry == host})


class Names:
    """Remembers names for two seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, list[str]]] = {}

    def __call__(self, kind: str) -> list[str]:
        read_at, found = self._known.get(kind, (0.0, []))
        if time.monotonic() - read_at > _REMEMBER_S:
            found = names(self._engine, kind)
            self._known[kind] = (time.monotonic(), found)
        return found
