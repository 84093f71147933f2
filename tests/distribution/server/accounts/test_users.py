"""Users and robots: who may make them, what they become, how they end."""

from __future__ import annotations

import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.server.accounts import identities, passwords, proofs, robots, sweeping, users
from containerlab.distribution.server.accounts.authentication import (
    Refused,
    TokenRequest,
    give_token,
    identify,
)
from containerlab.distribution.server.organizations import grants, organizations
from containerlab.distribution.server.problems import TooMany
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import ANONYMOUS, SYSTEM, Identity, Level
from tests.distribution.server import grounds
from tests.distribution.server.grounds import ADDRESS, PASSWORD, basic, logged_in

DAY = 86400.0


@pytest.fixture
def alice(registry: Registry) -> Identity:
    """Return a user who manages the organisation lab."""
    organizations.create(registry, SYSTEM, "lab")
    users.create(registry, SYSTEM, "alice", PASSWORD)
    grants.grant(registry, SYSTEM, "alice", "lab/", "manage")
    return logged_in(registry, "alice")


# users


def test_a_user_can_log_in(registry: Registry, admin: Identity) -> None:
    made = users.create(registry, admin, "alice", PASSWORD, description="of the third row")
    assert (made.name, made.is_admin, made.is_disabled) == ("alice", False, False)
    assert made == users.inspect(registry, admin, "alice")
    assert logged_in(registry, "alice").rights == {}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Alice",
        "a b",
        "a/b",
        "../a",
        "a+b",
        "a\n",
        "a\0",
        "-a",
        "a..b",
        "a___b",
        "é",
        "a" * 65,
        "system",
        "<b>",
    ],
)
def test_a_name_is_one_part_of_a_name_of_the_specification(
    registry: Registry, admin: Identity, name: str
) -> None:
    with pytest.raises(errors.InvalidInput):
        users.create(registry, admin, name, PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025, "é" * 600, "\udcff" * 10])
def test_a_password_has_bounds(registry: Registry, admin: Identity, password: str) -> None:
    with pytest.raises(errors.InvalidInput, match="password"):
        users.create(registry, admin, "alice", password)


def test_a_password_may_be_any_text(registry: Registry, admin: Identity) -> None:
    password = "日本 🐈 \t:\0'\""
    users.create(registry, admin, "alice", password)
    assert identify(registry, basic("alice", password), ADDRESS).name == "alice"


