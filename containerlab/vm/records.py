"""The records of machines: what was asked (`record.json`, by the client) and what is (`state.json`, by the
monitor), each written whole under another name and renamed.

    machines/<id>/record.json decision.json state.json lock held log console control.sock snapshot
    machine-names/<name>    a link whose text is the id
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from containerlab.linux.procfs import Identity
from containerlab.options.mounts import MountRequest
from containerlab.options.ports import Published
from containerlab.store.home import Home
from containerlab.store.named import Kind, Named

__all__ = ["Decided", "Machine", "MachineRecords", "MachineState"]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked when a machine was made."""

    id: str
    name: str
    image: str
    """The name that was given."""
    image_id: str
    layers: tuple[str, ...]
    """diff ids, lowest first."""
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    """What is executed: entry point and command, of the image unless overridden."""
    created: float
    tier: str
    options: dict[str, Any] = {}
    """As normalised; see options/machine.py."""
    creator: Identity | None = None
    """The process that is about to start it: if that dies first, a machine with --rm goes too."""
    auto_remove: bool = False
    stop_signal: int = 15
    stop_timeout_s: float = 10.0
    labels: dict[str, str] = {}
    mounts: tuple[MountRequest, ...] = ()
    publish: tuple[Published, ...] = ()
    """Ports as they were asked for; which of the host were taken is in `Decided`."""

    @property
    def stays(self) -> bool:
        """Whether it is there until somebody removes it."""
        return not self.auto_remove


class MachineState(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is and was, in its monitor's words; see vm/journal.py. Times count from `begun_at`."""

    status: str = "created"
    """created (until its program has started), running, paused, restarting, exited or dead."""
    pid: int = 0
    """QEMU's."""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int | None = None
    error: str = ""
    """Why it did not run."""
    hint: str = ""
    console: str = ""
    """The last lines of its console, when it did not run."""
    oom_killed: bool = False
    restarts: int = 0
    guest: dict[str, str] = {}
    """What it said of itself: release and version, the program's pid."""
    begun_at: float = 0.0
    """The monotonic clock when the user asked for it."""
    times: dict[str, float] = {}
    """In seconds since then, the moments that `vm/journal` names."""
    usage: dict[str, float] = {}
    """CPU seconds and most bytes, of QEMU on the host and of the program in the guest."""

    @property
    def boot_s(self) -> float | None:
        """From the start of QEMU until the guest answered; one that is restored says READY first."""
        answered = self.times.get("hello", self.times.get("ready"))
        return None if answered is None or "qemu" not in self.times else answered - self.times["qemu"]

    @property
    def ready_s(self) -> float | None:
        """From the request until the program began."""
        return self.times.get("started", self.times.get("ready"))


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What `decision.json` keeps of a start for later commands."""

    accelerator: str = ""
    reason: str = ""
    """Why that accelerator."""
    kernel: str = ""
    filesystem: str = ""
    memory_bytes: int = 0
    cpus: int = 1
    published: tuple[str, ...] = ()
    """As 127.0.0.1:8080:80/tcp, the ports of the host chosen."""
    notices: tuple[str, ...] = ()
    qemu: tuple[str, ...] = ()
    """QEMU's command line."""


class MachineRecords(Named[Machine, MachineState]):
    """All machines of a home."""

    kind = Kind("machine", "vm ps -a", "vm rm")
    _decoder = msgspec.json.Decoder(Machine)
    _state_decoder = msgspec.json.Decoder(MachineState)
    _new_state = MachineState

    def __init__(self, home: Home) -> None:
        super().__init__(home, "machines", "machine-names")

    def add(self, record: Machine) -> None:
        """Make a machine's directory, in a home that may be older than machines are."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        super().add(record)

    def ids(self) -> list[str]:
        """Return the ids of all machines."""
        try:
            return super().ids()
        except FileNotFoundError:
            return []
