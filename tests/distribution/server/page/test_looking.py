"""Pages to look at: who sees what, and what stands on them."""

from __future__ import annotations

from containerlab import units
from containerlab.distribution.server.accounts import users
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.content.remembered import Documents
from containerlab.distribution.server.organizations import grants, repositories
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity
from containerlab.oci.image import OCI_INDEX
from tests.distribution.server.grounds import PASSWORD, basic
from tests.distribution.server.page import samples
from tests.distribution.server.page.visitors import Visitor, push
from tests.image_layouts import Layout


def test_an_empty_registry_says_how_to_push_here(root: Visitor) -> None:
    words = root.get("/ui/").words
    assert f"conlab push {root.host}/lab/base:1" in words
    assert f"conlab login {root.host} -u admin" in words


def test_the_root_leads_a_browser_to_the_page(nobody: Visitor) -> None:
    assert nobody.get("/").location == "/ui/"
    assert nobody.get("/ui").location == "/ui/"


def test_repositories_are_found_by_a_part_of_their_name(root: Visitor, shop: str) -> None:
    assert shop in root.get("/ui/?text=sho").words
    assert "Nothing found" in root.get("/ui/?text=nope").words


def test_who_has_not_signed_in_sees_public_repositories_only(
    nobody: Visitor, shop: str, registry: Registry, admin: Identity
) -> None:
    assert shop not in nobody.get("/ui/").text
    for path in ("", "/-/tags/1.1", "/-/compare?old=1.1&new=1.2", "/-/settings", "/-/delete"):
        answer = nobody.get(f"/ui/repositories/{shop}{path}")
        assert answer.location.startswith("/ui/login?next=%2Fui%2Frepositories%2Flab%2Fshop"), path
    repositories.update(registry, admin, shop, is_public=True)
    assert shop in nobody.get("/ui/").text
    assert "1.1" in nobody.get(f"/ui/repositories/{shop}").words
    assert nobody.get(f"/ui/repositories/{shop}/-/tags/1.1").status == 200
    assert nobody.get(f"/ui/repositories/{shop}/-/settings").status == 303


def test_whether_a_private_repository_exists_is_not_told(
    site: str, shop: str, registry: Registry, admin: Identity
) -> None:
    users.create(registry, admin, "ann", PASSWORD)
    ann = Visitor(site).signed_in("ann")
    there, not_there = (ann.get(f"/ui/repositories/{name}") for name in (shop, "lab/shoq"))
    assert there.status == not_there.status == 403
    assert there.text.replace(shop, "") == not_there.text.replace("lab/shoq", "")


def test_rights_given_meanwhile_count_at_once(
    site: str, shop: str, registry: Registry, admin: Identity
) -> None:
    users.create(registry, admin, "ann", PASSWORD)
    ann = Visitor(site).signed_in("ann")
    assert ann.get(f"/ui/repositories/{shop}").status == 403
    grants.grant(registry, admin, "ann", "lab/", "read")
    page = ann.get(f"/ui/repositories/{shop}")
    assert page.status == 200
    assert "Settings" not in page.words
    assert ann.get(f"/ui/repositories/{shop}/-/settings").status == 403
    grants.revoke(registry, admin, "ann", "lab/")
    assert ann.get(f"/ui/repositories/{shop}").status == 403


def test_tags_have_digest_platforms_and_size(root: Visitor, shop: str, layout: Layout) -> None:
    words = root.get(f"/ui/repositories/{shop}").words
    assert samples.shop(layout, 1).digest.partition(":")[2][:12] in words
    assert "amd64 arm64" in words
    assert f"conlab pull {root.host}/lab/shop:1.2" in words
    assert f"podman pull {root.host}/lab/shop:1.2" in words


def test_looking_is_no_pull(root: Visitor, shop: str, registry: Registry) -> None:
    for path in ("", "/-/tags/1.1", "/-/tags/1.2", "/-/compare?old=1.1&new=1.2"):
        assert root.get(f"/ui/repositories/{shop}{path}").status == 200
    with registry.reader.reading() as connection:
        assert connection.execute("SELECT sum(pulls) FROM manifests").fetchone() == (0,)


