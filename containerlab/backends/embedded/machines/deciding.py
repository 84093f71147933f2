"""The way of `vm run`: a record becomes a machine that can start.

`decide` asks, each once and in this order: QEMU, kernel, root file system, accelerator, shares, ports, and
for the resume tier the snapshot; the rest is pure. It makes nothing but what the next machine can use too.
The monitor acts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from containerlab import units
from containerlab.backends.embedded.machines import host_ports, shared_root
from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux import idmap as idmaps
from containerlab.oci.platform import Platform
from containerlab.options.log_bounds import log_bounds
from containerlab.options.ports import Published
from containerlab.store.home import Home
from containerlab.store.images import Image, Images
from containerlab.store.workshop import Workshop
from containerlab.vm import orders
from containerlab.vm.classic import base
from containerlab.vm.guest.setup import Setup
from containerlab.vm.kernel import cache, kernels
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import accelerator, plan, program, shares, snapshots
from containerlab.vm.qemu.accelerator import Verdict
from containerlab.vm.qemu.plan import Hardware
from containerlab.vm.qemu.program import Program
from containerlab.vm.records import Decided, Machine
from containerlab.vm.rootfs import roots
from containerlab.vm.rootfs.root import Root, least_memory_bytes
from containerlab.vm.tiers import TIERS, Tier

__all__ = ["Decision", "Place", "decide", "refuse_foreign", "wanted_of"]

Say = Callable[[str], None]
_SHARED = "virtiofs"


class Place(NamedTuple):
    """Where a machine comes to be.

    directory: its own. sources: of each mount, by its target, the directory of the host. say: takes lines
    that tell what takes time.
    """

    home: Home
    workshop: Workshop
    directory: str
    sources: Mapping[str, str]
    say: Say


class Decision(NamedTuple):
    """Everything about one start of a machine."""

    launch: Launch
    decided: Decided


def refuse_foreign(image: Image, name: str) -> None:
    """Raise Unsupported for an image of another processor: a machine here has this host's."""
    wanted, here = image.config.platform, Platform.parse(f"linux/{os.uname().machine}")
    if (wanted.os, wanted.architecture) != (here.os, here.architecture):
        raise Unsupported(
            f"image {name} is for {wanted}, and machines on this host are {here}",
            f"pull it for this host: --platform {here}",
        )


def decide(place: Place, record: Machine, image: Image) -> Decision:
    """Return how a machine will be started.

    Raises: InvalidInput, NotFound, Unsupported, Unavailable and others for what was asked and cannot be.
    """
    qemu = program.find(cache=place.home.cache)
    kernel = _kernel(place, record)
    notices: list[str] = []
    root = _root(place, record, image, kernel, notices)
    verdict = _accelerator(place, record, qemu, kernel)
    shared = tuple(_shares(place, record, image, root))
    published = host_ports.chosen(record.publish)
    hardware = _hardware(record, qemu, kernel, root, verdict)._replace(
        shares=shared, forwards=tuple(map(_forward, published))
    )
    launch = _launch(place, record, image, hardware)
    decided = Decided(
        accelerator=verdict.accelerator,
        reason=verdict.reason,
        kernel=kernel.release,
        filesystem=root.filesystem,
        memory_bytes=hardware.memory_bytes,
        cpus=hardware.cpus,
        published=tuple(map(str, published)),
        notices=tuple(notices),
        qemu=launch.qemu,
    )
    return Decision(launch, decided)


def _kernel(place: Place, record: Machine) -> Kernel:
    wanted = record.options.get("kernel", "")
    for kept in cache.cached(place.home) if wanted and "/" not in wanted else ():
        if wanted in (kept.id, kept.kernel.release):
            return kept.kernel
    return kernels.find(place.home, wanted or None, say=place.say)


def _root(place: Place, record: Machine, image: Image, kernel: Kernel, notices: list[str]) -> Root:
    tier, filesystem = TIERS[record.tier], record.options.get("filesystem", "")
    wishes = roots.Wishes(
        tuple(_needs(record)),
        record.options.get("module", ()),
        say=notices.append,
        ground=_ground(place, tier, filesystem),
    )
    return roots.prepare(place.home, image, kernel, tier, filesystem, wishes)


def _ground(place: Place, tier: Tier, filesystem: str) -> Image | None:
    if not tier.init:
        return None
    if filesystem in ("initramfs", _SHARED):
        raise InvalidInput(f"a machine of the tier {tier.name} has a disk", "leave --filesystem out")
    images = Images(place.home)
    return images.get(base.ensure(images, place.say))


