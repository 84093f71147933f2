"""Things that a home keeps, each a directory by its id and a link by its name.

    FOLDER/<id>/record.json lock held …
    NAMES/<name>    a link whose text is the id

A thing comes into being by one rename, so there is never half a one. Its monitor holds a lock on `lock` as
long as it lives. Clients hold another on `held` while they change something.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from containerlab.errors import AlreadyExists, Conflict, CorruptContent, InvalidInput, NotFound
from containerlab.linux import locks
from containerlab.linux.files import read_whole, remove_tree, sync_directory, write_atomically, write_file
from containerlab.linux.procfs import Identity, myself
from containerlab.store.home import Home

__all__ = ["Kind", "Named"]

_ID_DIGITS = 64
_RELEASE_S = 2.0
_ENCODER = msgspec.json.Encoder()


class Recorded(Protocol):
    """What was asked when a thing was made: a frozen `msgspec.Struct`."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def stays(self) -> bool:
        """Whether it is there until somebody removes it."""


class Kind(msgspec.Struct, frozen=True):
    """What users call such things, and the commands that they are told of.

    >>> Kind("container", "ps -a", "rm").noun
    'container'
    """

    noun: str
    listing: str
    removal: str


class Running(Protocol):
    """What a thing is, in its monitor's words."""

    @property
    def status(self) -> str: ...


_Record = TypeVar("_Record", bound=Recorded)
_State = TypeVar("_State", bound=Running)


