"""Pages about what was found in images: secrets, and packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from containerlab.distribution.server.content import inventory
from containerlab.distribution.server.page import addresses, browsing

if TYPE_CHECKING:
    from typing import Literal

    from starlette.responses import Response

    from containerlab.distribution.server.page.visit import Visit

__all__ = ["audit", "examine", "packages"]

_PACKAGES_SHOWN = 2000


def examine(visit: Visit) -> Response:
    """Examine an image now."""
    repository, digest = visit.path("name"), visit.path("reference")
    kind = cast("Literal['audit', 'sbom']", visit.field("kind"))
    visit.api.examinations.run(repository, digest, kind=kind, again=visit.has("again"))
    return visit.go(addresses.manifest(repository, digest), "The image is examined.")


def audit(visit: Visit) -> Response:
    """List the secrets that were found in an image."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    digest = visit.path("reference")
    return visit.render(
        "audit_of_image.html",
        here=f"@{digest[:19]} secrets",
        digest=digest,
        secrets=visit.api.examinations.audit(repository.name, digest).items,
        **browsing.about(visit, repository),
    )


def packages(visit: Visit) -> Response:
    """List the packages of an image."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    digest, text = visit.path("reference"), visit.query("text")
    document = visit.api.examinations.sbom(repository.name, digest)
    found = [_package(each) for each in document.get("packages", [])[1:]]
    fitting = [each for each in found if text.lower() in f"{each['name']} {each['version']}".lower()]
    return visit.render(
        "packages.html",
        here=f"@{digest[:19]} packages",
        digest=digest,
        text=text,
        packages=fitting[:_PACKAGES_SHOWN],
        total=len(fitting),
        **browsing.about(visit, repository),
    )


def _package(entry: dict[str, Any]) -> dict[str, str]:
    """Take from a package of an SPDX document what is shown; the first package is the image itself."""
    licence = str(entry.get("licenseDeclared") or "")
    kinds = [str(each.get("referenceLocator", "")) for each in entry.get("externalRefs", ())]
    return {
        "name": str(entry.get("name", "")),
        "version": str(entry.get("versionInfo", "")),
        "licence": "" if licence in ("NOASSERTION", "NONE") else licence,
        "purl": next((each for each in kinds if each.startswith("pkg:")), ""),
    }
