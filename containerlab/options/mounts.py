"""Readers of the options that mount something: -v, --mount, --tmpfs, --volumes-from."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from containerlab import units
from containerlab.errors import InvalidInput, nearest
from containerlab.options.values import choice, file_path, name, text

__all__ = ["MountRequest", "mount", "tmpfs", "volume", "volumes_from"]


class MountRequest(NamedTuple):
    """A mount that was asked for, by -v, --mount or --tmpfs alike."""

    kind: str
    """bind, volume, tmpfs or image."""
    source: str
    """Absolute path of the host, name of a volume (empty: a new anonymous one), or of an image."""
    target: str
    """Absolute path in the container."""
    readonly: bool = False
    create: bool = False
    """Make the source directory on the host if it is not there, as -v does."""
    propagation: str = ""
    """private, rprivate, slave, rslave, shared or rshared."""
    recursive: bool = True
    """Take the mounts below the source along."""
    subpath: str = ""
    """Directory of the volume or image instead of its root."""
    nocopy: bool = False
    """Do not fill a new volume with what the image has at the target."""
    size_bytes: int | None = None
    mode: int | None = None
    options: tuple[str, ...] = ()
    """Others, as mount(8) has them."""


_PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_VOLUME_WORDS = ("ro", "rw", "z", "Z", "nocopy", "copy", "delegated", "cached", "consistent", *_PROPAGATION)


def volume(value: str | MountRequest) -> MountRequest:
    """Read `-v`: `target`, `source:target` or `source:target:options`.

    A source with a slash (or `.`, `~`) is a path of the host, else the name of a volume.

    >>> volume("/srv:/data:ro").readonly, volume("cache:/var/cache").kind
    (True, 'volume')
    """
    if isinstance(value, MountRequest):
        return value
    parts = text(value).split(":")
    if len(parts) > 3 or "" in parts:
        raise InvalidInput(f"not a volume: {value!r}", "write source:target or source:target:ro")
    source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    words = parts[2].split(",") if len(parts) == 3 else []
    for word in words:
        if word not in _VOLUME_WORDS:
            raise InvalidInput(f"no such volume option {word!r} in {value!r}", nearest(word, _VOLUME_WORDS))
    is_path = "/" in source or source in (".", "..", "~")
    return MountRequest(
        kind="bind" if is_path else "volume",
        source=file_path(source) if is_path else source and name(source),
        target=_target(target, value),
        readonly="ro" in words,
        create=is_path,
        propagation=next((word for word in words if word in _PROPAGATION), ""),
        nocopy="nocopy" in words,
    )


def _target(path: str, whole_value: object) -> str:
    if not path.startswith("/"):
        raise InvalidInput(f"the target {path!r} in {whole_value!r} is not absolute", "it must begin with /")
    target = os.path.normpath(path)
    if target in ("/", "//"):
        raise InvalidInput(f"the target in {whole_value!r} is the root itself", "mount below it")
    return target


def tmpfs(value: str | MountRequest) -> MountRequest:
    """Read `--tmpfs`: `target` or `target:size=64m,mode=1777,…`.

    >>> tmpfs("/run:size=1m").size_bytes
    1048576
    """
    if isinstance(value, MountRequest):
        return value
    target, _, written = text(value).partition(":")
    words = [word for word in written.split(",") if word]
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    return MountRequest(
        kind="tmpfs",
        source="",
        target=_target(target, value),
        readonly="ro" in words,
        size_bytes=units.size(fields["size"]) if "size" in fields and "%" not in fields["size"] else None,
        mode=_octal(fields.get("mode")),
        options=tuple(word for word in words if not _is_own_tmpfs_word(word)),
    )


def _is_own_tmpfs_word(word: str) -> bool:
    return word in ("ro", "rw") or word.startswith("mode=") or (word.startswith("size=") and "%" not in word)


def _octal(written: str | None) -> int | None:
    if written is None:
        return None
    if not re.fullmatch(r"0?[0-7]{1,4}", written):
        raise InvalidInput(f"not a file mode: {written!r}", "write it in octal as 1777")
    return int(written, 8)


_MOUNT_KEYS = {
    "src": "source",
    "source": "source",
    "dst": "target",
    "destination": "target",
    "target": "target",
    "ro": "readonly",
    "readonly": "readonly",
    "type": "kind",
    "consistency": "consistency",
    "bind-propagation": "propagation",
    "bind-recursive": "recursive",
    "bind-nonrecursive": "nonrecursive",
    "bind-create-src": "create",
    "volume-nocopy": "nocopy",
    "volume-subpath": "subpath",
    "volume-driver": "driver",
    "image-subpath": "subpath",
    "tmpfs-size": "size_bytes",
    "tmpfs-mode": "mode",
}
_ELSEWHERE = {
    "volume-label": "make the volume before: conlab volume create --label",
    "volume-opt": "volumes are local directories",
}
_TYPES = ("bind", "volume", "tmpfs", "image")


def mount(value: str | MountRequest) -> MountRequest:
    """Read `--mount`: `type=bind,source=/srv,target=/data,readonly`; the type is volume if not said.

    >>> mount("type=bind,src=/srv,dst=/data,ro").target
    '/data'
    """
    if isinstance(value, MountRequest):
        return value
    pairs = [word.partition("=") for word in text(value).split(",")]
    kind = next((written for key, _, written in pairs if key == "type"), "volume")
    fields: dict[str, Any] = {}
    for key, equals, written in pairs:
        _check_key(key, kind, value)
        fields[_MOUNT_KEYS[key]] = _mount_field(_MOUNT_KEYS[key], written if equals else "true")
    if fields.pop("nonrecursive", False):
        fields["recursive"] = False
    for meaningless in ("consistency", "driver"):
        fields.pop(meaningless, None)
    request = MountRequest(**{"kind": "volume", "source": "", "target": "", **fields})
    return _checked(request._replace(target=_target(request.target, value)), value)


def _check_key(key: str, kind: str, value: str) -> None:
    if key in _ELSEWHERE:
        raise InvalidInput(f"the key {key!r} in {value!r} is not there", _ELSEWHERE[key])
    if key not in _MOUNT_KEYS:
        raise InvalidInput(f"no such key {key!r} in {value!r}", nearest(key, _MOUNT_KEYS))
    owner, dash, _ = key.partition("-")
    if dash and owner != kind and kind in _TYPES:
        raise InvalidInput(f"{key!r} in {value!r} is not for a mount of type {kind}", "leave it out")


def _mount_field(field: str, written: str) -> object:
    match field:
        case "readonly" | "nocopy" | "nonrecursive" | "create":
            return units.switch(written)
        case "recursive":
            return _recursive(written)
        case "size_bytes":
            return units.size(written)
        case "mode":
            return _octal(written)
        case "propagation":
            return choice(*_PROPAGATION)(written)
        case "kind":
            return choice(*_TYPES)(written)
        case "driver":
            return choice("local")(written)
    return written


def _recursive(written: str) -> bool:
    """Read bind-recursive; what is mounted below is as readonly as the mount itself."""
    if written == "writable":
        raise InvalidInput("bind-recursive=writable is not there", "use enabled, disabled or readonly")
    return choice("enabled", "disabled", "readonly", "true", "false")(written) not in ("disabled", "false")


def _checked(request: MountRequest, value: str) -> MountRequest:
    if request.kind in ("bind", "image") and not request.source:
        raise InvalidInput(f"no source in {value!r}", f"a {request.kind} mount needs source=")
    if request.kind == "tmpfs" and request.source:
        raise InvalidInput(f"a source in {value!r}", "a tmpfs mount has none")
    if request.kind == "bind":
        return request._replace(source=file_path(request.source))
    return (
        request._replace(source=name(request.source))
        if request.kind == "volume" and request.source
        else request
    )


_FROM_MODES = ("ro", "rw", "z", "Z")


def volumes_from(value: str) -> str:
    """Read `--volumes-from`: a container, perhaps with a mode.

    >>> volumes_from("web:ro")
    'web:ro'
    """
    container, colon, mode = text(value).partition(":")
    if not container or (colon and mode not in _FROM_MODES):
        raise InvalidInput(f"not a container with a mode: {value!r}", "write NAME, NAME:ro or NAME:rw")
    return value
