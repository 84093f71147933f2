"""The mounts that a user asked for: binds, volumes and memory, resolved to what the specification needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab.errors import Conflict, InvalidInput, NotFound, NotPermitted, Unsupported
from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap
from containerlab.oci.image import Config
from containerlab.oci.runtime import MountPoint
from containerlab.options.mounts import MountRequest
from containerlab.store.records import Record, Records

if TYPE_CHECKING:
    from containerlab.store.volumes import Volumes

__all__ = ["Chosen", "Mounting", "refuse_duplicates"]

_NEVER = ("nosuid", "noexec", "nodev")


class Chosen(NamedTuple):
    """Every mount of a new container, and the names of its volumes that go with the last who has them."""

    requests: tuple[MountRequest, ...]
    anonymous: tuple[str, ...]


class Mounting:
    """Chooses volumes when a container is made, and resolves all its mounts when it starts."""

    def __init__(self, volumes: Volumes, records: Records) -> None:
        self._volumes = volumes
        self._records = records

    def choose(self, options: Mapping[str, Any], config: Config) -> Chosen:
        """Return the mounts of a new container, with a fresh name for each anonymous volume.

        Raises: InvalidInput when two want the same target.
        """
        own = [*options.get("volume", ()), *options.get("mount", ()), *options.get("tmpfs", ())]
        refuse_duplicates(own)
        if any(request.kind == "image" for request in own):
            raise Unsupported("a mount of type image is not there yet", "use bind, volume or tmpfs")
        taken = {request.target for request in own}
        inherited = [request for request in self._of_others(options) if request.target not in taken]
        taken |= {request.target for request in inherited}
        declared = (os.path.normpath("/" + path.lstrip("/")) for path in config.volumes)
        implied = [MountRequest("volume", "", path) for path in declared if path not in taken and path != "/"]
        fresh = [_named(request) for request in (*own, *implied)]
        anonymous = [new.source for new, old in zip(fresh, (*own, *implied), strict=True) if new != old]
        shared = {name for record, _ in self._others(options) for name in record.anonymous}
        anonymous += sorted(shared & {request.source for request in inherited})
        return Chosen((*fresh, *inherited), tuple(anonymous))

    def _others(self, options: Mapping[str, Any]) -> Iterator[tuple[Record, str]]:
        for text in options.get("volumes_from", ()):
            name, _, mode = text.partition(":")
            yield self._records.record(self._records.find(name)), mode

    def _of_others(self, options: Mapping[str, Any]) -> list[MountRequest]:
        found: list[MountRequest] = []
        for record, mode in self._others(options):
            requests = [request for request in record.mounts if request.kind != "tmpfs"]
            found += [request._replace(readonly=request.readonly or mode == "ro") for request in requests]
        return found

    def resolve(self, record: Record, lowers: Sequence[Path], idmap: IdMap) -> tuple[MountPoint, ...]:
        """Return the mounts as the specification has them; makes volumes that are not there yet."""
        return tuple(self._resolve(request, lowers, idmap) for request in record.mounts)

    def _resolve(self, request: MountRequest, lowers: Sequence[Path], idmap: IdMap) -> MountPoint:
        if request.kind == "tmpfs":
            return _tmpfs(request)
        if request.kind == "bind":
            return _bind(request, _host_path(request))
        return _bind(request, self._volume_path(request, lowers, idmap))

    def _volume_path(self, request: MountRequest, lowers: Sequence[Path], idmap: IdMap) -> str:
        data = self._volumes.ensure(request.source)
        if not request.nocopy:
            self._volumes.fill(request.source, lowers, request.target, idmap)
        return _below(str(data), request.subpath) if request.subpath else str(data)

    def binds(self, record: Record) -> list[tuple[str, str, bool, bool]]:
        """Return (source, target, recursive, readonly) of what of the host's files a container has."""
        found = []
        for request in record.mounts:
            if request.kind not in ("bind", "volume"):
                continue
            source = request.source if request.kind == "bind" else str(self._volumes.path(request.source))
            if os.path.lexists(source):
                place = _below(source, request.subpath) if request.subpath else source
                found.append((place, request.target, request.recursive, request.readonly))
        return found

    def remove_anonymous(self, record: Record) -> None:
        """Remove the volumes that were made for this container, unless others have them too."""
        for name in record.anonymous:
            with contextlib.suppress(Conflict, NotFound):
                self._volumes.remove(name, lambda name: self._users_beside(record, name))

    def _users_beside(self, record: Record, name: str) -> list[str]:
        others = (other for other in self._records.all() if other.id != record.id)
        return [other.name for other in others if any(mount.source == name for mount in other.mounts)]


def refuse_duplicates(requests: Sequence[MountRequest]) -> None:
    """Raise InvalidInput when two want the same target."""
    seen: set[str] = set()
    for request in requests:
        if request.target in seen:
            raise InvalidInput(f"two mounts at {request.target}", "leave one of them out")
        seen.add(request.target)


def _named(request: MountRequest) -> MountRequest:
    if request.kind != "volume" or request.source:
        return request
    return request._replace(source=os.urandom(32).hex())


def _tmpfs(request: MountRequest) -> MountPoint:
    size = () if request.size_bytes is None else (f"size={request.size_bytes}",)
    mode = f"mode={request.mode:o}" if request.mode is not None else "mode=1777"
    flags = _NEVER if not {"exec", "suid", "dev"} & set(request.options) else ()
    options = (*flags, *(("ro",) if request.readonly else ()), mode, *size, *request.options)
    return MountPoint(destination=request.target, type="tmpfs", source="tmpfs", options=options)


def _bind(request: MountRequest, source: str) -> MountPoint:
    options = ("rbind" if request.recursive else "bind", request.propagation or "rprivate")
    readonly = ("ro",) if request.readonly else ()
    return MountPoint(destination=request.target, type="bind", source=source, options=(*options, *readonly))


def _host_path(request: MountRequest) -> str:
    path = request.source
    if not os.path.lexists(path):
        if not request.create:
            raise InvalidInput(f"cannot mount {path}: there is no such file or directory", "make it first")
        try:
            os.makedirs(path)
        except OSError as error:
            raise NotPermitted(
                f"cannot make {path} to mount it: {error.strerror}", "make it first"
            ) from error
    return _below(path, request.subpath) if request.subpath else path


def _below(base: str, subpath: str) -> str:
    """Resolve a path in a directory, which a link in it cannot leave (CVE-2024-9676)."""
    root = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = syscalls.openat2(
            root, subpath, os.O_PATH, 0, syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
        )
    except OSError as error:
        raise InvalidInput(f"no {subpath!r} in the volume: {error.strerror}", "make it first") from error
    finally:
        os.close(root)
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
