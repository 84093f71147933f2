"""The verbs of volumes."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Mapping

from containerlab.backends.base import VolumeInfo
from containerlab.backends.embedded.ground import Ground
from containerlab.errors import AlreadyExists
from containerlab.store.volumes import Volume

__all__ = ["VolumeVerbs"]

_ANONYMOUS = r"[0-9a-f]{64}"


class VolumeVerbs(Ground):
    """Implements `optional.VolumeKeeper`."""

    def volumes(self) -> list[VolumeInfo]:
        """Return all volumes by name."""
        users, found = self._users(), self._volumes.list()
        sizes = self._volumes.sizes([volume.name for volume in found])
        return [self._volume_info(volume, users[volume.name], sizes.get(volume.name)) for volume in found]

    def volume(self, name: str) -> VolumeInfo:
        """Find a volume. Raises: NotFound."""
        volume = self._volumes.get(name)
        return self._volume_info(volume, self._users()[name], self._volumes.sizes([name]).get(name))

    def create_volume(self, name: str, labels: Mapping[str, str]) -> VolumeInfo:
        """Make a volume, or find it if it is there, as Docker does; without a name it is anonymous."""
        with contextlib.suppress(AlreadyExists):
            volume = self._volumes.create(name or os.urandom(32).hex(), labels)
            self._note("volume", "create", volume.name)
            return self._volume_info(volume, (), 0)
        return self.volume(name)

    def remove_volume(self, name: str) -> None:
        """Remove a volume. Raises: NotFound; Conflict while a container has it."""
        self._volumes.remove(name, self.users_of)
        self._note("volume", "destroy", name)

    def users_of(self, name: str) -> list[str]:
        """Return the names of the containers that have a volume."""
        return [self.records.record(container_id).name for container_id in self._users()[name]]

    def _users(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of the containers that have each volume."""
        users: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for record in self.records.all():
            for name in {request.source for request in record.mounts if request.kind == "volume"}:
                users[name] += (record.id,)
        return users

    def _volume_info(self, volume: Volume, users: tuple[str, ...], size_bytes: int | None) -> VolumeInfo:
        return VolumeInfo(
            name=volume.name,
            path=str(self._volumes.path(volume.name)),
            created=volume.created,
            labels=volume.labels,
            size_bytes=size_bytes,
            is_anonymous=re.fullmatch(_ANONYMOUS, volume.name) is not None,
            used_by=users,
        )
