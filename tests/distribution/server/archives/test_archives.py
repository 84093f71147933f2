"""Archives that come in pieces: whole ones become images, and nobody gets by them what is not theirs."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.api.archives import ArchiveUpload
from containerlab.distribution.server.archives import archives
from containerlab.distribution.server.content import blobs, manifests
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from tests import image_layouts
from tests.distribution.api.serving import as_user, served
from tests.image_layouts import Layout

ANN = Identity(name="ann", rights={"lab/": Level.MANAGE})
EVE = Identity(name="eve", rights={"eve/": Level.MANAGE})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(Settings(storage=str(tmp_path / "home")))
    with found.database.writing() as connection:
        for name in ("lab", "eve"):
            connection.execute("INSERT INTO organizations (name, created) VALUES (?, 0)", (name,))
    yield found
    found.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def packed(layout: Layout) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        archive.add(layout.folder, ".")
    return output.getvalue()


def docker_archive(*layers: bytes, tags: list[str], extra: dict[str, bytes] | None = None) -> bytes:
    """Write what `docker save` wrote before version 25."""
    config = documents.encode_config(
        documents.ImageConfig(
            architecture="amd64",
            os="linux",
            rootfs=documents.RootFS(diff_ids=tuple(digests.of(gunzipped(each)) for each in layers)),
        )
    )
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    item = {"Config": "config.json", "RepoTags": tags, "Layers": names}
    files = dict(zip(names, layers, strict=True))
    files |= {"config.json": config, "manifest.json": json.dumps([item]).encode(), **(extra or {})}
    return image_layouts.archive(files)


def gunzipped(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def upload(
    registry: Registry, raw: bytes, who: Identity = ANN, repository: str = "lab/base", tag: str | None = None
) -> ArchiveUpload:
    begun = archives.begin(registry, who, repository, len(raw), tag)
    with archives.append(registry, who, begun.id, 0) as appending:
        appending.write([raw])
    return archives.finish(registry, who, begun.id)


def tags_of(registry: Registry) -> dict[str, str]:
    with registry.reader.reading() as connection:
        return dict(connection.execute("SELECT name, digest FROM tags").fetchall())


def is_whole(registry: Registry, who: Identity, repository: str, digest: str) -> bool:
    found = manifests.find(registry, who, repository, digest)
    document = documents.decode_document(manifests.read(registry, found), found.media_type)
    if isinstance(document, documents.Index):
        return all(is_whole(registry, who, repository, each.digest) for each in document.manifests)
    return all(
        blobs.find(registry, who, repository, each.digest).size == each.size
        for each in (document.config, *document.layers)
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_oci_archive_becomes_an_image(
    registry: Registry, layout: Layout, pack: Callable[[bytes], bytes]
) -> None:
    image = layout.image()
    layout.tag("1.0", image)
    done = upload(registry, pack(packed(layout)))
    assert done.status == "imported"
    assert [(each.tag, each.digest) for each in done.images] == [("1.0", image.digest)]
    assert tags_of(registry) == {"1.0": image.digest}
    assert is_whole(registry, ANN, "lab/base", image.digest)
    assert not list((registry.directory / "archives").iterdir())


def test_multi_platform_archive_comes_in_whole(registry: Registry, layout: Layout) -> None:
    index = layout.index({"amd64": layout.image(), "arm64": layout.image(architecture="arm64")})
    layout.tag("many", index)
    upload(registry, packed(layout), tag="2")
    assert tags_of(registry) == {"2": index.digest}
    assert is_whole(registry, ANN, "lab/base", index.digest)


def test_index_of_which_the_archive_has_one_image(registry: Registry, layout: Layout) -> None:
    """Docker with containerd's store saves so."""
    here, there = layout.image(), layout.image(architecture="arm64")
    layout.tag("x", layout.index({"amd64": here, "arm64": there}))
    (layout.folder / "blobs" / digests.path(there.digest)).unlink()
    upload(registry, packed(layout))
    assert tags_of(registry) == {"x": here.digest}


def test_docker_archive_becomes_an_image(registry: Registry) -> None:
    raw = docker_archive(image_layouts.archive({"a": b"1"}), tags=["lab/base:3", "lab/base:latest"])
    done = upload(registry, raw)
    assert tags_of(registry).keys() == {"3", "latest"}
    assert is_whole(registry, ANN, "lab/base", done.images[0].digest)


@pytest.mark.slow
@pytest.mark.system("skopeo")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_archives_of_skopeo_come_in(registry: Registry, layout: Layout, tmp_path: Path, form: str) -> None:
    source = layout.tag("one", layout.runnable())
    archive = tmp_path / "archive.tar"
    name = "example.org/lab/base:7" if form == "docker-archive" else "7"
    subprocess.run(["skopeo", "copy", source, f"{form}:{archive}:{name}"], check=True, capture_output=True)
    done = upload(registry, archive.read_bytes())
    assert tags_of(registry).keys() == {"7"}
    assert is_whole(registry, ANN, "lab/base", done.images[0].digest)


