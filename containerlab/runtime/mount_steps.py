"""One mount of config.json becomes steps."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from containerlab.errors import InvalidInput
from containerlab.linux import mounts
from containerlab.linux.cgroups.plan import UNIFIED
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.oci.runtime import MountPoint
from containerlab.runtime import rootfs
from containerlab.runtime.steps import Step, step

__all__ = ["OPTIONS", "is_bind", "steps"]

_ATTRIBUTES = {
    "ro": rootfs.ATTR_RDONLY,
    "nosuid": rootfs.ATTR_NOSUID,
    "nodev": rootfs.ATTR_NODEV,
    "noexec": rootfs.ATTR_NOEXEC,
    "noatime": rootfs.ATTR_NOATIME,
    "strictatime": rootfs.ATTR_STRICTATIME,
    "nodiratime": rootfs.ATTR_NODIRATIME,
    "nosymfollow": rootfs.ATTR_NOSYMFOLLOW,
}
_ATTRIBUTES |= {f"r{name}": value for name, value in _ATTRIBUTES.items()}
"""`ro` and the like hold for all that `rbind` brings along, as `rro` does: the specification asks less."""
_IDMAPPED = ("idmap", "ridmap")
_IGNORED = (
    "rw",
    "defaults",
    "suid",
    "dev",
    "exec",
    "atime",
    "relatime",
    "diratime",
    "symfollow",
    "nostrictatime",
    "norelatime",
    "rrw",
    "rsuid",
    "rdev",
    "rexec",
    "ratime",
    "rrelatime",
    "rdiratime",
    "rsymfollow",
    "async",
    "z",
    "Z",
    "nocopy",
    "tmpcopyup",
)
OPTIONS = (*_ATTRIBUTES, *_IGNORED, *mounts.PROPAGATION, "bind", "rbind")
"""Options that mean something here; all others are the file system's."""


def steps(
    mount: MountPoint, cgroup: CgroupPlan | None = None, others: Collection[int] = ()
) -> Iterator[Step]:
    """Yield the steps that perform one mount of config.json.

    cgroup: the container's own, for mounts of type cgroup.
    others: pids of those whose mounts may be shown by `/proc/PID/root/…`.
    Raises: InvalidInput for what would be unsafe or makes no sense.
    """
    _check_destination(mount)
    attributes, propagation, data = _mount_options(mount)
    if mount.uid_mappings or mount.gid_mappings or set(_IDMAPPED) & set(mount.options):
        raise InvalidInput(
            f"cannot map the ids of the mount at {mount.destination}", "leave out its id mapping"
        )
    if is_bind(mount):
        ways = (mount.destination, "rbind" in mount.options, attributes, propagation)
        found = _OF_ANOTHER.fullmatch(mount.source)
        if found and int(found[1]) in others:
            yield step("bind_of", (int(found[1]), found[2], *ways))
        else:
            yield step("bind", (mount.source, *ways))
    elif mount.type == "cgroup":
        yield from _mount_cgroups(mount, attributes, cgroup)
    elif mount.type == "tmpfs" and "tmpcopyup" in mount.options:
        yield step("mount_copied", (mount.destination, mount.source, attributes, data))
    elif mount.type:
        yield step("mount_filesystem", (mount.destination, mount.type, mount.source, attributes, data))
    else:
        raise InvalidInput(f"the mount at {mount.destination} has no type", "use bind, tmpfs or another one")


_OF_ANOTHER = re.compile(r"/proc/([0-9]+)/root(/.*)")


def is_bind(mount: MountPoint) -> bool:
    """Say whether a mount shows something of the host."""
    return mount.type == "bind" or "bind" in mount.options or "rbind" in mount.options


def _check_destination(mount: MountPoint) -> None:
    path = os.path.normpath("/" + mount.destination.lstrip("/"))  # which keeps two slashes
    if path == "/":
        raise InvalidInput("cannot mount over the container's root directory", "choose another target")
    if path == "/proc" and mount.type != "proc" and mount.source != "/proc":
        # Whatever stands there would be trusted as procfs by later steps (CVE-2019-16884, CVE-2023-27561).
        raise InvalidInput(f"cannot mount {mount.source or mount.type} on /proc", "choose another target")
    if path.startswith("/proc/") and path not in rootfs.MAY_COVER_IN_PROC:
        raise InvalidInput(
            f"cannot mount on {path}: it is inside /proc", f"one may on {', '.join(rootfs.MAY_COVER_IN_PROC)}"
        )


def _mount_options(mount: MountPoint) -> tuple[int, int, tuple[str, ...]]:
    attributes = propagation = 0
    data = []
    for option in mount.options:
        if option in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[option]
        elif option in mounts.PROPAGATION:
            propagation = mounts.PROPAGATION[option] & ~mounts.MS_REC
        elif option not in _IGNORED and option not in ("bind", "rbind"):
            data.append(option)
    return attributes, propagation, tuple(data)


def _mount_cgroups(mount: MountPoint, attributes: int, cgroup: CgroupPlan | None) -> Iterator[Step]:
    """Show the container's own cgroups and nobody else's."""
    directories = dict(cgroup.directories) if cgroup else {}
    if not directories:
        return
    if set(directories.values()) == {directories.get(UNIFIED)}:  # as programs expect it of v2 alone
        yield step("bind", (directories[UNIFIED], mount.destination, False, attributes, 0))
        return
    hidden = attributes & ~rootfs.ATTR_RDONLY
    yield step("mount_filesystem", (mount.destination, "tmpfs", "cgroup", hidden, ("mode=755", "size=64k")))
    seen: dict[str, str] = {}
    for controller, directory in directories.items():
        if directory in seen:
            yield step("make_links", (((seen[directory], f"{mount.destination}/{controller}"),),))
        else:
            yield step("bind", (directory, f"{mount.destination}/{controller}", False, attributes, 0))
            seen[directory] = controller
    if attributes & rootfs.ATTR_RDONLY:
        yield step("set_attributes", (mount.destination, rootfs.ATTR_RDONLY))
