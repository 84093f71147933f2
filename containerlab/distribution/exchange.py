"""One request to a registry and its answer: tries, redirects, tokens; what was refused becomes an error.

    with Exchange(endpoint) as exchange:
        with exchange.request("GET", "/v2/lab/app/manifests/1", headers={"Accept": "*/*"}) as answer:
            raw = answer.read()

What it keeps to: a password or token goes to the endpoint's own host (and a trusted token server: `realms`)
and never along with a redirect to another; nothing that began with TLS goes on without; a body that is a
document has a bound in length and time; every wait ends with Ctrl-C, or with `close` from another thread.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution import credentials as kept
from containerlab.distribution import locations
from containerlab.distribution.answer import Answer
from containerlab.distribution.auth import CLIENT, Ask, Authorization, Reply, Scopes, scopes_of
from containerlab.distribution.connections import Body, Connections
from containerlab.distribution.credentials import Credentials
from containerlab.distribution.endpoints import Endpoint
from containerlab.distribution.refusals import Dropped, Unreachable, plain, refusal
from containerlab.distribution.tries import TRIES, delay_s
from containerlab.oci.distribution import problems

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Answer", "Body", "Exchange"]

_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_MAX_REFUSAL = 64 << 10
_TOLD_S = 3.0
"""Longer waits are told of."""
_MOST_NOTICES = 20


class _Call(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | Body | None
    scopes: Scopes
    is_repeatable: bool


def _show(warning: str) -> None:
    sys.stderr.write(f"{warning}\n")


class Exchange:
    """One endpoint; safe for many threads, each with requests of its own.

    credentials: looked up where Docker and podman keep them when not given.
    notice: is told, once each, what the registry warns of, and that it lets one wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None = None,
        *,
        notice: Callable[[str], None] = _show,
        offline: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self._credentials, self._notice, self._offline = credentials, notice, offline
        self._connections = Connections(endpoint)
        self._lock, self._tokens = threading.Lock(), threading.Lock()
        self._made: Authorization | None = None
        self._closed = threading.Event()
        self._told: set[str] = set()
        self._was_there = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The endpoint's URL, as it is really spoken to: http:// when it is plain."""
        return self._connections.url

    @property
    def identity_token(self) -> str:
        """What the token server gave for a password, when `offline` asked for it."""
        return self._made.identity_token if self._made else ""

    def close(self) -> None:
        """Close all connections; requests that wait or read in other threads end with an error."""
        self._closed.set()
        self._connections.close()

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = {},
        body: bytes | Body | None = None,
        scope: str = "pull",
        expect: Collection[int] = (200,),
        extra_scopes: Iterable[str] = (),
        is_repeatable: bool | None = None,
    ) -> Iterator[Answer]:
        """Send a request, give its answer with the body unread.

        path: below the endpoint's URL ("/v2/…"), or a whole URL as from a Location header.
        scope: actions on the endpoint's repository ("pull,push"), or a whole scope ("registry:catalog:*").
        extra_scopes: whole ones: "repository:other:pull" for a mount.
        is_repeatable: whether it may be sent again when the connection was lost; by its method if not given.

        Raises: RegistryRefused, with the class of errors that goes with the status, when that is not in
        `expect`; Dropped when the connection was lost again and again; Unavailable when there is none.
        """
        if ":" not in scope:
            scope = (
                f"repository:{self.endpoint.repository}:{scope}" if scope and self.endpoint.repository else ""
            )
        call = _Call(
            method,
            locations.with_query(locations.resolve(self.url, path), query),
            {"User-Agent": _user_agent(), "Accept-Encoding": "identity", **headers},
            body,
            scopes_of([scope, *extra_scopes]),
            method in _IDEMPOTENT if is_repeatable is None else is_repeatable,
        )
        with contextlib.closing(self._follow(call)) as answer:
            if answer.status not in expect:
                raise self._refusal(call, answer)
            yield answer

    def _follow(self, call: _Call) -> Answer:
        """Send a call, and again where redirects lead."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._authorized(call)
            location = answer.headers.get("Location", "")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.discard()
            call = call._replace(url=locations.redirected(self.url, call.method, call.url, location))
        raise errors.Unavailable(f"{self.endpoint.registry} redirects again and again: {plain(call.url)}")

    # who asks

    def _authorized(self, call: _Call) -> Answer:
        """Send a call with what shows who asks; once more with what a 401 asks for."""
        if not locations.is_same_origin(self.url, call.url):
            return self._patient(call, "")
        sent = self._drive(lambda authorization: authorization.header(call.scopes))
        answer = self._patient(call, sent)
        if answer.status != 401:
            return answer
        asked = answer.all("WWW-Authenticate")
        header = self._drive(lambda authorization: authorization.answer(asked, call.scopes, sent))
        if not header:
            return answer
        answer.discard()
        return self._patient(call, header)

    def _drive(self, flow: Callable[[Authorization], Generator[Ask, Reply, str]]) -> str:
        """Do what the token flow wants asked, one thread at a time: ten threads need one token."""
        with self._tokens:
            steps = flow(self._authorization())
            try:
                ask = next(steps)
                while True:
                    ask = steps.send(self._asked(ask))
            except StopIteration as end:
                return str(end.value)

    def _asked(self, ask: Ask) -> Reply:
        headers = {"User-Agent": _user_agent(), "Accept-Encoding": "identity", **ask.headers}
        call = _Call(ask.method, ask.url, headers, ask.body, {}, True)
        with contextlib.closing(self._patient(call, "")) as answer:
            return Reply(answer.status, answer.read())

    def _authorization(self) -> Authorization:
        if self._made is None:
            endpoint, given = self.endpoint, self._credentials
            found = kept.find(endpoint.registry, endpoint.repository) if given is None else given
            self._made = Authorization(
                endpoint.registry, self.url, found, time.monotonic, offline=self._offline
            )
        return self._made

    # again and again

    def _patient(self, call: _Call, authorization: str) -> Answer:
        """Send a call until it is answered: again after drops if it is repeatable, later if they are busy."""
        headers = {**call.headers, "Authorization": authorization} if authorization else call.headers
        for count in range(1, TRIES + 1):
            try:
                answer = self._once(call, headers)
            except (Dropped, Unreachable) as error:
                # Where it was a moment ago it may start anew; and nothing was sent.
                is_worth_it = self._was_there if isinstance(error, Unreachable) else call.is_repeatable
                if count == TRIES or not is_worth_it:
                    raise
                wait_s: float | None = delay_s(count)
            else:
                wait_s = delay_s(count, answer, call.is_repeatable) if count < TRIES else None
                if wait_s is None:
                    return answer
                answer.discard()
                if wait_s > _TOLD_S:
                    state = "is busy" if answer.status == 429 else "cannot answer now"
                    self._tell(f"{state}: trying again in {wait_s:.0f} s")
            if self._closed.wait(wait_s or 0):
                break
        raise _closed(self.endpoint)

    def _once(self, call: _Call, headers: dict[str, str]) -> Answer:
        if self._closed.is_set():
            raise _closed(self.endpoint)
        with contextlib.ExitStack() as stack:
            body: bytes | BinaryIO | None
            size: int | None
            if call.body is None or isinstance(call.body, bytes):
                body, size = call.body, len(call.body or b"")
            else:
                body, size = stack.enter_context(call.body.open()), call.body.size
            if size is not None and (body is not None or call.method in ("POST", "PUT", "PATCH")):
                headers = {**headers, "Content-Length": str(size)}
            response = self._connections.send(call.method, call.url, headers, body, size is None)
        answer = Answer(response, call.url)
        self._was_there = True
        for warning in answer.warnings():
            self._tell(f"warns: {warning}")
        return answer

    def _tell(self, text: str) -> None:
        """Hand a notice on, each once, and no more than anybody reads."""
        with self._lock:
            if text in self._told or len(self._told) >= _MOST_NOTICES:
                return
            self._told.add(text)
        self._notice(f"{self.endpoint.registry} {text}")

    # what was refused

    def _refusal(self, call: _Call, answer: Answer) -> errors.LabError:
        body = b""
        if call.method != "HEAD":
            with contextlib.suppress(errors.LabError):
                body = answer.read(_MAX_REFUSAL)
        hint = ""
        if answer.status in (401, 403):
            hint = self._authorization().why_refused(is_known=answer.status == 403)
        elif answer.status in (429, 503) and (later := answer.headers.get("Retry-After")):
            hint = f"it says when to try again: {plain(later)}"
        parts = urlsplit(call.url)
        what = f"{self.endpoint.registry}: {call.method} {plain(parts.path)}"
        if call.method == "HEAD" and answer.status in (401, 403) and self.endpoint.repository:
            # Without a body nobody is told why; which blob was asked for first tells nothing.
            what = f"{self.endpoint.registry}: no access to {self.endpoint.repository}"
        return refusal(what, answer.status, problems(body), hint)


@functools.cache
def _user_agent() -> str:
    from importlib import metadata  # 20 ms, and only for this

    try:
        return f"{CLIENT}/{metadata.version(CLIENT)}"
    except metadata.PackageNotFoundError:
        return CLIENT


def _closed(endpoint: Endpoint) -> errors.Unavailable:
    return errors.Unavailable(f"the exchange with {endpoint.registry} was ended")
