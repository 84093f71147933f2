"""What all parts of the embedded backend stand on: one home, its store, this host, one launcher."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from containerlab.backends.embedded import starting
from containerlab.backends.embedded.mounting import Mounting
from containerlab.linux.files import append
from containerlab.runtime import host as hosts
from containerlab.runtime.host import Host
from containerlab.runtime.lifecycle import Launcher
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store.layers import Layers
from containerlab.store.records import Record, Records
from containerlab.store.volumes import Volumes

if TYPE_CHECKING:
    from containerlab.store.owners import Noted

__all__ = ["Ground"]


class Ground:
    """Shared by the parts; `store` holds the images."""

    def __init__(self, home: Home, store: Images, launcher: Launcher) -> None:
        self.home = home
        self.store = store
        self.records = Records(home)
        self._launcher = launcher
        self._layers: Layers | None = None
        self._repaired = False
        self._booted = False
        self._decisions: dict[str, starting.Decision] = {}
        """Of containers that this process has made and is about to start."""

    def close(self) -> None:
        """End the launcher and let go of the database; containers go on."""
        self._launcher.close()
        self.store.close()

    @property
    def host(self) -> Host:
        """Return what this host allows."""
        return hosts.look(f"{self.home.cache}/host-{os.geteuid()}.json")

    @property
    def layers(self) -> Layers:
        """Return the unpacked layers of this home, under this host's id map."""
        if self._layers is None:
            self._layers = Layers(self.home, self.host.idmap)
        return self._layers

    def noted(self, record: Record, lowers: Sequence[Path]) -> Noted | None:
        """Return what is known of the owners in a container's files; None where the kernel knows them all."""
        if self.host.idmap.kind != "single":
            return None
        from containerlab.store import owners

        try:
            process = self.records.spec(record.id).process
        except FileNotFoundError:  # it was never started
            return None
        user = (process.user.uid, process.user.gid) if process else (0, 0)
        return owners.noted(self.records.directory(record.id), user, lowers)

    @property
    def _volumes(self) -> Volumes:
        return Volumes(self.home, self.host.idmap)

    @property
    def _mounting(self) -> Mounting:
        return Mounting(self._volumes, self.records)

    def _emit(self, record: Record, action: str, **attributes: str) -> None:
        self._note("container", action, record.id, name=record.name, image=record.image, **attributes)

    def _note(self, kind: str, action: str, subject: str, **attributes: str) -> None:
        # The words of a program need not be UTF-8; JSON must.
        clean = {key: os.fsencode(value).decode(errors="replace") for key, value in attributes.items()}
        event = {"time": time.time(), "kind": kind, "action": action, "id": subject, "attributes": clean}
        append(f"{self.home.root}/events.log", msgspec.json.encode(event) + b"\n")
