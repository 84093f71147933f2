"""Devices of the host that `--device` and `--privileged` give to a container."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from containerlab.errors import InvalidInput
from containerlab.oci import runtime as oci
from containerlab.runtime import devices

__all__ = ["HostDevice", "chosen"]

_NOT_DEVICES = ("pts", "shm", "mqueue", "fd", "hugepages")


class HostDevice(NamedTuple):
    """A device: its path on the host, its node in the container, and what may be done with it (`rwm`)."""

    source: str
    node: oci.Device
    access: str

    @property
    def rule(self) -> oci.DeviceRule:
        """Return what the device cgroup needs to be told."""
        return oci.DeviceRule(
            allow=True, type=self.node.type, major=self.node.major, minor=self.node.minor, access=self.access
        )


def chosen(options: Mapping[str, Any]) -> tuple[HostDevice, ...]:
    """Return the devices that options ask for; a directory stands for all that are in it.

    Raises: InvalidInput for what is none.
    """
    if options.get("privileged"):
        return tuple(_device(path, path, "rwm") for path in _below("/dev") if path not in _THERE)
    return tuple(device for asked in options.get("device", ()) for device in _asked(*asked))


_THERE = ("/dev/console", "/dev/ptmx", *(path for path, *_ in devices.DEFAULT))


def _asked(source: str, inside: str, access: str) -> Iterator[HostDevice]:
    if inside.strip("/") in ("", ".", ".."):
        raise InvalidInput(f"--device {source}: cannot be {inside}", "name a path below /dev")
    if not os.path.isdir(source):
        yield _device(source, inside, access)
        return
    found = sorted(_below(source))
    if not found:
        raise InvalidInput(f"--device {source} holds no device", "use -v for files and directories")
    for path in found:
        yield _device(path, inside + path.removeprefix(source), access)


def _device(source: str, inside: str, access: str) -> HostDevice:
    try:
        status = os.stat(source)
    except OSError as error:
        raise InvalidInput(f"--device {source}: {error.strerror}", "name a device of the host") from error
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        raise InvalidInput(f"--device {source} is no device", "use -v for files and directories")
    node = oci.Device(
        type=kind,
        path=inside,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        file_mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )
    return HostDevice(source, node, access or "rwm")


def _below(directory: str) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in _NOT_DEVICES]
        for path in (os.path.join(folder, name) for name in files):
            if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFCHR, stat.S_IFBLK):
                yield path
