"""A machine as QEMU's command line: decided here, purely, and carried out by the monitor.

A disk that is written to is thrown away: `snapshot=on` sends writes to an unlinked file, and
`cache=unsafe` lets the host leave them in memory, as what a crash of the host would lose is lost anyway. So a
program's fsync costs nothing in such a guest.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from containerlab import errors
from containerlab.linux.mounts import Mount
from containerlab.vm.guest import layout, wire
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu.program import Program
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import Tier

__all__ = [
    "ADDRESS",
    "GATEWAY",
    "NAMESERVER",
    "Forward",
    "Hardware",
    "Share",
    "kernel_words",
    "parse_forward",
    "words",
]

ADDRESS, GATEWAY, NAMESERVER = "10.0.2.15/24", "10.0.2.2", "10.0.2.3"
"""What the guest's network card has to be given: QEMU's user network is always the same."""


_SLOW_STEPS = (
    "jent_mod_init",
    "trace_eval_init",
    "ftrace_check_for_weak_functions",
    "load_system_certificate_list",
)
"""Steps of a kernel's start that take half of all instructions, and nobody needs in a guest like this: the
test of a source of randomness beside the processor's, names of constants in the formats of trace events,
names of functions that cannot be traced, and keys for the signatures of modules. A kernel that does not have
one ignores its name.
"""


class Share(NamedTuple):
    """A directory of the host in the guest.

    kind: virtiofs (a companion serves it, see `Launch.companions`) or 9p (QEMU itself does). laid: what the
    companion lays over the directory before it serves it, where nobody else sees it.
    """

    kind: str
    tag: str
    path: str
    is_readonly: bool
    laid: Mount | None = None


class Forward(NamedTuple):
    """A port of the host that leads to one of the guest; protocol: tcp or udp."""

    protocol: str
    host_address: str
    host_port: int
    guest_port: int


class Hardware(NamedTuple):
    """All that makes a machine; see `words`.

    memory_file: where its memory is kept, for a snapshot; empty for memory that nobody shares.
    is_restored: it comes from a snapshot whose memory is in `memory_file`, which is not changed.
    network: "user", or "none" for no card; is_closed: the card leads nowhere but to forwarded ports.
    tsc_khz: how fast the host's time stamp counter runs; 0 when it is not known. firmware: boot the disk by
    its own boot loader, not `kernel`. extra: words put at the end.
    """

    tier: Tier
    program: Program
    kernel: Kernel | None
    root: Root
    accelerator: str
    memory_bytes: int
    cpus: int = 1
    shares: tuple[Share, ...] = ()
    forwards: tuple[Forward, ...] = ()
    network: str = "user"
    is_closed: bool = False
    memory_file: str = ""
    is_restored: bool = False
    tsc_khz: int = 0
    kernel_extra: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def is_micro(self) -> bool:
        """Whether its devices are on no PCI bus."""
        return self.program.architecture == "x86_64" and self.tier.machine == "microvm"

    @property
    def bus(self) -> str:
        """How virtio devices are called."""
        return "device" if self.is_micro else "pci"


def parse_forward(text: str) -> Forward:
    """Return what `-p` says: [[ADDRESS:]HOST_PORT:]GUEST_PORT[/udp].

    >>> parse_forward("127.0.0.1:8080:80")
    Forward(protocol='tcp', host_address='127.0.0.1', host_port=8080, guest_port=80)
    >>> parse_forward("5353:53/udp").protocol
    'udp'

    Raises: InvalidInput.
    """
    ports, _, protocol = text.partition("/")
    rest, _, guest = ports.rpartition(":")
    address, _, host = rest.rpartition(":")
    address = address.strip("[]")
    try:
        if address:
            ipaddress.IPv4Address(address)
        if protocol not in ("", "tcp", "udp"):
            raise ValueError(f"{protocol} is neither tcp nor udp")
        return Forward(protocol or "tcp", address, _port(host or guest), _port(guest))
    except ValueError as error:
        raise errors.InvalidInput(
            f"cannot publish {text!r}: {error}", "write it as 8080:80, 127.0.0.1:8080:80 or 5353:53/udp"
        ) from error


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def words(machine: Hardware) -> tuple[str, ...]:
    """Return QEMU's command line for a machine. Raises: Unsupported when this QEMU lacks the machine type."""
    return (
        machine.program.path,
        *_general(machine),
        *_processors(machine),
        *_memory(machine),
        *_start(machine),
        *_channels(machine),
        *_disk(machine),
        *_network(machine),
        *_shares(machine),
        *machine.extra,
    )


def _general(machine: Hardware) -> Iterator[str]:
    name = machine.tier.machine if machine.program.architecture == "x86_64" else "virt"
    if name not in machine.program.machines:
        raise errors.Unsupported(
            f"{machine.program.path} {machine.program.version} has no machine type {name}",
            "choose another tier, or install a QEMU of your distribution",
        )
    yield from ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
    if machine.is_micro:
        # Reads from a share never come back by the legacy interface, which is what QEMU takes if not told.
        yield from ("-global", "virtio-mmio.force-legacy=false")
    if machine.program.is_sandboxed:
        denied = ("obsolete", "elevateprivileges", "spawn", "resourcecontrol")
        yield from ("-sandbox", ",".join(["on", *(f"{each}=deny" for each in denied)]))
    options = [name]
    if name == "microvm":
        # Linux finds virtio devices by ACPI. Without a clock chip it waits 1.6 s for one when emulated.
        options += ["x-option-roms=off", "pit=off", "pic=off"]
    if name == "virt" and machine.accelerator != "tcg":
        options.append("gic-version=max")
    yield from ("-M", ",".join([*options, "memory-backend=memory"]))


