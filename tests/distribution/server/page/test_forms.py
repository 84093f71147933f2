"""What forms do: the same as the operations of the API, with the same rights, and a sentence about it."""

from __future__ import annotations

import json

import pytest

from containerlab.distribution.server.accounts import robots, users
from containerlab.distribution.server.organizations import grants, organizations, repositories
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import immutability
from tests.distribution.server.grounds import PASSWORD, Clock
from tests.distribution.server.page import samples
from tests.distribution.server.page.visitors import Answer, Visitor, push
from tests.image_layouts import Layout

SETTINGS = "/ui/repositories/lab/shop/-/settings"
DELETE = "/ui/repositories/lab/shop/-/delete"
RETENTION = "/ui/repositories/lab/shop/-/retention"


def _done(visitor: Visitor, path: str, **fields: str) -> str:
    """Send a form that leads back to a page, and return what is said there."""
    answer = visitor.post(path, **fields)
    assert answer.status == 303, answer.words
    return visitor.get(answer.location).words


@pytest.fixture
def ann(site: str, registry: Registry, admin: Identity) -> Visitor:
    """Return a user without rights, signed in."""
    users.create(registry, admin, "ann", PASSWORD)
    return Visitor(site).signed_in("ann")


def test_a_repository_is_described_and_made_public(root: Visitor, shop: str, nobody: Visitor) -> None:
    assert "Saved." in _done(root, SETTINGS, do="describe", description="A shop", visibility="public")
    assert "A shop" in nobody.get(f"/ui/repositories/{shop}").words


def test_rights_are_given_and_taken_away(root: Visitor, shop: str, ann: Visitor) -> None:
    said = _done(root, SETTINGS, do="grant", account="ann", level="write", until="30")
    assert "ann may write in lab/shop." in said
    assert ann.get(f"/ui/repositories/{shop}").status == 200
    assert "has no right" in _done(root, SETTINGS, do="revoke", account="ann")
    assert ann.get(f"/ui/repositories/{shop}").status == 403


def test_a_repository_is_shared_until_a_day(root: Visitor, shop: str, ann: Visitor) -> None:
    said = _done(root, SETTINGS, do="share", account="ann", days="2", description="exam")
    assert "ann may pull from lab/shop for 2 days." in said
    assert "exam" in said
    assert "Shared with you lab/shop" in ann.get("/ui/me").words.replace("Repository By Until ", "").replace(
        "What is shared with you ", ""
    )
    _done(root, SETTINGS, do="end share", account="ann")
    assert ann.get(f"/ui/repositories/{shop}").status == 403
    assert root.post(SETTINGS, do="share", account="ann", days="").status == 400


def test_a_locked_tag_is_marked_and_stays(
    root: Visitor, shop: str, registry: Registry, admin: Identity
) -> None:
    _done(root, SETTINGS, do="protect", tags="1.?, v*", exceptions="1.2")
    assert "1.1 locked" in root.get(f"/ui/repositories/{shop}").words
    assert "1.2 locked" not in root.get(f"/ui/repositories/{shop}").words
    refused = root.post(DELETE, reference="1.1")
    assert refused.status == 403
    assert "immutable" in refused.words
    (rule,) = immutability.listed(registry, admin).items
    _done(root, SETTINGS, do="unprotect", id=str(rule.id))
    _done(root, DELETE, reference="1.1")
    assert "1.1" not in root.get(f"/ui/repositories/{shop}?text=1.").words


def test_deleting_a_repository_needs_its_name(root: Visitor, shop: str) -> None:
    assert root.post(DELETE, reference="", name="lab/shpo").status == 400
    assert "lab/shop is deleted." in _done(root, DELETE, reference="", name="lab/shop")
    assert root.get(f"/ui/repositories/{shop}").status == 404


def test_who_may_only_write_deletes_tags_not_images(
    root: Visitor, shop: str, ann: Visitor, registry: Registry, admin: Identity, layout: Layout
) -> None:
    grants.grant(registry, admin, "ann", shop, "write")
    digest = samples.shop(layout, 1).digest
    assert ann.post(DELETE, reference=digest).status == 403
    assert ann.post(DELETE, reference="", name=shop).status == 403
    assert ann.get(f"{DELETE}?reference={digest}").status == 403
    assert "1.1 is deleted." in _done(ann, DELETE, reference="1.1")


