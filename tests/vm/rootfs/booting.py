"""A guest is booted from a root that was made, and asked what it sees: no monitor, nothing kept."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.linux import idmap as idmaps
from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Setup
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu import clock, plan, program, shares
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS
from tests.vm.guest.machine import Machine

__all__ = ["booted", "machine_of", "served"]


class _Ends(NamedTuple):
    ours: socket.socket
    theirs: socket.socket


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
def booted(hardware: plan.Hardware, directory: str = "") -> Iterator[Machine]:
    """Boot a machine for the time of a block; when that fails, tell what is on its console.

    directory: where the sockets of its companions are.
    """
    ends = {name: _Ends(*socket.socketpair()) for name in ("agent", "qmp", "console")}
    words = [_filled(word, ends, directory) for word in plan.words(hardware)]
    process = subprocess.Popen(words, pass_fds=[end.theirs.fileno() for end in ends.values()])
    for end in ends.values():
        end.theirs.close()
    machine = Machine(ends["agent"].ours, process, lambda: _text(ends["console"].ours))
    try:
        kind, payload = machine.set_up(Setup("guest"))
        assert kind == wire.READY, payload
        yield machine
    except AssertionError as error:
        error.add_note(machine.last_words())
        raise
    finally:
        process.kill()
        process.wait()
        for end in ends.values():
            end.ours.close()


@contextlib.contextmanager
def served(share: plan.Share, directory: str) -> Iterator[None]:
    """Serve a share for the time of a block, at a socket in a directory."""
    words = shares.companion(shares.virtiofsd(), share, idmaps.choose())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/share-0.sock")
        listener.listen()
        given = [word.replace("{socket}", str(listener.fileno())) for word in words]
        process = subprocess.Popen(given, pass_fds=[listener.fileno()])
    with process:
        try:
            yield
        finally:
            process.kill()


def _filled(word: str, ends: dict[str, _Ends], directory: str) -> str:
    for name, end in ends.items():
        word = word.replace("{" + name + "}", str(end.theirs.fileno()))
    return word.replace("{directory}", directory)


def _text(console: socket.socket) -> str:
    console.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return console.recv(1 << 16).decode(errors="replace")
    return ""
