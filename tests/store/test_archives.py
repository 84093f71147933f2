"""Archives: what others write comes in, what we write others read, and nothing wrong leaves a trace."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab.build.result.export import to_store
from containerlab.build.result.outputs import parse
from containerlab.build.result.writing import write
from containerlab.errors import (
    AlreadyExists,
    CorruptContent,
    DigestMismatch,
    HostileArchive,
    InvalidInput,
    LabError,
    NotFound,
    Unsupported,
)
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.store import archives
from containerlab.store.compression import zstd
from containerlab.store.home import Home
from containerlab.store.images import Images
from tests.build import made
from tests.dockerd import Docker, daemon
from tests.store import pictures

FORMATS = pytest.mark.parametrize("archive_format", archives.FORMATS)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Images]:
    """Yield a second store, to load into."""
    store = Images(Home.open(tmp_path / "other"))
    yield store
    store.close()


def saved(images: Images, *names: str, archive_format: str = "docker-archive") -> bytes:
    output = io.BytesIO()
    archives.save(images, names, output, archive_format)
    return output.getvalue()


def is_empty(images: Images) -> bool:
    """Tell whether nothing is left of an attempt."""
    return not (images.list() or list(images.blobs.digests()) or os.listdir(images.home.temporary))


# --- our own


@FORMATS
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_what_is_saved_loads_again(
    images: Images, other: Images, archive_format: str, compress: Callable[[bytes], bytes]
) -> None:
    pictures.put(images, "lab/base", "shared", "a")
    pictures.put(images, "quay.io/x/y:1", "shared", "b")
    data = saved(images, "lab/base", "quay.io/x/y:1", archive_format=archive_format)
    assert sorted(archives.load(other, io.BytesIO(compress(data)))) == ["lab/base:latest", "quay.io/x/y:1"]
    assert [image.id for image in other.list()] == [image.id for image in images.list()]
    assert other.get("lab/base").manifest_raw == images.get("lab/base").manifest_raw
    assert pictures.is_complete(other)
    assert set(other.blobs.digests()) == pictures.needed(other)


@FORMATS
def test_the_same_images_give_the_same_bytes(images: Images, archive_format: str) -> None:
    pictures.put(images, "one", "shared", "a")
    pictures.put(images, "two", "shared", "b")
    data = saved(images, "one", "two", "one", archive_format=archive_format)
    assert saved(images, "two", "one", archive_format=archive_format) == data


@FORMATS
def test_several_names_and_ids(images: Images, other: Images, archive_format: str) -> None:
    pictures.put(images, "one", "a")
    images.tag("one", "two")
    image_id = images.get("one").id
    data = saved(images, "one", "two", image_id, archive_format=archive_format)
    assert archives.load(other, io.BytesIO(data)) == ["one:latest", "two:latest"]
    third = Images(Home.open(other.home.root.parent / "third"))
    assert archives.load(third, io.BytesIO(saved(images, image_id, archive_format=archive_format))) == [
        image_id
    ]
    third.close()


@FORMATS
def test_an_index_keeps_its_platforms(images: Images, other: Images, archive_format: str) -> None:
    with images.blobs.lease():
        descriptor = pictures.write_index(images, ["linux/riscv64", "linux/s390x"])
        images.put("multi", descriptor)
    data = io.BytesIO()
    if archive_format == "oci-archive":
        archives.save(images, ["multi"], data, archive_format)
        data.seek(0)
        archives.load(other, data)
        assert other.get("multi", "riscv64").descriptor == descriptor
        assert other.get("multi", "linux/s390x").config.architecture == "s390x"
    else:
        with pytest.raises(NotFound, match="linux/s390x"):
            archives.save(images, ["multi"], data, archive_format)


def test_a_pipe_can_be_loaded(images: Images, other: Images) -> None:
    pictures.put(images, "one", "a")
    data = saved(images, "one")
    read_end, write_end = os.pipe()

    def feed() -> None:
        with open(write_end, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    with open(read_end, "rb") as pipe:
        assert archives.load(other, pipe) == ["one:latest"]
    thread.join()


def test_a_layout_directory_out_and_in(images: Images, other: Images, tmp_path: Path) -> None:
    pictures.put(images, "one", "a")
    archives.save_directory(images, ["one"], tmp_path / "layout")
    assert archives.load_directory(other, tmp_path / "layout") == ["one:latest"]
    with pytest.raises(AlreadyExists):
        archives.save_directory(images, ["one"], tmp_path / "layout")
    with pytest.raises(NotFound):
        archives.save_directory(images, ["missing"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(NotFound, match="is not a directory"):
        archives.load_directory(other, tmp_path / "new")


def test_a_damaged_blob_is_not_saved(images: Images, tmp_path: Path) -> None:
    pictures.put(images, "one", "a")
    path = images.blobs.path(images.get("one").layers[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DigestMismatch):
        saved(images, "one")
    with pytest.raises(DigestMismatch):
        archives.save_directory(images, ["one"], tmp_path / "layout")
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_wrong_words_write_nothing(images: Images) -> None:
    output = io.BytesIO()
    for names, archive_format in ((["missing"], "docker-archive"), ([], "oci-archive"), (["x"], "zip")):
        with pytest.raises(LabError):
            archives.save(images, names, output, archive_format)
    assert output.getvalue() == b""


# --- Docker's older archives


def old_archive(*, layer: bytes | None = None, **fields: object) -> bytes:
    """Write an archive as Docker did before version 25."""
    plain = pictures.tar({"file": b"content"})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digests.of(plain), digests.of(plain)]},
    }
    raw = json.dumps(config).encode()
    name = f"{digests.of(raw)[7:]}.json"
    item = {
        "Config": name,
        "RepoTags": ["old:1", "old:2"],
        "Layers": ["a/layer.tar", "b/layer.tar"],
        **fields,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in (
            (name, raw),
            ("a/layer.tar", layer or plain),
            ("a/VERSION", b"1.0"),
            ("a/json", b"{}"),
        ):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("b/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../a/layer.tar"
        archive.addfile(link)
        manifest = tarfile.TarInfo("manifest.json")
        content = json.dumps([item]).encode()
        manifest.size = len(content)
        archive.addfile(manifest, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("compress", [None, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_an_older_archive_with_a_shared_layer(
    images: Images, compress: Callable[[bytes], bytes] | None
) -> None:
    layer = compress(pictures.tar({"file": b"content"})) if compress else None
    assert archives.load(images, io.BytesIO(old_archive(layer=layer))) == ["old:1", "old:2"]
    image = images.get("old:1")
    assert image.layers[0] == image.layers[1]
    assert documents.is_layer(image.layers[0].media_type)
    assert pictures.is_complete(images)
    assert set(images.blobs.digests()) == pictures.needed(images)


def members(*entries: tuple[str, bytes | str]) -> bytes:
    """Write an archive of files (bytes) and symbolic links (text)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


