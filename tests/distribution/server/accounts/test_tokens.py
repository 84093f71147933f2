"""Tokens: what they are for, what they do not give, when they end, and those that others made."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest

from containerlab import errors
from containerlab.distribution.server import rights
from containerlab.distribution.server.accounts import proofs, users
from containerlab.distribution.server.accounts.authentication import (
    Refused,
    TokenRequest,
    TooMany,
    give_token,
    identify,
)
from containerlab.distribution.server.accounts.tokens import ALL, CATALOG
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from tests.distribution.server import grounds
from tests.distribution.server.grounds import ADDRESS, PASSWORD, basic, opened

PULL, PUSH = "repository:lab/base:pull", "repository:lab/base:pull,push"


@pytest.fixture
def registry(tmp_path: Path, clock: grounds.Clock) -> Any:
    """Yield a registry with lab/base, which is private, and lab/open; alice may write both, bob nothing."""
    with opened(tmp_path / "home", clock) as registry:
        with registry.database.writing() as connection:
            connection.execute("INSERT INTO organizations (name, created) VALUES ('lab', 0)")
            for name, is_public in (("lab/base", 0), ("lab/open", 1)):
                connection.execute(
                    "INSERT INTO repositories (name, organization, is_public, created)"
                    " VALUES (?, 'lab', ?, 0)",
                    (name, is_public),
                )
        for name in ("alice", "bob"):
            users.create(registry, rights.SYSTEM, name, PASSWORD)
        with registry.database.writing() as connection:
            connection.execute("INSERT INTO rights (account, scope, level) VALUES ('alice', 'lab/', 2)")
        yield registry


def _get(registry: Registry, *scopes: str, name: str = "alice", **others: Any) -> Any:
    header = basic(name, PASSWORD) if name else ""
    return give_token(registry, TokenRequest(scopes=scopes, **others), header, ADDRESS)


def _with(registry: Registry, token: str) -> Identity:
    return identify(registry, f"Bearer {token}", ADDRESS)


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


# what a token gives


def test_a_token_is_for_what_was_asked_and_no_more(registry: Registry) -> None:
    who = _with(registry, _get(registry, PULL).token)
    assert who.name == "alice"
    assert who.level("lab/base") == Level.READ
    assert who.level("lab/open", is_public=True) == Level.NONE
    assert who.level_in("lab") == Level.NONE


def test_pull_and_push_are_read_and_write(registry: Registry) -> None:
    who = _with(registry, _get(registry, PUSH).token)
    assert who.level("lab/base") == Level.WRITE


@pytest.mark.parametrize(
    ("asked", "name", "granted"),
    [
        (PUSH, "alice", ["pull", "push"]),
        (PUSH, "bob", None),
        (PUSH, "", None),
        ("repository:lab/base:*", "alice", ["pull", "push", "delete"]),
        ("repository:lab/base:*", "admin", ["pull", "push", "delete"]),
        ("repository:lab/open:pull,push", "bob", ["pull"]),
        ("repository:lab/open:pull,push", "", ["pull"]),
        ("repository:lab/new:pull,push", "alice", ["pull", "push"]),
        ("repository:other/new:pull,push", "alice", None),
        ("repository:lab/base:fly", "alice", None),
        ("repository:lab/base:", "alice", None),
        ("repository:lab/../x:pull", "admin", None),
        ("repository:LAB/base:pull", "admin", None),
        ("repository(plugin):lab/base:pull", "alice", ["pull"]),
        ("nonsense", "alice", None),
        ("::", "alice", None),
    ],
)
def test_scopes_are_cut_to_what_somebody_may(
    registry: Registry, asked: str, name: str, granted: list[str] | None
) -> None:
    access = _claims(_get(registry, asked, name=name).token)["access"]
    assert [each["actions"] for each in access] == ([granted] if granted else [])


def test_several_scopes_are_one_token(registry: Registry) -> None:
    asked = f"{PUSH} repository:lab/open:pull", "repository:lab/open:push"
    who = _with(registry, _get(registry, *asked).token)
    assert (who.level("lab/base"), who.level("lab/open")) == (Level.WRITE, Level.WRITE)


def test_a_token_does_not_make_an_administrator(registry: Registry) -> None:
    who = _with(registry, _get(registry, "repository:lab/base:*", name="admin").token)
    assert not who.is_admin
    assert who.level("lab/base") == Level.MANAGE
    assert (who.level("lab/open"), who.level_in("lab")) == (Level.NONE, Level.NONE)
    with pytest.raises(errors.NotPermitted, match="a token for repositories cannot"):
        users.create(registry, who, "mallory", PASSWORD)


def test_a_token_for_the_list_reads_nothing(registry: Registry) -> None:
    who = _with(registry, _get(registry, CATALOG).token)
    assert who.level("lab/base") == Level.NONE
    assert who.lister().level("lab/base") == Level.WRITE
    who = _with(registry, _get(registry, PULL).token)
    assert who.lister().level("lab/open") == Level.NONE


def test_nobody_gets_a_token_for_the_list(registry: Registry) -> None:
    assert _claims(_get(registry, CATALOG, ALL, name="").token)["access"] == []


def test_a_token_for_the_api_is_as_good_as_a_password(registry: Registry) -> None:
    who = _with(registry, _get(registry, ALL, name="admin").token)
    assert (who.is_admin, who.limits) == (True, None)
    assert users.create(registry, who, "carol", PASSWORD).name == "carol"


def test_a_right_that_was_taken_away_is_gone_from_tokens_at_once(registry: Registry) -> None:
    token = _get(registry, PUSH).token
    with registry.database.writing() as connection:
        connection.execute("DELETE FROM rights")
    assert _with(registry, token).level("lab/base") == Level.NONE


def test_the_answer_is_what_docker_expects(registry: Registry) -> None:
    answer = msgspec.to_builtins(_get(registry, PULL))
    assert answer["token"] == answer["access_token"]
    assert answer["expires_in"] == 300
    assert answer["issued_at"] == "2027-01-15T08:00:00Z"
    assert "refresh_token" not in answer


# when it ends


def test_a_token_ends(registry: Registry, clock: grounds.Clock) -> None:
    token = _get(registry, PULL).token
    clock.advance(299)
    assert _with(registry, token).name == "alice"
    clock.advance(1)
    with pytest.raises(Refused):
        _with(registry, token)


def test_a_token_is_not_good_before_it_was_made(registry: Registry, clock: grounds.Clock) -> None:
    token = _get(registry, PULL).token
    clock.advance(-60)
    with pytest.raises(Refused):
        _with(registry, token)


def _remove_and_make_again(registry: Registry) -> None:
    users.remove(registry, rights.SYSTEM, "alice")
    users.create(registry, rights.SYSTEM, "alice", PASSWORD)


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: users.update(registry, rights.SYSTEM, "alice", is_disabled=True),
        lambda registry: users.remove(registry, rights.SYSTEM, "alice"),
        lambda registry: users.change_password(registry, rights.SYSTEM, "alice", PASSWORD),
        lambda registry: users.end_logins(registry, rights.SYSTEM, "alice"),
        lambda registry: users.reset_password(registry, "alice"),
        _remove_and_make_again,
    ],
    ids=["disabled", "removed", "password", "logins ended", "reset", "made again"],
)
def test_tokens_end_with_the_account_as_it_was(
    registry: Registry, change: Callable[[Registry], object]
) -> None:
    answer = _get(registry, PUSH, is_offline=True)
    change(registry)
    with pytest.raises(Refused):
        _with(registry, answer.token)
    with pytest.raises(Refused):
        _refresh(registry, answer.refresh_token)


def test_a_token_of_a_temporary_login_ends_with_it(registry: Registry, clock: grounds.Clock) -> None:
    login = proofs.log_in_temporarily(registry, grounds.logged_in(registry, "alice"), valid_s=100)
    answer = give_token(
        registry, TokenRequest(scopes=(PULL,), is_offline=True), basic("alice", login.secret), ADDRESS
    )
    assert (answer.expires_in, answer.refresh_token) == (100, "")
    assert _with(registry, answer.token).until == login.expires
    clock.advance(101)
    with pytest.raises(Refused):
        _with(registry, answer.token)


# refresh tokens, POST


def _refresh(registry: Registry, token: str, *scopes: str) -> Any:
    asked = TokenRequest(grant_type="refresh_token", refresh_token=token, scopes=scopes)
    return give_token(registry, asked, "", ADDRESS)


def test_a_refresh_token_gives_tokens_without_a_password(registry: Registry) -> None:
    first = _get(registry, is_offline=True, client_id="docker\n")
    answer = _refresh(registry, first.refresh_token, PUSH)
    assert answer.refresh_token == first.refresh_token
    assert _with(registry, answer.token).level("lab/base") == Level.WRITE
    (proof,) = proofs.listed(registry, grounds.logged_in(registry, "alice")).items
    assert (proof.kind, proof.client) == ("refresh", "docker")


def test_a_refresh_token_can_be_revoked_by_its_owner_alone(registry: Registry) -> None:
    token = _get(registry, is_offline=True).refresh_token
    alice, bob = (grounds.logged_in(registry, name) for name in ("alice", "bob"))
    (proof,) = proofs.listed(registry, alice).items
    with pytest.raises(errors.NotFound):
        proofs.revoke(registry, bob, proof.id)
    proofs.revoke(registry, alice, proof.id)
    with pytest.raises(Refused):
        _refresh(registry, token, PULL)


def test_the_oldest_of_many_refresh_tokens_goes(registry: Registry, clock: grounds.Clock) -> None:
    alice = grounds.logged_in(registry, "alice")
    first = _get(registry, is_offline=True).refresh_token
    clock.advance(1)
    second = _get(registry, is_offline=True).refresh_token
    with registry.database.writing() as connection:
        connection.executemany(
            "INSERT INTO secrets (hash, kind, account, revision, created, expires)"
            " VALUES (?, 'refresh', 'alice', ?, ?, ?)",
            [(f"{number:064}", alice.revision, clock() + 1, clock() + 9e6) for number in range(998)],
        )
    clock.advance(2)
    assert _refresh(registry, first, PULL)
    proofs.refresh_token(registry, alice, "")
    with pytest.raises(Refused):
        _refresh(registry, first, PULL)
    assert _refresh(registry, second, PULL)


def test_a_refresh_token_ends(registry: Registry, clock: grounds.Clock) -> None:
    token = _get(registry, is_offline=True).refresh_token
    clock.advance(90 * 86400)
    with pytest.raises(Refused):
        _refresh(registry, token, PULL)


def test_a_refresh_token_is_no_password_and_no_token(registry: Registry) -> None:
    token = _get(registry, is_offline=True).refresh_token
    for header in (basic("alice", token), f"Bearer {token}"):
        with pytest.raises(Refused):
            identify(registry, header, ADDRESS)


def test_a_temporary_login_is_no_refresh_token(registry: Registry) -> None:
    login = proofs.log_in_temporarily(registry, grounds.logged_in(registry, "alice"))
    with pytest.raises(Refused):
        _refresh(registry, login.secret, PULL)


def test_a_password_may_be_in_the_body(registry: Registry) -> None:
    asked = TokenRequest(
        grant_type="password", username="alice", password=PASSWORD, scopes=(PULL,), is_offline=True
    )
    answer = give_token(registry, asked, "", ADDRESS)
    assert answer.refresh_token
    assert _with(registry, answer.token).name == "alice"


def test_guessing_at_the_token_endpoint_ends_too(registry: Registry) -> None:
    def guess(number: int) -> None:
        asked = TokenRequest(grant_type="password", username="alice", password=f"guess {number}")
        give_token(registry, asked, "", ADDRESS)

    for number in range(10):
        with pytest.raises(Refused):
            guess(number)
    with pytest.raises(TooMany):
        guess(10)


def test_a_token_makes_no_other_token(registry: Registry) -> None:
    token = _get(registry, PULL, name="admin").token
    with pytest.raises(Refused):
        give_token(registry, TokenRequest(scopes=(ALL,)), f"Bearer {token}", ADDRESS)


@pytest.mark.parametrize(
    "asked",
    [
        TokenRequest(service="other.example"),
        TokenRequest(grant_type="client_credentials"),
        TokenRequest(scopes=("repository:a:pull",) * 101),
        TokenRequest(scopes=(" ".join(["repository:a:pull"] * 101),)),
        TokenRequest(scopes=(f"repository:{'a' * 600}:pull",)),
    ],
)
def test_what_is_not_in_the_protocol_is_said(registry: Registry, asked: TokenRequest) -> None:
    with pytest.raises(errors.InvalidInput):
        give_token(registry, asked, basic("alice", PASSWORD), ADDRESS)


# those that others made


def _forged(registry: Registry, claims: dict[str, Any] | None = None, **how: Any) -> str:
    """Sign the claims of a good token, changed, with the registry's own key."""
    good = _claims(_get(registry, PUSH).token)
    given = {name: value for name, value in (good | (claims or {})).items() if value is not ...}
    return jwt.encode(given, how.get("key", registry.keys.get("tokens")), how.get("algorithm", "HS256"))


