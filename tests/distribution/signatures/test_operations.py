"""Images are signed at a real registry, and their signatures verified."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.connections import Bytes
from containerlab.distribution.remote import Remote
from containerlab.distribution.signatures import operations, stored
from containerlab.distribution.signatures.keys import PrivateKey
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.artifacts import blob_of, manifest_of, send_manifest

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture(scope="module", params=["debian", "ours"])
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[registries.Registry]:
    run: Callable[..., object] = getattr(registries, request.param)
    with run(base / f"signatures-{request.param}", auth="none") as running:  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def image(registry: registries.Registry, request: pytest.FixtureRequest, user: Path) -> Reference:
    """Return a name that leads to an image of the test's own."""
    name = "".join(sign if sign.isalnum() else "-" for sign in request.node.name).strip("-").lower()
    reference = Reference.parse(f"{registry.host}/lab/{name}:1")
    with Remote(reference, for_push=True) as remote:
        send_manifest(remote, manifest_of(note=name), "1")
    return reference


def _new_key() -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return PrivateKey(ed25519.Ed25519PrivateKey.generate())


KEY = _new_key()


def _manifest(image: Reference, reference: str) -> Manifest:
    with Remote(image) as remote:
        document = remote.manifest(reference).document
    assert isinstance(document, Manifest)
    return document


def test_what_is_signed_is_verified(image: Reference) -> None:
    signed = operations.sign(image, KEY, {"env": "prod"})
    found = operations.verify(image, KEY.public, {})
    assert found.digest == signed.digest
    (statement,) = found.statements
    assert statement.digest == signed.digest
    assert statement.identity == f"{image.registry}/{image.repository}"
    assert statement.annotations == {"env": "prod"}


def test_it_is_stored_as_cosign_stores_it(image: Reference) -> None:
    signed = operations.sign(image, KEY, {})
    tag = f"{signed.digest.replace(':', '-')}.sig"
    assert signed.place == f"{image.registry}/{image.repository}:{tag}"
    manifest = _manifest(image, tag)
    assert manifest.config.media_type == "application/vnd.oci.image.config.v1+json"
    (layer,) = manifest.layers
    assert layer.media_type == "application/vnd.dev.cosign.simplesigning.v1+json"
    assert list(layer.annotations) == ["dev.cosignproject.cosign/signature"]
    with Remote(image) as remote:
        payload, config = remote.small_blob(layer), json.loads(remote.small_blob(manifest.config))
    assert KEY.public.has_signed(payload, base64.b64decode(layer.annotations.popitem()[1]))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer.digest]}
    assert manifest.subject is None


def test_as_a_referrer_it_refers_to_the_image(image: Reference) -> None:
    signed = operations.sign(image, KEY, {}, as_referrer=True)
    with Remote(image) as remote:
        (found,) = remote.referrers(signed.digest, "application/vnd.dev.cosign.artifact.sig.v1+json")
    assert signed.place.endswith(f"@{found.digest}")
    manifest = _manifest(image, found.digest)
    assert manifest.subject
    assert manifest.subject.digest == signed.digest
    assert manifest.config.media_type == manifest.artifact_type == found.artifact_type
    (finding,) = operations.verify(image, KEY.public, {}).findings
    assert finding.where == found.digest


def test_the_same_said_twice_is_there_once(image: Reference) -> None:
    for as_referrer in (False, True):
        first = operations.sign(image, KEY, {}, as_referrer=as_referrer)
        assert operations.sign(image, KEY, {}, as_referrer=as_referrer) == first
    operations.sign(image, KEY, {"more": "said"})
    assert len(operations.verify(image, KEY.public, {}).findings) == 3


def test_all_signatures_are_reported(image: Reference) -> None:
    other = _new_key()
    operations.sign(image, KEY, {})
    operations.sign(image, other, {})
    found = operations.verify(image, KEY.public, {})
    assert [each.problem for each in found.findings] == ["", "it is not by this key"]
    with pytest.raises(errors.NotPermitted, match="no matching signatures"):
        operations.verify(image, _new_key().public, {})