LAYOUT = ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
EMPTY = ("index.json", b'{"schemaVersion":2,"manifests":[]}')


def index_of(**fields: object) -> tuple[str, bytes]:
    entry = {"mediaType": documents.OCI_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 10, **fields}
    return "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", InvalidInput, "no image"),
        (b"hello" * 1000, CorruptContent, "not a tar archive"),
        (gzip.compress(b"hello" * 1000), CorruptContent, "not a tar archive"),
        (gzip.compress(old_archive())[:-20], CorruptContent, "cut off"),
        (old_archive()[:3000], CorruptContent, "cut off"),
        (members(("etc/passwd", b"root")), InvalidInput, "neither manifest.json nor oci-layout"),
        (members(("repositories", b"{}")), Unsupported, "before 1.10"),
        (members(("manifest.json", b"{}")), CorruptContent, "not valid"),
        (members(("manifest.json", b"[]")), CorruptContent, "no image"),
        (members(("manifest.json", b'[{"Config":"x.json","Layers":[]}]')), CorruptContent, r"lacks x\.json"),
        (members(("manifest.json", b'[{"Config":"../../etc/passwd"}]')), CorruptContent, "lacks"),
        (members(("manifest.json", bytes(5 << 20))), HostileArchive, "bytes"),
        (members(("manifest.json", "manifest.json")), HostileArchive, "circle"),
        (members(("manifest.json", "/etc/hostname")), CorruptContent, "lacks"),
        (old_archive(Layers=["a/layer.tar"]), CorruptContent, "names 2 layers"),
        (old_archive(Layers=["a/layer.tar", "a/json"]), DigestMismatch, "a/json of the archive is"),
        (old_archive(Layers=["a/layer.tar", "c"]), CorruptContent, "lacks c"),
        (old_archive(RepoTags=["Not A Name"]), InvalidInput, "not an image name"),
        (old_archive(Config="a/json"), CorruptContent, "architecture"),
        (old_archive(layer=pictures.tar({"file": b"other"})), DigestMismatch, "announced"),
        (members(LAYOUT), CorruptContent, "lacks index.json"),
        (members(LAYOUT, EMPTY), CorruptContent, "no image"),
        (members(("oci-layout", b'{"imageLayoutVersion":"2.0"}'), EMPTY), Unsupported, "version 2.0"),
        (members(("oci-layout", b"x"), EMPTY), CorruptContent, "version"),
        (members(LAYOUT, index_of()), CorruptContent, "lacks the blob sha256:000"),
        (members(LAYOUT, index_of(digest="sha256:../../x")), CorruptContent, "is not a digest"),
        (members(LAYOUT, index_of(size=5 << 20)), CorruptContent, "bytes"),
        (
            members(LAYOUT, (f"blobs/sha256/{'0' * 64}", b"0123456789"), index_of()),
            DigestMismatch,
            "turned out",
        ),
        (members((f"blobs/sha256/{'0' * 64}/../../../x", b"0123456789")), InvalidInput, "no image"),
    ],
)
def test_what_is_wrong_is_said_and_leaves_nothing(
    images: Images, data: bytes, error: type[LabError], said: str
) -> None:
    with pytest.raises(error, match=said):
        archives.load(images, io.BytesIO(data))
    assert is_empty(images)


