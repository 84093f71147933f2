"""A guest is booted from a root that was made, and asked what it sees: no monitor, nothing kept."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.vm.guest import wire
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu import clock, plan, program
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS

__all__ = ["Guest", "booted", "machine_of"]

_LIMIT_S = 90.0


class _Ends(NamedTuple):
    ours: socket.socket
    theirs: socket.socket


class Guest:
    """A guest that is asked, one program after the other."""

    def __init__(self, agent: socket.socket) -> None:
        self._agent = agent
        self._reader = wire.FrameReader()
        self._frames: list[tuple[int, int, bytes]] = []
        self._streams = iter(range(2, 1 << 20))

    def begin(self, *mounts: str) -> None:
        """Wait until it is there, and have it mount what `SETUP` says so."""
        self._wait(wire.HELLO)
        pairs = [("hostname", "guest"), *(("mount", mount) for mount in mounts)]
        self._send(wire.SETUP, wire.pairs(pairs))
        kind, payload = self._wait(wire.READY, wire.FAILED)
        assert kind == wire.READY, payload

    def run(self, *words: str, user: str = "0:0") -> tuple[int, str]:
        """Run a program; return its exit code, and its output with its errors."""
        stream, output = next(self._streams), b""
        pairs = [*(("arg", word) for word in words), ("env", "PATH=/bin"), ("cwd", "/"), ("user", user)]
        self._send(wire.EXEC, wire.pairs(pairs), stream)
        while True:
            kind, payload = self._wait(wire.STDOUT, wire.STDERR, wire.EXITED, wire.FAILED, stream=stream)
            if kind == wire.EXITED:
                return int(dict(wire.unpaired(payload))["code"]), output.decode(errors="surrogateescape")
            assert kind != wire.FAILED, payload
            output += payload

    def _send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        self._agent.sendall(wire.frame(kind, payload, stream))

    def _wait(self, *kinds: int, stream: int = 0) -> tuple[int, bytes]:
        """Return the next frame of one of these kinds."""
        while True:
            for frame in self._frames:
                if frame[0] in kinds and frame[1] == stream:
                    self._frames.remove(frame)
                    return frame[0], frame[2]
            data = self._agent.recv(1 << 16)
            assert data, "the guest has ended"
            self._frames += self._reader.feed(data)


def machine_of(root: Root, kernel: Kernel, tier: str, memory_bytes: int = 512 << 20) -> plan.Hardware:
    """Return a machine without a network card."""
    return plan.Hardware(
        tier=TIERS[tier],
        program=program.find(kernel.architecture),
        kernel=kernel,
        root=root,
        accelerator="tcg",
        memory_bytes=memory_bytes,
        network="none",
        tsc_khz=clock.tsc_khz(),
    )


@contextlib.contextmanager
def booted(machine: plan.Hardware, *mounts: str, directory: str = "") -> Iterator[Guest]:
    """Boot a machine for the time of a block; when that fails, tell what is on its console.

    directory: where the sockets of its companions are.
    """
    ends = {name: _Ends(*socket.socketpair()) for name in ("agent", "qmp", "console")}
    words = [_filled(word, ends, directory) for word in plan.words(machine)]
    process = subprocess.Popen(words, pass_fds=[end.theirs.fileno() for end in ends.values()])
    for end in ends.values():
        end.theirs.close()
    ends["agent"].ours.settimeout(_LIMIT_S)
    try:
        guest = Guest(ends["agent"].ours)
        guest.begin(*mounts)
        yield guest
    except (AssertionError, TimeoutError, ConnectionError) as error:
        error.add_note(_text(ends["console"].ours))
        raise
    finally:
        process.kill()
        process.wait()
        for end in ends.values():
            end.ours.close()


def _filled(word: str, ends: dict[str, _Ends], directory: str) -> str:
    for name, end in ends.items():
        word = word.replace("{" + name + "}", str(end.theirs.fileno()))
    return word.replace("{directory}", directory)


def _text(console: socket.socket) -> str:
    console.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return console.recv(1 << 16).decode(errors="replace")
    return ""