def _processors(machine: Hardware) -> Iterator[str]:
    if machine.accelerator == "tcg":
        # Five levels of page tables are one more to walk, in software.
        model = "max,la57=off" if machine.program.architecture == "x86_64" else "max"
    else:
        model = "host"
    yield from ("-accel", machine.accelerator, "-cpu", model, "-smp", str(machine.cpus))


def _memory(machine: Hardware) -> Iterator[str]:
    size = machine.memory_bytes
    yield from ("-m", f"{size >> 20}M")
    if machine.memory_file:
        # A restored machine has pages of its own as soon as it writes to them.
        shared = "off" if machine.is_restored else "on"
        where = f"memory-backend-file,mem-path={_escaped(machine.memory_file)},share={shared}"
    elif any(share.kind == "virtiofs" for share in machine.shares):
        where = "memory-backend-memfd,share=on"
    else:
        where = "memory-backend-ram"
    yield from ("-object", f"{where},id=memory,size={size}")


def _start(machine: Hardware) -> Iterator[str]:
    if machine.is_restored:
        # Its kernel is in its memory already. What has to be said before it comes is said by QMP.
        yield from ("-incoming", "defer")
    elif machine.kernel is not None:
        yield from ("-kernel", str(machine.kernel.image), "-initrd", str(machine.root.initrd))
        yield from ("-append", " ".join(kernel_words(machine)))


def kernel_words(machine: Hardware) -> list[str]:
    """Return the kernel's command line."""
    is_x86 = machine.program.architecture == "x86_64"
    found = [f"console={'ttyS0' if is_x86 else 'ttyAMA0'}", "quiet", "panic=-1", "random.trust_cpu=on"]
    # The kernel's tests of its own ciphers take 0.3 s when emulated.
    found += ["cryptomgr.notests"]
    if machine.accelerator == "tcg":
        found += ["initcall_blacklist=" + ",".join(_SLOW_STEPS)]
    if is_x86:
        found += ["reboot=t"]
    if is_x86 and machine.accelerator != "kvm" and machine.tsc_khz:
        # Without a timer to compare with (microvm), it would wait for ever to find this out.
        found += [f"tsc_early_khz={machine.tsc_khz}"]
        # It is the host's own. Compared with the ticks of an emulated timer it seems to skew, and the guest
        # would go on with these: a clock of 4 ms steps.
        found += ["tsc=reliable"]
    if machine.is_micro:
        # There is none, and not to look for it saves some 20 ms when emulated.
        found += ["pci=off"]
    if machine.root.filesystem == "initramfs":
        # Files may then be more than half of the memory.
        found += ["rootfstype=ramfs"]
    else:
        source = layout.ROOT_TAG if machine.root.disk is None else "/dev/vda"
        found += [f"{layout.ROOT_WORD}={source}", f"{layout.FILESYSTEM_WORD}={machine.root.filesystem}"]
        found += [] if machine.root.is_writable else [layout.OVERLAY_WORD]
    if machine.tier.init:
        found += [f"{layout.INIT_WORD}={machine.tier.init}"]
    return [*found, *machine.kernel_extra]


def _channels(machine: Hardware) -> Iterator[str]:
    bus = machine.bus
    for name in ("agent", "qmp", "console"):
        yield from ("-chardev", f"socket,id={name},fd={{{name}}}")
    yield from ("-mon", "chardev=qmp,mode=control", "-serial", "chardev:console")
    yield from ("-device", f"virtio-serial-{bus}")
    yield from ("-device", f"virtserialport,chardev=agent,name={wire.PORT}")
    if machine.kernel is None:
        # Others are given a seed by SETUP, and load no module for this.
        yield from ("-object", "rng-random,id=random,filename=/dev/urandom")
        yield from ("-device", f"virtio-rng-{bus},rng=random")


def _disk(machine: Hardware) -> Iterator[str]:
    disk = machine.root.disk
    if disk is None:
        return
    kept = "snapshot=on" if machine.root.is_writable else "readonly=on"
    drive = f"if=none,id=root,file={_escaped(str(disk))},format=raw,cache=unsafe,{kept}"
    yield from ("-drive", drive, "-device", f"virtio-blk-{machine.bus},drive=root")


def _network(machine: Hardware) -> Iterator[str]:
    if machine.network == "none":
        return
    forwards = [
        f"hostfwd={each.protocol}:{each.host_address}:{each.host_port}-:{each.guest_port}"
        for each in machine.forwards
    ]
    restrict = ["restrict=on"] if machine.is_closed else []
    yield from ("-netdev", ",".join(["user", "id=net", "ipv6=off", *restrict, *forwards]))
    # Its ROM would offer to boot from the network.
    rom = "" if machine.is_micro else ",romfile="
    yield from ("-device", f"virtio-net-{machine.bus},netdev=net{rom}")


def _shares(machine: Hardware) -> Iterator[str]:
    numbers = iter(range(len(machine.shares)))
    for share in machine.shares:
        if share.kind == "virtiofs":
            number = next(numbers)
            yield from ("-chardev", f"socket,id=share-{number},path={{directory}}/share-{number}.sock")
            yield from ("-device", f"vhost-user-fs-{machine.bus},chardev=share-{number},tag={share.tag}")
        else:
            readonly = ",readonly=on" if share.is_readonly else ""
            source = f"local,id={share.tag},path={_escaped(share.path)},security_model=none{readonly}"
            yield from ("-fsdev", source)
            yield from ("-device", f"virtio-9p-{machine.bus},fsdev={share.tag},mount_tag={share.tag}")


def _escaped(path: str) -> str:
    """Return a path as a value of an option, in which a comma ends it.

    >>> _escaped("/a,b")
    '/a,,b'
    """
    return path.replace(",", ",,")
