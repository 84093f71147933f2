"""Sharing a repository with a user until a time."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.distribution.server.accounts import robots, users
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.organizations import grants, organizations, repositories, sharing
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, SYSTEM, Identity, Level
from tests.distribution.server import grounds
from tests.distribution.server.grounds import PASSWORD, logged_in

DAY = 86400.0


@pytest.fixture
def alice(registry: Registry) -> Identity:
    """Return a user who manages lab/base and nothing else; there are bob and carol, too."""
    with registry.database.writing() as connection:
        for name in ("lab/base", "lab/other"):
            catalog.provide(registry, connection, SYSTEM, name)
    for name in ("alice", "bob", "carol"):
        users.create(registry, SYSTEM, name, PASSWORD)
    grants.grant(registry, SYSTEM, "alice", "lab/base", "manage")
    return logged_in(registry, "alice")


def _shown(registry: Registry, who: Identity, **wanted: str) -> list[tuple[str, str]]:
    found = sharing.listed(registry, who, **wanted)  # type: ignore[arg-type]  # literals as texts
    return [(share.repository, share.account) for share in found.items]


def test_a_share_is_a_right_to_pull_until_its_end(
    registry: Registry, alice: Identity, clock: grounds.Clock
) -> None:
    made = sharing.share(
        registry, alice, "lab/base", "bob", until=clock() + DAY, description="<b>for you</b>"
    )
    assert (made.given_by, made.description, made.until) == ("alice", "<b>for you</b>", clock() + DAY)
    bob = logged_in(registry, "bob")
    assert (bob.level("lab/base"), bob.level("lab/other")) == (Level.READ, Level.NONE)
    assert bob.level_in("lab") == Level.NONE
    clock.advance(DAY)
    assert logged_in(registry, "bob").level("lab/base") == Level.NONE
    assert _shown(registry, alice, direction="given") == []


def test_a_share_takes_nothing_away(registry: Registry, alice: Identity, clock: grounds.Clock) -> None:
    grants.grant(registry, SYSTEM, "bob", "lab/base", "write")
    sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY)
    assert logged_in(registry, "bob").level("lab/base") == Level.WRITE


def test_who_got_a_share_cannot_pass_it_on(registry: Registry, alice: Identity, clock: grounds.Clock) -> None:
    sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY)
    for act in (
        lambda who: sharing.share(registry, who, "lab/base", "carol", until=clock() + 1),
        lambda who: sharing.listed(registry, who, direction="given", repository="lab/base"),
        lambda who: sharing.remove(registry, who, "lab/base", "carol"),
    ):
        with pytest.raises(errors.NotPermitted):
            act(logged_in(registry, "bob"))


def test_shares_are_listed_from_both_sides(registry: Registry, alice: Identity, clock: grounds.Clock) -> None:
    sharing.share(registry, SYSTEM, "lab/base", "carol", until=clock() + DAY)
    sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY)
    assert _shown(registry, logged_in(registry, "bob")) == [("lab/base", "bob")]
    assert _shown(registry, alice) == []
    assert _shown(registry, alice, direction="given") == [("lab/base", "bob")]
    both = [("lab/base", "bob"), ("lab/base", "carol")]
    assert _shown(registry, alice, direction="given", repository="lab/base") == both
    assert _shown(registry, logged_in(registry, "bob"), repository="lab/other") == []
    with pytest.raises(errors.NotPermitted):
        sharing.listed(registry, ANONYMOUS)


def test_sharing_again_changes_the_end(registry: Registry, alice: Identity, clock: grounds.Clock) -> None:
    for days in (1, 2):
        sharing.share(registry, alice, "lab/base", "bob", until=clock() + days * DAY)
    (share,) = sharing.listed(registry, alice, direction="given").items
    assert share.until == clock() + 2 * DAY


def test_a_share_ends_from_either_side(registry: Registry, alice: Identity, clock: grounds.Clock) -> None:
    for who in (alice, logged_in(registry, "bob")):
        sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY)
        sharing.remove(registry, who, "lab/base", "bob")
        assert logged_in(registry, "bob").level("lab/base") == Level.NONE
        with pytest.raises(errors.NotFound):
            sharing.remove(registry, alice, "lab/base", "bob")


@pytest.mark.parametrize(
    "gone",
    [
        lambda registry: repositories.remove(registry, SYSTEM, "lab/base"),
        lambda registry: organizations.remove(registry, SYSTEM, "lab", force=True),
        lambda registry: users.remove(registry, SYSTEM, "bob"),
    ],
    ids=["repository", "organisation", "account"],
)
def test_a_share_goes_with_what_it_is_of(
    registry: Registry, alice: Identity, clock: grounds.Clock, gone: object
) -> None:
    sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY)
    assert callable(gone)
    gone(registry)
    if "bob" not in [user.name for user in users.listed(registry, SYSTEM).items]:
        users.create(registry, SYSTEM, "bob", PASSWORD)
    with registry.database.writing() as connection:
        catalog.provide(registry, connection, SYSTEM, "lab/base")
    assert logged_in(registry, "bob").rights == {}


def test_a_share_is_with_a_user_and_for_the_future(
    registry: Registry, alice: Identity, clock: grounds.Clock
) -> None:
    robots.create(registry, SYSTEM, "lab", "ci")
    for account in ("nobody", "lab+ci"):
        with pytest.raises(errors.NotFound):
            sharing.share(registry, alice, "lab/base", account, until=clock() + DAY)
    with pytest.raises(errors.InvalidInput, match="past"):
        sharing.share(registry, alice, "lab/base", "bob", until=clock())
    with pytest.raises(errors.InvalidInput):
        sharing.share(registry, alice, "lab/base", "bob", until=clock() + DAY, description="a\nb")
