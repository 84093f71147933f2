"""Deleting: first a page that says what goes, then the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab import errors
from containerlab.distribution.server.content import inventory, manifests, referrers
from containerlab.distribution.server.page import addresses, browsing
from containerlab.distribution.server.rights import Level, require

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.server.content.catalog import Repository
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["ask", "remove"]


def ask(visit: Visit) -> Response:
    """Say what goes when a tag, an image or a whole repository is deleted."""
    repository, reference = _wanted(visit, visit.query("reference"))
    shown: dict[str, object] = {
        "here": " delete",
        "reference": reference,
        **browsing.about(visit, repository),
    }
    if not reference:
        return visit.render("delete.html", **shown)
    target = inventory.stored(visit.registry, repository, reference)
    found = referrers.find(visit.registry, visit.identity, repository.name, target.digest)
    return visit.render(
        "delete.html",
        target=target,
        names=inventory.names(visit.registry, repository, target.digest),
        referrers=found.descriptors,
        freed_bytes=inventory.freed_bytes(visit.registry, visit.identity, repository, target.digest),
        **shown,
    )


def remove(visit: Visit) -> Response:
    """Delete it, when the name that was typed is right."""
    repository, reference = _wanted(visit, visit.field("reference"))
    if reference:
        manifests.delete(visit.registry, visit.identity, repository.name, reference)
        return visit.go(addresses.repository(repository.name), f"{reference} is deleted.")
    if visit.field("name") != repository.name:
        raise errors.InvalidInput(f"the name that was typed is not {repository.name}", "type it as it is")
    visit.api.repositories.remove(repository.name)
    return visit.go(addresses.HOME, f"{repository.name} is deleted.")


def _wanted(visit: Visit, reference: str) -> tuple[Repository, str]:
    if not visit.registry.settings.deletes:
        raise errors.NotPermitted("this registry deletes nothing", "it was started with --no-delete")
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    needed = Level.WRITE if reference and ":" not in reference else Level.MANAGE
    require(visit.identity.level(repository.name), needed, f"delete of {repository.name}")
    return repository, reference
