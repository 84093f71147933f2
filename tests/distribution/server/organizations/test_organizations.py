"""Organisations, repositories and rights on them: who sees, who changes, what goes with what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.server.accounts import robots, users
from containerlab.distribution.server.accounts.authentication import TokenRequest, give_token, identify
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.organizations import grants, organizations, repositories, sharing
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, SYSTEM, Identity, Level
from containerlab.distribution.server.rules import immutability, retention
from containerlab.distribution.server.webhooks import webhooks
from tests.distribution.server import grounds
from tests.distribution.server.grounds import ADDRESS, PASSWORD, basic, logged_in, opened

HTML = "<img src=x onerror=alert(1)>"
User = Callable[..., Identity]


@pytest.fixture
def user(registry: Registry) -> User:
    """Return what makes a user with rights, or lets one log in again: user("bob", "lab/", "read")."""

    def make(name: str, scope: str = "", level: str = "read", until: float | None = None) -> Identity:
        if name not in [each.name for each in users.listed(registry, SYSTEM).items]:
            users.create(registry, SYSTEM, name, PASSWORD)
        if scope:
            grants.grant(registry, SYSTEM, name, scope, level, until=until)  # type: ignore[arg-type]  # texts of tests
        return logged_in(registry, name)

    return make


@pytest.fixture(autouse=True)
def _lab(registry: Registry) -> None:
    """Make the organisation lab with lab/base, which is private, and lab/open."""
    organizations.create(registry, SYSTEM, "lab", description="all of us")
    push(registry, "lab/base", "lab/open")
    repositories.update(registry, SYSTEM, "lab/open", is_public=True)


def push(registry: Registry, *names: str) -> None:
    """Make repositories as a push of an administrator does."""
    for name in names:
        with registry.database.writing() as connection:
            catalog.provide(registry, connection, SYSTEM, name)


def _names(page: object) -> list[str]:
    return [each.name for each in page.items]  # type: ignore[attr-defined]  # any page of named things


# organisations


def test_who_creates_an_organisation_manages_it(tmp_path: Path, clock: grounds.Clock) -> None:
    with opened(tmp_path / "other", clock, users_create_organizations=True) as registry:
        users.create(registry, SYSTEM, "alice", PASSWORD)
        made = organizations.create(registry, logged_in(registry, "alice"), "team", description=HTML)
        assert (made.level, made.description, made.is_public, made.repositories) == ("manage", HTML, False, 0)
        assert logged_in(registry, "alice").level_in("team") == Level.MANAGE
        with pytest.raises(errors.NotPermitted):
            organizations.create(registry, ANONYMOUS, "nobodys")


def test_only_administrators_create_organisations_unless_it_is_set_up_otherwise(
    registry: Registry, admin: Identity, user: User
) -> None:
    with pytest.raises(errors.NotPermitted, match="only an administrator"):
        organizations.create(registry, user("alice", "lab/", "manage"), "team")
    assert organizations.create(registry, admin, "team").level == "manage"
    with pytest.raises(errors.AlreadyExists):
        organizations.create(registry, admin, "team")


@pytest.mark.parametrize("name", ["", "a/b", "Lab", "..", "a\n", "a\0", "x" * 256, "a%2e", "lab/"])
def test_an_organisation_has_a_name_of_the_specification(
    registry: Registry, admin: Identity, name: str
) -> None:
    with pytest.raises(errors.InvalidInput):
        organizations.create(registry, admin, name)


def test_who_has_nothing_to_do_with_an_organisation_does_not_see_it(
    registry: Registry, admin: Identity, user: User
) -> None:
    organizations.create(registry, admin, "open", is_public=True)
    stranger, reader = user("stranger"), user("reader", "lab/base")
    assert _names(organizations.listed(registry, stranger)) == ["open"]
    assert _names(organizations.listed(registry, ANONYMOUS)) == ["open"]
    assert _names(organizations.listed(registry, reader)) == ["lab", "open"]
    assert organizations.inspect(registry, reader, "lab").level == "none"
    for name in ("lab", "missing"):
        with pytest.raises(errors.NotFound, match=f"no such organisation: {name}$"):
            organizations.inspect(registry, stranger, name)


def test_organisations_come_in_pages(registry: Registry, admin: Identity) -> None:
    for name in ("a", "b", "c"):
        organizations.create(registry, admin, name)
    first = organizations.listed(registry, admin, limit=2)
    second = organizations.listed(registry, admin, limit=2, after=first.next)
    assert _names(first) + _names(second) == ["a", "b", "c", "lab"]
    assert second.next == ""


def test_managers_change_an_organisation_and_others_do_not(registry: Registry, user: User) -> None:
    manager, writer = user("manager", "lab/", "manage"), user("writer", "lab/", "write")
    assert organizations.update(registry, manager, "lab", description="new").description == "new"
    assert organizations.update(registry, manager, "lab", is_public=True).description == "new"
    for who in (writer, ANONYMOUS):
        with pytest.raises(errors.NotPermitted):
            organizations.update(registry, who, "lab", description="mine")
        with pytest.raises(errors.NotPermitted):
            organizations.remove(registry, who, "lab", force=True)
    for text in ("two\nlines", "é" * 128):
        with pytest.raises(errors.InvalidInput):
            organizations.update(registry, manager, "lab", description=text)


def test_new_repositories_of_a_public_organisation_are_public(registry: Registry, admin: Identity) -> None:
    organizations.update(registry, admin, "lab", is_public=True)
    push(registry, "lab/new")
    assert repositories.inspect(registry, ANONYMOUS, "lab/new").is_public
    with pytest.raises(errors.NotFound):  # those that were there stay as they were
        repositories.inspect(registry, ANONYMOUS, "lab/base")


def test_an_organisation_with_repositories_goes_only_by_force(
    registry: Registry, admin: Identity, user: User
) -> None:
    bob = user("bob", "lab/base", "manage")
    user("bob", "lab/", "read")
    robots.create(registry, admin, "lab", "ci")
    with pytest.raises(errors.Conflict, match="2 repositories"):
        organizations.remove(registry, admin, "lab")
    organizations.remove(registry, admin, "lab", force=True)
    assert repositories.listed(registry, admin).items == ()
    assert robots.listed(registry, admin).items == ()
    # another organisation of that name is nobody's of the old one
    organizations.create(registry, admin, "lab")
    push(registry, "lab/base")
    assert user("bob").rights == {}
    assert bob.rights  # what they knew before does not count
    assert grants.listed(registry, admin).items == ()


def test_what_goes_with_an_organisation_is_its_own(registry: Registry, admin: Identity, user: User) -> None:
    organizations.create(registry, admin, "lab2")
    push(registry, "lab2/base", "lab-x/base")
    for scope in ("lab2/", "lab2/base", "lab-x/base"):
        user("bob", scope)
    organizations.remove(registry, admin, "lab", force=True)
    assert sorted(user("bob").rights) == ["lab-x/base", "lab2/", "lab2/base"]


def test_names_of_one_part_go_with_the_library(registry: Registry, admin: Identity, user: User) -> None:
    push(registry, "busybox")
    for scope in ("busybox", "library/", "library/x", "not-there-yet", "lab/base"):
        user("bob", scope)
    organizations.remove(registry, admin, "library", force=True)
    assert sorted(user("bob").rights) == ["lab/base"]


# repositories


def test_somebody_sees_what_they_may_pull(registry: Registry, admin: Identity, user: User) -> None:
    push(registry, "other/base")
    seen = {
        "admin": ["lab/base", "lab/open", "other/base"],
        "reader": ["lab/base", "lab/open"],
        "one": ["lab/open", "other/base"],
        "stranger": ["lab/open"],
    }
    user("reader", "lab/")
    user("one", "other/base", "write")
    user("stranger")
    for name, names in seen.items():
        assert _names(repositories.listed(registry, logged_in(registry, name))) == names
    assert _names(repositories.listed(registry, ANONYMOUS)) == ["lab/open"]


def test_a_token_for_one_repository_sees_that_one(registry: Registry, admin: Identity) -> None:
    asked = TokenRequest(scopes=("repository:lab/base:*",))
    token = give_token(registry, asked, basic("admin", PASSWORD), ADDRESS).token
    who = identify(registry, f"Bearer {token}", ADDRESS)
    assert _names(repositories.listed(registry, who)) == ["lab/base"]
    with pytest.raises(errors.NotPermitted, match="a token for repositories"):
        repositories.update(registry, who, "lab/base", is_public=True)
    with pytest.raises(errors.NotPermitted):
        grants.grant(registry, who, "admin", "lab/base", "read")


def test_repositories_are_found_by_what_is_said_of_them(registry: Registry, admin: Identity) -> None:
    repositories.update(registry, admin, "lab/base", description=f"100% {HTML}", category="linux")
    find = repositories.listed
    assert _names(find(registry, admin, search="BASE")) == ["lab/base"]
    assert _names(find(registry, admin, search="0% <IMG")) == ["lab/base"]
    assert _names(find(registry, admin, search="%")) == ["lab/base"]
    assert _names(find(registry, admin, search="_")) == []
    assert _names(find(registry, admin, category="linux")) == ["lab/base"]
    assert _names(find(registry, admin, organization="other")) == []


def test_many_repositories_come_in_pages(registry: Registry, user: User) -> None:
    push(
        registry,
        *(f"{organization}/r{number:03}" for organization in ("lab", "other") for number in range(40)),
    )
    reader = user("reader", "other/")
    names, after = [], ""
    while True:
        page = repositories.listed(registry, reader, limit=7, after=after)
        names += _names(page)
        if not (after := page.next):
            break
    assert names == ["lab/open", *(f"other/r{number:03}" for number in range(40))]


def test_only_managers_change_a_repository(registry: Registry, user: User) -> None:
    manager = user("manager", "lab/base", "manage")
    changed = repositories.update(
        registry, manager, "lab/base", description=HTML, category="linux", is_public=True
    )
    assert (changed.description, changed.category, changed.is_public) == (HTML, "linux", True)
    assert repositories.update(registry, manager, "lab/base", category="").description == HTML
    with pytest.raises(errors.NotPermitted):
        repositories.update(registry, user("writer", "lab/", "write"), "lab/base", is_public=False)
    with pytest.raises(errors.NotPermitted):
        repositories.remove(registry, user("writer"), "lab/base")
    with pytest.raises(errors.InvalidInput):
        repositories.update(registry, manager, "lab/base", description="\x00")


def test_a_repository_that_somebody_may_not_pull_is_not_there_for_them(
    registry: Registry, user: User
) -> None:
    stranger = user("stranger")
    for act in (
        lambda name: repositories.inspect(registry, stranger, name),
        lambda name: repositories.update(registry, stranger, name, is_public=True),
        lambda name: repositories.remove(registry, stranger, name),
        lambda name: sharing.share(registry, stranger, name, "stranger", until=2e9),
        lambda name: sharing.listed(registry, stranger, direction="given", repository=name),
        lambda name: sharing.remove(registry, stranger, name, "admin"),
    ):
        for name in ("lab/base", "lab/missing"):
            with pytest.raises(errors.NotFound, match=f"no such repository: {name}$"):
                act(name)


def test_a_removed_repository_leaves_no_rights(registry: Registry, admin: Identity, user: User) -> None:
    user("bob", "lab/base", "write")
    push(registry, "lab/base/sub", "lab/base2")
    user("bob", "lab/base2")
    repositories.remove(registry, admin, "lab/base")
    assert sorted(user("bob").rights) == ["lab/base2"]
    assert _names(repositories.listed(registry, admin)) == [
        "lab/base/sub",
        "lab/base2",
        "lab/open",
    ]
    last = [event for event in grounds.events_of(registry) if event.kind == "repository"][-1]
    assert (last.kind, last.repository, last.detail) == ("repository", "lab/base", "removed")


# rights


def test_a_right_counts_at_once_and_until_it_ends(
    registry: Registry, user: User, clock: grounds.Clock
) -> None:
    bob = user("bob", "lab/base", "write", until=clock() + 100)
    assert bob.level("lab/base") == Level.WRITE
    clock.advance(100)
    assert logged_in(registry, "bob").level("lab/base") == Level.NONE
    assert grants.listed(registry, SYSTEM, account="bob").items == ()


def test_the_highest_right_counts(registry: Registry, user: User) -> None:
    user("bob", "lab/", "write")
    bob = user("bob", "lab/base", "read")
    assert bob.level("lab/base") == Level.WRITE
    assert user("bob", "lab/base", "manage").level("lab/base") == Level.MANAGE


def test_a_later_grant_takes_the_place_of_an_earlier_one(registry: Registry, user: User) -> None:
    user("bob", "lab/", "manage")
    assert user("bob", "lab/", "read").level_in("lab") == Level.READ


def test_a_manager_gives_no_more_than_they_have(registry: Registry, user: User) -> None:
    user("bob")
    manager = user("manager", "lab/base", "manage")
    assert grants.grant(registry, manager, "bob", "lab/base", "manage").level == "manage"
    for scope in ("lab/", "lab/open", "other/", "library/"):
        with pytest.raises(errors.NotPermitted):
            grants.grant(registry, manager, "bob", scope, "read")
    for who in (user("writer", "lab/", "write"), ANONYMOUS):
        with pytest.raises(errors.NotPermitted):
            grants.grant(registry, who, "bob", "lab/base", "read")
        with pytest.raises(errors.NotPermitted):
            grants.revoke(registry, who, "bob", "lab/base")


def test_a_manager_gives_nothing_for_longer_than_they_have_it(
    registry: Registry, user: User, clock: grounds.Clock
) -> None:
    user("bob")
    manager = user("manager", "lab/", "manage", until=clock() + 100)
    user("manager", "lab/base", "read")
    for until in (None, clock() + 101):
        for act in (
            lambda until=until: grants.grant(registry, manager, "bob", "lab/base", "read", until=until),
            lambda until=until: grants.grant(registry, manager, "manager", "lab/", "manage", until=until),
        ):
            with pytest.raises(errors.NotPermitted, match="ends earlier"):
                act()
    with pytest.raises(errors.NotPermitted, match="ends earlier"):
        sharing.share(registry, manager, "lab/base", "bob", until=clock() + 101)
    with pytest.raises(errors.NotPermitted, match="ends earlier"):
        robots.create(registry, manager, "lab", "ci", valid_s=3600)
    assert grants.grant(registry, manager, "bob", "lab/base", "read", until=clock() + 100)


@pytest.mark.parametrize("scope", ["", "/", "lab//", "../", "lab/base/", "Lab/", "lab/\n", "a" * 300])
def test_a_scope_is_an_organisation_or_a_repository(registry: Registry, admin: Identity, scope: str) -> None:
    with pytest.raises(errors.InvalidInput):
        grants.grant(registry, admin, "admin", scope, "read")


def test_an_organisation_without_its_slash_is_no_repository_to_come(
    registry: Registry, admin: Identity, user: User
) -> None:
    """A rule for a repository `lab` would protect nothing, and nobody would know."""
    user("bob")
    for act in (
        lambda scope: immutability.set_rule(registry, admin, scope, tags=("v*",)),
        lambda scope: webhooks.create(registry, admin, "https://receiver.example/", scope),
        lambda scope: grants.grant(registry, admin, "bob", scope, "read"),
        lambda scope: grants.revoke(registry, admin, "bob", scope),
        lambda scope: retention.run(registry, admin, scope),
    ):
        with pytest.raises(errors.NotFound, match="no such repository: lab") as caught:
            act("lab")
        assert caught.value.hint == "write lab/ for the organisation lab"
    push(registry, "lab")
    immutability.set_rule(registry, admin, "lab", tags=("v*",))
    immutability.set_rule(registry, admin, "lab/later", tags=("v*",))


def test_rights_need_somebody_and_something(
    registry: Registry, admin: Identity, clock: grounds.Clock
) -> None:
    for account, scope in (("nobody", "lab/"), ("admin", "missing/"), ("admin", "missing/base")):
        with pytest.raises(errors.NotFound):
            grants.grant(registry, admin, account, scope, "read")
    with pytest.raises(errors.InvalidInput, match="past"):
        grants.grant(registry, admin, "admin", "lab/", "read", until=clock())
    with pytest.raises(errors.NotFound, match="no right on"):
        grants.revoke(registry, admin, "admin", "lab/")


def test_anybody_may_leave(registry: Registry, user: User) -> None:
    bob = user("bob", "lab/", "write")
    grants.revoke(registry, bob, "bob", "lab/")
    assert user("bob").rights == {}


def test_rights_are_seen_by_whom_they_concern(registry: Registry, admin: Identity, user: User) -> None:
    user("bob", "lab/base", "write")
    manager = user("manager", "lab/", "manage")
    everything = [("lab/", "manager", "manage"), ("lab/base", "bob", "write")]

    def shown(who: Identity, **wanted: str) -> list[tuple[str, str, str]]:
        return [(e.scope, e.account, e.level) for e in grants.listed(registry, who, **wanted).items]

    assert shown(admin) == everything
    assert shown(manager) == everything
    assert shown(user("bob")) == everything[1:]
    assert shown(admin, scope="lab/") == everything[:1]
    assert shown(admin, account="bob") == everything[1:]
    assert shown(user("stranger")) == []
    with pytest.raises(errors.NotPermitted):
        grants.listed(registry, ANONYMOUS)


def test_changes_of_rights_are_in_the_audit_log(registry: Registry, admin: Identity, user: User) -> None:
    user("bob")
    grants.grant(registry, admin, "bob", "lab/base", "write")
    grants.revoke(registry, admin, "bob", "lab/base")
    said = [(e.account, e.repository, e.detail) for e in grounds.events_of(registry) if e.kind == "rights"]
    assert said == [
        ("admin", "lab/base", "bob may write lab/base"),
        ("admin", "lab/base", "bob has no right on lab/base any more"),
    ]
