"""The whole application over HTTP, from a thread of the test, and a visitor with cookies but no scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server.page import visitors


@pytest.fixture
def site(registry: Registry) -> Iterator[str]:
    """Serve a registry, and return its address."""
    with visitors.served(registry) as address:
        yield address


@pytest.fixture
def nobody(site: str) -> visitors.Visitor:
    """Return a visitor who has not signed in."""
    return visitors.Visitor(site)


@pytest.fixture
def root(site: str, admin: Identity) -> visitors.Visitor:
    """Return the administrator, signed in."""
    return visitors.Visitor(site).signed_in(admin.name)
