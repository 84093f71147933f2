"""Pages to look at: repositories, tags, images, two of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from containerlab import errors, units
from containerlab.distribution.server import inventory
from containerlab.distribution.server.page import addresses, anatomy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from containerlab.distribution.server.inventory import Image, Repository, Tag
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["compare", "image", "organization", "overview", "repository"]

_RAW_SHOWN = 64 << 10


def overview(visit: Visit) -> Response:
    """List the repositories that the visitor may see."""
    text, chosen = visit.query("text"), visit.query("organization")
    page = inventory.repositories(
        visit.registry, visit.identity, organization=chosen, text=text, number=visit.page_number()
    )
    return visit.live(
        ("overview.html", "overview_list.html"),
        msgspec.json.encode(page),
        page=page,
        text=text,
        organization=chosen,
        organizations=inventory.organizations(visit.registry, visit.identity),
    )


def organization(visit: Visit) -> Response:
    """List the repositories of one organisation."""
    return visit.go(addresses.with_query(addresses.HOME, organization=visit.path("organization")))


def repository(visit: Visit) -> Response:
    """Show the tags of a repository."""
    found = inventory.find(visit.registry, visit.identity, visit.path("name"))
    text = visit.query("text")
    page = inventory.tags(visit.registry, found, text=text, number=visit.page_number())
    return visit.live(
        ("repository.html", "tags.html"),
        msgspec.json.encode(page),
        page=page,
        text=text,
        newest=page.items[0].name if page.items else "latest",
        before=_before(page.items),
        immutable=_immutable(visit, found, page.items),
        **about(visit, found),
    )


def _before(tags: Sequence[Tag]) -> str:
    """Return the newest tag that leads to something else than the first."""
    others = (tag.name for tag in tags if tag.stored.digest != tags[0].stored.digest)
    return next(others, "")


def about(visit: Visit, repository: Repository) -> dict[str, object]:
    """Return what the head of every page about a repository needs."""
    level = visit.identity.level(repository.name, is_public=repository.is_public)
    return {"repository": repository, "level": int(level)}


def _immutable(visit: Visit, repository: Repository, tags: Sequence[Tag]) -> set[str]:
    return set()


def image(visit: Visit) -> Response:
    """Show what a tag or a digest leads to."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    reference = visit.path("reference")
    target = inventory.stored(visit.registry, repository, reference)
    found = inventory.images(visit.registry, repository, target)
    shown = _chosen(visit, found)
    tag = "" if ":" in reference else reference
    raw = visit.registry.blobs.read(target.digest)
    annotations = {**target.annotations, **(shown.manifest.annotations if shown else {})}
    return visit.render(
        "image.html",
        here=f":{tag}" if tag else f"@{reference[:19]}",
        tag=tag,
        target=target,
        names=[name for name in inventory.names(visit.registry, repository, target.digest) if name != tag],
        images=found,
        image=shown,
        steps=anatomy.steps(shown) if shown else [],
        bars=_bars(shown) if shown else [],
        settings=anatomy.settings(shown.config) if shown and shown.config else [],
        annotations=sorted(annotations.items()),
        referrers=inventory.referrers(visit.registry, repository, target.digest),
        raw=raw[:_RAW_SHOWN].decode(errors="replace"),
        **about(visit, repository),
    )


def _chosen(visit: Visit, images: Sequence[Image]) -> Image | None:
    wanted, digest = visit.query("platform"), visit.query("digest")
    fitting = [
        each for each in images if wanted in ("", each.platform) and digest in ("", each.descriptor.digest)
    ]
    return next(iter(fitting or images), None)


def _bars(image: Image) -> list[anatomy.Bar]:
    layers = [(step, step.layer) for step in anatomy.steps(image) if step.layer]
    return anatomy.bars(
        (layer.size, step.colour, f"{units.format_size(layer.size)} · {step.instruction} {step.command[:80]}")
        for step, layer in layers
    )


def compare(visit: Visit) -> Response:
    """Show what differs between two images of a repository."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    old, new = visit.query("old"), visit.query("new")
    before, after = (
        inventory.images(visit.registry, repository, inventory.stored(visit.registry, repository, each))
        for each in (old, new)
    )
    common = [each.platform for each in after if each.platform in {one.platform for one in before}]
    if not common:
        raise errors.NotFound(f"{old} and {new} have no platform in common", "compare two others")
    platform = visit.query("platform") if visit.query("platform") in common else common[0]
    pair = [next(each for each in side if each.platform == platform) for side in (before, after)]
    return visit.render(
        "compare.html",
        here=f": {old} → {new}",
        scale=anatomy.both(*pair),
        old=old,
        new=new,
        platform=platform,
        platforms=list(dict.fromkeys(common)),
        found=anatomy.compare(*pair),
        **about(visit, repository),
    )
