"""Equal parts of the processors for all that are compared.

On cgroup v1 a container's group counts as one task of 1024 shares against all that runs without a group,
which alone made a process 2.5 times slower or faster than a container. So every instance gets a group of its
own in one that is made for the comparison, siblings of the same weight: process, container, QEMU.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from containerlab.errors import LabError
from containerlab.experiments.pressure import Own
from containerlab.linux.cgroups import control, counters, hierarchy
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.cgroups.resources import Resources

__all__ = ["PREFIX", "SHARES", "Shares", "is_stale", "remove"]

SHARES = 1024
_OF_ALL = 8 * SHARES
"""Of the group that all are in, so that what else the machine does disturbs whoever acts a little less."""
PREFIX = "conlab-compare-"
"""Of names that a comparison gives; the process follows that gives them."""


class Shares:
    """A group for the comparison with a group in it for each subject; `close` removes all of them.

    path: the group, as other engines take it for a parent; empty where none may be made. fact: a column of
    every row.
    """

    def __init__(self) -> None:
        _remove_stale()
        self._hierarchy = hierarchy.detect()
        self.path = f"{PREFIX}{os.getpid()}-{secrets.token_hex(3)}"
        self.fact = f"{SHARES}, a group beside those of the other subjects"
        # Engines remove groups above their own when these are empty: this one never is.
        if self._made("", _OF_ALL) is None or self._made("/hold") is None:
            self.path, self.fact = "", f"of its own session: {self._hierarchy.why_not('cpu')}"

    def group(self, name: str) -> Plan | None:
        """Make a group for one instance and return it, None where none may be made; `remove` it after."""
        return self._made(f"/{name}") if self.path else None

    def _made(self, name: str, shares: int = SHARES) -> Plan | None:
        plan = self._hierarchy.group(f"{self.path}{name}").plan(Resources(cpu_shares=shares))
        if "cpu" not in dict(plan.directories):
            return None
        try:
            control.create(plan)
        except LabError:
            return None
        return plan

    def used(self) -> Own:
        """Return the processor time of all that was ever in the groups, and how long some of it waited."""
        if not self.path:
            return Own()
        plan = self._hierarchy.group(self.path).plan(Resources())
        with counters.Reader(plan, frozenset(("cpu.stat", "cpuacct.usage", "cpu.pressure"))) as reader:
            found = reader.read()
        waited = found.pressure_cpu
        return Own(found.cpu_usec or 0, waited.some_total_usec if waited else None)

    def close(self) -> None:
        """Kill what is still in the groups, and remove them."""
        if self.path:
            _remove(self.path)
            self.path = ""


def remove(plan: Plan | None) -> None:
    """Kill what is in a group, and remove it but not those above."""
    if plan is not None:
        control.kill(plan)
        control.remove(plan._replace(parents=()))


def _remove(path: str) -> None:
    """Other engines make it in hierarchies that ours does without; so it goes from all of them."""
    plan = hierarchy.everywhere(path)
    control.kill(plan)
    with suppress(LabError):  # somebody who is not of this comparison sits in it
        control.remove(plan)


def _remove_stale() -> None:
    """Remove what comparisons left that were killed; the names say which process made them."""
    names = {each.name for top in Path("/sys/fs/cgroup").glob("*") for each in _groups(top)}
    names |= {each.name for each in _groups(Path("/sys/fs/cgroup"))}
    for name in filter(is_stale, names):
        _remove(name)


def is_stale(name: str) -> bool:
    """Say whether something that a comparison has named was made by a process that is gone."""
    pid = name.removeprefix(PREFIX).partition("-")[0]
    return pid.isdecimal() and not os.path.exists(f"/proc/{pid}")


def _groups(top: Path) -> list[Path]:
    with suppress(OSError):
        return list(top.glob(f"{PREFIX}*"))
    return []
