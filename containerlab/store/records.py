"""The records of containers: what was asked (`record.json`, by the client) and what is (`state.json`, by
the monitor), each written whole under another name and renamed.

    containers/<id>/record.json config.json state.json lock held log attach hosts hostname resolv.conf
                    upper/ work/ rootfs/
    names/<name>    a link whose text is the id

A container comes into being by one rename, so there is never half a one. Its monitor holds a lock on
`lock` as long as it lives: "running" beside a free lock means that the monitor was killed. Clients hold
another on `held` while they change something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.linux.procfs import Identity
from containerlab.oci.image import Healthcheck
from containerlab.options.mounts import MountRequest
from containerlab.store.home import Home
from containerlab.store.named import Kind, Named

if TYPE_CHECKING:
    from containerlab.oci import runtime as oci

__all__ = ["Record", "Records", "State"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked when a container was made."""

    id: str
    name: str
    image: str
    """The name that was given."""
    image_id: str
    layers: tuple[str, ...]
    """diff ids, lowest first: kept from removal while the container is there."""
    command: tuple[str, ...]
    created: float
    arguments: tuple[str, ...] = ()
    """What is executed: entry point and command, of the image unless overridden."""
    options: dict[str, Any] = {}
    """As normalised; see options/container.py."""
    creator: Identity | None = None
    """The process that is about to start it: if that dies first, a container with --rm goes too."""
    auto_remove: bool = False
    stop_signal: int = 15
    stop_timeout_s: float = 10.0
    labels: dict[str, str] = {}
    healthcheck: Healthcheck | None = None
    """As it is performed: the image's, but for what the user said."""
    idmap: str = "none"
    """Kind of the id map that its files were made under."""
    snapshot: str = "overlay"
    """Kind of its snapshot, see store/snapshots.py."""
    mounts: tuple[MountRequest, ...] = ()
    """Every mount beside the usual ones; volumes have names."""
    purpose: str = ""
    """"build" for a step of one: it is not listed, and goes with its creator."""
    anonymous: tuple[str, ...] = ()
    """Volumes without a name of their own, removed with the last container that has them."""

    @property
    def stays(self) -> bool:
        """Whether it is there until somebody removes it."""
        return not self.auto_remove and not self.purpose


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a container is and was, in its monitor's words."""

    status: str = "created"
    pid: int = 0
    start_ticks: int = 0
    boot: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0
    attached: bool = False
    """Whether it ends with the client that started it."""
    cpu_s: float = 0.0
    peak_memory_bytes: int | None = None
    throttled_s: float = 0.0
    usage_source: str = ""
    refused: tuple[str, ...] = ()
    """Limits that the kernel did not take, and why, a sentence each."""
    health: dict[str, Any] | None = None
    """status, failing_streak and log, when it is checked; see runtime/health.py."""

    @property
    def identity(self) -> Identity:
        """The container's first process, recognisable after its pid is used again."""
        return Identity(self.pid, self.start_ticks, self.boot)


class Records(Named[Record, State]):
    """All containers of a home."""

    kind = Kind("container", "ps -a", "rm")
    _decoder = msgspec.json.Decoder(Record)
    _state_decoder = msgspec.json.Decoder(State)
    _new_state = State

    def __init__(self, home: Home) -> None:
        super().__init__(home, "containers", "names")

    def remnant(self, container_id: str) -> Record:
        """Return what is known of a container whose record cannot be read: its name, if it has one."""
        name = next((name for name in self.names() if self._owner(name) == container_id), "")
        return Record(
            id=container_id, name=name, image="", image_id="", layers=(), command=(), created=0.0, options={}
        )

    def spec(self, container_id: str) -> oci.Spec:
        """Read the specification of a container's last start. Raises: FileNotFoundError, CorruptContent."""
        from containerlab.oci import runtime as oci

        try:
            return oci.decode(self._read(container_id, "config.json"))
        except msgspec.MsgspecError as error:
            raise self._damaged(
                container_id, "config.json", str(error), "it is written anew at the next start"
            ) from error
