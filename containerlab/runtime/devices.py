"""The device nodes and links of a container's /dev. Source: runtime-spec config-linux.md, Default Devices."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence

from containerlab.oci.runtime import Device
from containerlab.runtime.steps import Step, step

__all__ = ["DEFAULT", "steps"]

DEFAULT = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)
_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def steps(asked: Sequence[Device], *, in_user_namespace: bool) -> Iterator[Step]:
    """Return the steps that fill /dev; in a user namespace nodes cannot be made, so the host's are bound."""
    nodes = [(path, stat.S_IFCHR | 0o666, major, minor, 0, 0) for path, major, minor in DEFAULT]
    nodes += [_node(device) for device in asked if device.path not in {path for path, *_ in nodes}]
    if in_user_namespace:
        for path, *_ in nodes:
            yield step("bind", (path, path, False, 0, 0))
    else:
        yield step("make_devices", (tuple(nodes),))
    yield step("make_links", (_LINKS,))


def _node(device: Device) -> tuple[str, int, int, int, int, int]:
    mode = _TYPES[device.type] | (0o666 if device.file_mode is None else device.file_mode)
    return (device.path, mode, device.major, device.minor, device.uid or 0, device.gid or 0)