def test_what_a_deletion_frees_is_said_before(root: Visitor, shop: str, site: str, layout: Layout) -> None:
    digest = samples.shop(layout, 1).digest
    page = root.get(f"{DELETE}?reference={digest}")
    size = sum(
        blob["size"]
        for blob in (lambda document: [document["config"], document["layers"][-1]])(
            json.loads(layout.read(digest))
        )
    )
    assert f"{size / 1024:.1f} KiB become free" in page.words
    assert "with it the tag 1.1" in page.words
    push(site, layout, samples.shop(layout, 1), "lab/other", "1")
    assert "0 B become free" in root.get(f"{DELETE}?reference={digest}").words


def test_a_dry_run_shows_what_goes_and_saving_keeps_the_rule(root: Visitor, shop: str) -> None:
    wishes = {"tags": "*", "exceptions": "", "keep_last": "1", "older_than_days": "", "untagged_days": ""}
    tried = root.post(RETENTION, do="try", **wishes)
    assert tried.status == 200
    assert "Dry run: 1 tag would go" in tried.words
    assert "There are no rules yet" in root.get(RETENTION).words
    assert "The rule is kept." in _done(root, RETENTION, do="keep", **wishes)
    assert "Tags * : all but the last 1 go." in root.get(RETENTION).words
    assert "Dry run: 1 tag would go" in root.post(RETENTION, do="try all").words
    assert "1 tag went" in _done(root, RETENTION, do="run")
    assert "No such tag" in root.get(f"/ui/repositories/{shop}?text=1.1").words


def test_a_rule_is_changed_and_its_change_tried_first(root: Visitor, shop: str) -> None:
    _done(root, RETENTION, do="keep", tags="*", keep_last="1")
    (link,) = [
        attributes["href"]
        for _, attributes in root.get(RETENTION).elements
        if attributes.get("href", "").startswith("?rule=")
    ]
    page = root.get(RETENTION + link.partition("#")[0])
    number = next(attributes["value"] for _, attributes in page.elements if attributes.get("name") == "rule")
    assert "nothing would go" in root.post(RETENTION, do="try", rule=number, tags="*", keep_last="5").words
    assert "The rule is changed." in _done(root, RETENTION, do="keep", rule=number, tags="*", keep_last="5")
    assert "all but the last 5 go" in root.get(RETENTION).words
    assert "of lab/" not in root.get("/ui/organizations/lab/retention").words


def test_what_a_form_cannot_mean_is_refused_in_a_sentence(root: Visitor, shop: str) -> None:
    for path, fields in (
        (RETENTION, {"do": "try", "keep_last": "ten"}),
        (RETENTION, {"do": "keep", "tags": "*"}),
        (RETENTION, {"do": "keep", "keep_last": "1", "schedule": "sometimes"}),
        (SETTINGS, {"do": "grant", "account": "ann", "level": "emperor"}),
        (SETTINGS, {"do": "nonsense"}),
        (SETTINGS, {"do": "protect", "tags": "/(/"}),
        (SETTINGS, {"do": "unprotect", "id": "999"}),
        (SETTINGS, {"do": "add webhook", "url": "file:///etc/passwd"}),
        ("/ui/organizations", {"name": "../UP"}),
        ("/ui/organizations/lab", {"do": "limit", "limit": "much"}),
        ("/ui/organizations/lab", {"do": "add robot", "robot": "x y", "level": "write"}),
        ("/ui/users", {"do": "create", "name": "x", "password": "short"}),
        ("/ui/me", {"do": "change password", "old": "wrong", "password": "something longer"}),
        ("/ui/connections", {"do": "replicate", "registry": "", "direction": "push"}),
        ("/ui/connections", {"do": "replicate", "registry": "x", "direction": "sideways"}),
        ("/ui/uploads", {"repository": "lab/x", "size": "-1"}),
    ):
        answer = root.post(path, **fields)
        assert answer.status in (400, 403, 404), (path, fields, answer.words)
        assert "This should not happen" not in answer.words, (path, fields)


