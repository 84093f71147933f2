"""One boot of a machine: QEMU with its companions, and the sockets to them. Only the standard library."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from containerlab.linux.files import missing_where_full
from containerlab.vm import children, local_socket
from containerlab.vm.children import Child, Ended
from containerlab.vm.guest import answers, wire
from containerlab.vm.launch import Launch
from containerlab.vm.loop import Loop, Peer
from containerlab.vm.qemu.qmp import Qmp, QmpFailed

__all__ = ["Boot", "Listener"]

_MOST_CONSOLE_BYTES, _KEPT_CONSOLE_BYTES = 1 << 18, 1 << 16
_TAIL_LINES, _TAIL_BYTES = 8, 4096
_LINE_LENGTH = 500
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")


class Listener(NamedTuple):
    """Who is told what happens to a boot."""

    on_frame: Callable[[int, int, bytes], None]
    """A frame of the guest: kind, stream, payload."""
    on_event: Callable[[str, dict[str, Any]], None]
    """QEMU's."""
    on_end: Callable[[Ended], None]
    """QEMU has ended, and all that it has said is known."""


class Boot:
    """A QEMU that runs."""

    def __init__(self, launch: Launch, loop: Loop, listener: Listener) -> None:
        self._launch = launch
        self._loop = loop
        self._listener = listener
        self._reader = wire.FrameReader()
        self._console = _Console(launch.directory + "/console")
        self._qemu_said, self._companions_said = _Said(loop), _Said(loop)
        self._failed = ""
        self._companions: list[Child] = []
        self.incoming = os.open(launch.state, os.O_RDONLY | os.O_CLOEXEC) if _is_restored(launch) else -1
        self._directory = os.open(launch.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._begin_companions()
            self.qemu = self._begin_qemu()
        finally:
            for fd in (self._directory, self.incoming):
                if fd >= 0:
                    os.close(fd)
            for said in (self._qemu_said, self._companions_said):
                said.close_writer()

    # --- the beginning --------------------------------------------------------------------------

    def _begin_companions(self) -> None:
        for number, words in enumerate(self._launch.companions):
            with local_socket.listen(self._directory, f"share-{number}.sock") as sock:
                inherited = {"socket": sock.fileno(), "directory": self._directory}
                companion = self._start(words, inherited, self._companions_said)
            self._companions.append(companion)
            self._loop.watch(companion.pidfd, self._note_lost_companion)

    def _begin_qemu(self) -> Child:
        theirs, ours = {}, {}
        for name in ("agent", "qmp", "console"):
            ours[name], theirs[name] = socket.socketpair()
        inherited = {name: sock.fileno() for name, sock in theirs.items()} | {"directory": self._directory}
        if self.incoming >= 0:
            inherited["incoming"] = self.incoming
        qemu = self._start(self._launch.qemu, inherited, self._qemu_said)
        for sock in theirs.values():
            sock.close()
        self.agent = Peer(self._loop, ours["agent"], self._take_frames, _ignore)
        self._console_peer = Peer(self._loop, ours["console"], self._console.write, _ignore)
        self._qmp_peer = Peer(self._loop, ours["qmp"], self._take_qmp, _ignore)
        self.qmp = Qmp(self._send_qmp, self._listener.on_event)
        if self.incoming >= 0:
            self._tell_incoming()
        self._loop.watch(qemu.pidfd, self._end)
        return qemu

    def _start(self, words: Sequence[str], inherited: dict[str, int], said: _Said) -> Child:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": self._launch.directory}
        return children.start(words, inherited, said.writer, environment)

    def _tell_incoming(self) -> None:
        if self._launch.are_pages_apart:
            apart = [{"capability": "x-ignore-shared", "state": True}]
            self.qmp.command("migrate-set-capabilities", capabilities=apart)
        self.qmp.command("migrate-incoming", self._note_incoming, uri=f"fd:{self.incoming}")

    def _note_incoming(self, answer: Any) -> None:
        if isinstance(answer, QmpFailed):
            self._fail(answer.message)

    def _note_lost_companion(self, events: int) -> None:
        """End QEMU, whose guest would wait for ever; `_end` says why."""
        for companion in self._companions:
            if _is_readable(companion.pidfd):
                self._loop.forget(companion.pidfd)
        self.kill()

    def _fail(self, reason: str) -> None:
        self._failed = reason
        self.kill()

    # --- what arrives ---------------------------------------------------------------------------

    def _take_frames(self, data: bytes) -> None:
        try:
            for kind, stream, payload in self._reader.feed(data):
                self._listener.on_frame(kind, stream, payload)
        except ValueError as error:
            self._fail(f"the guest sent what is no frame: {error}")

    def _take_qmp(self, data: bytes) -> None:
        try:
            self.qmp.feed(data)
        except QmpFailed as error:
            self._fail(error.message)

    def _send_qmp(self, data: bytes, descriptors: Sequence[int]) -> None:
        if not descriptors:
            self._qmp_peer.send(data)
        elif self._qmp_peer.is_open:
            socket.send_fds(self._qmp_peer.sock, [data], list(descriptors))

    # --- the end --------------------------------------------------------------------------------

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        """Send the guest a frame."""
        self.agent.send(wire.frame(kind, payload, stream))

    def kill(self) -> None:
        """End QEMU at once."""
        self.qemu.kill()

    def _end(self, events: int) -> None:
        """Take what was said last, collect all, and tell."""
        for peer in (self.agent, self._console_peer, self._qmp_peer):
            while peer.is_open and _is_readable(peer.sock.fileno()):
                peer.receive()
        self._loop.forget(self.qemu.pidfd)
        ended = self.qemu.collect()
        self._end_companions()
        self._clear()
        self._listener.on_end(ended)

    def _end_companions(self) -> None:
        for words, companion in zip(self._launch.companions, self._companions, strict=True):
            if _is_readable(companion.pidfd):  # it has ended before
                name = _server(words)
                self._companions_said.take()
                said = self._companions_said.last.removeprefix(f"{name}: ")
                self._failed = f"{name} ended: {said or 'it gave no reason'}"
            self._loop.forget(companion.pidfd)
            companion.kill()
            companion.collect()

    def _clear(self) -> None:
        for peer in (self.agent, self._console_peer, self._qmp_peer):
            peer.close()
        self._console.close()
        self._qemu_said.close()
        self._companions_said.close()
        for number in range(len(self._companions)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._launch.directory}/share-{number}.sock")

    @property
    def complaint(self) -> str:
        """What QEMU said last, without its name."""
        name = os.path.basename(self._launch.qemu[0])
        said = self._qemu_said.last.removeprefix(f"{name}: ").removeprefix("qemu: ")
        return answers.printable(said, _LINE_LENGTH)

    @property
    def failure(self) -> str:
        """Why it was ended from here, if it was."""
        return self._failed

    @property
    def panic(self) -> str:
        """Why the guest's kernel gave up, if it did."""
        found = _PANIC.search(self.console_text)
        return found[1].strip() if found else ""

    @property
    def console_text(self) -> str:
        """The last that the guest's console showed, as plain lines."""
        lines = self._console.tail.decode(errors="replace").replace("\r", "").strip().split("\n")
        return "\n".join(answers.printable(line, _LINE_LENGTH) for line in lines)

    @property
    def console_tail(self) -> str:
        """Some last lines of it; of a panic, those around the sentence that tells why."""
        lines = self.console_text.splitlines()
        panics = (number for number, line in enumerate(lines) if _PANIC.search(line))
        end = min(next(panics, len(lines)) + _TAIL_LINES // 2, len(lines))
        return "\n".join(lines[max(0, end - _TAIL_LINES) : end])


class _Said:
    """What processes complain of, the last of it."""

    def __init__(self, loop: Loop) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._loop = loop
        self._text = bytearray()
        loop.watch(self._reader, self.take)

    def take(self, events: int = 0) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._reader, 1 << 16)
            if not data:
                self._loop.forget(self._reader)
            self._text += data
            del self._text[:-_TAIL_BYTES]

    def close_writer(self) -> None:
        os.close(self.writer)

    def close(self) -> None:
        self.take()
        self._loop.forget(self._reader)
        os.close(self._reader)

    @property
    def last(self) -> str:
        lines = self._text.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


class _Console:
    """The file of a guest's console, which keeps the last of what a guest prints."""

    def __init__(self, path: str) -> None:
        self.tail = bytearray()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0

    def write(self, data: bytes) -> None:
        self.tail += data
        del self.tail[:-_KEPT_CONSOLE_BYTES]
        with missing_where_full():
            if self._size > _MOST_CONSOLE_BYTES:
                os.ftruncate(self._fd, 0)
                data, self._size = bytes(self.tail), 0
            self._size += os.write(self._fd, data)

    def close(self) -> None:
        os.close(self._fd)


def _is_readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def _is_restored(launch: Launch) -> bool:
    return bool(launch.state) and launch.until == "exit"


def _ignore() -> None:
    """QEMU's end is told by its pidfd."""


def _server(words: Sequence[str]) -> str:
    """Return the name of the program that serves a directory, which another may confine first."""
    names = [os.path.basename(word) for word in words]
    return "virtiofsd" if "virtiofsd" in names else names[0]
