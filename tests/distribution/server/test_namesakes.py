"""Who gets the name of somebody, or of an organisation, that is gone: they inherit and learn nothing."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts import users
from containerlab.distribution.server.archives import archives
from containerlab.distribution.server.content import uploads
from containerlab.distribution.server.organizations import grants, organizations, sharing
from containerlab.distribution.server.problems import BlobUploadUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server.grounds import PASSWORD, Clock, logged_in
from tests.distribution.server.pushing import push


@pytest.fixture
def bob(registry: Registry, admin: Identity, clock: Clock) -> Identity:
    """Return a new user, of the name of one who has worked in lab/secret and is gone."""
    organizations.create(registry, admin, "lab")
    users.create(registry, admin, "eve", PASSWORD)
    users.create(registry, admin, "bob", PASSWORD)
    grants.grant(registry, admin, "bob", "lab/", "manage")
    old = logged_in(registry, "bob")
    push(registry, old, "lab/secret", "v1")
    sharing.share(registry, old, "lab/secret", "eve", until=clock() + 1000)
    archives.begin(registry, old, "lab/secret", 10)
    users.remove(registry, admin, "bob")
    clock.advance(10)
    users.create(registry, admin, "bob", PASSWORD)
    return logged_in(registry, "bob")


def test_a_new_account_sees_nothing_of_its_namesake(registry: Registry, bob: Identity) -> None:
    assert {each.repository for each in events.find(registry, bob).items} == {""}
    assert sharing.listed(registry, bob, direction="given").items == ()
    assert archives.listed(registry, bob).items == ()


def test_a_new_account_goes_on_with_nothing_of_its_namesake(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    organizations.create(registry, admin, "lab")
    old = _writer(registry, admin)
    upload = uploads.begin(registry, old, "lab/a")
    archive = archives.begin(registry, old, "lab/a", 10).id
    users.remove(registry, admin, "bob")
    new = _writer(registry, admin)
    with pytest.raises(BlobUploadUnknown):
        uploads.size(registry, new, "lab/a", upload)
    with pytest.raises(errors.NotFound):
        archives.inspect(registry, new, archive)


def _writer(registry: Registry, admin: Identity) -> Identity:
    users.create(registry, admin, "bob", PASSWORD)
    grants.grant(registry, admin, "bob", "lab/", "write")
    return logged_in(registry, "bob")


def test_a_new_organisation_has_not_the_log_of_its_namesake(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    organizations.create(registry, admin, "lab")
    push(registry, admin, "lab/secret", "v1")
    organizations.remove(registry, admin, "lab", force=True)
    clock.advance(10)
    users.create(registry, admin, "bob", PASSWORD)
    organizations.create(registry, admin, "lab")
    grants.grant(registry, admin, "bob", "lab/", "manage")
    push(registry, admin, "lab/new", "v1")
    seen = {each.repository for each in events.find(registry, logged_in(registry, "bob")).items}
    assert seen - {""} == {"lab/new"}
    assert "lab/secret" in {each.repository for each in events.find(registry, admin).items}