def test_who_may_not_is_refused_whatever_the_form_says(shop: str, ann: Visitor, nobody: Visitor) -> None:
    forms: tuple[tuple[str, dict[str, str]], ...] = (
        (SETTINGS, {"do": "describe", "description": "mine", "visibility": "public"}),
        (SETTINGS, {"do": "grant", "account": "ann", "level": "manage"}),
        (RETENTION, {"do": "run"}),
        (RETENTION, {"do": "try", "keep_last": "1"}),
        (DELETE, {"reference": "1.1"}),
        ("/ui/organizations/lab", {"do": "add robot", "robot": "x", "level": "write"}),
        ("/ui/organizations", {"name": "mine", "visibility": "private"}),
        ("/ui/users", {"do": "create", "name": "eve", "password": PASSWORD}),
        ("/ui/storage", {"do": "collect"}),
        ("/ui/connections", {"do": "add webhook", "url": "https://evil.example"}),
        ("/ui/uploads", {"repository": "lab/shop", "size": "10"}),
    )
    for path, fields in forms:
        assert ann.post(path, **fields).status == 403, path
        assert nobody.post(path, **fields).status in (401, 403), path


def test_a_robot_is_made_renewed_and_removed(
    root: Visitor, shop: str, registry: Registry, admin: Identity
) -> None:
    page = root.post(
        "/ui/organizations/lab", do="add robot", robot="ci", level="write", days="3", repositories=shop
    )
    assert "docker login" in page.words
    (robot,) = robots.listed(registry, admin).items
    assert robot.rights == {shop: "write"}
    assert (
        "new secret" in root.post("/ui/organizations/lab", do="renew robot", robot="lab+ci", days="3").words
    )
    assert "The robot lab+ci is gone." in _done(
        root, "/ui/organizations/lab", do="remove robot", robot="lab+ci"
    )


def test_an_empty_organisation_is_deleted(root: Visitor, shop: str) -> None:
    _done(root, "/ui/organizations", name="empty", description="", visibility="private")
    assert "Delete this organisation" in root.get("/ui/organizations/empty").words
    assert "is gone" in _done(root, "/ui/organizations/empty", do="remove organization")
    assert "Delete this organisation" not in root.get("/ui/organizations/lab").words
    assert root.post("/ui/organizations/lab", do="remove organization").status == 409


def test_a_robot_cannot_sign_in_here(root: Visitor, registry: Registry, admin: Identity, site: str) -> None:
    organizations.create(registry, admin, "lab")
    made = robots.create(registry, admin, "lab", "ci")
    answer = Visitor(site).post("/ui/login", name="lab+ci", password=made.secret)
    assert answer.status == 403
    assert "sign in as a user" in answer.words


def test_a_temporary_login_is_a_command_and_ends_its_session_in_time(
    root: Visitor, site: str, clock: Clock
) -> None:
    page = root.post("/ui/me", do="log in", hours="1")
    assert f"docker login {root.host} -u admin --password-stdin" in page.words
    secret = next(word for word in page.words.split() if word.startswith("conlab_temporary_"))
    guest = Visitor(site).signed_in("admin", secret)
    assert guest.is_signed_in
    clock.advance(3601)
    assert not guest.is_signed_in


def test_changing_the_password_signs_out_everywhere(root: Visitor, site: str) -> None:
    other = Visitor(site).signed_in("admin")
    answer = root.post("/ui/me", do="change password", old=PASSWORD, password="another long one")
    assert answer.status == 303
    assert not root.is_signed_in
    assert not other.is_signed_in
    assert root.signed_in("admin", "another long one").is_signed_in


def test_users_are_kept_out_let_in_and_removed(root: Visitor, ann: Visitor) -> None:
    _done(root, "/ui/users", do="set disabled", name="ann", state="disabled")
    assert not ann.is_signed_in
    _done(root, "/ui/users", do="set disabled", name="ann", state="enabled")
    assert ann.signed_in("ann").is_signed_in
    _done(root, "/ui/users", do="set password", name="ann", password="quite another")
    assert ann.signed_in("ann", "quite another").is_signed_in
    assert "ann is gone" in _done(root, "/ui/users", do="remove", name="ann")
    assert not ann.is_signed_in


def test_garbage_is_counted_before_it_goes(root: Visitor, shop: str, layout: Layout) -> None:
    _done(root, DELETE, reference=samples.shop(layout, 1).digest)
    tried = root.post("/ui/storage", do="try", now="1").words
    done = root.post("/ui/storage", do="collect", now="1").words
    assert "Would free" in tried
    assert tried.partition("Would free")[2].split()[:2] == done.partition("Freed")[2].split()[:2]
    assert "Would free 0 B" in root.post("/ui/storage", do="try", now="1").words


