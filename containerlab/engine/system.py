"""What concerns the host and the store as a whole."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Unpack

from containerlab import units
from containerlab.backends import base
from containerlab.backends.base import Event, Facility
from containerlab.commands.table import Argument, command
from containerlab.engine import columns
from containerlab.engine.filters import has_labels
from containerlab.engine.inspection import Inspection
from containerlab.errors import InvalidInput, NotFound, nearest
from containerlab.options import verbs
from containerlab.options.flag import normalise
from containerlab.views import html
from containerlab.views.table import Table, aligned

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Facts", "Space", "System"]

AnyName = Annotated[str, Argument("NAME", "container")]


class Space(NamedTuple):
    """What one kind of thing takes on disk."""

    kind: str
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


class Facts(html.Shown):
    """Names with values, for people and for programs."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def to_records(self) -> dict[str, Any]:
        return self.values

    def to_text(self) -> str:
        rows = [[name.replace("_", " "), _written(value)] for name, value in self.values.items()]
        return "\n".join(aligned(["", ""], rows, [False, False]).splitlines()[1:])

    def to_html(self) -> str:
        cells = [
            [html.text(name.replace("_", " ")), html.breakable(_written(value))]
            for name, value in self.values.items()
        ]
        return html.table([html.Heading(""), html.Heading("", is_wrapped=True)], cells)

    def __repr__(self) -> str:
        return self.to_text()


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


class Events:
    """Things that happened; iterate to read them, for ever if it `follows`."""

    def __init__(self, events: Iterator[Event], *, follows: bool = False) -> None:
        self._events = events
        self.follows = follows

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def table(self) -> Table[Event]:
        """Read all of them into a table."""
        return Table(list(self._events), columns.EVENTS)


class System:
    """The host and the store of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @command("system info", "info")
    def info(self) -> Facts:
        """Show where things rest, what this host is, and what it lacks."""
        backend = self._engine.backend
        states = [info.status for info in backend.list()]
        missing = [facility.name for facility in self._facilities() if not facility.available]
        return Facts(
            {
                "version": _version(),
                "backend": backend.name,
                "home": os.fspath(getattr(getattr(backend, "home", None), "root", "")),
                "user": "root" if os.geteuid() == 0 else f"uid {os.geteuid()}, rootless",
                "containers": len(states),
                "running": states.count("running"),
                "paused": states.count("paused"),
                "images": len(backend.images()),
                "kernel": platform.release(),
                "architecture": platform.machine(),
                "cpus": os.cpu_count(),
                "memory": units.format_size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
                **getattr(backend, "facts", dict)(),
                "missing": missing or "nothing",
            }
        )

    @command("version")
    def version(self) -> Facts:
        """Show the version."""
        return Facts({"containerlab": _version(), "python": platform.python_version()})

    def _facilities(self) -> list[Facility]:
        backend = self._engine.backend
        return backend.facilities() if isinstance(backend, base.HostFacts) else []

    @command("system doctor", "doctor")
    def doctor(self) -> Table[Facility]:
        """Show what this host allows; what each missing piece costs and how to get it."""
        return Table(self._facilities(), columns.FACILITIES)

    @command("system check")
    def check(self) -> Table[Any]:
        """Find and repair what killed processes left behind."""
        backend = self._engine.backend
        repaired = backend.check() if isinstance(backend, base.Repairing) else []
        return Table(repaired, columns.REPAIRS)

    @command("system df")
    def df(self) -> Table[Space]:
        """Show what images, containers and volumes take on disk."""
        return Table([self._images(), *self._others()], columns.SPACE)

    def _images(self) -> Space:
        backend = self._engine.backend
        used = {info.image_id for info in backend.list()}
        infos = {info.id: info for info in backend.images()}.values()
        idle_bytes = sum(info.size_bytes for info in infos if info.id not in used)
        active = sum(info.id in used for info in infos)
        return Space("Images", len(infos), active, sum(info.size_bytes for info in infos), idle_bytes)

    def _others(self) -> list[Space]:
        backend = self._engine.backend
        infos = backend.list()
        sizes = {info.id: int(info.detail.get("size_bytes") or 0) for info in infos}
        running = {info.id for info in infos if info.status == "running"}
        idle_bytes = sum(size for id_, size in sizes.items() if id_ not in running)
        found = [Space("Containers", len(infos), len(running), sum(sizes.values()), idle_bytes)]
        if isinstance(backend, base.VolumeKeeper):
            volumes = backend.volumes()
            total_bytes = sum(volume.size_bytes or 0 for volume in volumes)
            free_bytes = sum(volume.size_bytes or 0 for volume in volumes if not volume.used_by)
            active = sum(bool(volume.used_by) for volume in volumes)
            found.append(Space("Volumes", len(volumes), active, total_bytes, free_bytes))
        return found

    @command("system prune")
    def prune(self, **options: Unpack[verbs.SystemPruneOptions]) -> base.Pruned:
        """Remove containers that do not run, then images without a name (--all: unused), then --volumes."""
        given = normalise(verbs.SystemPruneOptions, options)
        with_volumes = given.pop("volumes", False)
        parts = [self._engine.containers.prune(**given), self._engine.images.prune(**given)]
        if with_volumes:
            parts.append(self._engine.volumes.prune(**given))
        return base.Pruned(
            removed=tuple(name for part in parts for name in part.removed),
            freed_bytes=sum(part.freed_bytes for part in parts),
        )

    @command("system events", "events")
    def events(self, **options: Unpack[verbs.EventOptions]) -> Events:
        """Show what happened to containers, images and volumes; goes on with --follow."""
        given = normalise(verbs.EventOptions, options)
        wanted = given.pop("filter", ())
        for key, _ in wanted:
            if key not in _EVENT_KEYS:
                raise InvalidInput(f"--filter: no such key: {key}", nearest(key, _EVENT_KEYS))
        events = self._engine.backend.events(**given)
        fitting = (event for event in events if all(_fits(event, key, value) for key, value in wanted))
        return Events(fitting, follows=bool(given.get("follow")))

    @command("inspect")
    def inspect(self, *names: AnyName) -> Inspection:
        """Return all that is known about containers, images or volumes, whatever the names mean."""
        return Inspection([self._inspected(name) for name in names])

    def _inspected(self, name: str) -> dict[str, Any]:
        for noun in (self._engine.containers, self._engine.images, self._engine.volumes):
            try:
                document: dict[str, Any] = noun.inspect(name)[0]
            except NotFound:
                continue
            return document
        raise NotFound(f"no such container, image or volume: {name}")


_EVENT_KEYS = ("type", "event", "container", "image", "volume", "label")


def _fits(event: Event, key: str, value: str) -> bool:
    match key:
        case "type":
            return event.kind == value
        case "event":
            return event.action == value
        case "label":
            return has_labels(event.attributes, value)
    return event.kind == key and (event.id.startswith(value) or event.attributes.get("name") == value)


def _version() -> str:
    from importlib import metadata

    return metadata.version("containerlab")