def test_pieces_go_on_where_they_stopped_even_after_a_restart(registry: Registry, layout: Layout) -> None:
    layout.tag("1", layout.image(size=300_000))
    raw = packed(layout)
    with served(registry) as port:
        api = as_user(port, "ann").archives
        begun = api.begin("lab/base", len(raw))
        assert patched(port, begun.id, 0, raw[:100_000]) == (204, "100000")
        assert patched(port, begun.id, 0, raw) == (409, "100000"), "a repeated piece"
        assert patched(port, begun.id, 200_000, raw) == (409, "100000"), "a gap"
        cut_off(port, begun.id, 100_000, raw[100_000:])
    registry.database.close()
    with served(registry) as port:
        api = as_user(port, "ann").archives
        received = api.inspect(begun.id).received
        assert 100_000 <= received < len(raw)
        with pytest.raises(errors.Conflict, match="go on at"):
            api.finish(begun.id)
        assert patched(port, begun.id, received, raw[received:]) == (204, str(len(raw)))
        assert api.finish(begun.id).status == "imported"
        assert [each.id for each in api.list().items] == [begun.id]
        with pytest.raises(errors.NotFound):
            as_user(port, "root").archives.inspect(begun.id)
        with pytest.raises(errors.NotPermitted):
            as_user(port, "bob").archives.begin("lab/base", 5)
    assert tags_of(registry).keys() == {"1"}


def patched(port: int, upload_id: str, offset: int, data: bytes) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Upload-Offset": str(offset), "Authorization": "Basic YW5uOng="}
    connection.request("PATCH", f"/api/v1/archives/{upload_id}/content", data, headers)
    answer = connection.getresponse()
    found = (answer.status, answer.getheader("Upload-Offset"))
    connection.close()
    return found