def test_names_of_members_never_become_paths(images: Images, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    data = members(("../../../canary", b"x"), ("/tmp/../canary", b"x"), ("a", "../../canary"), ("a/b", b"x"))
    with pytest.raises(InvalidInput):
        archives.load(images, io.BytesIO(data))
    after = {path for path in tmp_path.rglob("*") if not path.name.startswith("state.db")}
    assert {path.name for path in after - set(before)} <= {"content"}
    assert is_empty(images)


def test_of_two_members_of_one_name_the_last_counts(images: Images) -> None:
    archives.load(images, io.BytesIO(members(("manifest.json", b"rubbish"))[:1024] + old_archive()))
    assert images.names() == ("old:1", "old:2")


# --- other tools


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.system("skopeo")
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_skopeo_reads_ours_and_we_read_its(images: Images, other: Images, tmp_path: Path, kind: str) -> None:
    pictures.put(images, "lab/base", "a", "b")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    ours.write_bytes(saved(images, "lab/base", archive_format=kind))
    run("skopeo", "copy", f"{kind}:{ours}:docker.io/lab/base:latest", f"{kind}:{theirs}:quay.io/new/name:1")
    with open(theirs, "rb") as file:
        assert archives.load(other, file) == ["quay.io/new/name:1"]
    assert other.get("quay.io/new/name:1").id == images.get("lab/base").id
    assert pictures.is_complete(other)


@pytest.mark.system("skopeo")
def test_layout_directories_both_ways_with_skopeo(images: Images, other: Images, tmp_path: Path) -> None:
    pictures.put(images, "lab/base", "a", "b")
    archives.save_directory(images, ["lab/base"], tmp_path / "ours")
    run("skopeo", "copy", f"oci:{tmp_path}/ours", f"oci:{tmp_path}/theirs:lab/copy:1")
    assert archives.load_directory(other, tmp_path / "theirs") == ["lab/copy:1"]
    assert other.get("lab/copy:1").manifest_digest == images.get("lab/base").manifest_digest


@pytest.fixture
def podman() -> Iterator[Callable[..., str]]:
    """Yield a way to call podman with a store of its own, whose path it wants to be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        folders = ("--root", f"{folder}/r", "--runroot", f"{folder}/s", "--storage-driver", "vfs")
        yield lambda *words: run("podman", *folders, *words)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.system("podman")
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_podman_reads_ours_and_we_read_its(
    images: Images, other: Images, tmp_path: Path, podman: Callable[..., str], kind: str
) -> None:
    pictures.put(images, "quay.io/lab/base:1", "a", "b")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    ours.write_bytes(saved(images, "quay.io/lab/base:1", archive_format=kind))
    assert "quay.io/lab/base:1" in podman("load", "-i", ours)
    podman("save", "--format", kind, "-o", theirs, "quay.io/lab/base:1")
    with open(theirs, "rb") as file:
        assert archives.load(other, file) == ["quay.io/lab/base:1"]
    assert other.get("quay.io/lab/base:1").diff_ids == images.get("quay.io/lab/base:1").diff_ids
    assert pictures.is_complete(other)


@pytest.fixture
def docker() -> Iterator[Docker]:
    """Yield a Docker daemon of the test's own."""
    with daemon("vfs") as docker:
        yield docker


@pytest.mark.root
@pytest.mark.slow
def test_docker_reads_ours_and_we_read_its(
    images: Images, other: Images, tmp_path: Path, docker: Docker
) -> None:
    pictures.put(images, "lab/base", "shared", "a")
    pictures.put(images, "quay.io/x:1", "shared", "b")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    ours.write_bytes(saved(images, "lab/base", "quay.io/x:1"))
    assert docker("load", "-i", ours).splitlines() == [
        "Loaded image: lab/base:latest",
        "Loaded image: quay.io/x:1",
    ]
    docker("save", "-o", theirs, "lab/base", "quay.io/x:1")
    with open(theirs, "rb") as file:
        assert sorted(archives.load(other, file)) == ["lab/base:latest", "quay.io/x:1"]
    assert [image.id for image in other.list()] == [image.id for image in images.list()]
    _load_built(images, tmp_path, docker)


def _load_built(images: Images, tmp_path: Path, docker: Docker) -> None:
    """Let Docker load what a build writes for it, and an image of the store that has attestations."""
    with images.blobs.lease():
        built = made.built(made.layer(images, made.FILES))
        write(parse(f"type=docker,dest={tmp_path}/built.tar"), [built], images, ["built:1"])
        to_store(images, [built], ["attested:1"], attest=made.attest_nothing(images))
    assert "Loaded image: built:1" in docker("load", "-i", tmp_path / "built.tar")
    (tmp_path / "attested.tar").write_bytes(saved(images, "attested:1"))
    assert "Loaded image: attested:1" in docker("load", "-i", tmp_path / "attested.tar")
    shown = json.loads(docker("image", "inspect", "built:1", "attested:1"))
    assert [each["Id"] for each in shown] == [images.get("attested:1").id] * 2
    assert shown[0]["Config"]["Shell"] == list(made.CONFIG.shell)
    assert shown[0]["Config"]["Healthcheck"]["Test"] == ["CMD", "true"]
