"""How one says who one is, without I/O: `Authorization` yields what it wants to ask, and is sent the replies.

    401 WWW-Authenticate: Basic          → the header Basic, from user and password
    401 WWW-Authenticate: Bearer realm…  → a token from the realm, kept by its scopes until it expires

A token is asked for with GET and Basic; with POST when there is an identity token, or GET is not allowed.
Source: distribution, docs/content/spec/auth/{token,oauth,scope}.md; docker/distribution registry/client/auth.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from containerlab import errors
from containerlab.distribution import realms
from containerlab.distribution.credentials import ANONYMOUS, Credentials
from containerlab.distribution.refusals import plain
from containerlab.oci.distribution import Challenge, challenges, problems
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["CLIENT", "Ask", "Authorization", "Reply", "Scopes", "scopes_of"]

CLIENT = "containerlab"
_LIFETIME_S = 60.0
"""Of a token that does not say, by the specification."""
_MARGIN = 0.1
"""Of its lifetime: so much earlier a token counts as expired."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")

Scopes = Mapping[str, frozenset[str]]
"""What a token allows: actions by `repository:NAME`."""


class Ask(NamedTuple):
    """A request to a token server."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


class Reply(NamedTuple):
    """What a token server answered."""

    status: int
    body: bytes


class _Issued(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float | str | None = None
    refresh_token: str = ""


class _Token(NamedTuple):
    header: str
    scopes: Scopes
    ends_s: float


class _Server(NamedTuple):
    realm: str
    service: str
    trust: realms.Trust


def scopes_of(texts: Iterable[str]) -> Scopes:
    """Read scopes and join those of one repository.

    >>> scopes = scopes_of(["repository:a:pull", "repository:a:push,pull", "registry:catalog:*"])
    >>> sorted(scopes["repository:a"])
    ['pull', 'push']
    """
    found: dict[str, frozenset[str]] = {}
    for text in texts:
        resource, colon, actions = text.rpartition(":")
        if colon:
            found[resource] = found.get(resource, frozenset()) | frozenset(filter(None, actions.split(",")))
    return found


def _words(scopes: Scopes) -> list[str]:
    return [f"{resource}:{','.join(sorted(actions))}" for resource, actions in sorted(scopes.items())]


class Authorization:
    """The headers for one endpoint; one thread at a time.

    now: seconds on a clock that does not jump.
    """

    def __init__(
        self,
        registry: str,
        url: str,
        credentials: Credentials,
        now: Callable[[], float],
        *,
        offline: bool = False,
    ) -> None:
        self.identity_token = ""
        """What the token server gave instead of the password, when `offline` asked for it."""
        self._registry, self._url, self._credentials = registry, url, credentials
        self._now, self._offline = now, offline
        self._is_basic = False
        self._server: _Server | None = None
        self._tokens: list[_Token] = []

    def header(self, scopes: Scopes) -> Generator[Ask, Reply, str]:
        """Return the header for a request; empty while the registry has not said what it wants."""
        if self._credentials.registry_token:
            return f"Bearer {_clean(self._credentials.registry_token)}"
        if self._is_basic:
            return _basic(self._credentials)
        if kept := self._kept(scopes):
            return kept
        return (yield from self._fetch(scopes)) if self._server else ""

    def answer(self, asked: Sequence[str], scopes: Scopes, refused: str) -> Generator[Ask, Reply, str]:
        """Return the header with which to repeat what got 401; empty when there is nothing to try.

        asked: the WWW-Authenticate headers. refused: the header that was sent.

        Raises: NotPermitted when the token server refuses; Unsupported for other ways than Basic and Bearer.
        """
        found = {challenge.scheme: challenge for challenge in reversed(challenges(asked))}
        if "bearer" in found and found["bearer"].parameters.get("realm"):
            return (yield from self._bearer(found["bearer"], scopes, refused))
        if "basic" in found:
            self._is_basic = bool(self._credentials.username)
            header = _basic(self._credentials) if self._is_basic else ""
            return header if header != refused else ""
        if found:
            raise errors.Unsupported(
                f"{self._registry} wants {' or '.join(map(plain, found))} authentication",
                "only basic and bearer are known",
            )
        return ""

    def why_refused(self, is_known: bool = False) -> str:
        """Return the hint for a request that was refused in the end; is_known: though the login was right."""
        if self._server and self._server.trust != "trusted" and self._credentials:
            host = urlsplit(self._server.realm).netloc
            return (
                f"its token server {plain(host)} belongs to somebody else and got no password: "
                f"if you trust it, set CONTAINERLAB_TRUSTED_REALMS={plain(host)}"
            )
        if self._credentials:
            who = self._credentials.username or "this login"
            if is_known:
                return f"that was asked as {plain(who)}; to be somebody else: conlab login {self._registry}"
            return f"{plain(who)} may not do this, or the password is wrong: conlab login {self._registry}"
        return f"conlab login {self._registry}"

    def _kept(self, scopes: Scopes) -> str:
        now = self._now()
        self._tokens = [token for token in self._tokens if token.ends_s > now]
        for token in self._tokens:
            if all(
                actions <= token.scopes.get(resource, frozenset()) for resource, actions in scopes.items()
            ):
                return token.header
        return ""

    def _bearer(self, challenge: Challenge, scopes: Scopes, refused: str) -> Generator[Ask, Reply, str]:
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        trust = realms.judge(self._url, realm)
        if trust == "refused":
            raise errors.NotPermitted(
                f"{self._registry} names the token server {plain(realm)!r}, which may not be asked",
                "it would be asked without TLS or on your own network; tell who runs the registry",
            )
        self._server = _Server(realm, service, trust)
        self._tokens = [token for token in self._tokens if token.header != refused]
        wanted = scopes_of([*_words(scopes), *challenge.parameters.get("scope", "").split()])
        if kept := self._kept(wanted):
            return kept  # another thread has got it meanwhile
        return (yield from self._fetch(wanted))

    def _fetch(self, scopes: Scopes) -> Generator[Ask, Reply, str]:
        assert self._server
        server = self._server
        credentials = self._credentials if server.trust == "trusted" else ANONYMOUS
        if credentials.identity_token:
            reply = yield _by_post(
                server, scopes, {"grant_type": "refresh_token", "refresh_token": credentials.identity_token}
            )
        else:
            reply = yield _by_get(server, scopes, credentials, self._offline)
            if reply.status == 405 and credentials.username:
                words = {
                    "grant_type": "password",
                    "username": credentials.username,
                    "password": credentials.password,
                }
                reply = yield _by_post(
                    server, scopes, words | ({"access_type": "offline"} if self._offline else {})
                )
        token = self._issued(reply)
        self._tokens.append(token._replace(scopes=scopes))
        return token.header

    def _issued(self, reply: Reply) -> _Token:
        if reply.status != 200:
            raise self._refusal(reply)
        try:
            issued = msgspec.json.decode(reply.body, type=_Issued, strict=False)
            lasts_s = _LIFETIME_S if issued.expires_in is None else float(issued.expires_in)
        except (*UNREADABLE, ValueError) as error:
            raise errors.Unavailable(
                f"the token server of {self._registry} gave no token: {error}"
            ) from error
        header = f"Bearer {_clean(issued.token or issued.access_token)}"
        self.identity_token = issued.refresh_token
        return _Token(header, {}, self._now() + lasts_s * (1 - _MARGIN))

    def _refusal(self, reply: Reply) -> errors.LabError:
        said = _said(reply.body) or f"status {reply.status}"
        what = f"the token server of {self._registry} refused: {said}"
        if reply.status in (400, 401, 403):
            return errors.NotPermitted(what, self.why_refused())
        return errors.Unavailable(what, "try again later")


def _by_get(server: _Server, scopes: Scopes, credentials: Credentials, offline: bool) -> Ask:
    words = [("service", server.service)] if server.service else []
    words += [("scope", scope) for scope in _words(scopes)]
    if credentials.username:
        words += [("account", credentials.username), ("client_id", CLIENT)]
        words += [("offline_token", "true")] if offline else []
    headers = {"Authorization": _basic(credentials)} if credentials.username else {}
    joint = "&" if urlsplit(server.realm).query else "?"
    return Ask("GET", f"{server.realm}{joint}{urlencode(words)}" if words else server.realm, headers)


def _by_post(server: _Server, scopes: Scopes, words: dict[str, str]) -> Ask:
    form = {**words, "service": server.service, "client_id": CLIENT, "scope": " ".join(_words(scopes))}
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    return Ask("POST", server.realm, {"Content-Type": "application/x-www-form-urlencoded"}, body)


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _clean(token: str) -> str:
    """Return a token that can stand in a header."""
    if not _TOKEN.fullmatch(token):
        raise errors.Unavailable(
            "what should be a token is empty, too long, or holds what no header may hold"
        )
    return token


class _Complaint(msgspec.Struct, frozen=True):
    details: str = ""
    error_description: str = ""
    error: str = ""
    message: str = ""


def _said(body: bytes) -> str:
    """Return what a token server says in one of the forms that are about."""
    for problem in problems(body):
        return plain(problem.message or problem.code)
    try:
        said = msgspec.json.decode(body, type=_Complaint)
    except UNREADABLE:
        return ""
    return plain(said.details or said.error_description or said.message or said.error)
