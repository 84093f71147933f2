"""What --filter keeps. Of one key any value may fit, of different keys all must, as Docker has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from containerlab import units
from containerlab.backends.base import ContainerInfo, Event, ImageInfo, VolumeInfo
from containerlab.errors import InvalidInput, nearest
from containerlab.options.values import choice

__all__ = ["containers", "events", "has_labels", "images", "is_true", "to_prune", "volumes"]

Layers = Callable[[str], tuple[str, ...]]
"""Gives the layers of a named image; none when there is no such image."""
_Thing = TypeVar("_Thing")
_Wanted = dict[str, list[str]]

_STATUSES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_HEALTHS = choice("none", "starting", "healthy", "unhealthy")
_PIVOTS = ("before", "since")
_PRUNE_KEYS = ("until", "label", "label!")
_VOLUME_KEYS = ("name", "label", "dangling", "driver")
_EVENT_KEYS = ("type", "event", "container", "image", "volume", "label")


def containers(
    infos: Sequence[ContainerInfo], options: Mapping[str, Any], layers: Layers = lambda image: ()
) -> list[ContainerInfo]:
    """Return the containers that `ps` with these options shows, newest first."""
    newest = sorted(infos, key=lambda info: -info.created)
    wanted = _by_key(options.get("filter", ()), (*_CONTAINER_TESTS, *_PIVOTS))
    pivots = {key: _moments(key, wanted.pop(key), newest) for key in _PIVOTS if key in wanted}
    stacks = [stack for name in wanted.get("ancestor", ()) if (stack := layers(name))]
    last = 1 if options.get("latest") else options.get("last", -1)
    shows_all = options.get("all") or last >= 0 or wanted.keys() & {"status", "exited"}
    kept = [
        info
        for info in newest
        if (shows_all or info.status in ("running", "paused", "restarting"))
        and _lies(info.created, pivots)
        and all(_any_fits(info, key, values, stacks) for key, values in wanted.items())
    ]
    return kept if last < 0 else kept[:last]


def _by_key(pairs: Sequence[tuple[str, str]], known: Sequence[str]) -> _Wanted:
    grouped: _Wanted = {}
    for key, value in pairs:
        if key not in known:
            raise InvalidInput(
                f"--filter: no such key: {key}", nearest(key, known) or f"one of {', '.join(sorted(known))}"
            )
        grouped.setdefault(key, []).append(value)
    return grouped


def _moments(key: str, names: list[str], everyone: Sequence[ContainerInfo]) -> list[float]:
    moments = [other.created for name in names for other in everyone if _is_called(other, name)]
    if not moments:
        raise InvalidInput(
            f"--filter {key}: no such container: {names[0]}",
            nearest(names[0], [info.name for info in everyone]),
        )
    return moments


def _lies(moment: float, pivots: Mapping[str, Sequence[float]]) -> bool:
    return moment < min(pivots.get("before", (float("inf"),))) and moment > max(pivots.get("since", (-1.0,)))


def _is_called(info: ContainerInfo, name: str) -> bool:
    return name == info.name or (len(name) >= 4 and info.id.startswith(name))


def _any_fits(info: ContainerInfo, key: str, values: list[str], stacks: list[tuple[str, ...]]) -> bool:
    if key == "ancestor" and any(_stands_on(info, stack) for stack in stacks):
        return True
    return any(_CONTAINER_TESTS[key](info, value) for value in values)


def _stands_on(info: ContainerInfo, stack: tuple[str, ...]) -> bool:
    layers = (info.detail.get("snapshot") or {}).get("layers", ())
    return tuple(layers[: len(stack)]) == stack


def _option(info: ContainerInfo, name: str) -> Any:
    return info.detail.get("options", {}).get(name)


def _is_named_so(info: ContainerInfo, pattern: str) -> bool:
    """Match part of a name, or a regular expression; Docker's names begin with a slash."""
    try:
        found = re.compile(pattern)
    except re.error:
        return pattern in info.name
    return bool(found.search(info.name) or found.search(f"/{info.name}"))


def _has_status(info: ContainerInfo, value: str) -> bool:
    if value not in _STATUSES:
        raise InvalidInput(
            f"--filter: no such status: {value}",
            nearest(value, _STATUSES) or f"one of {', '.join(_STATUSES)}",
        )
    return info.status == value


def _is_of(info: ContainerInfo, image: str) -> bool:
    names = (info.image, info.image.partition("@")[0], info.image_id)
    return (
        image in names
        or info.image.rpartition(":")[0] == image
        or image == f"{info.image}:latest"
        or (len(image) >= 6 and info.image_id.removeprefix("sha256:").startswith(image))
    )


def _has_volume(info: ContainerInfo, value: str) -> bool:
    mounts = info.detail.get("mounts", ())
    return any(value in (mount["source"], mount["target"]) for mount in mounts)


def _has_port(name: str) -> Callable[[ContainerInfo, str], bool]:
    """80, 80/tcp or 8000-8010/udp; of a published port the one in the container counts."""

    def fits(info: ContainerInfo, value: str) -> bool:
        least, most, protocol = _ports(value)
        given = (_ports(str(text).rpartition(":")[2]) for text in _option(info, name) or ())
        return any(one <= most and other >= least and kind == protocol for one, other, kind in given)

    return fits


def _ports(text: str) -> tuple[int, int, str]:
    numbers, _, protocol = text.partition("/")
    least, _, most = numbers.partition("-")
    return units.count(least, 0, 65535), units.count(most or least, 0, 65535), protocol or "tcp"