def test_annotations_that_are_wanted(image: Reference) -> None:
    operations.sign(image, KEY, {"env": "prod", "by": "ci"})
    assert operations.verify(image, KEY.public, {"env": "prod"}).statements
    for wanted in ({"env": "test"}, {"env": "prod", "other": ""}):
        with pytest.raises(errors.NotPermitted, match="does not say"):
            operations.verify(image, KEY.public, wanted)


def test_without_signatures(image: Reference) -> None:
    with pytest.raises(errors.NotFound, match=f"no signatures found for {image.familiar()}"):
        operations.verify(image, KEY.public, {})
    with pytest.raises(errors.NotFound):
        operations.sign(Reference.parse(f"{image.registry}/lab/nothing:1"), KEY, {})


def test_what_another_signer_replaces_is_done_again(
    image: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has read before we wrote, and writes before we look again."""
    other, put = _new_key(), stored._put
    operations.sign(image, other, {})
    digest = _digest(image)
    with Remote(image) as remote:
        theirs = remote.manifest(stored.signature_tag(digest)).raw
    late = [theirs]

    def put_and_be_replaced(remote: Remote, tag: str, *others: object) -> str:
        done = put(remote, tag, *others)  # type: ignore[arg-type]
        if late:
            remote.put_manifest(tag, late.pop(), documents.OCI_MANIFEST)
        return done

    monkeypatch.setattr(stored, "_put", put_and_be_replaced)
    operations.sign(image, KEY, {})
    assert len(operations.verify(image, KEY.public, {}).findings) == 2


def test_another_image_under_the_tag_is_not_signed(image: Reference) -> None:
    signed = operations.sign(image, KEY, {})
    with Remote(image, for_push=True) as remote:
        send_manifest(remote, manifest_of(note="another"), "1")
    with pytest.raises(errors.NotFound):
        operations.verify(image, KEY.public, {})
    by_digest = Reference.parse(f"{image.registry}/{image.repository}@{signed.digest}")
    assert operations.verify(by_digest, KEY.public, {}).statements


def test_the_signature_of_another_image_is_of_no_use(image: Reference) -> None:
    """Whoever can push moves signatures about; the digest in what is signed tells."""
    signed = operations.sign(image, KEY, {})
    with Remote(image, for_push=True) as remote:
        evil = send_manifest(remote, manifest_of(note="evil"), "1")
        raw = remote.manifest(stored.signature_tag(signed.digest)).raw
        remote.put_manifest(stored.signature_tag(evil.digest), raw, documents.OCI_MANIFEST)
    with pytest.raises(errors.NotPermitted, match="it is about another image"):
        operations.verify(image, KEY.public, {})


def _put_layers(image: Reference, digest: str, layers: list[tuple[str, bytes, dict[str, str]]]) -> None:
    """Put what somebody who can push may put in the place of signatures."""
    with Remote(image, for_push=True) as remote:
        described = []
        for media_type, content, annotations in layers:
            remote.upload(blob_of(content), Bytes(content))
            described.append(
                Descriptor(
                    media_type=media_type,
                    digest=digests.of(content),
                    size=len(content),
                    annotations=annotations,
                )
            )
        remote.upload(blob_of(b"{}"), Bytes(b"{}"))
        manifest = Manifest(
            schema_version=2,
            media_type=documents.OCI_MANIFEST,
            config=blob_of(b"{}", documents.OCI_CONFIG),
            layers=tuple(described),
        )
        remote.put_manifest(stored.signature_tag(digest), documents.encode(manifest), documents.OCI_MANIFEST)


PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"


def _digest(image: Reference) -> str:
    with Remote(image) as remote:
        return remote.manifest(image.tag).descriptor.digest


def test_what_is_no_signature_stands_beside_one_that_is(image: Reference) -> None:
    text = b"signed, but no statement"
    signature = base64.b64encode(KEY.sign(text)).decode()
    layers = [
        (PAYLOAD, b"{}", {}),
        (PAYLOAD, b"{}", {ANNOTATION: "***"}),
        (PAYLOAD, b"{}", {ANNOTATION: "é"}),
        (PAYLOAD, text, {ANNOTATION: signature}),
        ("text/plain", b"x", {ANNOTATION: signature}),
    ]
    digest = _digest(image)
    _put_layers(image, digest, layers)
    with pytest.raises(errors.NotPermitted, match="no matching signatures"):
        operations.verify(image, KEY.public, {})
    operations.sign(image, KEY, {})
    found = operations.verify(image, KEY.public, {})
    assert [bool(each.problem) for each in found.findings] == [True, True, True, True, False]
    assert "signed statement about an image is not valid" in found.findings[3].problem


def test_signers_at_once_lose_nothing_as_referrers(image: Reference, registry: registries.Registry) -> None:
    if registry.kind == "debian":
        pytest.skip("it lists no referrers: whoever lists them under a tag replaces the list")
    signers = [_new_key() for _ in range(4)]
    threads = [
        threading.Thread(target=operations.sign, args=(image, key, {}), kwargs={"as_referrer": True})
        for key in signers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    findings = operations.verify(image, signers[0].public, {}).findings
    assert len(findings) == len(signers)


def _bundle(digest: str, key: PrivateKey, predicate: str = "https://sigstore.dev/cosign/sign/v1") -> bytes:
    """Write a bundle as cosign does from its version 3 on, without a log."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.partition(":")[2]}, "annotations": {"env": "prod"}}],
        "predicateType": predicate,
        "predicate": {},
    }
    body, kind = json.dumps(statement).encode(), "application/vnd.in-toto+json"
    message = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    envelope = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": kind,
        "signatures": [{"sig": base64.b64encode(key.sign(message)).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": "x"}}
    document = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return json.dumps(document).encode()


def _refer(image: Reference, bundle: bytes) -> None:
    with Remote(image, for_push=True) as remote:
        subject = remote.manifest(image.tag).descriptor
        for content in (bundle, b"{}"):
            remote.upload(blob_of(content), Bytes(content))
        manifest = Manifest(
            schema_version=2,
            media_type=documents.OCI_MANIFEST,
            artifact_type=BUNDLE,
            config=blob_of(b"{}", "application/vnd.oci.empty.v1+json"),
            layers=(blob_of(bundle, BUNDLE),),
            subject=subject,
        )
        raw = documents.encode(manifest)
        remote.put_manifest(digests.of(raw), raw, documents.OCI_MANIFEST)


def test_bundles_of_newer_cosigns_are_verified_too(image: Reference) -> None:
    _refer(image, _bundle(_digest(image), KEY))
    found = operations.verify(image, KEY.public, {"env": "prod"})
    assert [each.digest for each in found.statements] == [found.digest]
    with pytest.raises(errors.NotPermitted, match="not by this key"):
        operations.verify(image, _new_key().public, {})


@pytest.mark.parametrize("wrong", ["digest", "predicate", "nonsense", "no envelope"])
def test_bundles_that_are_no_signature(image: Reference, wrong: str) -> None:
    digest = _digest(image)
    bundle = {
        "digest": _bundle("sha256:" + "0" * 64, KEY),
        "predicate": _bundle(digest, KEY, "https://slsa.dev/provenance/v1"),
        "nonsense": b"[" * 10_000,
        "no envelope": b"{}",
    }[wrong]
    _refer(image, bundle)
    with pytest.raises(errors.NotPermitted, match="no matching signatures"):
        operations.verify(image, KEY.public, {})


def test_tags_of_signatures() -> None:
    assert stored.signature_tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64 + ".sig"
    with pytest.raises(errors.Unsupported, match="too long for a tag"):
        stored.signature_tag("sha512:" + "a" * 128)
    with pytest.raises(errors.InvalidInput):
        stored.signature_tag("sha256:../../x")
