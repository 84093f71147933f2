"""Packages are found in the layers of an image: which, where, and who brought them."""

from __future__ import annotations

import contextlib
import io
import shutil
import sqlite3
import subprocess
import tarfile
from pathlib import Path

import pytest
from packageurl import PackageURL

from containerlab.build.sbom import languages, rpm
from containerlab.build.sbom.catalogue import Catalogue, catalogue
from containerlab.build.sbom.dpkg import licence
from containerlab.build.sbom.package import Package, System
from containerlab.errors import CorruptContent
from containerlab.store.images import Images
from tests.build import made
from tests.store.tars import archive, entry

DEBIAN = entry("usr/lib/os-release", content=b'PRETTY_NAME="Debian 12"\nID=debian\nVERSION_ID="12"\n')


def of(images: Images, *layers: bytes) -> tuple[Catalogue, list[made.Committed]]:
    stored = [made.layer(images, each) for each in layers]
    return catalogue(images.blobs, stored), stored


def status(*packages: str) -> bytes:
    form = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n"
    return "\n".join(form.format(*each.split()) for each in packages).encode()


def names(found: Catalogue) -> list[str]:
    return [f"{each.name} {each.version}" for each in found.packages]


def test_dpkg(images: Images) -> None:
    text = b"""Package: g++
Status: install ok installed
Maintainer: Jane <jane@example.org>
Architecture: amd64
Source: gcc (12-1)
Version: 4:12.2.0-3
Description: compiler
 with more lines
 .
 Package: not-one

Package: gone
Status: deinstall ok config-files
Version: 1
"""
    copyright_file = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-3+
 Text

