"""All pages: method, address, and the function that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.distribution.server.page import browsing, entering

if TYPE_CHECKING:
    from containerlab.distribution.server.page.site import Handler

__all__ = ["PAGES"]

_REPOSITORY = "/ui/repositories/{name:path}/-"

PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/ui/", browsing.overview),
    ("GET", "/ui/login", entering.login_form),
    ("POST", "/ui/login", entering.login),
    ("POST", "/ui/logout", entering.logout),
    ("GET", "/ui/organizations/{organization}", browsing.organization),
    ("GET", f"{_REPOSITORY}/tags/{{reference}}", browsing.image),
    ("GET", f"{_REPOSITORY}/manifests/{{reference}}", browsing.image),
    ("GET", f"{_REPOSITORY}/compare", browsing.compare),
    ("GET", "/ui/repositories/{name:path}", browsing.repository),
)
"""In the order in which they are tried: a repository's own address fits everything below it too."""
