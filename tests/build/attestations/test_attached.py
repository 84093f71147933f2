"""Statements are attached to an index, and the store, archives and other tools live with them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from containerlab.backends.embedded.reworking import ReworkingVerbs
from containerlab.build.attestations.attester import Attester
from containerlab.build.attestations.facts import Facts, Material
from containerlab.build.attestations.requests import Requests, read
from containerlab.build.record import Step, StepRecord
from containerlab.build.result.export import ExportOptions, to_store
from containerlab.build.result.metadata import image_id
from containerlab.build.result.outputs import parse
from containerlab.build.result.writing import Statements, write
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.oci.platform import Platform
from containerlab.store import archives, removal
from containerlab.store.images import Images
from tests.build import made
from tests.store.tars import archive, entry

SECRET = "open-sesame-2026"
STATUS = b"Package: a\nStatus: install ok installed\nVersion: 1\n"
FILES = archive(entry("var/lib/dpkg/status", content=STATUS))
DOCKERFILE = f'FROM lab/base\nARG TOKEN="{SECRET}"\nENV API_KEY {SECRET}\nRUN make # {SECRET}\n'


def facts(platform: Platform) -> Facts:
    run = Step(id=3, name=f"RUN curl -H {SECRET} x", stage="0", kind="run", inputs=(2,), line=4)
    return Facts(
        ref="r1",
        started_at=1000.0,
        finished_at=1001.5,
        platform=platform,
        source=DOCKERFILE,
        target="last",
        build_args={"TOKEN": SECRET, "VERSION": "7"},
        labels={"who": "me"},
        materials=(Material(uri="pkg:docker/lab/base@latest", digest="sha256:" + "a" * 64),),
        secrets=("npm",),
        ssh=("default",),
        steps=(StepRecord(step=run, status="done"),),
    )


def attester(images: Images, **options: Any) -> Attester:
    return Attester(images.blobs, read(**options), facts)


def attached(images: Images, descriptor: Descriptor) -> tuple[Descriptor, Manifest, list[dict[str, Any]]]:
    """Return the last entry of an index, the manifest that it leads to, and the statements in it."""
    index = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(index, Index)
    found = documents.decode_document(images.blobs.read(index.manifests[-1].digest))
    assert isinstance(found, Manifest)
    return index.manifests[-1], found, [json.loads(images.blobs.read(each.digest)) for each in found.layers]


def put(images: Images, **options: Any) -> Descriptor:
    built = made.built(made.layer(images, FILES))
    return to_store(images, [built], ["lab/a:1"], attest=attester(images, **options).attest)


def test_they_are_laid_down_as_buildkit_does(images: Images) -> None:
    descriptor = put(images, sbom=True, provenance=True)
    assert descriptor.media_type == documents.OCI_INDEX
    entry, manifest, statements = attached(images, descriptor)
    image = images.get("lab/a:1")
    assert entry.platform == Platform("unknown", "unknown")
    assert entry.annotations == {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image.manifest_digest,
    }
    assert [each.media_type for each in manifest.layers] == ["application/vnd.in-toto+json"] * 2
    assert [each.annotations["in-toto.io/predicate-type"] for each in manifest.layers] == [
        "https://spdx.dev/Document",
        "https://slsa.dev/provenance/v0.2",
    ]
    for statement in statements:
        assert statement["_type"] == "https://in-toto.io/Statement/v0.1"
        assert statement["subject"] == [
            {
                "name": "pkg:docker/lab/a@1?platform=linux%2Famd64",
                "digest": {"sha256": image.manifest_digest.removeprefix("sha256:")},
            }
        ]
    assert [each["name"] for each in statements[0]["predicate"]["packages"]] == ["lab/a:1", "a"]


def test_provenance_at_the_least(images: Images) -> None:
    _, _, (statement,) = attached(images, put(images, provenance="mode=min"))
    found = statement["predicate"]
    assert found["invocation"]["parameters"] == {
        "frontend": "dockerfile.v0",
        "args": {"target": "last"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    }
    assert found["invocation"]["configSource"] == {"entryPoint": "Dockerfile"}
    assert found["materials"] == [{"uri": "pkg:docker/lab/base@latest", "digest": {"sha256": "a" * 64}}]
    assert found["metadata"]["buildStartedOn"] == "1970-01-01T00:16:40Z"
    assert found["metadata"]["completeness"] == {"parameters": False, "environment": True, "materials": False}
    assert "buildConfig" not in found


@pytest.mark.parametrize("version", ["v0.2", "v1"])
def test_all_of_provenance_has_no_secret(images: Images, version: str) -> None:
    _, _, (statement,) = attached(images, put(images, provenance=f"mode=max,version={version}"))
    found = statement["predicate"]
    if version == "v1":
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        request = found["buildDefinition"]["externalParameters"]["request"]
        config = found["buildDefinition"]["internalParameters"]["buildConfig"]
        source = found["runDetails"]["metadata"]["buildkit_metadata"]["source"]
    else:
        request, config = found["invocation"]["parameters"], found["buildConfig"]
        source = found["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["source"]
    assert request["args"]["build-arg:VERSION"] == "7"
    assert request["args"]["build-arg:TOKEN"] == "<redacted>"
    assert request["args"]["label:who"] == "me"
    assert request["secrets"] == [{"id": "npm", "optional": True}]
    assert config["steps"][0]["inputs"] == ["step2"]
    text = base64.b64decode(source["infos"][0]["data"]).decode()
    assert text == DOCKERFILE.replace(f'"{SECRET}"', "<redacted>").replace(SECRET, "<redacted>")
    assert SECRET not in json.dumps(statement)


def test_a_default_in_the_dockerfile_is_redacted_too(images: Images) -> None:
    """Nobody gave it as a build argument, so that only its name tells what it is."""
    import msgspec

    from containerlab.build.attestations.provenance import provenance
    from containerlab.build.attestations.requests import Provenance

    plain = msgspec.structs.replace(facts(Platform.host()), build_args={}, source=f"ARG TOKEN={SECRET} A=1")
    found = json.loads(provenance(plain, Provenance(mode="max")).body)
    data = found["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["source"]["infos"][0]["data"]
    assert base64.b64decode(data).decode() == "ARG TOKEN=<redacted> A=1"


def test_the_store_keeps_them_and_shows_the_image(images: Images, tmp_path: Path) -> None:
    descriptor = put(images, sbom=True)
    assert [image.names for image in images.list()] == [("lab/a:1",)]
    assert image_id(images, descriptor) == images.get("lab/a:1").id
    with made.store(tmp_path / "second") as second, open(tmp_path / "a.tar", "w+b") as file:
        archives.save(images, ["lab/a:1"], file, "oci-archive")
        file.seek(0)
        archives.load(second, file)
        assert second.get("lab/a:1").descriptor.digest == descriptor.digest
        removal.collect(second)
    again = Images(second.home)
    removal.collect(again)  # with no lease
    assert len(attached(again, descriptor)[2]) == 1
    removal.remove(again, "lab/a:1", lambda _: [])
    assert list(again.blobs.digests()) == []
    again.close()


def test_every_platform_has_its_own(images: Images) -> None:
    layer = made.layer(images, FILES)
    two = [made.built(layer, platform=each) for each in ("linux/amd64", "linux/arm64")]
    descriptor = to_store(images, two, ["a"], attest=attester(images, provenance=True).attest)
    index = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(index, Index)
    image_digests = [each.digest for each in index.manifests[:2]]
    assert [each.annotations["vnd.docker.reference.digest"] for each in index.manifests[2:]] == image_digests


def test_a_directory_gets_them_as_files(images: Images, tmp_path: Path) -> None:
    built = [made.built(made.layer(images, FILES))]
    beside = attester(images, sbom="generator=cyclonedx", provenance=True).beside
    write(parse(str(tmp_path / "out")), built, images, statements=Statements(beside=beside))
    found = json.loads((tmp_path / "out/provenance.json").read_bytes())
    assert found["predicateType"] == "https://slsa.dev/provenance/v0.2"
    found = json.loads((tmp_path / "out/sbom.cdx.json").read_bytes())
    assert found["predicate"]["bomFormat"] == "CycloneDX"


def test_documents_of_docker_have_no_place_for_them(images: Images) -> None:
    options = ExportOptions(oci_types=False)
    built = made.built(made.layer(images, FILES))
    descriptor = to_store(images, [built], ["a"], options, attester(images, provenance=True).attest)
    assert descriptor.media_type == documents.OCI_INDEX


@pytest.mark.system("skopeo")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_archives_of_such_images_are_read_by_others(images: Images, tmp_path: Path, kind: str) -> None:
    put(images, sbom=True)
    with open(tmp_path / "a.tar", "wb") as file:
        archives.save(images, ["lab/a:1"], file, kind)
    words = ["skopeo", "inspect", "--config", f"{kind}:{tmp_path}/a.tar"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert found["rootfs"]["diff_ids"] == list(images.get("lab/a:1").diff_ids)


def test_they_are_not_said_of_another_image(images: Images) -> None:
    put(images, provenance=True)
    reworking = ReworkingVerbs()
    reworking.store = images
    made_anew = reworking.squash_image("lab/a:1", "squashed")
    assert "statements about it are not true" in made_anew.notices[0]
    assert images.get("squashed").descriptor.media_type == documents.OCI_MANIFEST


def test_nothing_asked_nothing_attached(images: Images) -> None:
    assert put(images).media_type == documents.OCI_MANIFEST
    assert not Requests()


@pytest.mark.system("skopeo")
@pytest.mark.slow
@pytest.mark.parametrize("everything", [True, False])
def test_skopeo_copies_them(images: Images, tmp_path: Path, everything: bool) -> None:
    put(images, sbom=True, provenance=True)
    words = ["skopeo", "copy", *(["--all"] if everything else []), f"oci:{images.home.oci}:lab/a:1"]
    subprocess.run([*words, f"oci:{tmp_path}/copy:x"], check=True, capture_output=True)
    blobs = sum(path.is_file() for path in (tmp_path / "copy").rglob("sha256/*"))
    assert blobs == (8 if everything else 3)
