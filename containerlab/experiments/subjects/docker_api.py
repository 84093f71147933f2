"""The few calls of Docker's API that a comparison makes, over the daemon's socket: no client is started."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from containerlab.errors import ContainerFailed, TimedOut, Unavailable

__all__ = ["DockerApi", "Stream", "usual_socket"]

_TIMEOUT_S = 60.0
_HEADER_BYTES = 8
_STDOUT, _STDERR = 1, 2


def usual_socket() -> str:
    """Return where the daemon listens, as DOCKER_HOST says or where it usually does; empty for elsewhere."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host.removeprefix("unix://") if host.startswith("unix://") else ""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_TIMEOUT_S)
        self._path = path
        self.line: socket.socket
        """The same as `sock`, which is forgotten when an answer has no end that is known beforehand."""

    def connect(self) -> None:
        self.sock = self.line = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DockerApi:
    """A daemon; each call is a connection of its own, as several threads may call."""

    def __init__(self, path: str) -> None:
        self._path = path

    def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """Do something and return the answer's JSON, None without any.

        body: JSON, or a file that is sent as it is. Raises: ContainerFailed with the daemon's words;
        Unavailable when none answers.
        """
        connection, answer = self._asked(method, path, body, query)
        try:
            text = answer.read()
        finally:
            connection.close()
        return (
            json.loads(text) if text.strip() and b"json" in _kind(answer) and b"}\r\n{" not in text else None
        )

    def stream(self, path: str, body: Any = None, **query: object) -> Stream:
        """Begin to read the output of a process; whoever asks closes it."""
        connection, answer = self._asked("POST", path, body, query)
        return Stream(connection, answer)

    def _asked(
        self, method: str, path: str, body: Any, query: dict[str, object]
    ) -> tuple[_Connection, http.client.HTTPResponse]:
        connection = _Connection(self._path)
        is_file = hasattr(body, "read")
        data = body if is_file or body is None else json.dumps(body)
        kind = "application/x-tar" if is_file else "application/json"
        try:
            connection.request(method, f"{path}?{urlencode(query)}", data, {"Content-Type": kind})
            answer = connection.getresponse()
        except OSError as error:
            connection.close()
            raise Unavailable(f"the Docker daemon at {self._path} does not answer: {error}") from error
        if answer.status >= 400:
            text = answer.read().decode(errors="replace").strip()
            connection.close()
            raise ContainerFailed(f"the Docker daemon refuses {method} {path}: {text}")
        return connection, answer


def _kind(answer: http.client.HTTPResponse) -> bytes:
    return (answer.getheader("Content-Type") or "").encode()


class Stream:
    """The output of a process, as frames: one byte that names the stream, three of zero, four of the length.

    Source: Docker Engine API, ContainerAttach, "Stream format".
    """

    def __init__(self, connection: _Connection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def pieces(self, timeout_s: float) -> Iterator[tuple[int, bytes]]:
        """Yield (1 for standard output or 2, bytes) until the process ends. Raises: TimedOut."""
        until = time.monotonic() + timeout_s
        while header := self._read(_HEADER_BYTES, until):
            yield header[0], self._read(int.from_bytes(header[4:], "big"), until)

    def _read(self, count: int, until: float) -> bytes:
        self._connection.line.settimeout(max(0.001, until - time.monotonic()))
        try:
            return self._answer.read(count)
        except TimeoutError as error:
            raise TimedOut("the process has not printed anything in time") from error

    def first_at(self, timeout_s: float) -> float:
        """Wait for the first piece of standard output; return when it came.

        Raises: ContainerFailed when it ends without one; TimedOut.
        """
        said = b""
        for stream, piece in self.pieces(timeout_s):
            if stream == _STDOUT:
                return time.monotonic()
            said += piece
        raise ContainerFailed(
            f"the container has ended without output: {said[-300:].decode(errors='replace')}"
        )

    def rest(self, timeout_s: float) -> tuple[str, str]:
        """Wait for the end; return standard output and standard error. Raises: TimedOut."""
        whole = {_STDOUT: b"", _STDERR: b""}
        for stream, piece in self.pieces(timeout_s):
            whole[stream] += piece
        return whole[_STDOUT].decode(errors="replace"), whole[_STDERR].decode(errors="replace")

    def close(self) -> None:
        """Let go of it."""
        self._answer.close()
        self._connection.close()
