"""The embedded backend: containers by this package's own store and runtime."""

from __future__ import annotations

from collections.abc import Iterable

from containerlab.backends.embedded.containers import ContainerVerbs
from containerlab.backends.embedded.files import FileVerbs
from containerlab.backends.embedded.ground import Ground
from containerlab.backends.embedded.seeing import SeeingVerbs
from containerlab.backends.embedded.volumes import VolumeVerbs
from containerlab.backends.embedded_images import EmbeddedImages
from containerlab.runtime.lifecycle import Launcher
from containerlab.store.home import Home

__all__ = ["Embedded"]


class Embedded(FileVerbs, SeeingVerbs, VolumeVerbs, ContainerVerbs, EmbeddedImages):
    """Implements `base.Backend` and its optional protocols on one home."""

    name = "embedded"

    def __init__(self, home: Home, launcher: Launcher | None = None) -> None:
        EmbeddedImages.__init__(self, home, self._containers_of, self._held_diff_ids)
        Ground.__init__(self, home, self.store, launcher or Launcher())

    def _containers_of(self, image_id: str) -> list[str]:
        records = map(self.records.record, self.records.ids())
        return [record.name for record in records if record.image_id == image_id]

    def _held_diff_ids(self) -> Iterable[str]:
        return {diff_id for each in self.records.ids() for diff_id in self.records.record(each).layers}
