"""The options of virtual machines: one line each, a table for each command.

What means the same for a container is that option itself; see options/container.py.
"""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.errors import InvalidInput
from containerlab.options import values as v
from containerlab.options.container import (
    Common,
    Duration,
    Foreground,
    Pairs,
    ProgramOptions,
    Restarting,
    Size,
    Volumes,
    Words,
)
from containerlab.options.flag import Flag
from containerlab.options.ports import published
from containerlab.options.verbs import ContainerPruneOptions, LogOptions

__all__ = [
    "VmCreateOptions",
    "VmExecOptions",
    "VmListOptions",
    "VmLogOptions",
    "VmPruneOptions",
    "VmRemoveOptions",
    "VmRunOptions",
    "VmStatsOptions",
]

_MOST_CPUS = 255


def processors(value: int | float | str) -> int:
    """Read a number of virtual processors.

    >>> processors("2")
    2
    """
    found = units.cores(value)
    if found != int(found):
        raise InvalidInput(
            f"not a whole number of processors: {value!r}",
            "a machine has whole virtual processors; a share of one is a limit that containers have",
        )
    return units.count(int(found), 1, _MOST_CPUS)


# fmt: off
class Hardware(TypedDict, total=False):
    """What the machine is."""

    tier: Annotated[str, Flag("--tier", v.choice("resume", "microvm", "image", "classic"), "Kind of machine: resume, microvm, image (the default), classic", "TIER", completes="resume microvm image classic")]
    memory: Annotated[Size, Flag("-m --memory", units.size, "Memory of the machine: 256m, 1g", "SIZE")]
    cpus: Annotated[int | str, Flag("--cpus", processors, "Virtual processors, whole ones (1)", "NUMBER")]
    accel: Annotated[str, Flag("--accel", v.choice("auto", "kvm", "hvf", "tcg"), "How it is executed: auto (the fastest that works), kvm, hvf, tcg (emulated)", "NAME", completes="auto kvm hvf tcg")]
    kernel: Annotated[str, Flag("--kernel", v.text, "Guest kernel: a file, or the release of one that `vm kernel ls` shows", "PATH|RELEASE", completes="kernel")]
    module: Annotated[Words, Flag("--module", v.text, "Load a module of the guest's kernel at boot: overlay, fuse", "NAME", "", tuple)]
    filesystem: Annotated[str, Flag("--filesystem", v.choice("initramfs", "ext4", "erofs", "squashfs", "virtiofs"), "Root file system: initramfs, ext4, erofs, squashfs, virtiofs", "NAME", completes="initramfs ext4 erofs squashfs virtiofs")]
    boot_timeout: Annotated[Duration, Flag("--boot-timeout", units.seconds, "Most time until the guest answers", "DURATION")]


class Reached(TypedDict, total=False):
    """How it reaches others, and others it."""

    network: Annotated[str, Flag("--network --net", v.choice("user", "none"), "Network: user (behind this host, the default), none", "NETWORK", completes="user none")]
    publish: Annotated[Words, Flag("-p --publish", published, "Publish a port of the guest: 8080:80, 127.0.0.1:8080:80/udp", "HOST:GUEST", "", tuple)]


class VmCreateOptions(Hardware, Reached, Volumes, ProgramOptions, Common, Restarting, total=False):
    """Everything a machine can be made with."""


class VmRunOptions(VmCreateOptions, Foreground, total=False):
    """The options of `vm run`."""


class VmExecOptions(ProgramOptions, total=False):
    """The options of `vm exec`."""


class VmListOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also those that do not run")]
    filter: Annotated[Pairs, Flag("-f --filter", v.pair, "Only those with: name= id= status= label= ancestor= exited= before= since= until=", "KEY=VALUE", "", tuple, completes="name= id= status= label= ancestor= exited= before= since= until=")]
    last: Annotated[int | str, Flag("-n --last", v.whole(-1, 2**31), "The newest ones, running or not", "NUMBER")]
    latest: Annotated[bool, Flag("-l --latest", units.switch, "The newest one, running or not")]


class VmLogOptions(LogOptions, total=False):
    console: Annotated[bool, Flag("--console", units.switch, "Show the console of the guest's kernel instead")]


class VmRemoveOptions(TypedDict, total=False):
    force: Annotated[bool, Flag("-f --force", units.switch, "Power it off first if it runs")]


class VmStatsOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also those that do not run")]


class VmPruneOptions(ContainerPruneOptions, total=False):
    """The options of `vm prune`."""
# fmt: on