def test_an_image_shows_each_layer_with_its_line_and_lines_without_a_layer(root: Visitor, shop: str) -> None:
    words = root.get(f"/ui/repositories/{shop}/-/tags/1.1").words
    assert "6 layers" in words
    assert "RUN pip install --no-cache-dir -r requirements.txt" in words
    assert "USER shop – no layer" in words
    assert "COPY src/ /srv/shop/" in words
    assert "# buildkit" not in words
    assert "org.opencontainers.image.version=1.1.0" in words


def test_of_an_index_the_platform_that_was_chosen_is_shown(root: Visitor, shop: str) -> None:
    page = root.get(f"/ui/repositories/{shop}/-/tags/1.2?platform=linux/arm64")
    assert "to pull · linux/arm64" in page.words


def test_files_of_a_layer_are_listed(root: Visitor, shop: str) -> None:
    page = root.get(f"/ui/repositories/{shop}/-/tags/1.1")
    links = [
        attributes["href"] for name, attributes in page.elements if "/layers/" in attributes.get("href", "")
    ]
    assert len(links) == 6
    assert "usr/bin/python3.11" in root.get(links[1]).words
    assert "srv/shop/app.py" in root.get(links[-1]).words
    assert "No path has" in root.get(f"{links[1]}?text=nope").words


def test_a_layer_of_another_image_is_not_listed(root: Visitor, shop: str, site: str, layout: Layout) -> None:
    other = layout.image(layers=1, seed=9)
    push(site, layout, other, "lab/other", "1")
    page = root.get("/ui/repositories/lab/other/-/tags/1")
    (link,) = (
        attributes["href"] for _, attributes in page.elements if "/layers/" in attributes.get("href", "")
    )
    digest = link.rpartition("/")[2]
    manifest = samples.shop(layout, 1).digest
    shop_page = root.get(f"/ui/repositories/{shop}/-/manifests/{manifest}/layers/{digest}")
    assert shop_page.status == 404
    assert "files/0" not in shop_page.text


def test_comparing_says_what_a_pull_would_fetch(root: Visitor, shop: str, layout: Layout) -> None:
    page = root.get(f"/ui/repositories/{shop}/-/compare?old=1.1&new=1.2")
    assert "To pull for 1.2 where 1.1 is" in page.words
    assert "5 of 6" in page.words
    assert "only 1.1 COPY src/" in page.words
    assert "SHOP=1 SHOP=2" in page.words
    new = samples.shop(layout, 2)
    size = _bytes_of_the_last_layer(layout, new.digest) + new.size
    assert units.format_size(size)[:2] in page.words


def _bytes_of_the_last_layer(layout: Layout, digest: str) -> int:
    import json

    document = json.loads(layout.read(digest))
    return int(document["layers"][-1]["size"] + document["config"]["size"])


def test_an_image_compared_with_itself_has_nothing_to_pull(root: Visitor, shop: str) -> None:
    words = root.get(f"/ui/repositories/{shop}/-/compare?old=1.1&new=1.1").words
    assert "Both lead to the same image" in words
    assert "where 1.1 is 0 B" in words


def test_what_is_no_image_is_shown_as_what_it_is(root: Visitor, site: str, layout: Layout) -> None:
    import json

    config = layout.blob(b"{}", "application/vnd.oci.empty.v1+json")
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "text/x-notes",
        "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
        "layers": [],
    }
    artifact = layout.blob(json.dumps(document).encode(), str(document["mediaType"]))
    push(site, layout, artifact, "lab/notes", "1")
    for path in ("", "/-/tags/1", "/-/compare?old=1&new=1"):
        assert root.get(f"/ui/repositories/lab/notes{path}").status == 200, path


def test_a_signature_is_seen_on_tag_and_image(root: Visitor, site: str, shop: str, layout: Layout) -> None:
    import json

    subject = samples.shop(layout, 1)
    config = layout.blob(b"{}", "application/vnd.oci.empty.v1+json")
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
        "layers": [],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
    }
    push(site, layout, layout.blob(json.dumps(document).encode(), str(document["mediaType"])), shop)
    assert "1.1 signed" in root.get(f"/ui/repositories/{shop}").words
    assert "sigstore.bundle" in root.get(f"/ui/repositories/{shop}/-/tags/1.1").words