Files: x
License: Expat or zlib
"""
    found, layers = of(
        images,
        archive(
            DEBIAN,
            entry("var/lib/dpkg/status", content=text),
            entry("usr/share/doc/g++/copyright", content=copyright_file),
        ),
    )
    assert found.system == System(id="debian", version="12", name="Debian 12")
    assert found.packages == (
        Package(
            kind="deb",
            name="g++",
            version="4:12.2.0-3",
            licence="GPL-3.0-or-later AND (MIT OR Zlib)",
            architecture="amd64",
            source="gcc",
            supplier="Jane <jane@example.org>",
            namespace="debian",
            path="/var/lib/dpkg/status",
            layer=layers[0].diff_id,
            purl="pkg:deb/debian/g%2B%2B@4:12.2.0-3?arch=amd64&distro=debian-12&upstream=gcc",
        ),
    )


def test_an_image_without_dpkg_lists_its_packages_one_by_one(images: Images) -> None:
    found, _ = of(
        images,
        archive(
            entry("var/lib/dpkg/status.d/tzdata", content=b"Package: tzdata\nVersion: 2024a\n"),
            entry("var/lib/dpkg/status.d/tzdata.md5sums", content=b"Package: no\nVersion: 1\n"),
        ),
    )
    assert names(found) == ["tzdata 2024a"]


def test_a_package_belongs_to_the_layer_that_brought_it(images: Images) -> None:
    found, layers = of(
        images,
        archive(entry("var/lib/dpkg/status", content=status("a 1", "b 1"))),
        archive(entry("unrelated")),
        archive(entry("var/lib/dpkg/status", content=status("a 1", "b 2", "c 1"))),
        archive(entry("var/lib/dpkg/status", content=status("a 1", "c 1", "b 2"))),
    )
    brought = {each.name: [layer.diff_id for layer in layers].index(each.layer) for each in found.packages}
    assert names(found) == ["a 1", "b 2", "c 1"]
    assert brought == {"a": 0, "b": 2, "c": 2}


def test_what_was_deleted_is_not_listed(images: Images) -> None:
    lower = archive(
        entry("lib/x-1.dist-info/METADATA", content=b"Name: x\nVersion: 1\n"),
        entry("lib/y-1.dist-info/METADATA", content=b"Name: y\nVersion: 1\n"),
    )
    found, _ = of(images, lower, archive(entry("lib/.wh.x-1.dist-info")))
    assert names(found) == ["y 1"]


def test_apk(images: Images) -> None:
    text = (
        b"C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nS:1\nL:MIT\no:musl\nm:Timo <t@alpine.org>\nF:lib\n\n"
        b"P:libcrypto3\nV:3.1.4-r1\nA:x86_64\nL:Apache-2.0\no:openssl\n\n"
    )
    release = entry("etc/os-release", content=b"ID=alpine\nVERSION_ID=3.18.4\n")
    found, _ = of(images, archive(release, entry("lib/apk/db/installed", content=text)))
    assert [each.purl for each in found.packages] == [
        "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=x86_64&distro=alpine-3.18.4&upstream=openssl",
        "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.18.4",
    ]
    assert [each.licence for each in found.packages] == ["Apache-2.0", "MIT"]


SPEC = """Name: lab-tool
Version: 1.5
Release: 2
Epoch: 3
Summary: s
License: MIT and BSD
URL: https://example.org
BuildArch: noarch
%description
d
%files
"""


@pytest.mark.system("rpm")
@pytest.mark.slow
def test_rpm(images: Images, tmp_path: Path) -> None:
    """Install a package with rpm itself into a root of its own."""
    (tmp_path / "tool.spec").write_text(SPEC)
    define = ["--define", f"_topdir {tmp_path}/top", "--define", f"_dbpath {tmp_path}/own"]
    subprocess.run(["rpmbuild", *define, "-bb", str(tmp_path / "tool.spec")], check=True, capture_output=True)
    (package,) = (tmp_path / "top").rglob("*.rpm")
    root, path = tmp_path / "root", ["--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"]
    (root / "var/lib/rpm").mkdir(parents=True)
    words = ["rpm", "--root", str(root), *path, "-i", "--nodeps", "--justdb", str(package)]
    subprocess.run(words, check=True, capture_output=True)
    content = (root / "var/lib/rpm/rpmdb.sqlite").read_bytes()
    found, _ = of(images, archive(entry("var/lib/rpm/rpmdb.sqlite", content=content)))
    (tool,) = found.packages
    assert (tool.name, tool.version, tool.epoch, tool.licence) == ("lab-tool", "1.5-2", "3", "MIT and BSD")
    assert tool.purl == "pkg:rpm/lab-tool@1.5-2?arch=noarch&epoch=3"


def test_databases_that_are_not_read_are_said(images: Images) -> None:
    found, _ = of(
        images,
        archive(
            entry("var/lib/rpm/Packages", content=b"berkeley"),
            entry("usr/lib/sysimage/rpm/Packages.db", content=b"ndb"),
            entry("var/lib/rpm/rpmdb.sqlite", content=b"no database"),
        ),
    )
    assert found.packages == ()
    assert len(found.notices) == 3
    assert "Berkeley DB" in found.notices[1]
    assert "cannot be read" in found.notices[2]


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIEW Packages AS WITH RECURSIVE n(hnum, blob) AS "
        "(SELECT 1, x'00' UNION ALL SELECT hnum + 1, x'00' FROM n) SELECT * FROM n",
        "CREATE TABLE Packages (hnum INTEGER, blob); INSERT INTO Packages VALUES (1, 'text')",
        "CREATE TABLE Packages (hnum INTEGER, blob); INSERT INTO Packages VALUES (1, x'ffffffff00000000')",
        "CREATE TABLE Packages (other INTEGER)",
    ],
)
def test_a_database_that_means_harm(schema: str) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(schema)
        content = database.serialize()
    with pytest.raises(CorruptContent, match="rpm database cannot be read"):
        list(rpm.packages(content, System()))


def test_python_and_node(images: Images) -> None:
    found, _ = of(
        images,
        archive(
            entry(
                "usr/lib/python3/A_b-1.0.dist-info/METADATA",
                content=b"Name: A_b.c\nVersion: 1.0\nLicense-Expression: MIT\n\nName: body\n",
            ),
            entry(
                "old-2.egg-info",
                content=b"Name: old\nVersion: 2\nLicense: UNKNOWN\n"
                b"Classifier: License :: OSI Approved :: MIT License\n",
            ),
            entry(
                "app/node_modules/@scope/mod/package.json",
                content=b'{"name": "@scope/mod", "version": "3.0.0", "license": {"type": "ISC"}}',
            ),
            entry("app/node_modules/mod/lib/package.json", content=b'{"name": "no", "version": "1"}'),
            entry("app/package.json", content=b'{"name": "no", "version": "1"}'),
            entry("app/node_modules/odd/package.json", content=b"[[[["),
        ),
    )
    assert [each.purl for each in found.packages] == [
        "pkg:npm/%40scope/mod@3.0.0",
        "pkg:pypi/a-b-c@1.0",
        "pkg:pypi/old@2",
    ]
    assert [each.licence for each in found.packages] == ["ISC", "MIT", "MIT"]


@pytest.mark.parametrize(
    "content", [b"null", b'"x"', b'{"name": 3, "version": []}', b"{", b"[" * 100_000, b"\xff"]
)
def test_a_module_that_is_none_is_passed_over(content: bytes) -> None:
    assert list(languages.npm(content, System())) == []


def test_a_copyright_file_of_prose_names_no_licence() -> None:
    assert licence(b"This is free software, see /usr/share/common-licenses/GPL-2") == ""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a Debian host")
def test_all_packages_of_this_host_are_found(images: Images) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        file.add("/var/lib/dpkg/status", "var/lib/dpkg/status")
        file.add("/usr/lib/os-release", "usr/lib/os-release")
    found, _ = of(images, stream.getvalue())
    words = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    installed = [line.removeprefix("installed ") for line in listed if line.startswith("installed ")]
    assert sorted(names(found)) == sorted(installed)
    assert [PackageURL.from_string(each.purl).name for each in found.packages] == [
        each.name.lower() for each in found.packages
    ]
