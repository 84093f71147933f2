"""The verbs of volumes. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Unpack

import msgspec

from containerlab.backends import base
from containerlab.backends.base import VolumeInfo
from containerlab.commands.table import Argument, VolumeName, command
from containerlab.engine import columns
from containerlab.engine.inspection import Inspection
from containerlab.engine.logs import timestamp
from containerlab.errors import NotFound, Unsupported
from containerlab.options import verbs
from containerlab.options.flag import normalise
from containerlab.views.table import Table

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Volumes"]

NewVolume = Annotated[str, Argument("NAME")]


class Volumes:
    """The volumes of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _keeper(self) -> base.VolumeKeeper:
        backend = self._engine.backend
        if not isinstance(backend, base.VolumeKeeper):
            raise Unsupported(f"the {backend.name} backend has no volumes")
        return backend

    @command("volume create")
    def create(self, name: NewVolume = "", **options: Unpack[verbs.VolumeCreateOptions]) -> VolumeInfo:
        """Create a volume; without a name it gets one of its own."""
        given = normalise(verbs.VolumeCreateOptions, options)
        return self._keeper().create_volume(name, given.get("label", {}))

    @command("volume ls", "volume list")
    def list(self) -> Table[VolumeInfo]:
        """List volumes."""
        return Table(self._keeper().volumes(), columns.VOLUMES)

    def get(self, name: VolumeName) -> VolumeInfo:
        """Return a volume."""
        return self._keeper().volume(name)

    @command("volume inspect")
    def inspect(self, *names: VolumeName) -> Inspection:
        """Return all that is known about volumes."""
        infos = [self._keeper().volume(name) for name in names]
        return Inspection([_document(info) for info in infos])

    @command("volume rm", "volume remove", each=True)
    def remove(self, name: VolumeName, **options: Unpack[verbs.VolumeRemoveOptions]) -> str:
        """Remove a volume that no container has."""
        with suppress(*[NotFound] if normalise(verbs.VolumeRemoveOptions, options).get("force") else []):
            self._keeper().remove_volume(name)
        return name

    @command("volume prune")
    def prune(self, **options: Unpack[verbs.PruneOptions]) -> base.Pruned:
        """Remove volumes that no container has: those without a name of their own, with --all every one."""
        given = normalise(verbs.PruneOptions, options)
        keeper = self._keeper()
        unused = [info for info in keeper.volumes() if not info.used_by]
        chosen = [info for info in unused if given.get("all") or info.is_anonymous]
        for info in chosen:
            keeper.remove_volume(info.name)
        return base.Pruned(
            removed=tuple(info.name for info in chosen),
            freed_bytes=sum(info.size_bytes or 0 for info in chosen),
        )


def _document(info: VolumeInfo) -> dict[str, object]:
    return {
        "Name": info.name,
        "Driver": "local",
        "Mountpoint": info.path,
        "CreatedAt": timestamp(info.created),
        "Labels": msgspec.to_builtins(info.labels),
        "Scope": "local",
        "UsedBy": list(info.used_by),
    }
