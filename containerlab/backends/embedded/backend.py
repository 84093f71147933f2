"""The embedded backend: containers by this package's own store and runtime."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from containerlab.backends.embedded.auditing import AuditingVerbs
from containerlab.backends.embedded.building import BuildingVerbs
from containerlab.backends.embedded.cataloguing import CataloguingVerbs
from containerlab.backends.embedded.containers import ContainerVerbs
from containerlab.backends.embedded.distributing import DistributingVerbs
from containerlab.backends.embedded.files import FileVerbs
from containerlab.backends.embedded.ground import Ground
from containerlab.backends.embedded.listing import ListingVerbs
from containerlab.backends.embedded.reworking import ReworkingVerbs
from containerlab.backends.embedded.roots import RootVerbs
from containerlab.backends.embedded.seeing import SeeingVerbs
from containerlab.backends.embedded.sizing import SizingVerbs
from containerlab.backends.embedded.volumes import VolumeVerbs
from containerlab.backends.embedded_images import EmbeddedImages
from containerlab.runtime.lifecycle import Launcher
from containerlab.store.home import Home
from containerlab.vm.records import MachineRecords

if TYPE_CHECKING:
    from containerlab.backends.embedded.machines.keeper import Keeper

__all__ = ["Embedded"]


class Embedded(
    AuditingVerbs,
    BuildingVerbs,
    RootVerbs,
    ReworkingVerbs,
    ListingVerbs,
    CataloguingVerbs,
    DistributingVerbs,
    FileVerbs,
    SeeingVerbs,
    SizingVerbs,
    VolumeVerbs,
    ContainerVerbs,
    EmbeddedImages,
):
    """Implements `base.Backend` and its optional protocols on one home."""

    name = "embedded"

    def __init__(self, home: Home, launcher: Launcher | None = None) -> None:
        EmbeddedImages.__init__(self, home, self._containers_of, self._held_diff_ids)
        RootVerbs.__init__(self, self.store, self._machine_image_ids)
        Ground.__init__(self, home, self.store, launcher or Launcher())
        self._machine_records = MachineRecords(home)
        self._keeper: Keeper | None = None
        self._keeping = threading.Lock()

    @property
    def machines(self) -> Keeper:
        """Return the verbs of virtual machines; made at first use."""
        from containerlab.backends.embedded.machines.ground import Surroundings
        from containerlab.backends.embedded.machines.keeper import Keeper

        with self._keeping:
            if self._keeper is None:
                self._keeper = Keeper(
                    Surroundings(self.home, self.store, lambda: self._volumes, self._note_machine)
                )
        return self._keeper

    def _note_machine(self, action: str, subject: str, attributes: dict[str, str]) -> None:
        self._note("machine", action, subject, **attributes)

    def close(self) -> None:
        """End the helper processes; containers and machines go on."""
        if self._keeper is not None:
            self._keeper.close()
        super().close()

    def check(self) -> list[tuple[str, str]]:
        """Repair all containers, start again what is to run, clear what nobody needs; return (what, what)."""
        done = [*super().check(), *self.bring_back(), *self.machines.check()]
        self.layers.sweep()
        if dropped := self.drop_layers():
            done.append((str(self.home.layers), f"removed {dropped} layers that nothing needs"))
        return done

    def _containers_of(self, image_id: str) -> list[str]:
        containers = [record.name for record in self.records.all() if record.image_id == image_id]
        machines = [record.name for record in self._machine_records.all() if record.image_id == image_id]
        return [*containers, *machines]

    def drop_layers(self) -> int:
        """Remove unpacked layers, and what machines started from, of images that are gone."""
        self.drop_roots()
        return super().drop_layers()

    def _machine_image_ids(self) -> set[str]:
        return {record.image_id for record in self._machine_records.all()}

    def _held_diff_ids(self) -> Iterable[str]:
        """Machines hold layers only where these are their root; others have a disk made of them."""
        found = {diff_id for record in self.records.all() for diff_id in record.layers}
        for machine in self._machine_records.all():
            if machine.options.get("filesystem") == "virtiofs":
                found.update(machine.layers)
        return found
