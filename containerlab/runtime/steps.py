"""What is to be done to make a container, as data: the plan that crosses the fork.

Only tuples, strings, bytes and numbers, so that `marshal` carries it from process to process.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.idmap import IdMap, Range
from containerlab.linux.procfs import Identity

__all__ = ["SECRET_STEPS", "Join", "Plan", "Step", "has_secrets", "pack", "plain", "step", "unpack"]

SECRET_STEPS = ("show_secrets", "add_variables")

Step = tuple[str, tuple[Any, ...]]
"""One thing the child does: the name of a function of `runtime/child.py` and its arguments.

A plain tuple of plain values, for that is what `marshal` writes without a walk over all of it.
"""


def step(name: str, arguments: tuple[Any, ...] = ()) -> Step:
    """Return a step."""
    return name, arguments


class Join(NamedTuple):
    """Namespaces to enter: by path (one), or with an empty path by the pidfd sent along (any number)."""

    path: str
    flags: int


class Plan(NamedTuple):
    """How one process comes to be.

    new_namespaces: CLONE_NEW* flags for clone3(2).
    joins: namespaces of others, entered before the clone.
    idmap: maps to write for a new user namespace, or None.
    cgroup: the cgroups to make and enter, or None.
    terminal: whether the process gets a new pseudo-terminal.
    steps: what the child does, in order; the last one is execve.
    clones_last: whether the steps are begun outside of the PID namespace that the process will live in.
    others: whose namespaces are joined by path, or mounts shown; nobody else may have their pids by then.
    """

    new_namespaces: int
    joins: tuple[Join, ...]
    idmap: IdMap | None
    cgroup: CgroupPlan | None
    terminal: bool
    steps: tuple[Step, ...]
    clones_last: bool = False
    others: tuple[Identity, ...] = ()


def pack(plan: Plan) -> tuple[Any, ...]:
    """Return a plan as what `marshal` can write for another process of this same Python."""
    fields = plan._replace(joins=plain(plan.joins), idmap=plain(plan.idmap), cgroup=plain(plan.cgroup))
    return tuple(fields._replace(steps=tuple(plan.steps), others=plain(plan.others)))


def plain(value: Any) -> Any:
    """Return tuples of tuples for named tuples, which `marshal` does not know."""
    return tuple(plain(item) for item in value) if isinstance(value, tuple | list) else value


def has_secrets(packed: tuple[Any, ...]) -> bool:
    """Say whether a packed plan holds what must not outlive its container."""
    return any(name in SECRET_STEPS for name, _ in Plan(*packed).steps)


def unpack(packed: tuple[Any, ...]) -> Plan:
    """Return the plan that `pack` packed."""
    new_namespaces, joins, idmap, cgroup, terminal, steps, clones_last, others = packed
    return Plan(
        new_namespaces,
        tuple(Join(*join) for join in joins),
        _idmap(idmap) if idmap else None,
        CgroupPlan.restore(cgroup) if cgroup else None,
        terminal,
        steps,
        clones_last,
        tuple(Identity(*other) for other in others),
    )


def _idmap(values: tuple[Any, ...]) -> IdMap:
    uids, gids, kind, reason = values
    return IdMap(tuple(Range(*r) for r in uids), tuple(Range(*r) for r in gids), kind, reason)
