"""Signing in and out with a browser, and what protects a session."""

from __future__ import annotations

import sqlite3

from containerlab.distribution.server.accounts import users
from containerlab.distribution.server.page import sessions
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server.grounds import PASSWORD, Clock
from tests.distribution.server.page.visitors import Visitor


def test_who_has_not_signed_in_is_offered_to(nobody: Visitor) -> None:
    assert "Sign in" in nobody.get("/ui/").words
    assert nobody.get("/ui/audit").location == "/ui/login?next=%2Fui%2Faudit"


def test_signing_in_leads_to_where_one_wanted_to_go(nobody: Visitor) -> None:
    answer = nobody.post("/ui/login", name="admin", password=PASSWORD, next="/ui/audit?kind=login")
    assert (answer.status, answer.location) == (303, "/ui/audit?kind=login")
    assert "admin" in nobody.get("/ui/audit").words


def test_a_wrong_password_is_refused_and_not_repeated_on_the_page(nobody: Visitor) -> None:
    answer = nobody.post("/ui/login", name="admin", password="not the one")
    assert answer.status == 401
    assert "not the one" not in answer.text
    assert not nobody.is_signed_in


def test_guessing_is_answered_with_wait(nobody: Visitor) -> None:
    answers = [nobody.post("/ui/login", name="admin", password=f"guess {n}") for n in range(30)]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "Too many tries" in answers[-1].words


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(nobody: Visitor) -> None:
    answer = nobody.post("/ui/login", name="admin", password=PASSWORD)
    said = answer.headers["Set-Cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "path=/" in said
    assert "domain" not in said


def test_the_key_is_another_after_signing_in(nobody: Visitor) -> None:
    nobody.get("/ui/login")
    (planted,) = (morsel.value for morsel in nobody.cookies.values())
    nobody.signed_in("admin")
    assert planted not in {morsel.value for morsel in nobody.cookies.values()}
    thief = Visitor(f"http://{nobody.host}")
    thief.cookies.load(f"{next(iter(nobody.cookies))}={planted}")
    assert not thief.is_signed_in


def test_the_database_has_no_key_of_a_session(root: Visitor, registry: Registry) -> None:
    (key,) = (morsel.value for morsel in root.cookies.values())
    with registry.reader.reading() as connection:
        rows = connection.execute("SELECT * FROM sessions").fetchall()
    assert len(rows) == 1
    assert key not in str(rows)


def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(root: Visitor) -> None:
    kept = str(root.cookies.output(header="", sep=";"))
    root.post("/ui/logout")
    assert not root.is_signed_in
    thief = Visitor(f"http://{root.host}")
    thief.cookies.load(kept)
    assert not thief.is_signed_in


def test_a_session_ends_when_no_page_is_opened_for_long(root: Visitor, clock: Clock) -> None:
    clock.advance(sessions.IDLE_S - 1)
    assert root.is_signed_in
    clock.advance(sessions.IDLE_S - 1)
    assert root.is_signed_in
    clock.advance(sessions.IDLE_S + 1)
    assert not root.is_signed_in


def test_what_a_page_asks_by_itself_does_not_keep_a_session_alive(root: Visitor, clock: Clock) -> None:
    clock.advance(sessions.IDLE_S - 1)
    assert root.get("/ui/", {"X-Live": "1"}).status == 200
    clock.advance(2)
    assert not root.is_signed_in


def test_a_session_ends_after_a_day_however_busy(root: Visitor, clock: Clock) -> None:
    for _ in range(int(sessions.ABSOLUTE_S / (sessions.IDLE_S - 1))):
        clock.advance(sessions.IDLE_S - 1)
        assert root.is_signed_in
    clock.advance(sessions.IDLE_S - 1)
    assert not root.is_signed_in


def test_a_session_ends_with_the_logins_of_its_account(
    root: Visitor, registry: Registry, admin: Identity
) -> None:
    users.end_logins(registry, admin, "admin")
    assert not root.is_signed_in


def test_a_session_ends_when_its_account_is_disabled(site: str, registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "ann", PASSWORD)
    ann = Visitor(site).signed_in("ann")
    assert ann.is_signed_in
    users.update(registry, admin, "ann", is_disabled=True)
    assert not ann.is_signed_in


def test_expired_sessions_are_swept_by_the_next_sign_in(
    root: Visitor, registry: Registry, clock: Clock
) -> None:
    clock.advance(sessions.ABSOLUTE_S + 1)
    root.signed_in("admin")
    with registry.reader.reading() as connection:
        assert _count(connection) == 1


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])


def test_a_form_without_the_token_changes_nothing(root: Visitor) -> None:
    stranger = Visitor(f"http://{root.host}")
    for token in ("", "0" * 64, stranger.token(), "é\udcff".encode("utf-8", "replace").decode()):
        answer = root.post("/ui/logout", token=token)
        assert answer.status == 403
        assert "not made for this session" in answer.words
    assert root.is_signed_in


def test_signing_somebody_in_as_another_needs_their_token_too(nobody: Visitor) -> None:
    assert nobody.post("/ui/login", token="", name="admin", password=PASSWORD).status == 403
    assert not nobody.is_signed_in


def test_no_address_that_came_along_leads_elsewhere(nobody: Visitor) -> None:
    for where in (
        "https://evil.example/",
        "//evil.example/ui/",
        "/\\evil.example",
        "/ui/\\..",
        "javascript:x",
        "/v2/",
    ):
        answer = nobody.post("/ui/login", name="admin", password=PASSWORD, next=where)
        assert (answer.status, answer.location) == (303, "/ui/"), where
        nobody.post("/ui/logout")


def test_a_too_long_form_is_refused(root: Visitor) -> None:
    assert root.post("/ui/logout", more="x" * 100_000).status in (400, 403)
    assert root.is_signed_in
