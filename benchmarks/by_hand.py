"""Virtual machines as somebody would write them who wants one program's output soon: QEMU alone, no agent.

Each is the fastest line that was found for its tier, on the same kernel, with the same processor, memory and
files as ours. The kernel has the words that we found to help ours. None has a network card, an exit code, or
an end of its own; they are killed as soon as the program has printed.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import proportional_bytes
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu import clock
from containerlab.vm.rootfs import cpio
from containerlab.vm.rootfs.cpio import Member
from containerlab.vm.tiers import TIERS

__all__ = ["LIMIT_S", "ByHand", "Snapshot", "fast_words", "plain_words"]

LIMIT_S = 60
_READY, _WAITING = b"ready", b"waiting"
_WAITER = b"#!/bin/sh\necho waiting\nread line\nexec /bin/busybox echo ready\n"
_PLAIN = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on"
_FAST = (
    f"{_PLAIN} cryptomgr.notests tsc=reliable "
    "initcall_blacklist=jent_mod_init,trace_eval_init,ftrace_check_for_weak_functions,load_system_certificate_list"
)
_COMMON = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
    *("-accel", "tcg", "-cpu", "max,la57=off", "-smp", "1"),
)


def plain_words() -> str:
    """Return what a manual tells to give the kernel."""
    return _PLAIN


def fast_words() -> str:
    """Return what makes the kernel start soonest when emulated."""
    return f"{_FAST} tsc_early_khz={clock.tsc_khz()}"


class Snapshot(NamedTuple):
    """A guest that waits for a line. memory: a file that is mapped; None when `state` has it too."""

    memory: Path | None
    state: Path


class ByHand:
    """Machines of one kernel, its words, and one directory of files; `scratch` keeps what they need."""

    def __init__(self, program: str, kernel: Kernel, words: str, root: Path, scratch: Path) -> None:
        self._program, self._kernel, self._words, self._scratch = program, kernel, words, scratch
        scratch.mkdir()
        self._archive, self._disk = scratch / "root.cpio", scratch / "root.ext4"
        _write_archive(root, self._archive)
        size = sum(path.lstat().st_size for path in root.rglob("*")) + (64 << 20)
        command = ["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(self._disk), f"{size >> 10}k"]
        subprocess.run(command, check=True, capture_output=True)

    def microvm(self) -> float:
        """Return the seconds until a program printed that is the kernel's first process."""
        return self._seconds(self._micro(f"{self._words} rdinit=/bin/busybox -- echo ready"))

    def image(self) -> float:
        """Return the same from a disk by NVMe, for which this kernel needs no module and no initramfs."""
        words = f"{self._words} root=/dev/nvme0n1 rootfstype=ext4 rw rootwait init=/bin/busybox -- echo ready"
        drive = f"if=none,id=root,file={self._disk},format=raw,cache=unsafe,snapshot=on"
        devices = ["-drive", drive, "-device", "nvme,drive=root,serial=1"]
        memory = ["-M", "q35,memory-backend=memory", *_memory(TIERS["image"].memory_bytes)]
        boot = ["-kernel", str(self._kernel.image), "-append", words]
        return self._seconds([*memory, *boot, *devices])

    def snapshot(self) -> Snapshot:
        """Boot a microvm until it waits for a line, and save it as one stream."""
        return self._saved(Snapshot(None, self._scratch / "whole"))

    def mapped_snapshot(self) -> Snapshot:
        """Boot the same, and save its memory as a file to be mapped."""
        memory = self._scratch / "memory"
        memory.touch()
        os.truncate(memory, _RESUMED_BYTES)
        return self._saved(Snapshot(memory, self._scratch / "state"))

    def _saved(self, made: Snapshot) -> Snapshot:
        words = self._micro(f"{self._words} rdinit=/waiter", _memory(_RESUMED_BYTES, made.memory, share=True))
        with _conversation() as (qmp, option), self._running([*words, *option], [qmp.theirs]) as qemu:
            _wait_for(qemu, _WAITING)
            qmp.prepare(ignores_shared=made.memory is not None)
            with open(made.state, "wb") as state:
                qmp.save(state.fileno())
        return made

    def resume(self, made: Snapshot) -> float:
        """Return the seconds until a restored guest that got its line printed."""
        memory = _memory(_RESUMED_BYTES, made.memory, share=False)
        begun = time.perf_counter()
        with open(made.state, "rb") as state, _conversation() as (qmp, option):
            qmp.prepare(ignores_shared=made.memory is not None)
            qmp.restore(state.fileno())
            words = [*_MICRO, *memory, "-incoming", "defer", *option]
            with self._running(words, [qmp.theirs, state.fileno()]) as qemu:
                qmp.wait_for("RESUME")
                assert qemu.stdin
                qemu.stdin.write(b"go\n")
                _wait_for(qemu, _READY)
                return time.perf_counter() - begun

    def idle_bytes(self) -> int:
        """Return the memory of a microvm whose program waits."""
        with self._running(self._micro(f"{self._words} rdinit=/waiter")) as qemu:
            _wait_for(qemu, _WAITING)
            return proportional_bytes([qemu.pid])

    def _micro(self, words: str, memory: Sequence[str] = ()) -> list[str]:
        boot = ["-kernel", str(self._kernel.image), "-initrd", str(self._archive), "-append", words]
        return [*_MICRO, *(memory or _memory(TIERS["microvm"].memory_bytes)), *boot]

    def _seconds(self, words: Sequence[str]) -> float:
        begun = time.perf_counter()
        with self._running(words) as qemu:
            _wait_for(qemu, _READY)
            return time.perf_counter() - begun

    @contextmanager
    def _running(self, words: Sequence[str], fds: Sequence[int] = ()) -> Iterator[subprocess.Popen[bytes]]:
        qemu = subprocess.Popen(
            [self._program, *_COMMON, *words, "-serial", "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=fds,
            bufsize=0,
        )
        with qemu:
            try:
                yield qemu
            finally:
                qemu.kill()


_RESUMED_BYTES = TIERS["resume"].memory_bytes
# Linux finds no devices without ACPI; those that it has need none.
_MICRO = ("-M", "microvm,acpi=off,memory-backend=memory")


def _memory(size: int, file: Path | None = None, *, share: bool = False) -> list[str]:
    kind = (
        f"memory-backend-file,mem-path={file},share={'on' if share else 'off'}"
        if file
        else "memory-backend-ram"
    )
    return ["-m", f"{size >> 20}M", "-object", f"{kind},id=memory,size={size}"]


def _wait_for(qemu: subprocess.Popen[bytes], word: bytes) -> None:
    """Read the console until a word comes. Raises: RuntimeError when it does not."""
    assert qemu.stdout
    said, until = b"", time.monotonic() + LIMIT_S
    while word not in said:
        left_s = until - time.monotonic()
        ready, _, _ = select.select([qemu.stdout], [], [], max(0.0, left_s))
        data = os.read(qemu.stdout.fileno(), 1 << 16) if ready else b""
        if not data:
            raise RuntimeError(f"QEMU by hand said no {word.decode()!r}: {said[-300:]!r}")
        said += data


class _Qmp:
    """As much of QEMU's protocol as one needs by hand."""

    def __init__(self, ours: socket.socket, theirs: int) -> None:
        self._ours, self.theirs = ours, theirs
        self._said = b""
        ours.sendall(b'{"execute":"qmp_capabilities"}\n')

    def wait_for(self, word: str) -> None:
        while word.encode() not in self._said:
            data = self._ours.recv(1 << 16)
            if not data:
                raise RuntimeError(f"QEMU by hand has ended: {self._said[-300:]!r}")
            self._said += data
        self._said = b""

    def prepare(self, *, ignores_shared: bool) -> None:
        """Choose how to save and restore: with events, and without memory that is in a file."""
        names = ("events", *(["x-ignore-shared"] if ignores_shared else []))
        wanted = ",".join(f'{{"capability":"{name}","state":true}}' for name in names)
        self._ours.sendall(
            b'{"execute":"migrate-set-capabilities","arguments":{"capabilities":[%s]}}\n' % wanted.encode()
        )

    def save(self, fd: int) -> None:
        told = b'{"execute":"getfd","arguments":{"fdname":"saved"}}\n'
        socket.send_fds(self._ours, [told], [fd])
        self._ours.sendall(b'{"execute":"migrate","arguments":{"uri":"fd:saved"}}\n')
        self.wait_for('"status": "completed"')

    def restore(self, fd: int) -> None:
        told = b'{"execute":"migrate-incoming","arguments":{"uri":"fd:%d"}}\n'
        self._ours.sendall(told % fd)


@contextmanager
def _conversation() -> Iterator[tuple[_Qmp, list[str]]]:
    """Give a conversation, and the words by which QEMU takes part."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT_S)
    with ours, theirs:
        words = ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
        yield _Qmp(ours, theirs.fileno()), words


def _write_archive(root: Path, archive: Path) -> None:
    """Write a directory as an initramfs, and beside it a first process that waits for a line."""
    pieces = [cpio.header(Member(b"dev/console", 0o20600, device=(5, 1)))]
    for number, path in enumerate(sorted(root.rglob("*")), 1):
        name, status = os.fsencode(path.relative_to(root)), path.lstat()
        data = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else data
        pieces += _entry(Member(name, status.st_mode, number=number, size=len(data)), data)
        if name == b"dev":
            pieces.append(pieces.pop(0))
    pieces += _entry(Member(b"waiter", 0o100755, size=len(_WAITER)), _WAITER)
    archive.write_bytes(b"".join([*pieces, cpio.END]))


def _entry(member: Member, data: bytes) -> list[bytes]:
    return [cpio.header(member), data, cpio.padding(len(data))]
