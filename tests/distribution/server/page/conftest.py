"""The whole application over HTTP, from a thread of the test, and a visitor with cookies but no scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server import grounds
from tests.distribution.server.grounds import Clock
from tests.distribution.server.page import samples, visitors
from tests.image_layouts import Layout


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


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a place for images."""
    return Layout(tmp_path / "layout")


@pytest.fixture
def shop(site: str, layout: Layout, clock: Clock) -> str:
    """Push two versions of an image, an hour apart, the second for two platforms; return the name."""
    visitors.push(site, layout, samples.shop(layout, 1), "lab/shop", "1.1")
    clock.advance(3600)
    both = {name: samples.shop(layout, 2, name) for name in ("amd64", "arm64")}
    visitors.push(site, layout, layout.index(both), "lab/shop", "1.2")
    return "lab/shop"


@pytest.fixture
def open_registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    """Return a registry without accounts."""
    with grounds.opened(tmp_path / "open-home", clock, auth="none") as registry:
        yield registry


@pytest.fixture
def open_site(open_registry: Registry) -> Iterator[str]:
    """Serve it."""
    with visitors.served(open_registry) as address:
        yield address
