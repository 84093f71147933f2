"""What is to be done for one cgroup, as data: decided in one process, done in another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["UNIFIED", "Line", "Plan", "Write", "merged", "parents"]

UNIFIED = "unified"
"""The name under which the directory of the v2 hierarchy stands among `Plan.directories`."""


Line = tuple[str, str, str, bool]
"""(file, value, why, required): a write without its directory."""


class Write(NamedTuple):
    """One value for one file of a cgroup.

    Writes that are not required and share their `why` are alternatives: one that is taken is enough.
    """

    controller: str
    file: str
    value: str
    path: str
    """The directory."""
    why: str
    required: bool = True


class Plan(NamedTuple):
    """A cgroup: one directory in each hierarchy that takes part. Plain tuples all the way down."""

    directories: tuple[tuple[str, str], ...] = ()
    """(controller, directory); co-mounted controllers share theirs."""
    parents: tuple[str, ...] = ()
    """Directories above, made on demand and removed when empty; outermost first."""
    writes: tuple[Write, ...] = ()
    """In the order in which they must be done."""
    attach: tuple[str, ...] = ()
    """Files into which a process writes 0 to enter."""
    notices: tuple[str, ...] = ()
    """What was asked and cannot be given, a sentence each."""
    program: str = ""
    """eBPF device filter for the v2 directory, hexadecimal; empty for none."""

    @classmethod
    def restore(cls, values: Sequence[Any]) -> Plan:
        """Make a plan from what JSON left of one (lists instead of tuples)."""
        directories, parents, writes, attach, notices, program = values
        return cls(
            tuple((controller, path) for controller, path in directories),
            tuple(parents),
            tuple(Write(*write) for write in writes),
            tuple(attach),
            tuple(notices),
            program,
        )

    @property
    def unified(self) -> str:
        """The directory in the v2 hierarchy, or empty."""
        return dict(self.directories).get(UNIFIED, "")

    @property
    def paths(self) -> tuple[str, ...]:
        """Every directory once, in order."""
        return tuple(dict.fromkeys(path for _, path in self.directories))


def merged(plans: Iterable[Plan]) -> Plan:
    """Return one plan that does what all of them do, in order."""
    whole = list(plans)
    return Plan(
        directories=tuple(item for plan in whole for item in plan.directories),
        parents=tuple(item for plan in whole for item in plan.parents),
        writes=tuple(item for plan in whole for item in plan.writes),
        attach=tuple(item for plan in whole for item in plan.attach),
        notices=tuple(item for plan in whole for item in plan.notices),
        program="".join(plan.program for plan in whole),
    )


def parents(base: str, path: str) -> tuple[str, ...]:
    """Return the directories between `base` and the group `path`, outermost first.

    >>> parents("/sys/fs/cgroup", "lab/web/1")
    ('/sys/fs/cgroup/lab', '/sys/fs/cgroup/lab/web')
    """
    names = path.split("/")[:-1]
    return tuple("/".join((base, *names[: i + 1])) for i in range(len(names)))
