"""What --filter keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from containerlab import units
from containerlab.backends.base import ContainerInfo, ImageInfo
from containerlab.errors import InvalidInput, nearest
from containerlab.options.values import choice

__all__ = ["containers", "has_labels", "images"]

_CONTAINER_KEYS = (
    "id",
    "name",
    "status",
    "label",
    "ancestor",
    "exited",
    "health",
    "before",
    "since",
    "until",
    "volume",
)
_IMAGE_KEYS = ("reference", "dangling", "label", "before", "since", "until")


def containers(infos: Sequence[ContainerInfo], options: Mapping[str, Any]) -> list[ContainerInfo]:
    """Return the containers that `ps` with these options shows, newest first."""
    newest = sorted(infos, key=lambda info: -info.created)
    wanted = _by_key(options.get("filter", ()), _CONTAINER_KEYS)
    last = 1 if options.get("latest") else options.get("last", -1)
    shows_all = options.get("all") or last >= 0 or wanted.keys() & {"status", "exited"}
    kept = [
        info
        for info in newest
        if (shows_all or info.status in ("running", "paused", "restarting"))
        and all(any(_fits(info, key, value, newest) for value in values) for key, values in wanted.items())
    ]
    return kept if last < 0 else kept[:last]


def _by_key(pairs: Sequence[tuple[str, str]], known: Sequence[str]) -> dict[str, list[str]]:
    """Group filters: of one key any may fit, of different keys all must, as Docker has it."""
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        if key not in known:
            raise InvalidInput(
                f"--filter: no such key: {key}", nearest(key, known) or f"one of {', '.join(known)}"
            )
        grouped.setdefault(key, []).append(value)
    return grouped


def _fits(info: ContainerInfo, key: str, value: str, everyone: Sequence[ContainerInfo]) -> bool:
    match key:
        case "id":
            return info.id.startswith(value)
        case "name":
            return value in info.name
        case "status":
            return info.status == value
        case "label":
            return has_labels(info.labels, value)
        case "ancestor":
            return value in (info.image, info.image_id) or info.image.split(":")[0] == value
        case "health":
            return (info.health or "none") == choice("none", "starting", "healthy", "unhealthy")(value)
        case "exited":
            return info.status == "exited" and info.exit_code == units.count(value)
        case "until":
            return info.created < units.moment(value)
        case "volume":
            return any(value in str(mount) for mount in info.detail.get("mounts", ()))
    pivot = next((other.created for other in everyone if value in (other.name, other.id)), None)
    if pivot is None:
        raise InvalidInput(f"--filter: no such container: {value}")
    return info.created < pivot if key == "before" else info.created > pivot


def has_labels(labels: Mapping[str, str], wanted: str) -> bool:
    """Say whether labels have a key, or a key with a value.

    >>> has_labels({"tier": "web"}, "tier=web"), has_labels({"tier": "web"}, "tier=db")
    (True, False)
    """
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def images(infos: Sequence[ImageInfo], options: Mapping[str, Any], pattern: str = "") -> list[ImageInfo]:
    """Return the images that `images` with these options shows, newest first."""
    wanted = _by_key(options.get("filter", ()), _IMAGE_KEYS)
    shows_all = options.get("all") or "dangling" in wanted
    newest = sorted(infos, key=lambda info: -(info.created or 0.0))
    return [
        info
        for info in newest
        if (shows_all or not info.dangling)
        and (not pattern or any(_is_named(name, pattern) for name in info.names))
        and all(
            any(_image_fits(info, key, value, newest) for value in values) for key, values in wanted.items()
        )
    ]


def _is_named(name: str, pattern: str) -> bool:
    import fnmatch

    return name == pattern or name.rpartition(":")[0] == pattern or fnmatch.fnmatch(name, pattern)


def _image_fits(info: ImageInfo, key: str, value: str, everyone: Sequence[ImageInfo]) -> bool:
    match key:
        case "reference":
            return any(_is_named(name, value) for name in info.names)
        case "dangling":
            return info.dangling == units.switch(value)
        case "label":
            return has_labels(info.config.get("Labels") or {}, value)
        case "until":
            return (info.created or 0.0) < units.moment(value)
    pivot = next((other.created or 0.0 for other in everyone if value in (other.id, *other.names)), None)
    if pivot is None:
        raise InvalidInput(f"--filter: no such image: {value}")
    return (info.created or 0.0) < pivot if key == "before" else (info.created or 0.0) > pivot
