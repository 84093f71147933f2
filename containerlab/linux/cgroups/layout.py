"""Where cgroup hierarchies are mounted and where in them this process is: texts of /proc to values."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["NEUTRAL", "Place", "places"]

NEUTRAL = {"blkio": "io"}
"""v1 names that v2 changed; this package uses v2's everywhere."""


class Place(NamedTuple):
    """A hierarchy as this process sees it."""

    version: int
    controllers: tuple[str, ...]
    """As the kernel names them; empty for v2, whose controllers are found in its files."""
    top: str
    """The mount point."""
    own: str
    """The directory of the process; empty when the mount does not show it."""


class _Mount(NamedTuple):
    root: str
    target: str
    fstype: str
    options: frozenset[str]


def places(mountinfo: str, membership: str, *, named: bool = False) -> tuple[Place, ...]:
    """Return the hierarchies that are mounted, from /proc/PID/mountinfo and /proc/PID/cgroup.

    named: also named v1 hierarchies, as name=systemd, which limit nothing. Source: cgroups(7).
    """
    mounts = [_mount(line) for line in mountinfo.splitlines() if " - cgroup" in line]
    found = []
    for line in membership.splitlines():
        _, names, path = line.split(":", 2)
        if names.startswith("name=") and not named:
            continue
        mount = _nearest(mounts, frozenset(names.split(",")) if names else frozenset(), path)
        if mount:
            controllers = tuple(names.split(",")) if names else ()
            version = 1 if names else 2
            found.append(Place(version, controllers, mount.target, _shown(mount, path)))
    return tuple(found)


def _mount(line: str) -> _Mount:
    left, _, right = line.partition(" - ")
    fields, (fstype, _, options) = left.split(" "), right.split(" ", 2)
    return _Mount(_unescaped(fields[3]), _unescaped(fields[4]), fstype, frozenset(options.split(",")))


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _nearest(mounts: list[_Mount], controllers: frozenset[str], path: str) -> _Mount | None:
    """The mount of this hierarchy, best one that shows `path`."""
    fstype = "cgroup" if controllers else "cgroup2"
    fitting = [mount for mount in mounts if mount.fstype == fstype and controllers <= mount.options]
    showing = [mount for mount in fitting if _shown(mount, path)]
    return next(iter(showing or fitting), None)


def _shown(mount: _Mount, path: str) -> str:
    """Where `path` of the hierarchy is below the mount point; empty when it is not there.

    Both begin with /.. when they lie outside the cgroup namespace (cgroup_namespaces(7)), so they are
    compared as texts.
    """
    if path == mount.root:
        return mount.target
    root = mount.root.rstrip("/") + "/"
    if not path.startswith(root) or path.startswith(root + ".."):
        return ""
    return os.path.join(mount.target, path[len(root) :])
