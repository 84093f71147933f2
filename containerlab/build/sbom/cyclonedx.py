"""A list of packages as a CycloneDX 1.6 document in JSON, written by cyclonedx-python-lib.

Source: ECMA-424.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from containerlab.build.result.program import NAME, version
from containerlab.build.result.purl import of_image
from containerlab.build.sbom.catalogue import Catalogue
from containerlab.build.sbom.licences import spdx, wanted
from containerlab.build.sbom.package import Package
from containerlab.build.sbom.subject import Subject

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

__all__ = ["PREDICATE_TYPE", "document"]

PREDICATE_TYPE = "https://cyclonedx.org/bom"


def document(found: Catalogue, subject: Subject) -> bytes:
    """Write the document; the same image and time always give the same bytes.

    Raises: Unsupported without the extra `sbom`.
    """
    wanted("cyclonedx")
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    bom = Bom(serial_number=subject.uuid, components=map(_component, found.packages))
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(int(subject.created_s), datetime.UTC)
    bom.metadata.tools.components.add(
        Component(name=NAME, version=version() or None, type=ComponentType.APPLICATION)
    )
    bom.metadata.component = _image(subject)
    for notice in found.notices:
        bom.metadata.properties.add(Property(name="containerlab:notice", value=notice))
    if found.system.id:
        bom.components.add(
            Component(
                name=found.system.id,
                version=found.system.version or None,
                type=ComponentType.OPERATING_SYSTEM,
                description=found.system.name or None,
                bom_ref="operating-system",
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string().encode()


def _image(subject: Subject) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    digits = subject.digest.partition(":")[2]
    return Component(
        name=subject.name,
        version=subject.digest,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        purl=_purl(of_image(subject.name, subject.platform, subject.digest)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digits)],
    )


def _component(package: Package) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from cyclonedx.model.license import LicenseExpression

    expression = spdx(package.licence).expression
    properties = {"layer": package.layer, "path": package.path, "source": package.source}
    return Component(
        name=package.name,
        group=package.namespace or None,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=_purl(package.purl),
        bom_ref=f"{package.purl}#{package.path}",
        licenses=[LicenseExpression(expression)] if expression else None,
        supplier=OrganizationalEntity(name=package.supplier) if package.supplier else None,
        properties=[Property(name=f"containerlab:{key}", value=v) for key, v in properties.items() if v],
    )


def _purl(text: str) -> Any:
    return wanted("packageurl").PackageURL.from_string(text)