def _needs(record: Machine) -> Iterator[str]:
    if _has_network(record):
        yield "net"
    if record.mounts:
        yield _SHARED


def _has_network(record: Machine) -> bool:
    return bool(record.options.get("network", "user") != "none")


def _accelerator(place: Place, record: Machine, qemu: Program, kernel: Kernel) -> Verdict:
    wish = record.options.get("accel", "auto")
    smallest = TIERS["microvm"]
    return accelerator.choose(
        place.home,
        place.workshop,
        qemu,
        kernel,
        lambda: roots.bare(place.home, kernel, smallest),
        "" if wish == "auto" else wish,
    )


def _hardware(record: Machine, qemu: Program, kernel: Kernel, root: Root, verdict: Verdict) -> Hardware:
    return Hardware(
        tier=TIERS[record.tier],
        program=qemu,
        kernel=kernel,
        root=root,
        accelerator=verdict.accelerator,
        memory_bytes=_memory_bytes(record, kernel, root),
        cpus=record.options.get("cpus", 1),
        network=record.options.get("network", "user"),
        tsc_khz=verdict.tsc_khz,
    )


def _memory_bytes(record: Machine, kernel: Kernel, root: Root) -> int:
    """Return what was asked for, or what the tier usually has, and more where the root is in memory."""
    least = least_memory_bytes(root, kernel)
    wanted: int = record.options.get("memory", 0)
    if not wanted:
        return max(TIERS[record.tier].memory_bytes, -(-least // _MIB) * _MIB)
    if wanted < least:
        raise InvalidInput(
            f"--memory: {units.format_size(wanted)} are too little for this guest, which needs "
            f"{units.format_size(least)} to start",
            f"give it more: -m {-(-least // _MIB)}m",
        )
    return wanted


_MIB = 1 << 20


def _launch(place: Place, record: Machine, image: Image, hardware: Hardware) -> Launch:
    restart = record.options.get("restart") or ("no", 0)
    bounds = log_bounds(record.options.get("log_opt", {}))
    launch = Launch(
        directory=place.directory,
        companions=tuple(_companions(hardware)),
        qemu=(),
        setup=_setup(record, hardware.tier).payload(),
        exec=orders.program(wanted_of(record, image), record.arguments).payload(),
        boot_limit_s=record.options.get("boot_timeout", hardware.tier.boot_limit_s),
        off_limit_s=hardware.tier.off_limit_s,
        is_foreground=False,
        remove=record.auto_remove,
        restart=restart[0],
        retries=restart[1],
        stop_signal=record.stop_signal,
        stop_timeout_s=record.stop_timeout_s,
        log_most_bytes=bounds.most_bytes,
        log_most_files=bounds.most_files,
    )
    if hardware.tier.name != "resume":
        return launch._replace(qemu=plan.words(hardware))
    if snapshots.find(place.home, hardware) is None:
        place.say("booting it once, for the snapshot that all machines like it are restored from")
    snapshot = snapshots.take(place.home, place.workshop, hardware)
    return launch._replace(
        qemu=plan.words(snapshots.restored(hardware, snapshot)),
        state=str(snapshot.state),
        are_pages_apart=True,
    )


def _setup(record: Machine, tier: Tier) -> Setup:
    found = orders.setup(_hostname(record), _has_network(record), record.mounts)
    # A system with services of its own has brought its card up itself, and given it another name.
    return found._replace(address="", gateway="") if tier.init else found


def _hostname(record: Machine) -> str:
    return str(record.options.get("hostname") or record.id[:12])


def wanted_of(record: Machine, image: Image) -> orders.Wanted:
    """Return what the image says of its program and the user says otherwise."""
    return orders.Wanted(image.config.config, record.options, _hostname(record))


def _shares(place: Place, record: Machine, image: Image, root: Root) -> Iterator[plan.Share]:
    if root.filesystem == _SHARED:
        yield shared_root.share(place.home, image)
    for number, request in enumerate(record.mounts):
        source = place.sources[request.target]
        yield plan.Share(_SHARED, orders.tag(number), source, request.readonly)


def _companions(hardware: Hardware) -> Iterator[tuple[str, ...]]:
    if hardware.shares:
        server, idmap = shares.virtiofsd(), idmaps.choose()
        yield from (shares.companion(server, share, idmap) for share in hardware.shares)


def _forward(published: Published) -> plan.Forward:
    return plan.Forward(published.protocol, published.address, published.host_port, published.port)