def test_a_password_is_the_same_in_both_forms_of_unicode(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", "un été à la mer")
    decomposed = unicodedata.normalize("NFD", "un été à la mer")
    assert identify(registry, basic("alice", decomposed), ADDRESS).name == "alice"


def test_of_two_administrators_who_remove_each_other_one_stays(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "carol", PASSWORD, is_admin=True)
    carol = logged_in(registry, "carol")
    refused: list[errors.Conflict] = []

    def remove(who: Identity, name: str) -> None:
        try:
            users.remove(registry, who, name)
        except errors.Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=remove, args=each) for each in ((admin, "carol"), (carol, "admin"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert len(users.listed(registry, SYSTEM).items) == 1


def test_a_description_is_one_line_of_255_bytes(registry: Registry, admin: Identity) -> None:
    html = "<script>alert(1)</script>"
    assert users.create(registry, admin, "alice", PASSWORD, description=html).description == html
    assert users.create(registry, admin, "bob", PASSWORD, description="x" * 255)
    for text in ("two\nlines", "\x1b[31m", "x" * 256, "é" * 128, "\u202e"):
        with pytest.raises(errors.InvalidInput):
            users.create(registry, admin, "carol", PASSWORD, description=text)


def test_a_name_is_taken_once(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    with pytest.raises(errors.AlreadyExists):
        users.create(registry, admin, "alice", PASSWORD)


def test_only_administrators_change_accounts(registry: Registry, alice: Identity) -> None:
    robot = robots.create(registry, alice, "lab", "ci", level="manage")
    for who in (alice, ANONYMOUS, identify(registry, basic(robot.robot.name, robot.secret), ADDRESS)):
        for act in (
            lambda who=who: users.create(registry, who, "bob", PASSWORD),
            lambda who=who: users.update(registry, who, "alice", is_admin=True),
            lambda who=who: users.remove(registry, who, "admin"),
            lambda who=who: users.change_password(registry, who, "admin", "another one"),
            lambda who=who: users.end_logins(registry, who, "admin"),
        ):
            with pytest.raises(errors.NotPermitted):
                act()
    assert [user.name for user in users.listed(registry, SYSTEM).items] == ["admin", "alice"]


def test_others_see_themselves_only(registry: Registry, alice: Identity) -> None:
    assert [user.name for user in users.listed(registry, alice).items] == ["alice"]
    assert users.inspect(registry, alice, "alice").name == "alice"
    for name in ("admin", "nobody"):
        with pytest.raises(errors.NotFound, match=f"no such user: {name}$"):
            users.inspect(registry, alice, name)
    with pytest.raises(errors.NotPermitted):
        users.listed(registry, ANONYMOUS)


def test_users_come_in_pages(registry: Registry, admin: Identity) -> None:
    for name in ("carol", "bob", "dave"):
        users.create(registry, admin, name, PASSWORD)
    first = users.listed(registry, admin, limit=2)
    second = users.listed(registry, admin, limit=2, after=first.next)
    assert [user.name for user in first.items + second.items] == ["admin", "bob", "carol", "dave"]
    assert second.next == ""


def test_the_last_administrator_stays(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    users.create(registry, admin, "carol", PASSWORD, is_admin=True)
    users.update(registry, admin, "carol", is_disabled=True)
    for act in (
        lambda: users.remove(registry, admin, "admin"),
        lambda: users.update(registry, admin, "admin", is_disabled=True),
        lambda: users.update(registry, admin, "admin", is_admin=False),
    ):
        with pytest.raises(errors.Conflict, match="last administrator"):
            act()
    users.update(registry, admin, "carol", is_disabled=False)
    users.remove(registry, admin, "admin")
    assert logged_in(registry, "carol").is_admin


def test_what_is_left_out_of_an_update_stays(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD, is_admin=True, description="first")
    token = give_token(registry, TokenRequest(), basic("alice", PASSWORD), ADDRESS).token
    changed = users.update(registry, admin, "alice", description="second")
    assert (changed.description, changed.is_admin, changed.is_disabled) == ("second", True, False)
    assert identify(registry, f"Bearer {token}", ADDRESS).name == "alice"


def test_whoever_was_enabled_again_has_to_log_in_again(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    token = give_token(registry, TokenRequest(), basic("alice", PASSWORD), ADDRESS).token
    users.update(registry, admin, "alice", is_disabled=True)
    with pytest.raises(Refused):
        logged_in(registry, "alice")
    users.update(registry, admin, "alice", is_disabled=False)
    with pytest.raises(Refused):
        identify(registry, f"Bearer {token}", ADDRESS)
    assert logged_in(registry, "alice").name == "alice"


def test_ones_own_password_needs_the_old_one(registry: Registry, alice: Identity) -> None:
    for old in ("", "wrong password", proofs.log_in_temporarily(registry, alice).secret):
        with pytest.raises(errors.NotPermitted, match="the old password"):
            users.change_password(registry, alice, "alice", "a new password", old=old)
    users.change_password(registry, alice, "alice", "a new password", old=PASSWORD)
    assert logged_in(registry, "alice", "a new password").name == "alice"
    with pytest.raises(Refused):
        logged_in(registry, "alice")


def test_the_old_password_is_not_to_be_guessed(registry: Registry, alice: Identity) -> None:
    for number in range(10):
        with pytest.raises(errors.NotPermitted):
            users.change_password(registry, alice, "alice", "a new password", old=f"guess {number}")
    with pytest.raises(TooMany):
        users.change_password(registry, alice, "alice", "a new password", old=PASSWORD)


def test_what_is_done_to_accounts_is_in_the_audit_log(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "alice", PASSWORD)
    users.update(registry, admin, "alice", is_admin=True, is_disabled=True)
    users.remove(registry, admin, "alice")
    said = [(event.account, event.address, event.detail) for event in grounds.events_of(registry)]
    assert said[-3:] == [
        ("admin", ADDRESS, "user alice created"),
        ("admin", ADDRESS, "user alice is an administrator, is disabled"),
        ("admin", ADDRESS, "user alice removed"),
    ]


# the first administrator


def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home")))
    password = users.ensure_administrator(registry)
    assert len(password) == 19
    assert identify(registry, basic("admin", password), ADDRESS).is_admin
    assert users.ensure_administrator(registry) == ""
    assert users.ensure_administrator(registry, "another password") == ""
    registry.close()


_START = """
import sys
from containerlab.distribution.server.accounts import users
from containerlab.distribution.server.registry import Registry, Settings
registry = Registry(Settings(storage=sys.argv[1]))
print(users.ensure_administrator(registry) or "none")
registry.close()
"""


@pytest.mark.slow
def test_of_several_workers_one_makes_the_administrator(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _START, str(tmp_path / "home")]
    starting = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate()[0].strip() for process in starting]
    (password,) = [each for each in said if each != "none"]
    registry = Registry(Settings(storage=str(tmp_path / "home")))
    assert identify(registry, basic("admin", password), ADDRESS).is_admin
    registry.close()


def test_whoever_owns_the_storage_gets_in_again(registry: Registry, admin: Identity) -> None:
    token = give_token(registry, TokenRequest(), basic("admin", PASSWORD), ADDRESS).token
    password = users.reset_password(registry)
    assert logged_in(registry, "admin", password).is_admin
    for header in (basic("admin", PASSWORD), f"Bearer {token}"):
        with pytest.raises(Refused):
            identify(registry, header, ADDRESS)


def test_a_reset_forgives_guesses_and_lets_in(registry: Registry, admin: Identity) -> None:
    users.create(registry, admin, "carol", PASSWORD)
    users.update(registry, admin, "carol", is_disabled=True)
    for number in range(10):
        with pytest.raises(Refused):
            logged_in(registry, "carol", f"guess {number}")
    assert users.reset_password(registry, "carol", "chosen by hand") == "chosen by hand"
    assert logged_in(registry, "carol", "chosen by hand").name == "carol"
    with pytest.raises(errors.NotFound):
        users.reset_password(registry, "nobody")
    with pytest.raises(errors.NotFound):
        users.reset_password(registry, "\udcff")


# robots


def test_a_robot_has_a_secret_and_what_it_was_given(registry: Registry, alice: Identity) -> None:
    made = robots.create(registry, alice, "lab", "ci", level="read", description="of the nightly build")
    assert made.robot.name == "lab+ci"
    who = identify(registry, basic("lab+ci", made.secret), ADDRESS)
    assert (who.is_robot, who.until) == (True, made.robot.expires)
    assert (who.level("lab/base"), who.level("other/base")) == (Level.READ, Level.NONE)
    assert robots.inspect(registry, alice, "lab+ci") == made.robot


def test_a_robot_may_be_for_some_repositories(registry: Registry, alice: Identity) -> None:
    made = robots.create(registry, alice, "lab", "ci", repositories=("lab/base", "lab/app"))
    assert made.robot.rights == {"lab/app": "write", "lab/base": "write"}
    with pytest.raises(errors.InvalidInput, match="does not belong to lab"):
        robots.create(registry, alice, "lab", "more", repositories=("other/base",))


def test_a_robot_never_leaves_its_organisation(registry: Registry, alice: Identity, admin: Identity) -> None:
    robots.create(registry, alice, "lab", "ci")
    organizations.create(registry, admin, "other")
    with pytest.raises(errors.Conflict, match="belongs to lab"):
        grants.grant(registry, admin, "lab+ci", "other/", "read")
    with pytest.raises(errors.Conflict):
        grants.grant(registry, admin, "lab+ci", "other/base", "read")


def test_a_robot_manages_nothing(registry: Registry, alice: Identity) -> None:
    made = robots.create(registry, alice, "lab", "ci", level="manage")
    who = identify(registry, basic("lab+ci", made.secret), ADDRESS)
    for act in (
        lambda: robots.create(registry, who, "lab", "child"),
        lambda: robots.renew(registry, who, "lab+ci"),
        lambda: robots.update(registry, who, "lab+ci", is_disabled=False),
        lambda: grants.grant(registry, who, "alice", "lab/", "read"),
        lambda: grants.revoke(registry, who, "alice", "lab/"),
        lambda: organizations.update(registry, who, "lab", is_public=True),
        lambda: organizations.remove(registry, who, "lab"),
        lambda: proofs.log_in_temporarily(registry, who),
        lambda: proofs.listed(registry, who),
    ):
        with pytest.raises(errors.NotPermitted, match="a robot cannot"):
            act()
    asked = TokenRequest(is_offline=True)
    assert give_token(registry, asked, basic("lab+ci", made.secret), ADDRESS).refresh_token == ""


def test_a_robot_ends_and_is_removed_a_day_later(
    registry: Registry, alice: Identity, clock: grounds.Clock
) -> None:
    made = robots.create(registry, alice, "lab", "ci", valid_s=3600)
    header = basic("lab+ci", made.secret)
    token = give_token(registry, TokenRequest(), header, ADDRESS).token
    clock.advance(3599)
    assert identify(registry, header, ADDRESS).name == "lab+ci"
    clock.advance(2)
    for expired in (header, f"Bearer {token}"):
        with pytest.raises(Refused):
            identify(registry, expired, ADDRESS)
    sweeping.sweep(registry)
    assert robots.inspect(registry, alice, "lab+ci").expires < clock()
    clock.advance(DAY)
    sweeping.sweep(registry)
    assert robots.listed(registry, alice).items == ()


def test_a_renewed_robot_has_another_secret(
    registry: Registry, alice: Identity, clock: grounds.Clock
) -> None:
    made = robots.create(registry, alice, "lab", "ci", valid_s=3600)
    identify(registry, basic("lab+ci", made.secret), ADDRESS)
    clock.advance(4000)
    again = robots.renew(registry, alice, "lab+ci", valid_s=DAY)
    assert again.robot.expires == clock() + DAY
    assert identify(registry, basic("lab+ci", again.secret), ADDRESS).name == "lab+ci"
    with pytest.raises(Refused):
        identify(registry, basic("lab+ci", made.secret), ADDRESS)


def test_a_disabled_robot_is_out_at_once(registry: Registry, alice: Identity) -> None:
    made = robots.create(registry, alice, "lab", "ci")
    identify(registry, basic("lab+ci", made.secret), ADDRESS)
    assert robots.update(registry, alice, "lab+ci", is_disabled=True).is_disabled
    with pytest.raises(Refused):
        identify(registry, basic("lab+ci", made.secret), ADDRESS)


def test_robots_are_those_of_who_manages(registry: Registry, alice: Identity, admin: Identity) -> None:
    organizations.create(registry, admin, "other")
    robots.create(registry, admin, "other", "ci")
    robots.create(registry, alice, "lab", "ci")
    assert [robot.name for robot in robots.listed(registry, alice).items] == ["lab+ci"]
    assert robots.listed(registry, alice, organization="other").items == ()
    assert len(robots.listed(registry, admin).items) == 2
    for act in (
        lambda: robots.create(registry, alice, "other", "x"),
        lambda: robots.inspect(registry, alice, "other+ci"),
        lambda: robots.renew(registry, alice, "other+ci"),
        lambda: robots.remove(registry, alice, "other+ci"),
    ):
        with pytest.raises(errors.NotPermitted):
            act()


def test_a_robot_is_no_user_and_a_user_no_robot(registry: Registry, alice: Identity, admin: Identity) -> None:
    robots.create(registry, alice, "lab", "ci")
    with pytest.raises(errors.NotFound):
        users.remove(registry, admin, "lab+ci")
    with pytest.raises(errors.NotFound):
        users.reset_password(registry, "lab+ci")
    with pytest.raises(errors.NotFound, match="has its organisation"):
        robots.remove(registry, admin, "alice")
    robots.remove(registry, alice, "lab+ci")
    with pytest.raises(errors.NotFound):
        robots.inspect(registry, alice, "lab+ci")


@pytest.mark.parametrize("valid_s", [0, -1, 59, 367 * DAY, float("inf"), float("nan")])
def test_a_robot_lasts_a_minute_to_a_year(registry: Registry, alice: Identity, valid_s: float) -> None:
    with pytest.raises(errors.InvalidInput):
        robots.create(registry, alice, "lab", "ci", valid_s=valid_s)


def test_secrets_say_what_they_are_and_are_not_kept(registry: Registry, alice: Identity) -> None:
    secret = robots.create(registry, alice, "lab", "ci").secret
    assert secret.startswith("conlab_robot_")
    assert identities.find(registry, "lab+ci").hash == passwords.of_secret(secret)


def test_sweeping_forgets_only_what_is_over(
    registry: Registry, alice: Identity, admin: Identity, clock: grounds.Clock
) -> None:
    users.create(registry, admin, "bob", PASSWORD)
    grants.grant(registry, admin, "bob", "lab/", "read", until=clock() + 10)
    grants.grant(registry, admin, "bob", "lab/base", "read", until=clock() + 30)
    proofs.log_in_temporarily(registry, alice, valid_s=60)
    clock.advance(20)
    sweeping.sweep(registry)
    with registry.reader.reading() as connection:
        rights = connection.execute("SELECT scope FROM rights WHERE account = 'bob'").fetchall()
        secrets = connection.execute("SELECT count(*) FROM secrets").fetchone()
    assert (rights, secrets) == ([("lab/base",)], (1,))
