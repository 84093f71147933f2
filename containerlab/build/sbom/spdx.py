"""A list of packages as an SPDX 2.3 document in JSON.

Source: SPDX specification 2.3, clauses 6 to 11, and its JSON schema.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from containerlab.build.result.program import NAME, version
from containerlab.build.result.purl import of_image
from containerlab.build.sbom.catalogue import Catalogue
from containerlab.build.sbom.licences import spdx
from containerlab.build.sbom.package import Package, System
from containerlab.build.sbom.subject import Subject
from containerlab.oci.image import format_time

__all__ = ["PREDICATE_TYPE", "document"]

PREDICATE_TYPE = "https://spdx.dev/Document"
_UNKNOWN = "NOASSERTION"
_MOST_CHARACTERS = 300
_ROOT, _IMAGE, _SYSTEM = "SPDXRef-DOCUMENT", "SPDXRef-Image", "SPDXRef-OperatingSystem"


def document(found: Catalogue, subject: Subject) -> bytes:
    """Write the document; the same image and time always give the same bytes.

    Raises: Unsupported without the extra `sbom`.
    """
    packages = [(_id(each), each) for each in found.packages]
    references: dict[str, str] = {}
    for _, each in packages:
        references |= spdx(each.licence).references
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", subject.name) or "image"
    fields = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _ROOT,
        "name": subject.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{subject.uuid}",
        "creationInfo": {
            "created": format_time(int(subject.created_s)),
            "creators": ["-".join(filter(None, (f"Tool: {NAME}", version())))],
        },
        "packages": [_image(subject), *_system(found.system), *(_package(*each) for each in packages)],
        "relationships": [
            _related(_ROOT, "DESCRIBES", _IMAGE),
            *(_related(_IMAGE, "CONTAINS", _SYSTEM) for _ in _system(found.system)),
            *(_related(_IMAGE, "CONTAINS", each) for each, _ in packages),
        ],
    }
    if found.notices:
        fields["comment"] = "; ".join(found.notices)
    if references:
        fields["hasExtractedLicensingInfos"] = [
            {"licenseId": each, "extractedText": text, "name": text}
            for each, text in sorted(references.items())
        ]
    return msgspec.json.encode(fields)


def _id(package: Package) -> str:
    """Return an id that is of this package alone: it may be there twice, in two places."""
    place = hashlib.sha256(f"{package.purl} {package.path}".encode()).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", package.name)
    return f"SPDXRef-Package-{package.kind}-{name}-{place}"


def _image(subject: Subject) -> dict[str, Any]:
    algorithm, _, digits = subject.digest.partition(":")
    return {
        **_bare(subject.name, subject.digest),
        "SPDXID": _IMAGE,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": algorithm.upper(), "checksumValue": digits}],
        "externalRefs": [_purl(of_image(subject.name, subject.platform, subject.digest))],
    }


def _system(system: System) -> list[dict[str, Any]]:
    if not system.id:
        return []
    fields = _bare(system.id, system.version)
    purpose = {"SPDXID": _SYSTEM, "primaryPackagePurpose": "OPERATING_SYSTEM", "description": system.name}
    return [{**fields, **purpose}]


def _package(identifier: str, package: Package) -> dict[str, Any]:
    fields = {
        **_bare(package.name, package.version),
        "SPDXID": identifier,
        "licenseDeclared": spdx(package.licence).expression or _UNKNOWN,
        "externalRefs": [_purl(package.purl)],
        "sourceInfo": f"found in {package.path}, brought by layer {package.layer}",
    }
    if package.supplier:
        fields["supplier"] = _supplier(" ".join(package.supplier.split())[:_MOST_CHARACTERS])
    if package.homepage.startswith(("http://", "https://")) and " " not in package.homepage:
        fields["homepage"] = package.homepage
    return fields


def _supplier(text: str) -> str:
    """Write `Jane <jane@example.org>` as `Person: Jane (jane@example.org)`."""
    match = _MAILBOX.match(text)
    if match is None:
        return f"Organization: {text}"
    return f"Person: {match[1] or match[2]} ({match[2]})"


_MAILBOX = re.compile(r"[\"']?([^<>()\"']*?)[\"']?\s*<([^<>@\s]+@[^<>\s]+)>")


def _bare(name: str, version: str) -> dict[str, Any]:
    return {
        "name": name,
        **({"versionInfo": version} if version else {}),
        "supplier": _UNKNOWN,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _purl(locator: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}
