"""Post a document to somebody else's server: bounded in time and in what is read, redirects not followed."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from containerlab import errors
from containerlab.distribution import pools, refusals
from containerlab.distribution.server.webhooks import targets
from containerlab.distribution.tries import retry_after_s

__all__ = ["Outcome", "Post", "Poster"]

_TIMEOUT_S = 10.0
_ANSWER_BYTES = 1024
_MOST_RETRY_AFTER_S = 3600.0


class Post(NamedTuple):
    """What is sent where."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    tls_verify: bool = True


class Outcome(NamedTuple):
    """How it went.

    code: the status of the answer; 0 when there was none. text: the start of the answer, or what went wrong.
    retry_after_s: how long the receiver wants not to be asked again; 0 when it does not say.
    """

    code: int
    text: str
    retry_after_s: float = 0.0

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_refused(self) -> bool:
        """Whether the receiver is there and does not want this; the same again would hardly help."""
        return 300 <= self.code < 500 and self.code not in (408, 425, 429)


class Poster:
    """Sends; `close` ends what is being sent, so that nobody waits for a slow receiver."""

    def __init__(self, *, allows_private: bool, timeout_s: float = _TIMEOUT_S) -> None:
        self._allows_private, self._timeout_s = allows_private, timeout_s
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_closed = False

    def send(self, post: Post) -> Outcome:
        """Send; whatever happens is an outcome."""
        try:
            target = targets.parse(post.url)
            with self._connected(target, post.tls_verify) as connection:
                return _exchange(connection, target, post)
        except errors.LabError as error:
            return Outcome(0, error.message)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Outcome(0, f"{type(error).__name__}: {error}" if str(error) else "the connection ended")

    def close(self) -> None:
        """End all that is going on, and let nothing begin."""
        with self._lock:
            self._is_closed = True
            for each in self._open:
                _end(each)

    @contextlib.contextmanager
    def _connected(self, target: targets.Target, tls_verify: bool) -> Iterator[http.client.HTTPConnection]:
        """Give a connection that ends at the latest when the time is over, however slowly bytes come."""
        plain = targets.connect(target, self._timeout_s, allows_private=self._allows_private)
        timer = threading.Timer(self._timeout_s, _end, (plain,))
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = plain
        timer.start()
        try:
            self._note(plain)
            if target.is_tls:
                # A TLS socket takes the descriptor over; the timer and `close` keep one of their own.
                connection.sock = pools.context(None, tls_verify).wrap_socket(
                    plain.dup(), server_hostname=target.host
                )
            yield connection
        finally:
            timer.cancel()
            with self._lock:
                self._open.discard(plain)
            connection.close()
            plain.close()

    def _note(self, connection: socket.socket) -> None:
        with self._lock:
            if self._is_closed:
                raise errors.Unavailable("the server is being stopped")
            self._open.add(connection)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _exchange(connection: http.client.HTTPConnection, target: targets.Target, post: Post) -> Outcome:
    # The class for plain HTTP would write the port of https into the Host header.
    default = 443 if target.is_tls else 80
    name = f"[{target.host}]" if ":" in target.host else target.host
    host = name if target.port == default else f"{name}:{target.port}"
    headers = {"Host": host, "Connection": "close", **post.headers}
    connection.request("POST", target.path, post.body, headers)
    with connection.getresponse() as answer:
        return Outcome(answer.status, _start_of(answer), _retry_after_s(answer))


def _start_of(answer: http.client.HTTPResponse) -> str:
    """Return the start of an answer as text that no terminal takes for more; what counts is the status."""
    try:
        text = answer.read(_ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    return refusals.plain(text, _ANSWER_BYTES)


def _retry_after_s(answer: http.client.HTTPResponse) -> float:
    return min(retry_after_s(answer.getheader("Retry-After", "")) or 0.0, _MOST_RETRY_AFTER_S)
