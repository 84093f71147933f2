"""What a page must never do, whatever is in images, names and addresses."""

from __future__ import annotations

import json

import pytest

from containerlab.distribution.server.organizations import organizations, repositories
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.oci.image import Config, Descriptor
from tests.distribution.server.page import samples
from tests.distribution.server.page.samples import Line
from tests.distribution.server.page.visitors import Answer, Visitor, push
from tests.image_layouts import Layout

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egpj.exe\x1b[31m\x00{{ 7 * 7 }}"
PAGES = (
    *(
        "/ui/",
        "/ui/me",
        "/ui/users",
        "/ui/upload",
        "/ui/audit",
        "/ui/storage",
        "/ui/organizations",
    ),
    *("/ui/organizations/lab", "/ui/repositories/lab/shop", "/ui/repositories/lab/shop/-/settings"),
    *("/ui/repositories/lab/shop/-/tags/1.1", "/ui/repositories/lab/shop/-/delete?reference=1.1"),
    *(
        "/ui/repositories/lab/shop/-/compare?old=1.1&new=1.2",
        "/ui/nowhere",
        "/ui/repositories/lab/shop/-/nowhere",
    ),
)


def test_every_page_forbids_what_it_does_not_need(root: Visitor, shop: str) -> None:
    for path in PAGES:
        _is_guarded(root.get(path))


def _is_guarded(answer: Answer) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer.headers["Cache-Control"]


def test_no_page_has_a_script_a_style_or_an_address_of_its_own(root: Visitor, shop: str) -> None:
    _is_clean(Visitor(f"http://{root.host}").get("/ui/login"))
    for path in PAGES:
        _is_clean(root.get(path))


def _is_clean(answer: Answer) -> None:
    """Hold a page against what the policy would block, and against what would leave the machine."""
    assert answer.body, answer.location
    for name, attributes in answer.elements:
        assert not {key for key in attributes if key == "style" or key.startswith("on")}, (name, attributes)
        assert name != "style"
        if name in ("script", "link", "img", "a", "form"):
            address = attributes.get("src") or attributes.get("href") or attributes.get("action") or "/ui/"
            assert address.startswith(("/ui/", "#", "?", "data:image/svg+xml")), address
    assert answer.text.count("<script") == 1


def test_files_are_kept_by_browsers_as_long_as_they_are_the_same(root: Visitor) -> None:
    page = root.get("/ui/")
    (script,) = (attributes["src"] for name, attributes in page.elements if name == "script")
    answer = root.get(script)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert root.get("/ui/static/x/site.py").status == 404
    assert root.get("/ui/static/x/..%2f..%2fsite.py").status in (303, 404)


@pytest.fixture
def hostile(site: str, layout: Layout) -> Descriptor:
    """Push an image whose every text is hostile."""
    lines = [
        Line(f"RUN {HOSTILE}", {"<b>&": b"x", "\u202etxt.exe": b"y"}),
        Line(HOSTILE),
        Line(f"RUN /bin/sh -c {HOSTILE}", {HOSTILE.replace("\x00", "").replace("/", "|"): b"z"}),
    ]
    config = Config(
        user=HOSTILE,
        env=(HOSTILE, f"A={HOSTILE}"),
        cmd=(HOSTILE,),
        labels={HOSTILE: HOSTILE, "org.opencontainers.image.title": HOSTILE},
        exposed_ports={HOSTILE: {}},
        working_dir=HOSTILE,
    )
    image = samples.image(layout, lines, config, architecture='"><script>')
    document = json.loads(layout.read(image.digest)) | {
        "annotations": {HOSTILE: HOSTILE},
        "artifactType": HOSTILE[:200],
    }
    found = layout.blob(json.dumps(document).encode(), image.media_type)
    push(site, layout, found, "lab/hostile", "1")
    push(site, layout, image, "lab/hostile", "2")
    return found


def test_what_images_say_is_shown_and_never_obeyed(
    root: Visitor, hostile: Descriptor, registry: Registry, admin: Identity
) -> None:
    repositories.update(
        registry,
        admin,
        "lab/hostile",
        description=HOSTILE.replace("\x00", "").replace("\x1b", "").replace("\u202e", ""),
    )
    page = root.get("/ui/repositories/lab/hostile/-/tags/1")
    layers = [
        attributes["href"] for _, attributes in page.elements if "/layers/" in attributes.get("href", "")
    ]
    assert len(layers) == 2, page.words
    for path in (
        *("/ui/", "/ui/repositories/lab/hostile", "/ui/repositories/lab/hostile/-/tags/1", *layers),
        *("/ui/repositories/lab/hostile/-/compare?old=1&new=2", "/ui/audit", "/ui/organizations/lab"),
        f"/ui/repositories/lab/hostile/-/manifests/{hostile.digest}",
    ):
        answer = root.get(path)
        assert answer.status == 200, path
        _is_clean(answer)
        assert "\u202e" not in answer.text
        assert "\x1b" not in answer.text
        assert "\x00" not in answer.text
    assert "<script>alert(1)</script>" in page.words.replace("&lt;", "<")
    assert "{{ 7 * 7 }}" in page.words


def test_a_layer_that_is_a_bomb_is_refused_in_a_sentence(root: Visitor, site: str, layout: Layout) -> None:
    bomb = samples.image(layout, [Line("RUN boom", {"zeros": bytes(80 << 20)})], Config())
    push(site, layout, bomb, "lab/bomb", "1")
    page = root.get("/ui/repositories/lab/bomb/-/tags/1")
    (link,) = (
        attributes["href"] for _, attributes in page.elements if "/layers/" in attributes.get("href", "")
    )
    answer = root.get(link)
    assert answer.status == 422
    assert "bomb" in answer.words


ZEROS = f"sha256:{'0' * 64}"
HOSTILE_ADDRESSES = (
    *("/ui/repositories/../../etc/passwd", "/ui/repositories/%2e%2e/%2e%2e/etc", "/ui/repositories/lab%00"),
    *("/ui/repositories/lab/shop/-/tags/..", "/ui/repositories/lab/shop/-/tags/%2e%2e%2fx"),
    *("/ui/repositories/", "/ui/repositories/" + "a/" * 2000 + "b"),
    "/ui/repositories/lab/shop/-/tags/" + "x" * 5000,
    "/ui/repositories/lab/shop/-/manifests/sha256:../../../x",
    f"/ui/repositories/lab/shop/-/manifests/{ZEROS}/layers/{ZEROS}",
    *("/ui/?after=%00", "/ui/?text=%27%22%3Cscript%3E", "/ui/?organization=../..", "/ui/?text=" + "x" * 300),
    *("/ui/repositories/lab/shop?page=-1", "/ui/repositories/lab/shop?page=99999999999999999999"),
    *("/ui/audit?after=x", "/ui/audit?account=" + "y" * 4000, "/ui/audit?since=9999-99-99"),
    "/ui/repositories/lab/shop/-/compare",
    "/ui/repositories/lab/shop/-/compare?old=%3Cscript%3Ealert(1)%3C/script%3E&new=1.1",
    *("/ui/organizations/%3Cscript%3E", "/ui/storage?organization=%3Cscript%3E", "/ui/uploads/..%2f.."),
    *("/ui/uploads/x", "/ui/%ff%fe", "/ui/?text=%ff", "/ui/?page=%C2%B2"),
)


def test_a_hostile_address_is_answered_with_a_page_of_ours(root: Visitor, shop: str) -> None:
    for path in HOSTILE_ADDRESSES:
        answer = root.get(path)
        assert answer.status < 500, (path, answer.words)
        assert "<script>alert" not in answer.text, path
        if answer.status != 303:
            _is_clean(answer)


def test_a_hostile_host_stays_text(nobody: Visitor) -> None:
    answer = nobody.get("/ui/login", {"Host": 'evil.example"><script>alert(1)</script>'})
    assert "<script>alert" not in answer.text
    assert answer.status < 500


def test_a_secret_is_shown_once_and_in_no_address(root: Visitor, registry: Registry, admin: Identity) -> None:
    organizations.create(registry, admin, "lab")
    answer = root.post("/ui/organizations/lab", do="add robot", robot="ci", level="write", days="30")
    assert (answer.status, answer.location) == (200, "")
    assert "docker login" in answer.words
    assert "no-store" in answer.headers["Cache-Control"]
    assert "--password-stdin" not in root.get("/ui/organizations/lab").words


def test_what_was_done_is_said_once(root: Visitor) -> None:
    assert (
        root.post("/ui/organizations", name="lab", description="", visibility="private").location
        == "/ui/organizations/lab"
    )
    assert "The organisation lab is there." in root.get("/ui/organizations/lab").words
    assert "The organisation lab is there." not in root.get("/ui/organizations/lab").words
