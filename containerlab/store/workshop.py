"""Processes as root of an id map that cost a fork each, not the start of an interpreter.

While a workshop is open, `trees.inside` takes its workers from it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from containerlab.linux import idmap as idmaps
from containerlab.linux.idmap import IdMap
from containerlab.store import trees

__all__ = ["Worker", "Workshop", "opened"]

_STREAMS = ("stdin", "stdout", "stderr")
_lock = threading.Lock()


@contextlib.contextmanager
def opened(idmap: IdMap) -> Iterator[None]:
    """Keep workers for a map at hand; those who open it at once share it."""
    with _lock:
        shop = trees.workshops.setdefault(idmap, Workshop(idmap))
        shop.users += 1
    try:
        yield
    finally:
        with _lock:
            shop.users -= 1
            if not shop.users:
                del trees.workshops[idmap]
                shop.close()


class Worker:
    """A process of a workshop, to be used as a `subprocess.Popen`."""

    def __init__(self, answers: socket.socket, pipes: dict[str, IO[bytes]]) -> None:
        self.stdin, self.stdout, self.stderr = (pipes.get(name) for name in _STREAMS)
        self.returncode = 0
        self._answers = answers
        self._pidfd = -1
        self._has_ended = False

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.wait()
        self._answers.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def wait(self) -> int:
        """Wait for its end; -9 when it was killed."""
        while not self._has_ended:
            self._take_answer()
        return self.returncode

    def let_go(self) -> None:
        """Let it go on for itself; nothing but its own pipes is to be done with it any more."""
        self._answers.close()

    def kill(self) -> None:
        """Kill it."""
        while self._pidfd < 0 and not self._has_ended:
            self._take_answer()
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _take_answer(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._answers, 1, 1)
        if descriptors:
            (self._pidfd,) = descriptors
        elif data:
            self.returncode, self._has_ended = data[0], True
        else:
            self.returncode, self._has_ended = -signal.SIGKILL, True

    def communicate(self) -> tuple[bytes, bytes]:
        """End its input, and return all that it writes."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        pieces: dict[Any, list[bytes]] = {pipe: [] for pipe in (self.stdout, self.stderr) if pipe}
        with selectors.DefaultSelector() as selector:
            for pipe in pieces:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, 1 << 16)
                    pieces[key.fileobj].append(data)
                    if not data:
                        selector.unregister(key.fileobj)
        self.wait()
        output, complaint = (b"".join(pieces.get(pipe, ())) for pipe in (self.stdout, self.stderr))
        return output, complaint


class Workshop:
    """A server for one map; made by `opened`."""

    def __init__(self, idmap: IdMap) -> None:
        self.users = 0
        self._idmap = idmap
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, module: str, words: Sequence[str], streams: dict[str, int]) -> Worker:
        """Start `main(words)` of a module; a stream is a descriptor, PIPE or DEVNULL. Raises: OSError."""
        theirs, pipes = [], {}
        for name in _STREAMS:
            end, pipe = _stream(name, streams.get(name, subprocess.DEVNULL))
            theirs.append(end)
            if pipe is not None:
                pipes[name] = pipe
        ours, answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._request(module, words, [*theirs, answers.fileno()])
        finally:
            answers.close()
            for descriptor in theirs:
                os.close(descriptor)
        return Worker(ours, pipes)

    def prepare(self, module: str) -> None:
        """Let the server start and import a module, without waiting for it. Raises: OSError."""
        self._request(module, (), [])

    def _request(self, module: str, words: Sequence[str], descriptors: list[int]) -> None:
        request = os.memfd_create("request")
        try:
            os.write(request, marshal.dumps((module, list(words))))
            os.lseek(request, 0, os.SEEK_SET)
            self._send([request, *descriptors])
        finally:
            os.close(request)

    def _send(self, descriptors: list[int]) -> None:
        with self._lock:
            if self._server is not None and self._server.poll() is not None:
                self.close()  # somebody killed it
            if self._control is None:
                self._begin()
            assert self._control is not None
            socket.send_fds(self._control, [b"r"], descriptors)

    def _begin(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = trees.words_of("containerlab.store.fork_server", [])
            self._server = idmaps.run(self._idmap, words, stdin=theirs, start_new_session=True)

    def close(self) -> None:
        """Let the server end."""
        if self._control is not None and self._server is not None:
            self._control.close()
            self._server.wait()
            self._control = self._server = None


def _stream(name: str, wish: int) -> tuple[int, IO[bytes] | None]:
    """Return the end of a stream that the worker gets, and the other one if it is a pipe."""
    if wish >= 0:
        return os.dup(wish), None
    if wish == subprocess.DEVNULL:
        return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), None
    assert wish == subprocess.PIPE
    reader, writer = os.pipe()
    if name == "stdin":
        return reader, os.fdopen(writer, "wb")
    return writer, os.fdopen(reader, "rb")
