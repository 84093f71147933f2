"""The four kinds of virtual machine: «a VM» is not one thing."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEFAULT", "TIERS", "Tier"]


class Tier(NamedTuple):
    """How a machine comes to run an image.

    machine: QEMU's machine type on x86_64. memory_bytes: what the guest has if nothing else is said.
    boot_limit_s: how long the guest may take to answer, emulated. off_limit_s: how long to power off.
    init: what the disk has as first process, which starts ours as a service; empty where ours is the first.
    """

    name: str
    summary: str
    machine: str
    memory_bytes: int
    boot_limit_s: float
    off_limit_s: float = 2.0
    init: str = ""


_MIB = 1 << 20
TIERS = {
    tier.name: tier
    for tier in (
        Tier("resume", "restored from a snapshot of its own first boot", "microvm", 256 * _MIB, 30),
        Tier(
            "microvm", "no firmware, few devices, the kernel handed over directly", "microvm", 256 * _MIB, 60
        ),
        Tier("image", "a PC, the kernel handed over, the image as its disk", "q35", 512 * _MIB, 60),
        Tier(
            *("classic", "a PC with firmware, a disk, systemd and sshd", "q35", 768 * _MIB, 300, 60),
            init="/sbin/init",
        ),
    )
}
DEFAULT = "image"
