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
from containerlab.vm.guest import layout, wire
from containerlab.vm.kernel import modules, needs
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import clock, plan, program, snapshots
from containerlab.vm.qemu.plan import Hardware
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS

__all__ = ["Bench", "opened", "output", "pids_of", "until"]

LIMIT_S = 120
_APPLETS = ("sh", "cat", "echo", "sleep", "true", "yes", "head", "kill", "reboot", "seq", "nc", "wget", "ls")
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
    loaded = modules.load_order(kernel, needs.modules("virtio-mmio", "virtio-pci", "console", "net"))
    bare, whole = base / "bare", base / "initrd"
    bare.write_bytes(_boot_part(kernel, loaded) + _END)
    whole.write_bytes(_boot_part(kernel, loaded) + _image_part() + _END)
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


# --- an archive of the kind "newc" -------------------------------------------------------------


def _entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    path = name.encode() + b"\0"
    numbers = (1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + path
    return b"".join(part + bytes(-len(part) % 4) for part in (head, data))


def _boot_part(kernel: Kernel, loaded: Sequence[modules.Module]) -> bytes:
    first = Path(layout.__file__).with_name(layout.binary(kernel.architecture)).read_bytes()
    pieces = [_entry(name, 0o40755) for name in ("dev", "lib", "lib/conlab", layout.MODULES)]
    pieces += [_entry("dev/console", 0o20600, b"", (5, 1)), _entry(layout.INIT, 0o100755, first)]
    for number, module in enumerate(loaded):
        pieces.append(_entry(f"{layout.MODULES}/{number:02}-{module.name}.ko", 0o100644, module.content))
    return b"".join(pieces)


def _image_part() -> bytes:
    busybox = shutil.which("busybox")
    assert busybox, "the busybox package is missing"
    folders = ("", "/bin", "/dev", "/etc", "/proc", "/sys", "/tmp")
    pieces = [_entry(layout.IMAGE + folder, 0o40755) for folder in folders]
    pieces.append(_entry(f"{layout.IMAGE}/bin/busybox", 0o100755, Path(busybox).read_bytes()))
    pieces += [_entry(f"{layout.IMAGE}/bin/{name}", 0o120777, b"busybox") for name in _APPLETS]
    return b"".join(pieces)


_END = _entry("TRAILER!!!", 0)