def test_the_forger_of_these_tests_could_make_a_good_one(registry: Registry) -> None:
    assert _with(registry, _forged(registry)).level("lab/base") == Level.WRITE


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other.example"},
        {"aud": ...},
        {"aud": []},
        {"iss": "somebody"},
        {"iss": ...},
        {"exp": ...},
        {"exp": "soon"},
        {"exp": 10**18},
        {"exp": -1},
        {"exp": 1_800_086_400},
        {"exp": 1},
        {"nbf": 2_000_000_000},
        {"nbf": ...},
        {"sub": "admin"},
        {"sub": "nobody"},
        {"sub": 7},
        {"sub": ...},
        {"rev": 0},
        {"rev": "x"},
        {"rev": ...},
        {"jti": ...},
        {"access": ...},
        {"access": "all"},
        {"access": [{"type": "repository", "name": "lab/base"}]},
        {"access": [{"type": "repository", "name": "lab/base", "actions": ["admin"]}]},
    ],
    ids=str,
)
def test_a_token_with_other_claims_is_refused(registry: Registry, claims: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        _with(registry, _forged(registry, claims))


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _unsigned(registry: Registry, header: dict[str, Any], signature: str | None = None) -> str:
    parts = _get(registry, PUSH).token.split(".")
    return ".".join([_part(header), parts[1], parts[2] if signature is None else signature])


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS512", "RS256", "", None, ["HS256"]])
def test_the_algorithm_is_not_the_token_s_to_choose(registry: Registry, algorithm: object) -> None:
    for signature in ("", None):
        with pytest.raises(Refused):
            _with(registry, _unsigned(registry, {"alg": algorithm, "typ": "JWT"}, signature))


def test_a_key_in_the_header_is_no_key(registry: Registry) -> None:
    ours = os.urandom(32)
    key = {"kty": "oct", "k": base64.urlsafe_b64encode(ours).decode().rstrip("=")}
    claims = _claims(_get(registry, PUSH).token)
    for headers in (
        {"jwk": key},
        {"jku": "http://127.0.0.1:1/keys"},
        {"kid": "../../dev/null"},
        {"x5c": ["x"]},
        {"kid": 7},
    ):
        with pytest.raises(Refused):
            _with(
                registry, jwt.encode(claims, ours, "HS256", headers=headers if "kid" not in headers else None)
            )
        header = {"alg": "HS256", "typ": "JWT", **headers}
        with pytest.raises(Refused):
            _with(registry, _unsigned(registry, header))


@pytest.mark.parametrize("key", [b"\0" * 32, b"tokens" * 8])
def test_another_key_signs_nothing(registry: Registry, key: bytes) -> None:
    with pytest.raises(Refused):
        _with(registry, _forged(registry, key=key))


def test_another_registry_s_token_is_refused(
    registry: Registry, tmp_path: Path, clock: grounds.Clock
) -> None:
    with opened(tmp_path / "other", clock) as other:
        answer = _get(other, PULL, name="admin")
        with pytest.raises(Refused):
            _with(registry, answer.token)


def test_a_changed_token_is_refused(registry: Registry) -> None:
    header, payload, signature = _get(registry, PULL).token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["access"][0]["actions"] = ["pull", "push"]
    for token in (
        f"{header}.{_part(claims)}.{signature}",
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.{payload}.{signature}",
        "..",
        "é.é.é",
    ):
        with pytest.raises(Refused):
            _with(registry, token)


def test_the_key_is_its_owner_s_alone(registry: Registry) -> None:
    _get(registry, PULL)
    (key,) = (registry.directory / "keys").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert key.stat().st_size == 32


def test_tokens_outlive_the_server(registry: Registry, tmp_path: Path, clock: grounds.Clock) -> None:
    token = _get(registry, PULL).token
    with opened(tmp_path / "home", clock) as again:
        assert _with(again, token).name == "alice"


def test_a_key_that_is_none_is_not_used(registry: Registry) -> None:
    _get(registry, PULL)
    registry.keys._known.clear()
    (registry.directory / "keys/tokens").write_bytes(b"")
    with pytest.raises(errors.CorruptContent, match="not a key"):
        _get(registry, PULL)


@pytest.mark.parametrize("auth", ["basic", "none"])
def test_only_bearer_gives_tokens(tmp_path: Path, clock: grounds.Clock, auth: str) -> None:
    with opened(tmp_path / "other", clock, auth=auth) as registry, pytest.raises(errors.NotFound):
        _get(registry, PULL, name="admin")