def test_what_cosign_keeps_under_a_tag_comes_last_and_is_told(
    root: Visitor, site: str, shop: str, layout: Layout
) -> None:
    signed = samples.shop(layout, 1)
    tag = f"{signed.digest.replace(':', '-')}.sig"
    push(site, layout, samples.shop(layout, 4), shop, tag)
    words = root.get(f"/ui/repositories/{shop}").words
    assert f"docker pull {tag}" not in words.replace(f"localhost/{shop}:", "")
    assert words.index("1.1 signed") < words.index(f"{tag[:19]}….sig")
    assert not [each for each in words.split() if each.endswith(tag)]
    about = root.get(f"/ui/repositories/{shop}/-/tags/1.1").words
    assert f"{tag[:19]}….sig signature, as cosign keeps it" in about


def test_a_list_is_sent_again_only_when_something_changed(
    root: Visitor, site: str, shop: str, layout: Layout
) -> None:
    path = f"/ui/repositories/{shop}"
    first = root.get(path, {"X-Live": "1"})
    etag = first.headers["ETag"]
    page = root.get(path)
    assert etag in [attributes.get("data-etag") for _, attributes in page.elements]
    again = root.get(path, {"X-Live": "1", "If-None-Match": etag})
    assert (again.status, again.body) == (304, b"")
    push(site, layout, samples.shop(layout, 3), shop, "1.3")
    newer = root.get(path, {"X-Live": "1", "If-None-Match": etag})
    assert newer.status == 200
    assert "1.3" in newer.words
    assert "<html" not in newer.text


def test_a_list_for_a_session_that_is_over_is_refused_not_redirected(root: Visitor, shop: str) -> None:
    root.cookies.clear()
    assert root.get(f"/ui/repositories/{shop}", {"X-Live": "1"}).status in (401, 403)


def test_events_are_filtered_and_paged(root: Visitor, site: str, shop: str) -> None:
    assert "lab/shop :1.1" in root.get("/ui/audit?kind=push").words
    assert "No event fits" in root.get("/ui/audit?kind=push&account=ann").words
    assert root.get("/ui/audit?kind=nonsense").status == 400
    assert root.get("/ui/audit?since=yesterday").status == 400
    assert "made by a push" in root.get("/ui/audit?since=2020-01-01&until=2099-01-01&organization=lab").words


def test_storage_tells_shared_from_own(root: Visitor, shop: str) -> None:
    page = root.get("/ui/storage?organization=lab")
    assert "lab/shop" in page.words
    assert page.status == 200


def test_an_index_that_names_one_image_ten_thousand_times_is_one_image(
    root: Visitor, site: str, layout: Layout
) -> None:
    import json

    image = layout.image(layers=1)
    entry = {"mediaType": image.media_type, "digest": image.digest, "size": image.size}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] * 10_000}
    push(site, layout, image, "lab/many")
    found = layout.blob(json.dumps(index).encode(), OCI_INDEX)
    Visitor(site).send(
        "PUT",
        "/v2/lab/many/manifests/1",
        layout.read(found.digest),
        {"Authorization": basic("admin", PASSWORD), "Content-Type": OCI_INDEX},
    )
    page = root.get("/ui/repositories/lab/many/-/tags/1")
    assert page.status == 200
    assert "1 layer" in page.words
    assert len(page.body) < 100_000


def test_an_image_that_is_lost_hides_no_other(registry: Registry, root: Visitor, shop: str) -> None:
    """After a backup was restored without it, or when what had rotted was discarded."""
    lost = manifests.find(registry, SYSTEM, shop, "1.1").digest
    registry.blobs.path(lost).unlink()
    registry.documents = Documents()
    page = root.get(f"/ui/repositories/{shop}")
    assert page.status == 200
    assert "1.2" in page.words
    assert "1.1" in page.words
    assert root.get(f"/ui/repositories/{shop}/-/tags/1.2").status == 200
    for path in ("tags/1.1", "compare?old=1.1&new=1.2", "delete?reference=1.1", f"delete?reference={lost}"):
        assert root.get(f"/ui/repositories/{shop}/-/{path}").status in (200, 404), path
    answer = root.post(f"/ui/repositories/{shop}/-/delete", reference=lost)
    assert answer.status == 303, answer.words
    assert "1.1" not in root.get(f"/ui/repositories/{shop}").words.split()