class Named(Generic[_Record, _State]):
    """All things of one kind of a home: `record.json` is the client's, `state.json` the monitor's."""

    kind: Kind
    _decoder: msgspec.json.Decoder[Any]
    _state_decoder: msgspec.json.Decoder[Any]
    _new_state: Callable[[], Any]

    def __init__(self, home: Home, folder: str, names: str) -> None:
        self._home = home
        self._folder = f"{home.root}/{folder}"
        self._names = f"{home.root}/{names}"
        self._names_lock = names

    def directory(self, thing_id: str) -> str:
        """Return where a thing's files are."""
        return f"{self._folder}/{thing_id}"

    def new_id(self) -> str:
        """Return 64 random hexadecimal digits."""
        return os.urandom(32).hex()

    def myself(self) -> Identity:
        """Return the identity of this process, as creator."""
        return myself()

    def add(self, record: _Record) -> None:
        """Make a thing's directory with its record, under its name, all at once.

        One that is to stay outlives a power cut from then on; with --rm it ends with the kernel anyway.

        Raises: AlreadyExists when the name is taken; InvalidInput for words that are not UTF-8.
        """
        final = self.directory(record.id)
        try:
            document = _ENCODER.encode(record)
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"a {self.kind.noun} cannot be described with {error.object!r}", "write it in UTF-8"
            ) from error
        fd, draft = self._home.fresh_directory(f"{self.kind.noun.replace(' ', '-')}-")
        try:
            write_file(f"{draft}/record.json", document, 0o600, durable=record.stays)
            with self._home.lock(self._names_lock):
                self._claim(record.name, record.id)
                os.rename(draft, final)
            if record.stays:
                sync_directory(self._folder)
        except BaseException:
            remove_tree(draft)
            raise
        finally:
            os.close(fd)

    def _claim(self, name: str, thing_id: str) -> None:
        link = f"{self._names}/{name}"
        try:
            os.symlink(thing_id, link)
        except FileNotFoundError:
            os.makedirs(self._names, mode=0o700, exist_ok=True)
            os.symlink(thing_id, link)
        except FileExistsError:
            owner = self._owner(name)
            if owner and os.path.exists(self.directory(owner)):
                raise AlreadyExists(
                    f"the name {name} is taken by {self.kind.noun} {owner[:12]}",
                    f"remove it with: conlab {self.kind.removal} {name}, or choose another name",
                ) from None
            os.unlink(link)
            os.symlink(thing_id, link)

    def rename(self, thing_id: str, new_name: str) -> None:
        """Give a thing another name. Raises: AlreadyExists."""
        with self._home.lock(self._names_lock):
            record = self.record(thing_id)
            self._claim(new_name, thing_id)
            self.write(_renamed(record, new_name))
            self._release(record.name, thing_id)

    def write(self, record: _Record) -> None:
        """Replace a thing's record."""
        path = f"{self.directory(record.id)}/record.json"
        write_atomically(path, _ENCODER.encode(record), durable=record.stays)

    def write_state(self, thing_id: str, state: _State) -> None:
        """Replace a thing's state; only when its monitor is dead or never was."""
        path = f"{self.directory(thing_id)}/state.json"
        write_atomically(path, _ENCODER.encode(state), durable=True)

    def record(self, thing_id: str) -> _Record:
        """Read a thing's record. Raises: NotFound when it is gone; CorruptContent."""
        try:
            found: _Record = self._decoder.decode(self._read(thing_id, "record.json"))
            return found
        except FileNotFoundError as error:
            if os.path.isdir(self.directory(thing_id)):
                raise self._damaged(thing_id, "record.json", "it is not there") from error
            raise NotFound.named(self.kind.noun, thing_id[:12]) from None
        except msgspec.MsgspecError as error:
            raise self._damaged(thing_id, "record.json", str(error)) from error

    def all(self) -> Iterator[_Record]:
        """Read every record that can be read."""
        for thing_id in self.ids():
            with contextlib.suppress(NotFound, CorruptContent):
                yield self.record(thing_id)

    def state(self, thing_id: str) -> _State:
        """Read what the monitor last wrote; "created" before there was one. Raises: CorruptContent."""
        try:
            found: _State = self._state_decoder.decode(self._read(thing_id, "state.json"))
            return found
        except FileNotFoundError:
            created: _State = self._new_state()
            return created
        except msgspec.MsgspecError as error:
            raise self._damaged(thing_id, "state.json", str(error)) from error

    def _read(self, thing_id: str, file: str) -> bytes:
        return read_whole(f"{self.directory(thing_id)}/{file}")

    def ids(self) -> list[str]:
        """Return the ids of all things."""
        return [name for name in os.listdir(self._folder) if len(name) == _ID_DIGITS]

    def names(self) -> list[str]:
        """Return the names of all things."""
        try:
            return os.listdir(self._names)
        except FileNotFoundError:
            return []

    def is_taken(self, name: str) -> bool:
        """Say whether a thing has a name."""
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
        matching = [thing for thing in self.ids() if name and thing.startswith(name)]
        if len(matching) > 1:
            raise InvalidInput(
                f"{name} is the beginning of {len(matching)} {self.kind.noun} ids", "give more of it"
            )
        if not matching:
            raise NotFound.named(self.kind.noun, name, self.names(), f"see `conlab {self.kind.listing}`")
        return matching[0]

    def is_supervised(self, thing_id: str) -> bool:
        """Say whether the thing's monitor lives, by its lock."""
        return locks.is_held(f"{self.directory(thing_id)}/lock")

    def await_release(self, thing_id: str) -> None:
        """Give the monitor of a thing that has ended the moment that it needs to let go of it."""
        until = time.monotonic() + _RELEASE_S
        while self.is_supervised(thing_id) and time.monotonic() < until:
            if self.state(thing_id).status != "exited":
                return
            time.sleep(0.001)

    def supervise(self, thing_id: str) -> int:
        """Take the lock that a monitor is to hold, and return its descriptor, to be handed over.

        Raises: Conflict when the thing has a monitor.
        """
        fd = locks.hold(f"{self.directory(thing_id)}/lock")
        if fd < 0:
            raise Conflict(f"{self.kind.noun} {self.record(thing_id).name} is running already")
        return fd

    @contextlib.contextmanager
    def held(self, thing_id: str) -> Iterator[None]:
        """Hold a thing against other clients for a change (start, remove, repair).

        Raises: NotFound when it is gone meanwhile.
        """
        with self._home.lock_in(self.directory(thing_id)) as is_there:
            if not is_there:
                raise NotFound.named(self.kind.noun, thing_id[:12])
            yield

    def forget(self, record: _Record, remove: Callable[[Path], None]) -> None:
        """Remove a thing's directory, with `remove`, and its name.

        Raises: Conflict when its monitor lives.
        """
        if self.is_supervised(record.id):
            raise Conflict(f"{self.kind.noun} {record.name} is running", "stop it first, or use rm -f")
        with self._home.scratch("gone-") as scratch:
            os.rename(self.directory(record.id), scratch / "thing")
            self._release(record.name, record.id)
            remove(scratch / "thing")

    def _owner(self, name: str) -> str:
        try:
            return os.readlink(f"{self._names}/{name}")
        except OSError:  # released meanwhile
            return ""

    def _release(self, name: str, thing_id: str) -> None:
        if self._owner(name) == thing_id:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._names}/{name}")

    def repair_names(self) -> None:
        """Take away the names that a killed process left: of nobody, or a second one."""
        owners = {name: self._owner(name) for name in self.names()}
        if sorted(owners.values()) == sorted(self.ids()):
            return
        with self._home.lock(self._names_lock):
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

    def _damaged(self, thing_id: str, file: str, why: str, hint: str = "") -> CorruptContent:
        noun, short = self.kind.noun, thing_id[:12]
        return CorruptContent(
            f"{file} of {noun} {short} is damaged: {why}",
            hint or f"remove the {noun}: conlab {self.kind.removal} -f {short}",
        )


def _renamed(record: Any, name: str) -> Any:
    return msgspec.structs.replace(record, name=name)