def test_what_was_found_in_an_image_is_shown_and_escaped(
    root: Visitor, shop: str, registry: Registry, layout: Layout
) -> None:
    evil = "<script>alert(1)</script>"
    secret = {
        "kind": "github-token",
        "severity": "high",
        "layer": 2,
        "path": evil,
        "value": evil,
        "instruction": evil,
    }
    package = {"name": evil, "versionInfo": "1", "licenseDeclared": "NOASSERTION"}
    registry.examiners["audit"] = lambda home, digest: json.dumps([secret]).encode()
    registry.examiners["sbom"] = lambda home, digest: json.dumps({"packages": [{}, package]}).encode()
    here = f"/ui/repositories/{shop}/-/manifests/{samples.shop(layout, 1).digest}"
    assert "not yet" in root.get(here).words
    for kind in ("audit", "sbom"):
        assert "The image is examined." in _done(root, f"{here}/examine", kind=kind)
    assert "1 high" in root.get(here).words
    assert "1 package" in root.get(here).words
    for page in (root.get(f"{here}/audit"), root.get(f"{here}/packages")):
        _shows(page, evil)
    assert (
        root.get(f"/ui/repositories/lab/other/-/manifests/{samples.shop(layout, 1).digest}/audit").status
        == 404
    )


def _shows(page: Answer, text: str) -> None:
    assert page.status == 200
    assert text in page.words
    assert text not in page.text


def test_connections_are_made_listed_and_removed(root: Visitor, registry: Registry) -> None:
    here = "/ui/connections"
    fields = {
        "registry": "other.example",
        "direction": "push",
        "repositories": "lab/*",
        "tags": "v*",
        "on_push": "1",
    }
    assert "other.example" in _done(root, here, do="replicate", **fields, password="hush-hush")
    assert "hush-hush" not in root.get(here).text
    assert "Nothing was copied yet" in root.get("/ui/replications/1").words
    assert "is gone" in _done(root, here, do="remove replication", id="1")
    _done(root, here, do="add upstream", prefix="hub", registry="docker.io", fresh="5")
    assert "docker.io" in root.get(here).words
    page = root.post(here, do="add webhook", url="https://ci.example/hook")
    assert page.status == 200
    assert "told of pushes" in page.words
    assert "Switch off" in root.get("/ui/webhooks/1").words
    _done(root, "/ui/webhooks/1", do="switch", state="off")
    assert "Switch on" in root.get("/ui/webhooks/1").words
    assert root.get("/ui/webhooks/2").status == root.get("/ui/webhooks/x").status == 404


def test_every_page_of_a_registry_without_accounts_can_be_opened(open_site: str, layout: Layout) -> None:
    push(open_site, layout, samples.shop(layout, 1), "lab/shop", "1.1")
    visitor = Visitor(open_site)
    for path in (
        *(
            "/ui/",
            "/ui/organizations/lab",
            "/ui/repositories/lab/shop",
            SETTINGS,
            RETENTION,
            f"{DELETE}?reference=1.1",
        ),
        *(
            "/ui/repositories/lab/shop/-/tags/1.1",
            "/ui/connections",
            "/ui/storage",
            "/ui/audit",
            "/ui/me",
            "/ui/upload",
        ),
    ):
        assert visitor.get(path).status == 200, (path, visitor.get(path).words)


def test_a_registry_without_accounts_still_refuses_foreign_forms(open_site: str) -> None:
    visitor = Visitor(open_site)
    assert "open to all" in visitor.get("/ui/").words
    assert visitor.post("/ui/organizations", token="", name="lab", visibility="private").status == 403
    assert visitor.get("/ui/login").location == "/ui/"
    token = visitor.get("/ui/organizations").token
    assert visitor.post("/ui/organizations", token=token, name="lab", visibility="public").status == 303
    assert "lab" in visitor.get("/ui/organizations").words
    assert visitor.get("/ui/me").status == visitor.get("/ui/upload").status == 200


def test_a_registry_that_deletes_nothing_says_so(root: Visitor, shop: str, registry: Registry) -> None:
    import msgspec

    registry.settings = msgspec.structs.replace(registry.settings, deletes=False)
    assert root.get(f"{DELETE}?reference=1.1").status == 403
    assert root.post(DELETE, reference="1.1").status == 403
    assert repositories.inspect(registry, Identity(name="x", is_admin=True), shop).tags == 2
