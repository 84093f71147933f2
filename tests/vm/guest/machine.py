"""A machine that our first process runs in, and the host's end of its channel."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Program, Setup
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu import clock, plan, program
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS
from tests.vm import archives
from tests.vm.archives import Files

__all__ = ["Ended", "Machine", "booted"]

_LIMIT_S = 60


class Ended(NamedTuple):
    """How a process ended. said: the pairs of its last frame."""

    code: int | None
    stdout: bytes
    stderr: bytes
    said: dict[str, str]


class Machine:
    """A machine that runs, and what its guest has said that nobody asked for yet."""

    def __init__(
        self, sock: socket.socket, qemu: subprocess.Popen[bytes], last_words: Callable[[], str]
    ) -> None:
        self._sock = sock
        self.last_words = last_words
        """Returns what the guest's console shows last."""
        self._reader = wire.FrameReader()
        self._frames: dict[int, list[tuple[int, bytes]]] = {}
        self._next = wire.MAIN + 1
        self.qemu = qemu

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        """Send a frame, and keep what comes meanwhile."""
        data = memoryview(wire.frame(kind, payload, stream))
        while data:
            readable, writable, _ = select.select([self._sock], [self._sock], [], _LIMIT_S)
            assert readable or writable, self.last_words()
            if readable:
                self._receive()
            elif writable:
                data = data[self._sock.send(data) :]

    def get(self, stream: int = 0) -> tuple[int, bytes]:
        """Wait for the next frame of a stream."""
        while not self._frames.get(stream):
            assert select.select([self._sock], [], [], _LIMIT_S)[0], self.last_words()
            self._receive()
        return self._frames[stream].pop(0)

    def _receive(self) -> None:
        data = self._sock.recv(1 << 20)
        if not data:
            raise EOFError(self.last_words())
        for kind, stream, payload in self._reader.feed(data):
            self._frames.setdefault(stream, []).append((kind, payload))

    def set_up(self, setup: Setup, *more: tuple[str, str]) -> tuple[int, bytes]:
        """Wait for HELLO, send SETUP and return the answer to it."""
        kind, _ = self.get()
        assert kind == wire.HELLO
        self.send(wire.SETUP, setup.payload() + wire.pairs(more))
        return self.get()

    def start(self, program: Program, stream: int = 0) -> int:
        """Start a process and return its stream."""
        if not stream:
            stream, self._next = self._next, self._next + 1
        self.send(wire.EXEC, program.payload(), stream)
        return stream

    def started(self, program: Program, stream: int = 0) -> int:
        """Start a process and return its stream when it runs."""
        stream = self.start(program, stream)
        kind, payload = self.get(stream)
        assert kind == wire.STARTED, payload
        return stream

    def end(self, stream: int) -> Ended:
        """Wait for the end of a process."""
        output = {wire.STDOUT: bytearray(), wire.STDERR: bytearray()}
        while True:
            kind, payload = self.get(stream)
            if kind in output:
                output[kind] += payload
            elif kind in (wire.EXITED, wire.FAILED):
                said = dict(wire.unpaired(payload))
                code = int(said["code"]) if kind == wire.EXITED else None
                return Ended(code, bytes(output[wire.STDOUT]), bytes(output[wire.STDERR]), said)

    def run(self, *arguments: str, **fields: object) -> Ended:
        """Run a program to its end."""
        return self.end(self.start(Program(arguments, **fields)))  # type: ignore[arg-type]  # by name

    def shell(self, script: str, **fields: object) -> str:
        """Run a script that succeeds, and return what it says."""
        ended = self.run("sh", "-c", script, **fields)
        assert ended.code == 0, ended
        return ended.stdout.decode()

    def signal(self, stream: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process."""
        self.send(wire.SIGNAL, bytes((number,)), stream)

    def ping(self) -> None:
        """See that the guest answers."""
        self.send(wire.PING, b"still there?")
        assert self.get() == (wire.PONG, b"still there?")

    def hang_up(self) -> None:
        """Close the host's end."""
        self._sock.close()

    def wait(self) -> None:
        """Wait until the machine is off."""
        self.qemu.wait(_LIMIT_S)

    def output_until(self, stream: int, is_enough: Callable[[bytes], bool]) -> bytes:
        """Collect what a process writes until it is enough."""
        found = b""
        deadline = time.monotonic() + _LIMIT_S
        while not is_enough(found):
            assert time.monotonic() < deadline, found
            kind, payload = self.get(stream)
            assert kind in (wire.STDOUT, wire.STDERR, wire.TAKEN), (kind, payload)
            found += b"" if kind == wire.TAKEN else payload
        return found


@contextlib.contextmanager
def booted(
    directory: Path,
    kernel: Kernel,
    image: Files | None,
    *,
    machine: str = "microvm",
    memory: str = "256M",
    words: Sequence[str] = (),
    devices: Sequence[str] = (),
    also: Sequence[str] = (),
) -> Iterator[Machine]:
    """Boot a machine whose root is `image`, or a disk among `devices` when that is None; kill it at the end.

    words: of the kernel. also: what else needs modules.
    """
    bus, console = "device" if machine == "microvm" else "pci", directory / "console"
    archive = directory / "archive.cpio"
    boot = archives.boot(kernel, [*_NEEDS[bus], *also])
    archive.write_bytes(boot + (archives.image(image) if image else b""))
    spoken = [*_kernel_words(kernel, archive, machine), *words]
    ours, theirs = socket.socketpair()
    command = [
        *("qemu-system-x86_64", "-M", f"{machine},memory-backend=memory", "-accel", "tcg", "-m", memory),
        *("-object", f"memory-backend-memfd,id=memory,share=on,size={memory}"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{console}"),
        *("-kernel", str(kernel.image), "-initrd", str(archive), "-append", " ".join(spoken)),
        *("-device", f"virtio-serial-{bus}", "-chardev", f"socket,id=agent,fd={theirs.fileno()}"),
        *("-device", f"virtserialport,chardev=agent,name={wire.PORT}", *devices),
    ]
    qemu = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        with ours:
            yield Machine(ours, qemu, lambda: console.read_text(errors="replace")[-2000:])
    finally:
        qemu.kill()
        qemu.wait()


_NEEDS = {"device": ("virtio-mmio", "console"), "pci": ("virtio-pci", "console")}


def _kernel_words(kernel: Kernel, archive: Path, machine: str) -> list[str]:
    """Return the words that the kernels of users' machines get: with others a guest may hang at its start."""
    tier = TIERS["microvm" if machine == "microvm" else "image"]
    root = Root(archive, None, "initramfs", True)
    qemu = program.find(kernel.architecture)
    hardware = plan.Hardware(tier, qemu, kernel, root, "tcg", tier.memory_bytes, tsc_khz=clock.tsc_khz())
    return plan.kernel_words(hardware)
