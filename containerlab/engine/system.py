"""What concerns the host and the store as a whole."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from containerlab import units
from containerlab.backends import base, optional
from containerlab.backends.base import Event, Facility
from containerlab.backends.machine import MachineBackend, Virtual
from containerlab.commands.table import Argument, Instead, command
from containerlab.engine import columns, filters, pruning, space
from containerlab.engine.inspection import Inspection
from containerlab.engine.names import names as names_of
from containerlab.engine.space import Details, Space
from containerlab.errors import InvalidInput, NotFound
from containerlab.options import verbs
from containerlab.options.flag import normalise
from containerlab.views import html
from containerlab.views.table import Table, aligned

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Facts", "Space", "System"]

_VERBOSE = Instead("-v --verbose", "df_details", "Show each image, container and volume")
AnyName = Annotated[str, Argument("NAME", "container")]


class Facts(html.Shown):
    """Names with values, for people and for programs."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def to_records(self) -> dict[str, Any]:
        return self.values

    def to_document(self) -> dict[str, Any]:
        """Return the values by names as templates write them: CgroupVersion."""
        return {_in_one_word(name): value for name, value in self.values.items()}

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


def _in_one_word(name: str) -> str:
    words = name.replace("_", " ").split()
    return "".join(word[0].upper() + word[1:] for word in words)


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
        return backend.facilities() if isinstance(backend, optional.HostFacts) else []

    @command("system doctor", "doctor")
    def doctor(self) -> Table[Facility]:
        """Show what this host allows; what each missing piece costs and how to get it."""
        return Table(self._facilities(), columns.FACILITIES)

    @command("system check")
    def check(self) -> Table[Any]:
        """Find and repair what killed processes left behind."""
        backend = self._engine.backend
        repaired = backend.check() if isinstance(backend, optional.Repairing) else []
        return Table(repaired, columns.REPAIRS)

    @command("system df", instead={"verbose": _VERBOSE})
    def df(self) -> Table[Space]:
        """Show what images, containers and volumes take on disk."""
        return space.summary(self._engine.backend)

    def df_details(self) -> Details:
        """Return what each image, container and volume takes on disk."""
        return space.details(self._engine.backend)

    @command("system prune")
    def prune(self, **options: Unpack[verbs.SystemPruneOptions]) -> base.Pruned:
        """Remove what does not run, images without a name, build cache; --all, --volumes: more."""
        given = normalise(verbs.SystemPruneOptions, options)
        with_volumes = given.pop("volumes", False)
        parts = [
            self._engine.containers.prune(**{key: value for key, value in given.items() if key != "all"}),
            self._engine.images.prune(**given),
            self._engine.builder.prune(all=bool(given.get("all"))),
        ]
        if isinstance(self._engine.backend, Virtual):
            parts += self._prune_machines(given, self._engine.backend.machines)
        if isinstance(backend := self._engine.backend, optional.RootKeeper):
            parts.append(backend.prune_machine_roots())
        if with_volumes:
            parts.append(self._engine.volumes.prune(**given))
        return pruning.total(parts)

    def _prune_machines(self, given: Mapping[str, Any], machines: MachineBackend) -> list[base.Pruned]:
        """Remove what does not run, and what machines are restored from, which can be made again."""
        removed = self._engine.machines.prune(**{key: value for key, value in given.items() if key != "all"})
        count = len(machines.snapshot_sizes())
        freed_bytes = machines.drop_snapshots() if count else 0
        told = (f"snapshots that machines are restored from: {count}",) if count else ()
        return [removed, base.Pruned(removed=told, freed_bytes=freed_bytes)]

    @command("system events", "events")
    def events(self, **options: Unpack[verbs.EventOptions]) -> Events:
        """Show what happened to containers, machines, images and volumes; goes on with --follow."""
        given = normalise(verbs.EventOptions, options)
        fits = filters.events({"filter": given.pop("filter", ())})
        fitting = (event for event in self._engine.backend.events(**given) if fits(event))
        return Events(fitting, follows=bool(given.get("follow")))

    @command("inspect")
    def inspect(
        self, name: AnyName, *names: AnyName, **options: Unpack[verbs.InspectAnyOptions]
    ) -> Inspection:
        """Return all that is known about containers, images or volumes, whatever the names mean."""
        given = normalise(verbs.InspectAnyOptions, options)
        return Inspection([self._inspected(each, **given) for each in (name, *names)])

    def _inspected(self, name: str, type: str = "", size: bool = False) -> dict[str, Any]:
        kinds: dict[str, Callable[[str], Inspection]] = {
            "container": lambda name: self._engine.containers.inspect(name, size=size),
            "image": self._engine.images.inspect,
            "volume": self._engine.volumes.inspect,
        }
        if type:
            kinds = {type: kinds[type]}
        for read in kinds.values():
            with suppress(NotFound, InvalidInput):
                document: dict[str, Any] = read(name)[0]
                return document
        known = [known for kind in kinds for known in names_of(self._engine, kind)]
        raise NotFound.named(type or "container, image or volume", name, known)


def _version() -> str:
    from importlib import metadata

    return metadata.version("containerlab")