def cut_off(port: int, upload_id: str, offset: int, data: bytes) -> None:
    """Send half of what was announced, and hang up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("PATCH", f"/api/v1/archives/{upload_id}/content")
    connection.putheader("Content-Length", str(len(data)))
    connection.putheader("Upload-Offset", str(offset))
    connection.putheader("Authorization", "Basic YW5uOng=")
    connection.endheaders(data[: len(data) // 2])
    connection.close()


def test_more_than_announced_is_refused(registry: Registry) -> None:
    begun = archives.begin(registry, ANN, "lab/base", 10)
    with archives.append(registry, ANN, begun.id, 0) as appending, pytest.raises(errors.InvalidInput):
        appending.write([b"x" * 11])
    assert archives.inspect(registry, ANN, begun.id).received == 0


@pytest.mark.slow
def test_silent_client_lets_go_of_its_upload(tmp_path: Path) -> None:
    registry = Registry(Settings(storage=str(tmp_path / "home"), idle_s=0.2))
    with registry.database.writing() as connection:
        connection.execute("INSERT INTO organizations (name, created) VALUES ('lab', 0)")
    with served(registry) as port:
        begun = as_user(port, "ann").archives.begin("lab/base", 10)
        silent = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        silent.putrequest("PATCH", f"/api/v1/archives/{begun.id}/content")
        silent.putheader("Content-Length", "10")
        silent.putheader("Upload-Offset", "0")
        silent.putheader("Authorization", "Basic YW5uOng=")
        silent.endheaders(b"12345")
        assert silent.getresponse().status == 408
        silent.close()
        assert patched(port, begun.id, 5, b"67890") == (204, "10")
    registry.close()


def test_room_is_kept_for_all_that_is_on_its_way(registry: Registry) -> None:
    free = shutil.disk_usage(registry.directory).free
    archives.begin(registry, ANN, "lab/base", free // 3)
    with pytest.raises(errors.Unavailable, match="beside others"):
        archives.begin(registry, ANN, "lab/base", free // 3)


def test_two_requests_do_not_write_at_once(registry: Registry) -> None:
    begun = archives.begin(registry, ANN, "lab/base", 10)
    with (
        archives.append(registry, ANN, begun.id, 0),
        pytest.raises(errors.Conflict, match="another request"),
        archives.append(registry, ANN, begun.id, 0),
    ):
        pass


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"x" * 3000, "not a tar archive"),
        (image_layouts.archive({"etc/passwd": b""}), "no image"),
        (gzip.compress(gzip.compress(image_layouts.archive({"a": b""}))), "compressed twice"),
        (gzip.compress(bytes(66 << 20)), "200 times"),
        (docker_archive(b"a", tags=["a:1"], extra={"0/layer.tar": b"b"}), "was announced"),
        (image_layouts.archive({"manifest.json": b"[" * 100_000}), "not valid"),
        (image_layouts.archive({"oci-layout": b"{}", "index.json": b"{}"}), "version"),
        (docker_archive(tags=["../x:1"]), "not a registry"),
    ],
    ids=["noise", "root", "twice", "bomb", "layer", "deep", "layout", "name"],
)
def test_what_is_no_archive_is_refused_with_a_sentence(registry: Registry, raw: bytes, sentence: str) -> None:
    with pytest.raises(errors.LabError, match=sentence):
        upload(registry, raw)
    assert tags_of(registry) == {}
    assert not list(registry.blobs.digests()), "nothing remains"
    (left,) = archives.listed(registry, ANN).items
    assert left.status == "failed"
    assert sentence in left.detail


def test_digest_of_somebody_elses_blob_is_no_right_to_it(registry: Registry, layout: Layout) -> None:
    """Neither an archive that only names a blob of the store gets it, nor one with other bytes for it."""
    secret = layout.image(seed=7)
    layout.tag("1", secret)
    upload(registry, packed(layout))
    manifest = documents.decode_document(layout.read(secret.digest))
    assert isinstance(manifest, documents.Manifest)
    victim = layout.folder / "blobs" / digests.path(manifest.layers[0].digest)
    right = victim.read_bytes()
    for forged in (bytes(len(right)), None):
        victim.unlink()
        if forged is not None:
            victim.write_bytes(forged)
        with pytest.raises(errors.CorruptContent):
            upload(registry, packed(layout), EVE, "eve/stolen")
        with pytest.raises(errors.LabError):
            blobs.find(registry, EVE, "eve/stolen", manifest.layers[0].digest)
    assert is_whole(registry, ANN, "lab/base", secret.digest)


def test_two_images_need_two_tags(registry: Registry, layout: Layout) -> None:
    layout.tag("1", layout.image())
    layout.tag("2", layout.image(seed=2))
    with pytest.raises(errors.InvalidInput, match="2 images"):
        upload(registry, packed(layout), tag="x")
    upload(registry, packed(layout))
    assert tags_of(registry).keys() == {"1", "2"}


def test_server_that_was_killed_while_it_imported_can_be_asked_again(
    registry: Registry, layout: Layout
) -> None:
    layout.tag("1", layout.image())
    raw = packed(layout)
    begun = archives.begin(registry, ANN, "lab/base", len(raw))
    with archives.append(registry, ANN, begun.id, 0) as appending:
        appending.write([raw])
    with registry.database.writing() as connection:
        connection.execute("UPDATE archives SET status = 'importing'")
    assert archives.finish(registry, ANN, begun.id).status == "imported"
    assert archives.finish(registry, ANN, begun.id).status == "imported", "asked twice"


def test_full_organisation_takes_no_archive(registry: Registry, layout: Layout) -> None:
    layout.tag("1", layout.image())
    with registry.database.writing() as connection:
        connection.execute("UPDATE organizations SET quota_bytes = 1000 WHERE name = 'lab'")
    with pytest.raises(errors.NotPermitted, match="quota"):
        upload(registry, packed(layout))
    assert tags_of(registry) == {}
    with registry.database.writing() as connection:
        connection.execute("UPDATE organizations SET quota_bytes = 0 WHERE name = 'lab'")
    with pytest.raises(errors.NotPermitted, match="quota"):
        archives.begin(registry, ANN, "lab/base", 5)


def test_old_uploads_are_swept(tmp_path: Path) -> None:
    now = 1000.0
    registry = Registry(Settings(storage=str(tmp_path / "home"), upload_age_s=50), now=lambda: now)
    admin = Identity(name="root", is_admin=True)
    begun = archives.begin(registry, admin, "lab/base", 10)
    assert archives.sweep(registry) == 0
    now = 2000.0
    assert archives.sweep(registry) == 1
    with pytest.raises(errors.NotFound):
        archives.inspect(registry, admin, begun.id)
    assert not list((registry.directory / "archives").iterdir())
    registry.close()


def test_link_planted_where_an_upload_belongs_is_not_followed(registry: Registry, tmp_path: Path) -> None:
    begun = archives.begin(registry, ANN, "lab/base", 10)
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    place = registry.directory / "archives" / begun.id
    place.unlink()
    place.symlink_to(outside)
    with pytest.raises(errors.NotFound), archives.append(registry, ANN, begun.id, 0) as appending:
        appending.write([b"x"])
    assert outside.read_bytes() == b""


def test_layer_is_listed_for_who_may_read_it(registry: Registry, layout: Layout) -> None:
    image = layout.image(layers=1)
    layout.tag("1", image)
    upload(registry, packed(layout))
    manifest = documents.decode_document(layout.read(image.digest))
    assert isinstance(manifest, documents.Manifest)
    (layer,) = manifest.layers
    with served(registry) as port:
        found = as_user(port, "ann").layers.files("lab/base", layer.digest)
        assert [each.path for each in found.files] == ["files/0"]
        with pytest.raises(errors.NotPermitted):
            as_user(port, "").layers.files("lab/base", layer.digest)
        with pytest.raises(errors.CorruptContent):
            as_user(port, "ann").layers.files("lab/base", manifest.config.digest)
