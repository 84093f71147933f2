"""A token server and a registry that takes its tokens, small and real, for tests of clients.

with TokenServer() as tokens, tokens.registry() as peer:
    tokens.asked    # what was asked for, in order
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.distribution.peers import Peer, Request, respond

__all__ = ["Asked", "TokenServer"]

USER, PASSWORD, IDENTITY = "ada", "pw", "identity-token"


class Asked(NamedTuple):
    """What a client asked the token server."""

    method: str
    words: dict[str, list[str]]
    user: str
    """Empty for somebody who did not say."""

    @property
    def scopes(self) -> list[str]:
        return [scope for text in self.words.get("scope", []) for scope in text.split()]


class TokenServer:
    """Gives tokens that name what they allow; public is what everybody may do.

    answers: what to send instead of a token, for the next requests.
    """

    def __init__(self, *, public: str = "", takes_get: bool = True) -> None:
        self.asked: list[Asked] = []
        self.answers: list[bytes] = []
        self.lifetime: object = 300
        self.revoked: set[str] = set()
        self._public, self._takes_get = public, takes_get
        self._numbers = itertools.count()
        self._peer = Peer(self._handle)
        self.realm = f"{self._peer.url}/token"
        self.host = self._peer.host

    def __enter__(self) -> Self:
        self._peer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._peer.__exit__()

    def _handle(self, request: Request) -> bytes:
        query = parse_qs(urlsplit(request.target).query)
        form = parse_qs(request.body.decode())
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        user = base64.b64decode(secret).decode() if scheme == "Basic" else ""
        self.asked.append(Asked(request.method, {**query, **form}, user.partition(":")[0]))
        if self.answers:
            return self.answers.pop(0)
        if request.method == "GET" and not self._takes_get:
            return respond(405)
        return self._issue(self.asked[-1], user, form)

    def _issue(self, asked: Asked, user: str, form: dict[str, list[str]]) -> bytes:
        known = user == f"{USER}:{PASSWORD}"
        known |= form.get("refresh_token") == [IDENTITY] or form.get("password") == [PASSWORD]
        if not known and (user or form):
            return respond(401, b'{"details":"incorrect username or password"}')
        allowed = [scope for scope in asked.scopes if known or scope == self._public]
        token = base64.urlsafe_b64encode(f"{next(self._numbers)} {' '.join(allowed)}".encode()).decode()
        issued: dict[str, object] = {"access_token" if form else "token": token}
        if self.lifetime is not None:
            issued["expires_in"] = self.lifetime
        if asked.words.get("offline_token") == ["true"] or asked.words.get("access_type") == ["offline"]:
            issued["refresh_token"] = IDENTITY
        return respond(200, msgspec.json.encode(issued))

    def registry(self, realm: str = "", scope: str = "repository:lab/app:pull") -> Peer:
        """Return a registry that takes its tokens; `scope` is what it asks for, and what it wants."""
        challenge = f'Bearer realm="{realm or self.realm}",service="r"' + (
            f',scope="{scope}"' if scope else ""
        )

        def handle(request: Request) -> bytes:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token and token not in self.revoked and self._allows(token, scope.split()):
                return respond(200, b"ok")
            return respond(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": challenge})

        return Peer(handle)

    def _allows(self, token: str, wanted: Sequence[str]) -> bool:
        return set(wanted) <= set(base64.urlsafe_b64decode(token).decode().split()[1:])
