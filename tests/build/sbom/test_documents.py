"""Lists of packages as SPDX and CycloneDX, checked by what others wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from containerlab.build.result.purl import of_image, purl
from containerlab.build.sbom import cyclonedx, spdx
from containerlab.build.sbom.catalogue import Catalogue
from containerlab.build.sbom.licences import spdx as licence
from containerlab.build.sbom.package import Package, System
from containerlab.build.sbom.subject import Subject
from containerlab.oci.platform import Platform

SUBJECT = Subject(
    name="lab/app:1",
    digest="sha256:" + "a" * 64,
    platform=Platform("amd64", "linux"),
    created_s=1_700_000_000.5,
)


def package(name: str, licence: str = "", supplier: str = "", path: str = "/db") -> Package:
    return Package(
        kind="deb",
        name=name,
        version="1:2-3+b1",
        licence=licence,
        supplier=supplier,
        homepage="https://example.org/" if name == "a" else "see README",
        namespace="debian",
        path=path,
        layer="sha256:" + "b" * 64,
        purl=purl("deb", name, "1:2-3+b1", "debian", {"arch": "amd64"}),
    )


FOUND = Catalogue(
    (
        package("a", "GPL-2.0-or-later AND MIT", 'Jane "J" Doe <jane@example.org>'),
        package("libstdc++6", "Sleepycat's (odd) licence", "Debian"),
        package("b", "Foo AND MIT"),
        package("b", "Foo AND MIT", path="/other"),
    ),
    System(id="debian", version="12", name="Debian GNU/Linux 12"),
    ("/var/lib/rpm/Packages was not read",),
)


def test_spdx_is_valid(tmp_path: Path) -> None:
    raw = spdx.document(FOUND, SUBJECT)
    (tmp_path / "a.spdx.json").write_bytes(raw)
    found = parse_file(str(tmp_path / "a.spdx.json"))
    assert [each.validation_message for each in validate_full_spdx_document(found)] == []
    assert [each.name for each in found.packages] == ["lab/app:1", "debian", "a", "libstdc++6", "b", "b"]
    fields = json.loads(raw)
    assert fields["comment"] == "/var/lib/rpm/Packages was not read"
    assert fields["packages"][2]["supplier"] == "Person: Jane (jane@example.org)" or (
        "jane@example.org" in fields["packages"][2]["supplier"]
    )
    assert fields["packages"][2]["licenseDeclared"] == "GPL-2.0-or-later AND MIT"
    assert fields["packages"][4]["licenseDeclared"] == "LicenseRef-Foo AND MIT"
    assert "sha256:" + "b" * 64 in fields["packages"][2]["sourceInfo"]


def test_cyclonedx_is_valid() -> None:
    raw = cyclonedx.document(FOUND, SUBJECT)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(raw.decode()) is None
    fields = json.loads(raw)
    assert fields["metadata"]["component"]["name"] == "lab/app:1"
    assert fields["metadata"]["properties"][0]["value"] == "/var/lib/rpm/Packages was not read"
    assert {each["name"] for each in fields["components"]} == {"a", "b", "debian", "libstdc++6"}


@pytest.mark.parametrize("document", [spdx.document, cyclonedx.document])
def test_the_same_image_gives_the_same_bytes(document: object) -> None:
    assert callable(document)
    assert document(FOUND, SUBJECT) == document(FOUND, SUBJECT)


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ("MIT", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT OR Foo!) AND ISC", "(MIT OR LicenseRef-Foo) AND ISC"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("", ""),
        ("AND", "LicenseRef-AND"),
        ("((", "LicenseRef-unnamed"),
        ("see 'LICENSE' file;\n all rights", "LicenseRef-see-LICENSE-file-all-rights"),
    ],
)
def test_licences(said: str, expression: str) -> None:
    assert licence(said).expression == expression


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("alpine:3.19", "pkg:docker/alpine@3.19?platform=linux%2Famd64"),
        ("quay.io/x/y:1", "pkg:docker/quay.io/x/y@1?platform=linux%2Famd64"),
        ("localhost:5000/y", "pkg:docker/localhost:5000/y@latest?platform=linux%2Famd64"),
    ],
)
def test_the_url_of_an_image(name: str, url: str) -> None:
    assert of_image(name, Platform("amd64", "linux")) == url
    assert PackageURL.from_string(url).qualifiers == {"platform": "linux/amd64"}
