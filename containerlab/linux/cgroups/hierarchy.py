"""The cgroup layout of this host: v1, v2, both (hybrid) or none, and the groups that can be made there."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from containerlab.linux.cgroups.layout import NEUTRAL, Place, places
from containerlab.linux.cgroups.plan import UNIFIED, Plan, merged, parents
from containerlab.linux.cgroups.resources import NEW, Current, Resources, asked
from containerlab.linux.cgroups.v1 import V1
from containerlab.linux.cgroups.v2 import V2

__all__ = ["Cgroup", "Hierarchy", "detect", "everywhere", "of_process"]


class Part(Protocol):
    """The v1 hierarchies or the v2 hierarchy of a host."""

    @property
    def bases(self) -> tuple[tuple[str, str], ...]:
        """(controller, directory below which groups may be made)."""

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(controller, why not)."""

    def plan(self, path: str, resources: Resources, current: Current = NEW) -> Plan:
        """Return what it contributes to the group `path`."""


class Hierarchy(NamedTuple):
    """All cgroup hierarchies of a host: a hybrid one has two parts, a host without cgroups none."""

    parts: tuple[Part, ...] = ()

    @property
    def kind(self) -> str:
        """v1, v2, hybrid or none."""
        names = [type(part).__name__.lower() for part in self.parts]
        return "hybrid" if len(names) > 1 else next(iter(names), "none")

    def group(self, path: str) -> Cgroup:
        """Return the group `path`, as "containerlab/<id>", below what this process may use."""
        return Cgroup(self, path.strip("/"))

    def why_not(self, controller: str) -> str:
        """Return the reason why a controller cannot be used."""
        if not self.parts:
            return "no cgroup hierarchy is mounted"
        refused = {name: why for part in reversed(self.parts) for name, why in part.refused}
        return refused.get(controller, f"no mounted cgroup hierarchy has the {controller} controller")


class Cgroup(NamedTuple):
    """A group that may or may not exist yet."""

    hierarchy: Hierarchy
    path: str

    def plan(self, resources: Resources, current: Current = NEW) -> Plan:
        """Decide which directories, writes and notices give these resources; changes nothing.

        `current` are the limits in force (`control.current`) when the group exists already.
        """
        plan = merged(part.plan(self.path, resources, current) for part in self.hierarchy.parts)
        return plan._replace(notices=plan.notices + self._missing(plan, resources))

    def _missing(self, plan: Plan, resources: Resources) -> tuple[str, ...]:
        given = {name for name, _ in plan.directories} | ({"devices"} if plan.program else set())
        missing = [name for name in asked(resources) if name not in given]
        if missing and not plan.directories:
            return (f"no cgroup delegation: limits are off because {self.hierarchy.why_not(missing[0])}",)
        notices = [f"no {name} limits: {self.hierarchy.why_not(name)}" for name in missing]
        if resources.unified and not plan.unified:
            files = ", ".join(file for file, _ in resources.unified)
            notices.append(f"no {files}: no cgroup v2 hierarchy can be used here")
        return tuple(notices)


def detect() -> Hierarchy:
    """Find the hierarchies that are mounted and what of them this process may use."""
    return _from_texts(_text("/proc/self/mountinfo"), _text("/proc/self/cgroup"))


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _from_texts(mountinfo: str, membership: str) -> Hierarchy:
    found = places(mountinfo, membership)
    old = tuple(place for place in found if place.version == 1)
    new = next((place for place in found if place.version == 2), None)
    v2 = V2.of(new, alone=not old) if new else None
    usable = v2 is not None and bool(v2.base)
    parts: list[Part] = [V1.of(old, alone=not usable)] if old else []
    return Hierarchy((*parts, v2) if v2 else tuple(parts))


def of_process(pid: int) -> Plan:
    """Return the directories in which a running process is, whoever made them; nothing to write or remove.

    Raises: ProcessLookupError when there is no such process.
    """
    try:
        found = places(_text("/proc/self/mountinfo"), _text(f"/proc/{pid}/cgroup"))
    except FileNotFoundError as error:
        raise ProcessLookupError(error.errno, f"no such process: {pid}") from error
    return Plan(tuple((name, place.own) for place in found if place.own for name in _names(place, place.own)))


def everywhere(path: str) -> Plan:
    """Return the group `path` in every mounted hierarchy, named ones too, without limits.

    So it is that other runtimes make one: from the top, whichever controllers have something to limit.
    """
    path = path.strip("/")
    found = places(_text("/proc/self/mountinfo"), _text("/proc/self/cgroup"), named=True)
    return Plan(
        tuple((name, f"{place.top}/{path}") for place in found for name in _names(place, place.top)),
        parents=tuple(parent for place in found for parent in parents(place.top, path)),
    )


def _names(place: Place, directory: str) -> tuple[str, ...]:
    if place.version == 1:
        return tuple(NEUTRAL.get(name, name) for name in place.controllers)
    return (*_text(f"{directory}/cgroup.controllers").split(), UNIFIED)
