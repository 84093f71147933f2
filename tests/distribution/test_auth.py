"""Tokens: asked for once, kept by their scopes, bought anew; and token servers that lie."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab import errors
from containerlab.distribution.auth import Ask, Authorization, Reply, scopes_of
from containerlab.distribution.credentials import ANONYMOUS, Credentials
from containerlab.distribution.endpoints import Endpoint
from containerlab.distribution.exchange import Exchange
from tests.distribution.peers import Peer, respond
from tests.distribution.token_server import IDENTITY, PASSWORD, USER, TokenServer

ADA = Credentials(USER, PASSWORD)
PULL = "repository:lab/app:pull"


@pytest.fixture(autouse=True)
def _alone(user: Path) -> None:
    """No settings of the machine count."""


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with TokenServer() as server:
        monkeypatch.setenv("CONTAINERLAB_TRUSTED_REALMS", server.host)
        yield server


def _exchange(peer: Peer, credentials: Credentials = ADA, **named: bool) -> Exchange:
    place = Endpoint(url=peer.url, registry=peer.host, repository="lab/app")
    return Exchange(place, credentials, **named)


def _get(exchange: Exchange, path: str = "/v2/lab/app/tags/list", **named: str) -> bytes:
    with exchange.request("GET", path, **named) as answer:  # type: ignore[arg-type]
        return answer.read()


def test_one_token_serves_many_requests(tokens: TokenServer) -> None:
    with tokens.registry() as peer, _exchange(peer) as exchange:
        for _ in range(5):
            assert _get(exchange) == b"ok"
        assert len(peer.requests) == 6
    (asked,) = tokens.asked
    assert (asked.method, asked.user, asked.scopes) == ("GET", USER, [PULL])
    assert asked.words["service"] == ["r"]
    assert asked.words["account"] == [USER]
    assert asked.words["client_id"] == ["containerlab"]
    assert "offline_token" not in asked.words


def test_a_realm_may_have_a_query_of_its_own(tokens: TokenServer) -> None:
    with tokens.registry(f"{tokens.realm}?tenant=a%26b") as peer, _exchange(peer) as exchange:
        assert _get(exchange) == b"ok"
    assert tokens.asked[0].words["tenant"] == ["a&b"]
    assert tokens.asked[0].scopes == [PULL]


def test_what_is_public_needs_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with TokenServer(public=PULL) as tokens, tokens.registry() as peer:
        for credentials in (ANONYMOUS, ADA):  # the realm is not trusted: she is not named there
            with _exchange(peer, credentials) as exchange:
                assert _get(exchange) == b"ok"
        assert [asked.user for asked in tokens.asked] == ["", ""]
        assert all("account" not in asked.words for asked in tokens.asked)


def test_a_stranger_of_a_token_server_gets_no_password(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTAINERLAB_TRUSTED_REALMS")
    for credentials in (ADA, Credentials(USER, identity_token=IDENTITY)):
        with tokens.registry() as peer, _exchange(peer, credentials) as exchange:
            with pytest.raises(errors.NotPermitted) as caught:
                _get(exchange)
            assert f"CONTAINERLAB_TRUSTED_REALMS={tokens.host}" in caught.value.hint
    assert {(asked.user, asked.method) for asked in tokens.asked} == {("", "GET")}


def test_several_scopes_in_one_token(tokens: TokenServer) -> None:
    with tokens.registry(scope="repository:lab/app:pull,push") as peer, _exchange(peer) as exchange:
        mount = exchange.request("POST", "/v2/x", scope="push,pull", extra_scopes=["repository:other:pull"])
        with mount:
            pass
        assert tokens.asked[0].scopes == ["repository:lab/app:pull,push", "repository:other:pull"]
        with exchange.request("POST", "/v2/x", scope="push", extra_scopes=["repository:other:pull"]):
            pass
        assert len(tokens.asked) == 1  # the token allows that too


def test_what_the_registry_wants_beside_is_asked_for_too(tokens: TokenServer) -> None:
    with tokens.registry(scope="repository:elsewhere:pull") as peer, _exchange(peer) as exchange:
        assert _get(exchange) == b"ok"
        assert _get(exchange) == b"ok"
    assert [asked.scopes for asked in tokens.asked] == [["repository:elsewhere:pull", PULL]]


def test_whole_scopes_and_none(tokens: TokenServer) -> None:
    with tokens.registry(scope="registry:catalog:*") as peer, _exchange(peer) as exchange:
        assert _get(exchange, scope="registry:catalog:*") == b"ok"
    with tokens.registry(scope="") as peer, _exchange(peer) as exchange:
        assert _get(exchange, scope="") == b"ok"
    assert [asked.scopes for asked in tokens.asked] == [["registry:catalog:*"], []]


def test_an_identity_token_buys_tokens(tokens: TokenServer) -> None:
    with tokens.registry() as peer, _exchange(peer, Credentials("", identity_token=IDENTITY)) as exchange:
        assert _get(exchange) == b"ok"
    (asked,) = tokens.asked
    assert asked.method == "POST"
    assert asked.words["grant_type"] == ["refresh_token"]
    assert asked.words["scope"] == [PULL]


def test_a_password_is_posted_where_get_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with TokenServer(takes_get=False) as tokens, tokens.registry() as peer:
        monkeypatch.setenv("CONTAINERLAB_TRUSTED_REALMS", tokens.host)
        with _exchange(peer, offline=True) as exchange:
            assert _get(exchange) == b"ok"
            assert exchange.identity_token == IDENTITY
        assert [asked.method for asked in tokens.asked] == ["GET", "POST"]
        assert tokens.asked[1].words["grant_type"] == ["password"]
        assert tokens.asked[1].words["access_type"] == ["offline"]


def test_a_login_may_give_an_identity_token(tokens: TokenServer) -> None:
    with tokens.registry(scope="") as peer, _exchange(peer, offline=True) as exchange:
        assert _get(exchange, "/v2/", scope="") == b"ok"
        assert exchange.identity_token == IDENTITY
    assert tokens.asked[0].words["offline_token"] == ["true"]


def test_a_registry_token_is_shown_as_it_is() -> None:
    def handle(request: object) -> bytes:
        return respond(200, peer.requests[-1].headers["authorization"].encode())

    with Peer(handle) as peer, _exchange(peer, Credentials(registry_token="rt")) as exchange:
        assert _get(exchange) == b"Bearer rt"


def test_a_token_that_is_refused_is_bought_anew_once(tokens: TokenServer) -> None:
    with tokens.registry() as peer, _exchange(peer) as exchange:
        assert _get(exchange) == b"ok"
        tokens.revoked.add(peer.requests[-1].headers["authorization"].removeprefix("Bearer "))
        assert _get(exchange) == b"ok"
        assert len(tokens.asked) == 2
        tokens._public, tokens.revoked = "", _Everything()
        with pytest.raises(errors.NotPermitted, match="UNAUTHORIZED"):
            _get(exchange)
        assert len(tokens.asked) == 3


class _Everything(set[str]):
    def __contains__(self, item: object) -> bool:
        return True


def test_ten_threads_need_one_token(tokens: TokenServer) -> None:
    with tokens.registry() as peer, _exchange(peer) as exchange:
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(_get(exchange))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [b"ok"] * 10
    assert len(tokens.asked) == 1


def test_a_wrong_password_is_said_by_the_token_server(tokens: TokenServer) -> None:
    with tokens.registry() as peer, _exchange(peer, Credentials(USER, "no")) as exchange:
        with pytest.raises(errors.NotPermitted, match="incorrect username or password") as caught:
            _get(exchange)
        assert f"conlab login {peer.host}" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (respond(200, b"{}"), errors.Unavailable, "what should be a token"),
        (respond(200, b'{"token": ""}'), errors.Unavailable, "what should be a token"),
        (respond(200, b'{"token": "a\\r\\nX-Injected: 1"}'), errors.Unavailable, "what should be a token"),
        (respond(200, b'{"token": "a b"}'), errors.Unavailable, "what should be a token"),
        (respond(200, '{"token": "é"}'.encode()), errors.Unavailable, "what should be a token"),
        (respond(200, b'{"token": 5}'), errors.Unavailable, "gave no token"),
        (respond(200, b'{"token": ["a"]}'), errors.Unavailable, "gave no token"),
        (respond(200, b'{"token": "a", "expires_in": "soon"}'), errors.Unavailable, "gave no token"),
        (respond(200, b"<html>"), errors.Unavailable, "gave no token"),
        (respond(200, b"[" * 100_000), errors.Unavailable, "gave no token"),
        (respond(200, b'{"token": "' + b"x" * 100_000 + b'"}'), errors.Unavailable, "what should be a token"),
        (respond(200, b" " * 5_000_000), errors.CorruptContent, "more than"),
        (respond(302, b"", {"Location": "https://evil.example"}), errors.Unavailable, "status 302"),
        (respond(400, b'{"error": "invalid_grant"}'), errors.NotPermitted, "invalid_grant"),
        (respond(403, b'{"error_description": "no"}'), errors.NotPermitted, "refused: no"),
        (respond(404), errors.Unavailable, "status 404"),
        (respond(500, b"oh"), errors.Unavailable, "status 500"),
    ],
)
def test_what_is_no_token(tokens: TokenServer, answer: bytes, kind: type[errors.LabError], said: str) -> None:
    tokens.answers.append(answer)
    with tokens.registry() as peer, _exchange(peer) as exchange:
        with pytest.raises(kind, match=said):
            _get(exchange)
        assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "challenge",
    [
        "Bearer",
        "Bearer realm=",
        'Bearer realm=""',
        'Bearer service="r"',
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm="/token"',
        'Bearer realm="http://',
        'Bearer realm="http://[::1/token"',
        'Bearer realm="http://localhost:99999/token"',
        'Bearer realm="http://169.254.169.254@localhost/token"',
        "Basic",
        'Basic realm="r"',
        "Negotiate",
        'Digest realm="r", nonce="0"',
        "",
        ",,,,",
        '"' * 1000,
        'Bearer realm="\x80\xff"',
        "Bearer " + 'a="b",' * 5000,
    ],
)
def test_challenges_that_lead_nowhere(challenge: str) -> None:
    """They end in one error, at once, and without a password on the way."""
    answer = respond(401, b"", {"WWW-Authenticate": challenge})
    with Peer(lambda request: answer) as peer, _exchange(peer, ANONYMOUS) as exchange:
        with pytest.raises(errors.LabError):
            _get(exchange)
        assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "realm", ["https://evil.example/token", "http://10.0.0.1/token", "https://localhost/token"]
)
def test_realms_outside_of_the_boundary_are_not_asked_with_tls_or_without(realm: str) -> None:
    """Nothing is sent by the flow itself: it yields what it would ask."""
    authorization = Authorization("r.example.com", "https://r.example.com", ADA, lambda: 0.0)
    flow = authorization.answer([f'Bearer realm="{realm}",service="r"'], scopes_of([PULL]), "")
    if realm.startswith("https://evil"):
        ask = next(flow)
        assert (ask.headers, ask.body) == ({}, None)
        assert USER not in ask.url
    else:
        with pytest.raises(errors.NotPermitted, match="may not be asked"):
            next(flow)


# without I/O: time


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _drive(flow: Generator[Ask, Reply, str], answer: Callable[[Ask], Reply]) -> tuple[str, list[Ask]]:
    asked = []
    try:
        ask = next(flow)
        while True:
            asked.append(ask)
            ask = flow.send(answer(ask))
    except StopIteration as end:
        return end.value, asked


@pytest.mark.parametrize(
    ("expires_in", "lives_s"), [(None, 60), (300, 300), (5, 5), ("120", 120), (1.5, 1.5), (0, 0), (-5, 0)]
)
def test_a_token_lives_as_long_as_it_says(expires_in: object, lives_s: float) -> None:
    clock, numbers = _Clock(), iter(range(100))
    realm = ['Bearer realm="https://auth.example.com/t",service="r"']
    authorization = Authorization("r.example.com", "https://r.example.com", ADA, clock)

    def issue(ask: Ask) -> Reply:
        lifetime = {} if expires_in is None else {"expires_in": expires_in}
        return Reply(200, msgspec.json.encode({"token": f"t{next(numbers)}", **lifetime}))

    first, _ = _drive(authorization.answer(realm, scopes_of([PULL]), ""), issue)
    assert first == "Bearer t0"
    if lives_s:
        clock.now_s += lives_s * 0.8
        assert _drive(authorization.header(scopes_of([PULL])), issue) == ("Bearer t0", [])
    clock.now_s += lives_s * 0.15
    again, asked = _drive(authorization.header(scopes_of([PULL])), issue)
    assert (again, len(asked)) == ("Bearer t1", 1)


@given(st.text(), st.text(alphabet=st.characters(exclude_characters=":", exclude_categories=["Cs"])))
def test_basic_is_readable_whatever_is_in_a_password(password: str, username: str) -> None:
    authorization = Authorization("r", "https://r", Credentials(username, password), lambda: 0.0)
    header, _ = _drive(authorization.answer(["Basic"], {}, ""), lambda ask: Reply(200, b""))
    if username:
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"{username}:{password}"


@given(st.text(max_size=200), st.binary(max_size=200))
def test_no_challenge_and_no_answer_breaks_the_flow(challenge: str, body: bytes) -> None:
    authorization = Authorization("r.example.com", "https://r.example.com", ADA, lambda: 0.0)
    for text in (challenge, f'Bearer realm="https://r.example.com/t",{challenge}'):
        try:
            header, _ = _drive(
                authorization.answer([text], scopes_of([PULL]), ""), lambda ask: Reply(200, body)
            )
        except errors.LabError:
            continue
        assert header.isascii()
        assert "\n" not in header
