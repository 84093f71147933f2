"""Small machines for tests: busybox as the image, in an initramfs made here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from containerlab.linux import idmap
from containerlab.store.home import Home
from containerlab.store.workshop import Workshop
from containerlab.vm import connection
from containerlab.vm.connection import Connection, Frame
from containerlab.vm.guest import wire
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import clock, plan, program, snapshots
from containerlab.vm.qemu.plan import Hardware
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS
from tests.vm import archives

__all__ = ["Bench", "opened", "output", "pids_of", "until"]

LIMIT_S = 120
_MEMORY = 192 << 20


class Bench(NamedTuple):
    """What machines are made of."""

    home: Home
    workshop: Workshop
    kernel: Kernel
    root: Root
    bare: Root
    machines: Path

    def machine(self, tier: str = "microvm", **changes: Any) -> Hardware:
        """Return a machine of a tier."""
        found = Hardware(
            TIERS[tier], program.find(cache=self.home.cache), self.kernel, self.root, "tcg", _MEMORY
        )
        return found._replace(tsc_khz=clock.tsc_khz(self.home.cache), **changes)

    def launch(self, machine: Hardware, *command: str, stdin: bool = False, **changes: Any) -> Launch:
        """Return what starts a machine for a command; it gets a directory of its own."""
        directory = self.machines / str(len(list(self.machines.iterdir())))
        directory.mkdir(parents=True)
        found = Launch(
            directory=str(directory),
            companions=(),
            qemu=plan.words(machine),
            setup=wire.pairs([("hostname", "guest"), ("address", plan.ADDRESS), ("gateway", plan.GATEWAY)]),
            exec=executing(command, stdin=stdin),
            boot_limit_s=LIMIT_S,
            is_foreground=True,
            begun_at=time.monotonic(),
        )
        return found._replace(**changes)

    def quick(self, *command: str, **changes: Any) -> Launch:
        """Return what starts a machine that is restored from a snapshot."""
        machine = self.machine("resume")
        snapshot = snapshots.take(self.home, self.workshop, machine)
        state = {"state": str(snapshot.state), "are_pages_apart": True}
        return self.launch(snapshots.restored(machine, snapshot), *command, **state | changes)

    def start(self, launch: Launch) -> Connection:
        """Start a machine."""
        return connection.start(self.workshop, launch)


def opened(base: Path, kernel: Kernel) -> Iterator[Bench]:
    """Give a bench below a directory, and take it away."""
    home = Home.open(base / "home")
    machines = base / "machines"
    machines.mkdir()
    workshop = Workshop(idmap.HOST)
    boot = archives.boot(kernel, ["virtio-mmio", "virtio-pci", "console", "net"])
    bare, whole = base / "bare", base / "initrd"
    bare.write_bytes(boot)
    whole.write_bytes(boot + archives.image(archives.busybox()))
    try:
        roots = [Root(path, None, "initramfs", True) for path in (whole, bare)]
        yield Bench(home, workshop, kernel, *roots, machines)
    finally:
        workshop.close()
        shutil.rmtree(base)


def executing(command: Sequence[str], *, stdin: bool = False) -> bytes:
    """Return the payload of EXEC for a command."""
    words = [("arg", word) for word in command]
    return wire.pairs([*words, ("env", "PATH=/bin"), ("cwd", "/"), *([("stdin", "1")] if stdin else [])])


def until(connection: Connection, is_enough: Callable[[Frame], bool]) -> list[Frame]:
    """Return what arrives until something has; what came after it is there for the next who asks."""
    found: list[Frame] = []
    while arrived := connection.receive(LIMIT_S):
        for number, frame in enumerate(arrived, 1):
            found.append(frame)
            if is_enough(frame):
                connection._inbox.extend(arrived[number:])
                return found
    assert not connection.is_open, f"nothing came for {LIMIT_S} s after {found[-3:]}"
    return found


def output(connection: Connection, kind: int = wire.STDOUT, stream: int = wire.MAIN) -> bytes:
    """Return what a program writes until the machine has ended."""
    frames = until(connection, lambda frame: False)
    return b"".join(payload for each, number, payload in frames if (each, number) == (kind, stream))


def pids_of(directory: str) -> list[int]:
    """Return the processes whose command line, or open directory, names a directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and directory.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
