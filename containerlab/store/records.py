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

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.errors import AlreadyExists, Conflict, CorruptContent, InvalidInput, NotFound
from containerlab.linux import locks
from containerlab.linux.files import read_whole, remove_tree, sync_directory, write_atomically, write_file
from containerlab.linux.procfs import Identity, myself
from containerlab.oci.image import Healthcheck
from containerlab.options.mounts import MountRequest
from containerlab.store.home import Home

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


_ID_DIGITS = 64
_RECORD = msgspec.json.Decoder(Record)
_STATE = msgspec.json.Decoder(State)
_RELEASE_S = 2.0
_ENCODER = msgspec.json.Encoder()


class Records:
    """All containers of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._containers = str(home.containers)
        self._names = f"{home.root}/names"

    def directory(self, container_id: str) -> str:
        """Return where a container's files are."""
        return f"{self._containers}/{container_id}"

    def new_id(self) -> str:
        """Return 64 random hexadecimal digits."""
        return os.urandom(32).hex()

    def myself(self) -> Identity:
        """Return the identity of this process, as creator."""
        return myself()

    def add(self, record: Record) -> None:
        """Make a container's directory with its record, under its name, all at once.

        One that is to stay outlives a power cut from then on; with --rm it ends with the kernel anyway.

        Raises: AlreadyExists when the name is taken; InvalidInput for words that are not UTF-8.
        """
        final = self.directory(record.id)
        try:
            document = _ENCODER.encode(record)
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"a container cannot be described with {error.object!r}", "write it in UTF-8"
            ) from error
        fd, draft = self._home.fresh_directory("container-")
        try:
            write_file(f"{draft}/record.json", document, 0o600, durable=record.stays)
            with self._home.lock("names"):
                self._claim(record.name, record.id)
                os.rename(draft, final)
            if record.stays:
                sync_directory(self._containers)
        except BaseException:
            remove_tree(draft)
            raise
        finally:
            os.close(fd)

    def _claim(self, name: str, container_id: str) -> None:
        link = f"{self._names}/{name}"
        try:
            os.symlink(container_id, link)
        except FileNotFoundError:
            os.makedirs(self._names, mode=0o700, exist_ok=True)
            os.symlink(container_id, link)
        except FileExistsError:
            owner = self._owner(name)
            if owner and os.path.exists(self.directory(owner)):
                raise AlreadyExists(
                    f"the name {name} is taken by container {owner[:12]}",
                    f"remove it with: conlab rm {name}, or choose another name",
                ) from None
            os.unlink(link)
            os.symlink(container_id, link)

    def rename(self, container_id: str, new_name: str) -> None:
        """Give a container another name. Raises: AlreadyExists."""
        with self._home.lock("names"):
            record = self.record(container_id)
            self._claim(new_name, container_id)
            self.write(msgspec.structs.replace(record, name=new_name))
            self._release(record.name, container_id)

    def write(self, record: Record) -> None:
        """Replace a container's record."""
        path = f"{self.directory(record.id)}/record.json"
        write_atomically(path, _ENCODER.encode(record), durable=record.stays)

    def write_state(self, container_id: str, state: State) -> None:
        """Replace a container's state; only when its monitor is dead or never was."""
        path = f"{self.directory(container_id)}/state.json"
        write_atomically(path, _ENCODER.encode(state), durable=True)

    def record(self, container_id: str) -> Record:
        """Read a container's record. Raises: NotFound when it is gone; CorruptContent."""
        try:
            return _RECORD.decode(self._read(container_id, "record.json"))
        except FileNotFoundError as error:
            if os.path.isdir(self.directory(container_id)):
                raise _damaged(container_id, "record.json", "it is not there") from error
            raise NotFound.named("container", container_id[:12]) from None
        except msgspec.MsgspecError as error:
            raise _damaged(container_id, "record.json", str(error)) from error

    def all(self) -> Iterator[Record]:
        """Read every record that can be read."""
        for container_id in self.ids():
            with contextlib.suppress(NotFound, CorruptContent):
                yield self.record(container_id)

    def remnant(self, container_id: str) -> Record:
        """Return what is known of a container whose record cannot be read: its name, if it has one."""
        name = next((name for name in self.names() if self._owner(name) == container_id), "")
        return Record(
            id=container_id, name=name, image="", image_id="", layers=(), command=(), created=0.0, options={}
        )

    def state(self, container_id: str) -> State:
        """Read what the monitor last wrote; "created" before there was one. Raises: CorruptContent."""
        try:
            return _STATE.decode(self._read(container_id, "state.json"))
        except FileNotFoundError:
            return State()
        except msgspec.MsgspecError as error:
            raise _damaged(container_id, "state.json", str(error)) from error

    def spec(self, container_id: str) -> oci.Spec:
        """Read the specification of a container's last start. Raises: FileNotFoundError, CorruptContent."""
        from containerlab.oci import runtime as oci

        try:
            return oci.decode(self._read(container_id, "config.json"))
        except msgspec.MsgspecError as error:
            raise _damaged(
                container_id, "config.json", str(error), "it is written anew at the next start"
            ) from error

    def _read(self, container_id: str, file: str) -> bytes:
        return read_whole(f"{self.directory(container_id)}/{file}")

    def ids(self) -> list[str]:
        """Return the ids of all containers."""
        return [name for name in os.listdir(self._containers) if len(name) == _ID_DIGITS]

    def names(self) -> list[str]:
        """Return the names of all containers."""
        try:
            return os.listdir(self._names)
        except FileNotFoundError:
            return []

    def is_taken(self, name: str) -> bool:
        """Say whether a container has a name."""
        return os.path.lexists(f"{self._names}/{name}")

    def find(self, name: str) -> str:
        """Return the id for a name, an id or the beginning of one.

        Raises: NotFound with the nearest name, InvalidInput when several begin so.
        """
        if len(name) == _ID_DIGITS and "/" not in name and os.path.exists(self.directory(name)):
            return name
        with contextlib.suppress(OSError, ValueError):
            owner = os.readlink(f"{self._names}/{name}") if "/" not in name and name else ""
            if owner and os.path.exists(self.directory(owner)):
                return owner
        matching = [container for container in self.ids() if name and container.startswith(name)]
        if len(matching) > 1:
            raise InvalidInput(f"{name} is the beginning of {len(matching)} container ids", "give more of it")
        if not matching:
            raise NotFound.named("container", name, self.names(), "see `conlab ps -a`")
        return matching[0]

    def is_supervised(self, container_id: str) -> bool:
        """Say whether the container's monitor lives, by its lock."""
        return locks.is_held(f"{self.directory(container_id)}/lock")

    def await_release(self, container_id: str) -> None:
        """Give the monitor of a container that has ended the moment that it needs to let go of it."""
        until = time.monotonic() + _RELEASE_S
        while self.is_supervised(container_id) and time.monotonic() < until:
            if self.state(container_id).status != "exited":
                return
            time.sleep(0.001)

    def supervise(self, container_id: str) -> int:
        """Take the lock that a monitor is to hold, and return its descriptor, to be handed over.

        Raises: Conflict when the container has a monitor.
        """
        fd = locks.hold(f"{self.directory(container_id)}/lock")
        if fd < 0:
            raise Conflict(f"container {self.record(container_id).name} is running already")
        return fd

    @contextlib.contextmanager
    def held(self, container_id: str) -> Iterator[None]:
        """Hold a container against other clients for a change (start, remove, repair).

        Raises: NotFound when it is gone meanwhile.
        """
        with self._home.lock_in(self.directory(container_id)) as is_there:
            if not is_there:
                raise NotFound.named("container", container_id[:12])
            yield

    def forget(self, record: Record, remove: Callable[[Path], None]) -> None:
        """Remove a container's directory, with `remove`, and its name.

        Raises: Conflict when its monitor lives.
        """
        if self.is_supervised(record.id):
            raise Conflict(f"container {record.name} is running", "stop it first, or use rm -f")
        with self._home.scratch("gone-") as scratch:
            os.rename(self.directory(record.id), scratch / "container")
            self._release(record.name, record.id)
            remove(scratch / "container")

    def _owner(self, name: str) -> str:
        try:
            return os.readlink(f"{self._names}/{name}")
        except OSError:  # released meanwhile
            return ""

    def _release(self, name: str, container_id: str) -> None:
        if self._owner(name) == container_id:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._names}/{name}")

    def repair_names(self) -> None:
        """Take away the names that a killed process left: of nobody, or a second one."""
        owners = {name: self._owner(name) for name in self.names()}
        if sorted(owners.values()) == sorted(self.ids()):
            return
        with self._home.lock("names"):
            for name, owner in owners.items():
                if not self._is_right(name, owner):
                    self._release(name, owner)

    def _is_right(self, name: str, owner: str) -> bool:
        try:
            return bool(owner) and self.record(owner).name == name
        except NotFound:
            return False
        except CorruptContent:  # it can still be removed by its name
            return True


def _damaged(container_id: str, file: str, why: str, hint: str = "") -> CorruptContent:
    short = container_id[:12]
    return CorruptContent(
        f"{file} of container {short} is damaged: {why}",
        hint or f"remove the container: conlab rm -f {short}",
    )
