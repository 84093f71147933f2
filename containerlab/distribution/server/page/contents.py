"""All pages: method, address, and the function that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab import errors
from containerlab.distribution.server.page import (
    browsing,
    connecting,
    entering,
    examining,
    people,
    removing,
    retaining,
    settings,
    uploading,
    watching,
)

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.server.page.site import Handler
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["PAGES", "missing"]


def missing(visit: Visit) -> Response:
    """Say that there is nothing at an address."""
    raise errors.NotFound("there is no such page", "the list of repositories leads to all there are")


_REPOSITORY = "/ui/repositories/{name:path}/-"

PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/ui/", browsing.overview),
    ("GET", "/ui/login", entering.login_form),
    ("POST", "/ui/login", entering.login),
    ("POST", "/ui/logout", entering.logout),
    ("GET", "/ui/audit", watching.audit),
    ("GET", "/ui/storage", watching.storage),
    ("POST", "/ui/storage", watching.collect),
    ("GET", "/ui/connections", connecting.connections),
    ("POST", "/ui/connections", connecting.change_connections),
    ("GET", "/ui/replications/{id}", connecting.replication),
    ("GET", "/ui/webhooks/{id}", connecting.webhook),
    ("POST", "/ui/webhooks/{id}", connecting.change_webhook),
    ("GET", "/ui/me", people.myself),
    ("POST", "/ui/me", people.change_myself),
    ("GET", "/ui/users", people.users),
    ("POST", "/ui/users", people.change_users),
    ("GET", "/ui/upload", uploading.page),
    ("POST", "/ui/uploads", uploading.begin),
    ("GET", "/ui/uploads/{id}", uploading.inspect),
    ("POST", "/ui/uploads/{id}/finish", uploading.finish),
    ("POST", "/ui/uploads/{id}/cancel", uploading.cancel),
    ("GET", "/ui/organizations", settings.organizations),
    ("POST", "/ui/organizations", settings.create_organization),
    ("GET", "/ui/organizations/{organization}", settings.organization),
    ("POST", "/ui/organizations/{organization}", settings.change_organization),
    ("GET", "/ui/organizations/{organization}/retention", retaining.of_organization),
    ("POST", "/ui/organizations/{organization}/retention", retaining.change_of_organization),
    ("GET", f"{_REPOSITORY}/retention", retaining.of_repository),
    ("POST", f"{_REPOSITORY}/retention", retaining.change_of_repository),
    ("GET", f"{_REPOSITORY}/settings", settings.repository),
    ("POST", f"{_REPOSITORY}/settings", settings.change_repository),
    ("GET", f"{_REPOSITORY}/delete", removing.ask),
    ("POST", f"{_REPOSITORY}/delete", removing.remove),
    ("GET", f"{_REPOSITORY}/tags/{{reference}}", browsing.image),
    ("GET", f"{_REPOSITORY}/manifests/{{reference}}", browsing.image),
    ("GET", f"{_REPOSITORY}/manifests/{{reference}}/layers/{{digest}}", browsing.layer),
    ("GET", f"{_REPOSITORY}/manifests/{{reference}}/audit", examining.audit),
    ("GET", f"{_REPOSITORY}/manifests/{{reference}}/packages", examining.packages),
    ("POST", f"{_REPOSITORY}/manifests/{{reference}}/examine", examining.examine),
    ("GET", f"{_REPOSITORY}/compare", browsing.compare),
    ("GET", f"{_REPOSITORY}/{{rest:path}}", missing),
    ("GET", "/ui/repositories/{name:path}", browsing.repository),
)
"""In the order in which they are tried: a repository's own address fits everything below it too."""
