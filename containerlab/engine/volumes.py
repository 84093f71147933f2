"""The verbs of volumes. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Unpack

from containerlab.backends import base, optional
from containerlab.backends.base import VolumeInfo
from containerlab.commands.table import Argument, VolumeName, command
from containerlab.engine import columns, documents, filters, pruning
from containerlab.engine.inspection import Inspection
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

    def _keeper(self) -> optional.VolumeKeeper:
        backend = self._engine.backend
        if not isinstance(backend, optional.VolumeKeeper):
            raise Unsupported(f"the {backend.name} backend has no volumes")
        return backend

    @command("volume create")
    def create(self, name: NewVolume = "", **options: Unpack[verbs.VolumeCreateOptions]) -> VolumeInfo:
        """Create a volume; without a name it gets one of its own."""
        given = normalise(verbs.VolumeCreateOptions, options)
        if given.get("opt"):
            raise Unsupported(
                "--opt: volumes are plain directories",
                "mount the file system, then give it with -v PATH:TARGET",
            )
        return self._keeper().create_volume(name, given.get("label", {}))

    @command("volume ls", "volume list")
    def list(self, **options: Unpack[verbs.VolumeListOptions]) -> Table[VolumeInfo]:
        """List volumes."""
        given = normalise(verbs.VolumeListOptions, options)
        return Table(filters.volumes(self._keeper().volumes(), given), columns.VOLUMES)

    def get(self, name: VolumeName) -> VolumeInfo:
        """Return a volume."""
        return self._keeper().volume(name)

    @command("volume inspect")
    def inspect(self, name: VolumeName, *names: VolumeName) -> Inspection:
        """Return all that is known about volumes."""
        return Inspection([documents.of_volume(self._keeper().volume(each)) for each in (name, *names)])

    @command("volume rm", "volume remove", each=True)
    def remove(self, name: VolumeName, **options: Unpack[verbs.VolumeRemoveOptions]) -> str:
        """Remove a volume that no container has."""
        with suppress(*[NotFound] if normalise(verbs.VolumeRemoveOptions, options).get("force") else []):
            self._keeper().remove_volume(name)
        return name

    @command("volume prune")
    def prune(self, **options: Unpack[verbs.PruneOptions]) -> base.Pruned:
        """Remove volumes that no container has: those without a name of their own, with --all every one."""
        return pruning.volumes(self._keeper(), normalise(verbs.PruneOptions, options))
