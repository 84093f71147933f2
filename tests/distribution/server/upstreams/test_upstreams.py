"""The pull-through cache: with real registries as upstreams, and with one that lies, drops and hangs."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from containerlab import errors
from containerlab.distribution.api.client import Client
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.api.upstreams import UpstreamChange, UpstreamPolicy
from containerlab.distribution.credentials import ANONYMOUS, Credentials
from containerlab.distribution.endpoints import endpoint
from containerlab.distribution.exchange import Exchange
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.server.organizations import organizations
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import SYSTEM
from containerlab.distribution.server.upstreams import upstreams
from containerlab.distribution.transfer.progress import nobody
from containerlab.distribution.transfer.sending import Sending, parts_of
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.oci.reference import Reference
from tests import dockerd, registries
from tests.distribution.api.serving import as_user, served
from tests.distribution.server.filling import speaking
from tests.distribution.server.receivers import wait_until
from tests.distribution.server.upstream_server import Mischief, Upstream, upstream
from tests.image_layouts import Layout

_INSIDE = {"allows_private_targets": True}


@pytest.fixture(scope="module")
def cache(base: Path) -> Iterator[registries.Registry]:
    """Our server, open to all."""
    with registries.ours(base / "cache", auth="none", workers=2, settings=_INSIDE) as found:
        yield found


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    return Layout(base / "cache-layout")


@pytest.fixture
def image(layout: Layout, request: pytest.FixtureRequest) -> Descriptor:
    """Return an image that no other test has."""
    return layout.image(layers=2, size=1_000_000, seed=zlib.crc32(request.node.name.encode()))


@pytest.fixture
def bad(layout: Layout, image: Descriptor) -> Iterator[Upstream]:
    with upstream(layout, "1", image) as found:
        yield found


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(
    registry: registries.Registry, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> Got:
    host, _, port = registry.host.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, found, answer.read())
    finally:
        connection.close()


def api(registry: registries.Registry) -> RegistryApi:
    credentials = Credentials(username=registry.user, password=registry.password)
    exchange = Exchange(endpoint(registry.host), credentials)
    return RegistryApi(Client(exchange))


def set_up(registry: registries.Registry, prefix: str, host: str, **more: object) -> int:
    policy = UpstreamPolicy(prefix=prefix, registry=host, **more)  # type: ignore[arg-type]
    return api(registry).upstreams.create(policy).id


def layers(layout: Layout, image: Descriptor) -> list[Descriptor]:
    document = documents.decode_document(layout.read(image.digest))
    assert isinstance(document, documents.Manifest)
    return list(document.layers)


def push(registry: registries.Registry, layout: Layout, repository: str, tag: str, root: Descriptor) -> None:
    """Send an image of a layout to a registry."""

    class Body(NamedTuple):
        digest: str

        @property
        def size(self) -> int | None:
            return len(layout.read(self.digest))

        def open(self):  # type: ignore[no-untyped-def]
            return (layout.folder / "blobs" / digests.path(self.digest)).open("rb")

    reference = Reference.parse(f"{registry.host}/{repository}")
    who = Credentials(username=registry.user, password=registry.password)
    with Remote(reference, for_push=True, credentials=who) as remote:
        sending = Sending(remote, 2, nobody, lambda blob: Body(blob.digest), lambda blob: ())
        document = documents.decode_document(layout.read(root.digest))
        children = document.manifests if isinstance(document, documents.Index) else ()
        parts = [Fetched(each, layout.read(each.digest)) for each in (*children, root)]
        sending.blobs(parts_of(parts), remote.close)
        for part in parts[:-1]:
            sending.manifest(part.descriptor.digest, part)
        sending.manifest(tag, parts[-1])


@pytest.mark.slow
@pytest.mark.system("docker-registry")
def test_image_of_docker_registry_comes_through_and_stays(
    cache: registries.Registry, layout: Layout, image: Descriptor, base: Path
) -> None:
    index = layout.index({"amd64": image, "arm64": layout.image(architecture="arm64")})
    with registries.debian(base / "cache-debian", auth="basic") as debian:
        push(debian, layout, "library/shop", "1", index)
        set_up(cache, "deb", debian.host, username=debian.user, password=debian.password, fresh_s=0.0)
        with Remote(Reference.parse(f"{cache.host}/deb/library/shop"), credentials=ANONYMOUS) as through:
            pulled(through, "1")
            assert through.manifest("1").raw == layout.read(index.digest)
    stale = get(cache, "/v2/deb/library/shop/manifests/1")
    assert stale.status == 200, "the upstream is gone"
    assert stale.headers["warning"].startswith('299 - "')
    for layer in layers(layout, image):
        assert get(cache, f"/v2/deb/library/shop/blobs/{layer.digest}").body == layout.read(layer.digest)


@pytest.mark.slow
def test_what_speaks_about_an_image_comes_through(
    cache: registries.Registry, layout: Layout, image: Descriptor, base: Path
) -> None:
    signature = speaking(layout, image)
    with registries.ours(base / "cache-signed", auth="none") as other:
        push(other, layout, "lab/app", "1", image)
        push(other, layout, "lab/app", signature.digest, signature)
        set_up(cache, "signed", other.host, fresh_s=0.0)
        with Remote(Reference.parse(f"{cache.host}/signed/lab/app"), credentials=ANONYMOUS) as through:
            through.manifest("1")
            assert [each.digest for each in through.referrers(image.digest)] == [signature.digest]
            pulled(through, signature.digest)
    with Remote(Reference.parse(f"{cache.host}/signed/lab/app"), credentials=ANONYMOUS) as through:
        assert len(through.referrers(image.digest)) == 1, "the upstream is gone"


@pytest.mark.slow
@pytest.mark.system("skopeo")
def test_skopeo_takes_us_for_a_mirror(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor, tmp_path: Path
) -> None:
    set_up(cache, "mirrored", bad.host)
    settings = tmp_path / "registries.conf"
    settings.write_text(
        '[[registry]]\nlocation = "docker.io"\nblocked = false\n'
        f'[[registry.mirror]]\nlocation = "{cache.host}/mirrored"\ninsecure = true\n'
    )
    target = tmp_path / "pulled"
    subprocess.run(
        ["skopeo", "copy", "--registries-conf", str(settings), "docker://shop:1", f"dir:{target}"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert (target / "manifest.json").read_bytes() == layout.read(image.digest)
    assert bad.count("HEAD /v2/library/shop/manifests/1") == 1


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.system("docker.io")
@pytest.mark.registry
def test_dockerd_takes_us_for_its_mirror(layout: Layout, base: Path) -> None:
    image = layout.runnable()
    with (
        registries.ours(base / "cache-docker", auth="bearer", settings=_INSIDE) as mirror,
        upstream(layout, "1", image) as hub,
    ):
        set_up(mirror, "", hub.host, is_public=True)
        with dockerd.daemon(mirror=mirror.url) as docker:
            assert image.digest in docker("pull", "shop:1")
        assert hub.count("HEAD /v2/library/shop/manifests/1") == 1


def pulled(remote: Remote, reference: str) -> None:
    """Read all of an image, as a client does."""
    document = remote.manifest(reference).document
    if isinstance(document, documents.Index):
        for child in document.manifests:
            pulled(remote, child.digest)
        return
    for blob in (document.config, *document.layers):
        with remote.blob(blob) as download:
            hasher = digests.Hasher()
            while piece := download.read(1 << 16):
                hasher.update(piece)
            assert hasher.digest() == blob.digest


@pytest.mark.slow
def test_tag_is_compared_with_head_and_only_when_no_longer_fresh(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    number = set_up(cache, "fresh", bad.host, fresh_s=3600.0)
    for _ in range(3):
        assert get(cache, "/v2/fresh/a/manifests/1").body == layout.read(image.digest)
    assert (bad.count("HEAD /v2/a/manifests"), bad.count("GET /v2/a/manifests")) == (1, 1)
    api(cache).upstreams.update(number, UpstreamChange(fresh_s=0.0))
    get(cache, "/v2/fresh/a/manifests/1")
    assert (bad.count("HEAD /v2/a/manifests"), bad.count("GET /v2/a/manifests")) == (2, 1)
    asked = len(bad.asked)
    assert get(cache, f"/v2/fresh/a/manifests/{image.digest}").status == 200
    assert len(bad.asked) == asked, "a digest is never stale"
    bad.root = layout.image(seed=99, size=50)
    assert get(cache, "/v2/fresh/a/manifests/1").headers["docker-content-digest"] == bad.root.digest


@pytest.mark.slow
def test_many_clients_share_one_download_that_they_get_while_it_comes(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    """Also those of another worker process."""
    set_up(cache, "many", bad.host)
    get(cache, "/v2/many/a/manifests/1")
    (layer, *_) = layers(layout, image)
    bad.gate.clear()
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(get, cache, f"/v2/many/a/blobs/{layer.digest}") for _ in range(12)]
        assert (
            first_bytes(cache, f"/v2/many/a/blobs/{layer.digest}", 1000) == layout.read(layer.digest)[:1000]
        )
        bad.gate.set()
        assert all(each.result().body == layout.read(layer.digest) for each in answers)
    whole = [each for each in bad.asked if each == f"GET /v2/a/blobs/{layer.digest}"]
    # One, and where another process joins, a byte to see that it may.
    assert 1 <= len(whole) <= 2


def first_bytes(registry: registries.Registry, path: str, count: int) -> bytes:
    """Read the beginning of an answer while the rest is not there yet."""
    host, _, port = registry.host.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(count)
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("mischief", ["wrong bytes", "short", "long", "cut off", "error", "missing"])
def test_lies_about_a_blob_are_neither_served_as_whole_nor_kept(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor, mischief: Mischief
) -> None:
    prefix = "lie-" + mischief.replace(" ", "-")
    set_up(cache, prefix, bad.host)
    get(cache, f"/v2/{prefix}/a/manifests/1")
    (layer, *_) = layers(layout, image)
    bad.blobs = mischief
    path = f"/v2/{prefix}/a/blobs/{layer.digest}"
    try:
        answer = get(cache, path)
    except (http.client.HTTPException, OSError):
        pass  # it ended too early, so nobody takes it for whole
    else:
        assert answer.status in (404, 503)
    assert not (cache.storage / "oci" / "blobs" / digests.path(layer.digest)).exists()
    if mischief not in ("missing",):  # which is remembered for a while
        bad.blobs = ""
        assert get(cache, path).body == layout.read(layer.digest), "it is asked for again"


@pytest.mark.slow
@pytest.mark.parametrize("mischief", ["wrong bytes", "error", "missing", "forbidden"])
def test_lies_about_a_manifest_are_not_kept_and_what_was_here_is_served(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor, mischief: Mischief
) -> None:
    prefix = "doubt-" + mischief.replace(" ", "-")
    set_up(cache, prefix, bad.host, fresh_s=0.0)
    bad.manifests = mischief
    refused = get(cache, f"/v2/{prefix}/a/manifests/1")
    assert refused.status == (404 if mischief == "missing" else 503)
    bad.manifests = ""
    assert get(cache, f"/v2/{prefix}/b/manifests/1").status in (200, 503)
    wait_until(lambda: get(cache, f"/v2/{prefix}/b/manifests/1").status == 200)
    bad.manifests = mischief
    bad.root = layout.image(seed=5)
    stale = get(cache, f"/v2/{prefix}/b/manifests/1")
    assert stale.body == layout.read(image.digest)
    assert "warning" in stale.headers


@pytest.mark.slow
def test_hanging_upstream_holds_up_nobody_who_has_what_was_kept(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    set_up(cache, "hang", bad.host, fresh_s=0.0)
    get(cache, "/v2/hang/a/manifests/1")
    bad.gate.clear()
    bad.manifests = "hang"
    stale = get(cache, "/v2/hang/a/manifests/1")
    assert (stale.status, "warning" in stale.headers) == (200, True)
    asked = len(bad.asked)
    assert get(cache, "/v2/hang/a/manifests/1").status == 200
    bad.gate.set()
    assert len(bad.asked) - asked <= 1, "it is left alone for a while, by each process"


@pytest.mark.slow
def test_what_is_missing_there_is_not_asked_for_again_at_once(
    cache: registries.Registry, bad: Upstream
) -> None:
    set_up(cache, "none", bad.host)
    for _ in range(6):
        assert get(cache, "/v2/none/a/manifests/never").status == 404
    assert bad.count("HEAD /v2/a/manifests/never") <= 2, "once by each process"


@pytest.mark.slow
def test_redirect_to_another_host_gets_no_password(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    with upstream(layout, "1", image, "127.0.0.2") as store:
        bad.blobs, bad.elsewhere = "redirect", f"http://{store.host}"
        set_up(cache, "moved", bad.host, username="me", password="secret")
        get(cache, "/v2/moved/a/manifests/1")
        (layer, *_) = layers(layout, image)
        assert get(cache, f"/v2/moved/a/blobs/{layer.digest}").body == layout.read(layer.digest)
        assert set(store.tokens) == {""}


def test_upstream_inside_is_refused_and_redirects_there_are_not_followed(
    layout: Layout, image: Descriptor, tmp_path: Path
) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home")))
    with pytest.raises(errors.NotPermitted):
        upstreams.create(registry, SYSTEM, UpstreamPolicy(prefix="x", registry="localhost:5000"))
    registry.close()


@pytest.mark.slow
def test_nothing_but_what_a_manifest_names_is_fetched(
    cache: registries.Registry, layout: Layout, bad: Upstream
) -> None:
    other = layout.blob(b"something else that the upstream has")
    set_up(cache, "closed", bad.host)
    get(cache, "/v2/closed/a/manifests/1")
    assert get(cache, f"/v2/closed/a/blobs/{other.digest}").status == 404
    assert bad.count(f"GET /v2/a/blobs/{other.digest}") == 0


@pytest.mark.slow
def test_blob_that_others_have_needs_to_be_at_the_upstream_too(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    """A manifest of a stranger's that names a private layer's digest does not give it away."""
    push(cache, layout, "private/app", "1", image)
    set_up(cache, "thief", bad.host)
    get(cache, "/v2/thief/a/manifests/1")
    (layer, *_) = layers(layout, image)
    bad.blobs = "missing"
    assert get(cache, f"/v2/thief/a/blobs/{layer.digest}").status == 404
    bad.blobs = ""
    assert get(cache, f"/v2/private/app/blobs/{layer.digest}").status == 200


@pytest.mark.slow
def test_head_and_range_of_a_blob_that_is_not_here_yet(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    set_up(cache, "part", bad.host)
    get(cache, "/v2/part/a/manifests/1")
    (layer, *_) = layers(layout, image)
    path = f"/v2/part/a/blobs/{layer.digest}"
    part = get(cache, path, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, layout.read(layer.digest)[100:200])
    assert get(cache, path, "HEAD").headers["content-length"] == str(layer.size)


@pytest.mark.slow
def test_mirror_of_containerd_is_told_by_ns(
    cache: registries.Registry, layout: Layout, bad: Upstream, image: Descriptor
) -> None:
    set_up(cache, "mirror", bad.host, answers_ns=True)
    found = get(cache, f"/v2/library/a/manifests/1?ns={bad.host}")
    assert found.body == layout.read(image.digest)
    (layer, *_) = layers(layout, image)
    assert get(cache, f"/v2/library/a/blobs/{layer.digest}?ns={bad.host}").status == 200
    assert bad.count("HEAD /v2/library/a/manifests/1") == 1
    assert get(cache, "/v2/library/a/manifests/1?ns=other.example").status == 404


@pytest.mark.slow
def test_rights_and_quotas_hold(layout: Layout, base: Path, image: Descriptor) -> None:
    with (
        registries.ours(base / "cache-closed", auth="basic", settings=_INSIDE) as closed,
        upstream(layout, "1", image) as bad,
    ):
        set_up(closed, "private", bad.host)
        set_up(closed, "open", bad.host, is_public=True)
        assert get(closed, "/v2/private/a/manifests/1").status == 401
        assert not bad.asked, "nobody makes us ask who may not read"
        assert get(closed, "/v2/open/a/manifests/1").status == 200
        api(closed).quotas.set("open", 1000)
        (layer, *_) = layers(layout, image)
        refused = get(closed, f"/v2/open/a/blobs/{layer.digest}")
        assert refused.status in (401, 403)
        assert bad.count(f"GET /v2/a/blobs/{layer.digest}") == 0


@pytest.mark.slow
def test_anybody_pulls_through_a_public_mirror_with_tokens(
    layout: Layout, base: Path, image: Descriptor, bad: Upstream
) -> None:
    """Repositories and organisations that are not here yet, by the token flow; not those of users."""
    with registries.ours(base / "cache-bearer", auth="bearer", settings=_INSIDE) as mirror:
        set_up(mirror, "", bad.host, is_public=True, answers_ns=True)
        with Remote(Reference.parse(f"{mirror.host}/grafana/grafana"), credentials=ANONYMOUS) as through:
            pulled(through, "1")
        assert bad.count("HEAD /v2/grafana/grafana/manifests/1") == 1
        api(mirror).organizations.create("lab", is_public=True)
        asked = len(bad.asked)
        with (
            Remote(Reference.parse(f"{mirror.host}/lab/app"), credentials=ANONYMOUS) as ours,
            pytest.raises(errors.LabError),
        ):
            ours.manifest("1")
        assert len(bad.asked) == asked, "nobody elsewhere gets to fill the names of our own organisations"


@pytest.mark.slow
def test_kill_in_the_middle_of_a_download_goes_on_there(
    layout: Layout, base: Path, bad: Upstream, image: Descriptor
) -> None:
    folder = base / "cache-killed"
    (layer, *_) = layers(layout, image)
    path = f"/v2/hub/a/blobs/{layer.digest}"
    with registries.ours(folder, auth="none", settings=_INSIDE) as first:
        set_up(first, "hub", bad.host)
        get(first, "/v2/hub/a/manifests/1")
        bad.gate.clear()
        reader = threading.Thread(target=cut_off, args=(first, path))
        reader.start()
        partial = folder / "home" / "tmp" / f"partial-{layer.digest.replace(':', '-')}"
        wait_until(lambda: partial.exists() and partial.stat().st_size >= 100_000)
        os.kill(first.process.pid, signal.SIGKILL)
        reader.join()
        bad.gate.set()
    with registries.ours(folder, auth="none", settings=_INSIDE) as second:
        assert get(second, path).body == layout.read(layer.digest)
    assert bad.starts[-1] >= 100_000, "what had come is not fetched again"


def cut_off(registry: registries.Registry, path: str) -> None:
    with contextlib.suppress(http.client.HTTPException, OSError):
        get(registry, path)


def test_over_http_as_python_calls_it(tmp_path: Path) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    with served(registry) as port:
        nouns = as_user(port, "root").upstreams
        policy = UpstreamPolicy(prefix="hub", registry="docker.io", password="secret", username="me")
        made = nouns.create(policy)
        assert made.policy.password is None
        assert nouns.list().items == (made,)
        with pytest.raises(errors.AlreadyExists):
            nouns.create(policy)
        with pytest.raises(errors.InvalidInput):
            nouns.create(UpstreamPolicy(prefix="../x", registry="docker.io"))
        with pytest.raises(errors.NotPermitted):
            as_user(port, "ann").upstreams.list()
        found = upstreams.serving(registry, "hub/library/debian")
        assert found
        assert (found.name, found.partner.password) == ("library/debian", "secret")
        nouns.update(made.id, UpstreamChange(registry="evil.example"))
        moved = upstreams.serving(registry, "hub/library/debian")
        assert moved
        assert moved.partner.password == "", "a password goes to nobody but whom it was given for"
        nouns.remove(made.id)
        assert upstreams.serving(registry, "hub/library/debian") is None
    registry.close()


def test_longest_prefix_counts(tmp_path: Path) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    for prefix, host in (("", "docker.io"), ("hub", "one.example"), ("hub/lab", "two.example")):
        upstreams.create(registry, SYSTEM, UpstreamPolicy(prefix=prefix, registry=host, path=prefix and "p"))
    names = ("x", "hub/x", "hub/lab/x", "hubble/x")
    found = [upstreams.serving(registry, name) for name in names]
    assert [each and (each.policy.registry, each.name) for each in found] == [
        ("docker.io", "x"),
        ("one.example", "p/x"),
        ("two.example", "p/x"),
        ("docker.io", "hubble/x"),
    ]
    registry.close()


def test_what_cannot_be_public_is_not_promised(tmp_path: Path) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    organizations.create(registry, SYSTEM, "hub")
    policy = UpstreamPolicy(prefix="hub", registry="docker.io", is_public=True)
    with pytest.raises(errors.Conflict, match="organisation hub is there already"):
        upstreams.create(registry, SYSTEM, policy)
    assert upstreams.listed(registry, SYSTEM).items == ()
    organizations.update(registry, SYSTEM, "hub", is_public=True)
    made = upstreams.create(registry, SYSTEM, policy)
    organizations.update(registry, SYSTEM, "hub", is_public=False)
    assert upstreams.update(registry, SYSTEM, made.id, UpstreamChange(fresh_s=1)).policy.is_public
    registry.close()
