"""Who sends a request, and how often somebody may guess."""

from __future__ import annotations

import base64
import sqlite3
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from containerlab.distribution.server.accounts import identities, logins, passwords, proofs, users
from containerlab.distribution.server.accounts.authentication import (
    Refused,
    TooMany,
    challenge,
    identify,
    is_quick,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server import grounds
from tests.distribution.server.grounds import ADDRESS, PASSWORD, basic, opened

RIGHT = basic("admin", PASSWORD)
WRONG = basic("admin", "wrong password")


def _kinds(registry: Registry) -> list[str]:
    return [event.kind for event in grounds.events_of(registry)]


def _fail(registry: Registry, times: int, name: str = "admin", address: str = ADDRESS) -> None:
    for number in range(times):
        with pytest.raises(Refused):
            identify(registry, basic(name, f"guess {number} {registry.now()}"), address)


def test_a_name_and_password_are_an_identity(registry: Registry) -> None:
    who = identify(registry, RIGHT, ADDRESS)
    assert (who.name, who.is_admin, who.address, who.limits) == ("admin", True, ADDRESS, None)


def test_who_says_nothing_is_anonymous(registry: Registry) -> None:
    who = identify(registry, "", ADDRESS)
    assert (who.name, who.is_admin, who.rights) == ("", False, {})


def test_without_accounts_everybody_may_do_everything(tmp_path: Path) -> None:
    with opened(tmp_path / "home", grounds.Clock(), auth="none") as registry:
        for header in ("", WRONG, "Bearer x", "nonsense"):
            assert identify(registry, header, ADDRESS).is_admin
        assert challenge(registry, "http://localhost:5000") == ""


@pytest.mark.parametrize(
    "header",
    [
        WRONG,
        basic("nobody", PASSWORD),
        basic("", PASSWORD),
        basic("admin", ""),
        basic("ADMIN", PASSWORD),
        basic("admin\0", PASSWORD),
        basic("admin", "x" * 1_000_000),
        basic("x" * 300, PASSWORD),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic !!!!",
        "Basic",
        "Basic é",
        "Bearer",
        "Bearer a.b.c",
        "Bearer " + "x" * 100_000,
        "Digest username=admin",
        "\0",
    ],
    ids=range(18),
)
def test_what_proves_nothing_is_refused(registry: Registry, header: str) -> None:
    with pytest.raises(Refused):
        identify(registry, header, ADDRESS)


def test_a_colon_belongs_to_the_password(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", "with:a:colon")
    assert identify(registry, basic("alice", "with:a:colon"), ADDRESS).name == "alice"


def test_the_scheme_has_no_case(registry: Registry) -> None:
    assert identify(registry, RIGHT.replace("Basic", "bAsIc"), ADDRESS).name == "admin"


# how much work it is


def test_only_the_first_time_is_slow(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_quick(registry, RIGHT, ADDRESS)
    identify(registry, RIGHT, ADDRESS)
    assert is_quick(registry, RIGHT, ADDRESS)
    monkeypatch.setattr(registry.passwords, "matches", None)
    assert identify(registry, RIGHT, ADDRESS).name == "admin"
    assert _kinds(registry).count("login") == 1


def test_what_is_remembered_is_of_one_address_and_some_minutes(
    registry: Registry, clock: grounds.Clock
) -> None:
    identify(registry, RIGHT, ADDRESS)
    assert not is_quick(registry, RIGHT, "192.0.2.8")
    assert not is_quick(registry, WRONG, ADDRESS)
    clock.advance(301)
    assert not is_quick(registry, RIGHT, ADDRESS)


def test_a_new_password_ends_what_is_remembered_of_the_old_one(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", "the old password")
    header = basic("alice", "the old password")
    identify(registry, header, ADDRESS)
    users.change_password(registry, admin, "alice", "the new password")
    with pytest.raises(Refused):
        identify(registry, header, ADDRESS)


@pytest.mark.parametrize("change", [partial(users.update, is_disabled=True), users.remove])
def test_whoever_is_put_out_is_out_at_once(registry: Registry, admin: Identity, change: object) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    identify(registry, basic("alice", PASSWORD), ADDRESS)
    assert callable(change)
    change(registry, admin, "alice")
    with pytest.raises(Refused):
        identify(registry, basic("alice", PASSWORD), ADDRESS)


def test_an_unknown_account_costs_the_same_work(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = registry.passwords.matches

    def counting(kept: str, password: str) -> bool:
        checked.append(password)
        return real(kept, password)

    monkeypatch.setattr(registry.passwords, "matches", counting)
    for name in ("admin", "nobody"):
        with pytest.raises(Refused):
            identify(registry, basic(name, "a guess"), ADDRESS)
    assert checked == ["a guess", "a guess"]


def test_what_stands_in_for_a_hash_costs_as_much_and_matches_nothing() -> None:
    hashing = passwords.Passwords(grounds.Clock())
    assert hashing._nobody.split("$")[:4] == hashing.hash("x").split("$")[:4]
    assert [len(part) for part in hashing._nobody.split("$")] == [
        len(part) for part in hashing.hash("x").split("$")
    ]
    assert not hashing.matches("", "x")
    assert not hashing.matches(hashing._nobody, "x")


def test_hashes_are_argon2id_and_salted() -> None:
    hashing = passwords.Passwords(grounds.Clock())
    one, other = hashing.hash(PASSWORD), hashing.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")  # OWASP's, and no less
    assert one != other
    assert hashing.matches(one, PASSWORD)
    assert not hashing.matches(one, "another")


def test_equal_logins_at_once_are_one(registry: Registry) -> None:
    names: list[str] = []

    def log_in() -> None:
        names.append(identify(registry, RIGHT, ADDRESS).name)

    threads = [threading.Thread(target=log_in) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["admin"] * 30
    assert _kinds(registry).count("login") == 1


# guessing


def test_guessing_ends_with_a_time_to_wait(registry: Registry, clock: grounds.Clock) -> None:
    _fail(registry, 10)
    with pytest.raises(TooMany) as refused:
        identify(registry, RIGHT, ADDRESS)
    clock.advance(refused.value.retry_after_s + 1)
    assert identify(registry, RIGHT, ADDRESS).name == "admin"


def test_guesses_that_are_refused_cost_no_hash_and_no_write(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail(registry, 10)
    monkeypatch.setattr(registry.passwords, "matches", None)
    monkeypatch.setattr(registry.database, "writing", None)
    for _ in range(20):
        with pytest.raises(TooMany):
            identify(registry, WRONG, ADDRESS)


def test_refused_logins_are_in_the_audit_log(registry: Registry) -> None:
    _fail(registry, 2, name="ev\nil")
    found = [event for event in grounds.events_of(registry) if event.kind == "login.refused"]
    assert [(event.account, event.address) for event in found] == [("ev?il", ADDRESS)] * 2


def test_guessing_elsewhere_does_not_lock_the_owner_out(registry: Registry) -> None:
    identify(registry, RIGHT, ADDRESS)
    for number in range(10):
        _fail(registry, 10, address=f"198.51.100.{number}")
    with pytest.raises(TooMany):  # the account's allowance is used up, from wherever
        identify(registry, WRONG, "203.0.113.1")
    assert identify(registry, RIGHT, ADDRESS).name == "admin"


def test_who_guesses_finds_nothing_in_what_another_address_proved(registry: Registry) -> None:
    identify(registry, RIGHT, ADDRESS)
    _fail(registry, 10, address="198.51.100.1")
    with pytest.raises(TooMany):
        identify(registry, RIGHT, "198.51.100.1")


def test_an_address_has_an_allowance_for_all_accounts(registry: Registry) -> None:
    for number in range(6):
        _fail(registry, 10, name=f"user{number}")
    with pytest.raises(TooMany):
        identify(registry, RIGHT, ADDRESS)
    assert identify(registry, RIGHT, "192.0.2.8").name == "admin"


def test_ones_own_account_buys_no_more_guesses(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "mallory", PASSWORD)
    refused = 0
    for number in range(40):
        registry.passwords = passwords.Passwords(registry.now, memory_kib=8)  # forgets that mallory was right
        identify(registry, basic("mallory", PASSWORD), ADDRESS)
        try:
            identify(registry, basic("admin", f"guess {number}"), ADDRESS)
        except TooMany:
            refused += 1
        except Refused:
            pass
    assert refused == 30


def test_an_old_password_that_goes_on_being_sent_locks_nobody_out(
    registry: Registry, clock: grounds.Clock
) -> None:
    for _ in range(50):
        with pytest.raises(Refused):
            identify(registry, WRONG, ADDRESS)
    assert identify(registry, RIGHT, ADDRESS).name == "admin"
    assert _kinds(registry).count("login.refused") == 1
    clock.advance(301)  # it is forgotten, and noted anew
    with pytest.raises(Refused):
        identify(registry, WRONG, ADDRESS)
    assert _kinds(registry).count("login.refused") == 2


def test_a_wrong_password_is_right_when_the_account_has_it(registry: Registry, admin: Identity) -> None:
    header = basic("alice", "the next password")
    with pytest.raises(Refused):
        identify(registry, header, ADDRESS)
    users.create(registry, admin, "alice", PASSWORD)
    with pytest.raises(Refused):
        identify(registry, header, ADDRESS)
    users.change_password(registry, admin, "alice", "the next password")
    assert identify(registry, header, ADDRESS).name == "alice"


def test_what_is_remembered_has_bounds(registry: Registry) -> None:
    for number in range(25_000):
        registry.passwords.remember(number % 2 == 0, str(number))
    assert len(registry.passwords._right) <= 10_000
    assert len(registry.passwords._wrong) <= 10_000
    assert registry.passwords.remembers("24998") is True
    assert registry.passwords.remembers("24999") is False
    assert registry.passwords.remembers("25000") is None


def test_a_network_of_ipv6_counts_as_one_address(registry: Registry) -> None:
    for number in range(10):
        _fail(registry, 1, address=f"2001:db8::{number}")
    with pytest.raises(TooMany):
        identify(registry, RIGHT, "2001:db8::ffff:1")
    assert identify(registry, RIGHT, "2001:db8:0:1::1").name == "admin"


def test_a_hundred_guesses_at_once_are_no_more_than_in_a_row(registry: Registry) -> None:
    outcomes: list[type] = []

    def guess(number: int) -> None:
        try:
            identify(registry, basic("admin", f"guess {number}"), ADDRESS)
        except (Refused, TooMany) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(Refused), outcomes.count(TooMany)) == (10, 30)


_GUESS = """
import sys
from containerlab.distribution.server.accounts.authentication import Refused, TooMany, identify
from containerlab.distribution.server.registry import Registry, Settings
from tests.distribution.server.grounds import basic
registry = Registry(Settings(storage=sys.argv[1]))
outcomes = []
for number in range(12):
    try:
        identify(registry, basic("admin", f"guess {number}"), "192.0.2.7")
    except (Refused, TooMany) as error:
        outcomes.append(type(error).__name__)
print(*outcomes)
registry.close()
"""


@pytest.mark.slow
def test_processes_count_together(tmp_path: Path) -> None:
    with opened(tmp_path / "home", grounds.Clock()):
        pass
    words = [sys.executable, "-c", _GUESS, str(tmp_path / "home")]
    guessing = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = " ".join(process.communicate()[0] for process in guessing).split()
    assert (said.count("Refused"), said.count("TooMany")) == (10, 14)


def test_what_was_tried_is_forgotten(registry: Registry, clock: grounds.Clock) -> None:
    _fail(registry, 3)
    clock.advance(3600)
    identify(registry, RIGHT, ADDRESS)
    with registry.reader.reading() as connection:
        kept = connection.execute("SELECT count(*) FROM attempts WHERE until > ?", (clock(),)).fetchone()
    assert kept == (0,)


# temporary logins


def test_a_temporary_login_ends(registry: Registry, admin: Identity, clock: grounds.Clock) -> None:
    login = proofs.log_in_temporarily(registry, admin, valid_s=3600)
    header = basic("admin", login.secret)
    assert identify(registry, header, ADDRESS).until == login.expires
    clock.advance(3500)
    assert identify(registry, header, ADDRESS).name == "admin"  # and is remembered for five minutes
    clock.advance(101)
    with pytest.raises(Refused):
        identify(registry, header, ADDRESS)


def test_a_temporary_login_makes_none_that_lasts_longer(registry: Registry, admin: Identity) -> None:
    login = proofs.log_in_temporarily(registry, admin, valid_s=3600)
    who = identify(registry, basic("admin", login.secret), ADDRESS)
    assert proofs.log_in_temporarily(registry, who, valid_s=86400).expires == login.expires
    assert proofs.refresh_token(registry, who, "docker") == ""


def test_a_temporary_login_is_of_one_account(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    login = proofs.log_in_temporarily(registry, admin)
    with pytest.raises(Refused):
        identify(registry, basic("alice", login.secret), ADDRESS)


def test_temporary_logins_end_with_the_password(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    login = proofs.log_in_temporarily(registry, grounds.logged_in(registry, "alice"))
    identify(registry, basic("alice", login.secret), ADDRESS)
    users.change_password(registry, admin, "alice", "another password")
    with pytest.raises(Refused):
        identify(registry, basic("alice", login.secret), ADDRESS)


def test_a_temporary_login_can_be_revoked(registry: Registry, admin: Identity) -> None:
    login = proofs.log_in_temporarily(registry, admin)
    identify(registry, basic("admin", login.secret), ADDRESS)
    (proof,) = proofs.listed(registry, admin).items
    assert proof.kind == "temporary"
    proofs.revoke(registry, admin, proof.id)
    with pytest.raises(Refused):
        identify(registry, basic("admin", login.secret), ADDRESS)


def test_no_secret_is_in_the_database(registry: Registry, admin: Identity, tmp_path: Path) -> None:
    secret = proofs.log_in_temporarily(registry, admin).secret
    with sqlite3.connect(registry.directory / "registry.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "admin" in dump
    assert PASSWORD not in dump
    assert secret not in dump


# challenges


def test_a_challenge_says_where_and_for_what(registry: Registry) -> None:
    said = challenge(registry, "https://reg.example", "repository:lab/base:pull,push")
    assert said == (
        'Bearer realm="https://reg.example/token",service="containerlab",'
        'scope="repository:lab/base:pull,push"'
    )


def test_nothing_ends_a_challenge_before_its_time(registry: Registry) -> None:
    said = challenge(registry, 'http://x"\r\nSet-Cookie: a=b', 'a"b\\c\n')
    assert said.count('"') == 6
    assert not set("\r\n\\") & set(said)


def test_basic_asks_for_a_password(tmp_path: Path) -> None:
    with opened(tmp_path / "home", grounds.Clock(), auth="basic") as registry:
        assert challenge(registry, "http://x", "anything").startswith("Basic realm=")
        assert identify(registry, RIGHT, ADDRESS).name == "admin"


def test_a_row_that_stands_for_nobody_is_usable_by_nobody(registry: Registry) -> None:
    assert not identities.is_usable(registry, identities.find(registry, "nobody"))
    assert not logins.is_known(registry, "nobody", "", ADDRESS)
