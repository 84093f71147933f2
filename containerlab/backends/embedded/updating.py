"""Other limits for a container, running or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.hierarchy import Hierarchy
from containerlab.linux.cgroups.plan import Plan
from containerlab.runtime import limits, resources

__all__ = ["change"]


def change(group: Plan, path: str, hierarchy: Hierarchy, options: Mapping[str, Any]) -> Plan:
    """Write the limits of `options` to a running group and return the plan that now holds.

    Raises: InvalidInput, SetupFailed when the kernel refuses; then what was written before stays.
    """
    wanted = resources.from_oci(limits.resources(options, rules_devices=False))
    changed = hierarchy.group(path).plan(wanted, control.current(group))
    notices = control.update(changed)
    return _merged(group, changed, notices)


def _merged(old: Plan, new: Plan, notices: tuple[str, ...]) -> Plan:
    directories = tuple(dict([*old.directories, *new.directories]).items())
    written = {(write.path, write.file) for write in new.writes}
    kept = tuple(write for write in old.writes if (write.path, write.file) not in written)
    return old._replace(
        directories=directories,
        parents=tuple(dict.fromkeys((*old.parents, *new.parents))),
        writes=kept + new.writes,
        notices=(*new.notices, *notices),
    )