_CONTAINER_TESTS: dict[str, Callable[[ContainerInfo, str], bool]] = {
    "id": lambda info, value: info.id.startswith(value),
    "name": _is_named_so,
    "status": _has_status,
    "label": lambda info, value: has_labels(info.labels, value),
    "ancestor": _is_of,
    "exited": lambda info, value: info.status == "exited" and info.exit_code == units.count(value),
    "until": lambda info, value: info.created < units.moment(value),
    "volume": _has_volume,
    "network": lambda info, value: value == (_option(info, "network") or "none"),
    "publish": _has_port("publish"),
    "expose": _has_port("expose"),
    "health": lambda info, value: (info.health or "none") == _HEALTHS(value),
    "is-task": lambda info, value: not is_true(value),
    "isolation": lambda info, value: value == "default",
}


def has_labels(labels: Mapping[str, str], wanted: str) -> bool:
    """Say whether labels have a key, or a key with a value.

    >>> has_labels({"tier": "web"}, "tier=web"), has_labels({"tier": "web"}, "tier=db")
    (True, False)
    """
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def is_true(value: str) -> bool:
    """Read the value of a filter that is true or false. Raises: InvalidInput."""
    try:
        return units.switch(value)
    except InvalidInput as error:
        raise InvalidInput(f"--filter: {error.message}", error.hint) from None


def images(infos: Sequence[ImageInfo], options: Mapping[str, Any], pattern: str = "") -> list[ImageInfo]:
    """Return the images that `images` with these options shows, newest first."""
    wanted = _by_key(options.get("filter", ()), (*_IMAGE_TESTS, *_PIVOTS))
    newest = sorted(infos, key=lambda info: -(info.created or 0.0))
    pivots = {key: _image_moments(key, wanted.pop(key), newest) for key in _PIVOTS if key in wanted}
    shows_all = options.get("all") or "dangling" in wanted
    return [
        info
        for info in newest
        if (shows_all or not info.dangling)
        and (not pattern or any(_is_named(name, pattern) for name in info.names))
        and _lies(info.created or 0.0, pivots)
        and all(any(_IMAGE_TESTS[key](info, value) for value in values) for key, values in wanted.items())
    ]


def _image_moments(key: str, names: list[str], everyone: Sequence[ImageInfo]) -> list[float]:
    moments = [
        other.created or 0.0
        for name in names
        for other in everyone
        if any(_is_named(known, name) for known in other.names)
        or (len(name) >= 4 and other.id.removeprefix("sha256:").startswith(name.removeprefix("sha256:")))
    ]
    if not moments:
        raise InvalidInput(
            f"--filter {key}: no such image: {names[0]}",
            nearest(names[0], [known for info in everyone for known in info.names]),
        )
    return moments


def _is_named(name: str, pattern: str) -> bool:
    import fnmatch

    return name == pattern or name.rpartition(":")[0] == pattern or fnmatch.fnmatch(name, pattern)


_IMAGE_TESTS: dict[str, Callable[[ImageInfo, str], bool]] = {
    "reference": lambda info, value: any(_is_named(name, value) for name in info.names),
    "dangling": lambda info, value: info.dangling == is_true(value),
    "label": lambda info, value: has_labels(info.config.get("Labels") or {}, value),
    "until": lambda info, value: (info.created or 0.0) < units.moment(value),
}


def to_prune(
    things: Sequence[_Thing],
    options: Mapping[str, Any],
    facts: Callable[[_Thing], tuple[float, Mapping[str, str]]],
) -> list[_Thing]:
    """Return what a prune may take: `facts` gives time of creation and labels; all filters must fit."""
    wanted = _by_key(options.get("filter", ()), _PRUNE_KEYS)
    before = min((units.moment(value) for value in wanted.get("until", ())), default=float("inf"))

    def fits(thing: _Thing) -> bool:
        created, labels = facts(thing)
        return (
            created < before
            and all(has_labels(labels, value) for value in wanted.get("label", ()))
            and not any(has_labels(labels, value) for value in wanted.get("label!", ()))
        )

    return [thing for thing in things if fits(thing)]


def volumes(infos: Sequence[VolumeInfo], options: Mapping[str, Any]) -> list[VolumeInfo]:
    """Return the volumes that `volume ls` with these options shows."""
    wanted = _by_key(options.get("filter", ()), _VOLUME_KEYS)
    return [
        info
        for info in infos
        if all(any(_VOLUME_TESTS[key](info, value) for value in values) for key, values in wanted.items())
    ]


_VOLUME_TESTS: dict[str, Callable[[VolumeInfo, str], bool]] = {
    "name": lambda info, value: value in info.name,
    "label": lambda info, value: has_labels(info.labels, value),
    "dangling": lambda info, value: bool(info.used_by) != is_true(value),
    "driver": lambda info, value: value == "local",
}


def events(options: Mapping[str, Any]) -> Callable[[Event], bool]:
    """Return what says whether `events` with these options shows an event."""
    wanted = _by_key(options.get("filter", ()), _EVENT_KEYS)
    return lambda event: all(
        any(_event_fits(event, key, value) for value in values) for key, values in wanted.items()
    )


def _event_fits(event: Event, key: str, value: str) -> bool:
    match key:
        case "type":
            return event.kind == value
        case "event":
            return event.action == value or event.action.partition(":")[0] == value
        case "label":
            return has_labels(event.attributes, value)
        case "image" if event.kind == "container":
            return _is_named(event.attributes.get("image", ""), value)
    return event.kind == key and (event.id.startswith(value) or event.attributes.get("name") == value)
