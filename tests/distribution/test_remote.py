"""The operations of one repository, against a registry that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.oci import distribution
from containerlab.oci import image as documents
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.artifacts import Bytes, blob_of, manifest_of, noise, send_manifest


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.debian(Path(tmp_path_factory.mktemp("registry"))) as found:
        yield found


@pytest.fixture
def remote(registry: registries.Registry, request: pytest.FixtureRequest) -> Iterator[Remote]:
    name = f"{registry.host}/{request.node.name.replace('[', '-').rstrip(']')}"
    with Remote(Reference.parse(name)) as found:
        yield found


def _read(remote: Remote, data: bytes, start: int = 0) -> bytes:
    with remote.blob(blob_of(data), start) as download:
        return b"".join(iter(lambda: download.read(1 << 20), b""))


@pytest.mark.parametrize("size", [0, 1, 100, 1 << 20, 5_000_001])
def test_a_blob_comes_back_as_it_was_sent(remote: Remote, size: int) -> None:
    data = noise(size)
    assert not remote.has_blob(blob_of(data))
    told: list[int] = []
    remote.upload(blob_of(data), Bytes(data), progress=told.append)
    assert remote.has_blob(blob_of(data))
    assert _read(remote, data) == data
    assert _read(remote, data, size // 2) == data[size // 2 :]
    assert sum(told) == size


def test_a_blob_is_taken_over_from_another_repository(registry: registries.Registry, remote: Remote) -> None:
    data = noise(1000, 1)
    with Remote(Reference.parse(f"{registry.host}/elsewhere")) as elsewhere:
        elsewhere.upload(blob_of(data), Bytes(data))
    assert remote.mount(blob_of(data), "elsewhere") is None
    assert remote.has_blob(blob_of(data))


def test_what_cannot_be_taken_over_is_sent_in_the_session_that_was_opened(remote: Remote) -> None:
    data = noise(2 << 20, 2)
    session = remote.mount(blob_of(data), "nowhere")
    assert session is not None
    remote.upload(blob_of(data), Bytes(data), session)
    assert _read(remote, data) == data


def test_a_blob_that_is_not_what_it_is_called_is_not_there_afterwards(remote: Remote) -> None:
    wrong = blob_of(noise(1000, 3))
    with pytest.raises(errors.LabError, match="digest"):
        remote.upload(wrong, Bytes(noise(1000, 4)))
    assert not remote.has_blob(wrong)


def test_a_manifest_is_found_by_tag_and_by_digest(remote: Remote) -> None:
    raw = manifest_of()
    sent = send_manifest(remote, raw, "v1")
    for name in ("v1", sent.digest):
        fetched = remote.manifest(name)
        assert fetched.raw == raw
        assert fetched.descriptor == sent
        assert remote.head(name) == sent
    assert remote.head("v2") is None
    with pytest.raises(errors.NotFound):
        remote.manifest("v2")


def test_all_tags_are_listed(remote: Remote) -> None:
    raw = manifest_of()
    for number in range(7):
        send_manifest(remote, raw, f"v{number}")
    assert sorted(remote.tags()) == [f"v{number}" for number in range(7)]


def test_a_registry_without_tags_says_so(remote: Remote) -> None:
    with pytest.raises(errors.NotFound):
        list(remote.tags())


def test_the_catalogue_names_the_repository(remote: Remote) -> None:
    send_manifest(remote, manifest_of(), "v1")
    assert remote.reference.repository in remote.catalog(1)


def test_referrers_are_listed_under_the_fallback_tag_where_there_is_no_other_way(remote: Remote) -> None:
    subject = send_manifest(remote, manifest_of(), "v1")
    signature = send_manifest(remote, manifest_of(subject=subject, artifact_type="test/signature"))
    notes = send_manifest(remote, manifest_of(subject=subject, artifact_type="test/notes", note="hello"))
    send_manifest(remote, manifest_of(subject=subject, artifact_type="test/notes", note="hello"))  # again
    found = remote.referrers(subject.digest)
    assert [each.digest for each in found] == [signature.digest, notes.digest]
    assert found[1].artifact_type == "test/notes"
    assert found[1].annotations == {"note": "hello"}
    assert [each.digest for each in remote.referrers(subject.digest, "test/notes")] == [notes.digest]
    assert distribution.fallback_tag(subject.digest) in remote.tags()
    remote.delete_manifest(signature.digest)
    assert [each.digest for each in remote.referrers(subject.digest)] == [notes.digest]


def test_nothing_speaks_about_what_nothing_speaks_about(remote: Remote) -> None:
    subject = send_manifest(remote, manifest_of(), "v1")
    assert remote.referrers(subject.digest) == []


def test_a_deleted_manifest_is_gone(remote: Remote) -> None:
    sent = send_manifest(remote, manifest_of(note="to go"), "v1")
    remote.delete_manifest(sent.digest)
    assert remote.head(sent.digest) is None
    with pytest.raises(errors.NotFound):
        remote.delete_manifest(sent.digest)


def test_an_image_of_another_type_than_asked_for_is_not_given(remote: Remote) -> None:
    send_manifest(remote, manifest_of(), "v1")
    fetched = remote.manifest("v1", (documents.OCI_MANIFEST,))
    assert fetched.descriptor.media_type == documents.OCI_MANIFEST
