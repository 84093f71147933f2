"""Pages to look at: repositories, tags, images, two of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from containerlab import errors, units
from containerlab.distribution.server.content import inventory, referrers
from containerlab.distribution.server.page import anatomy, rendering
from containerlab.distribution.server.rights import Level
from containerlab.distribution.server.rules import immutability
from containerlab.oci.attached import subject_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from containerlab.distribution.api.examinations import Examination
    from containerlab.distribution.server.content.catalog import Repository
    from containerlab.distribution.server.content.inventory import Image, Tag
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["about", "compare", "image", "layer", "managed", "overview", "repository"]

_REPOSITORIES_SHOWN = 50
_RAW_SHOWN = 64 << 10
_FILES_SHOWN = 2000
_NAMES_SHOWN = 20


def overview(visit: Visit) -> Response:
    """List the repositories that the visitor may see."""
    text, chosen, after = visit.query("text"), visit.query("organization"), visit.query("after")
    page = visit.api.repositories.list(
        organization=chosen or None, search=text, limit=_REPOSITORIES_SHOWN, after=after
    )
    return visit.live(
        ("overview.html", "overview_list.html"),
        msgspec.json.encode(page),
        page=page,
        text=text,
        organization=chosen,
        organizations=visit.api.organizations.list(limit=1000).items,
        is_first=not after,
    )


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
    others = [tag for tag in tags if tag.stored.digest != tags[0].stored.digest]
    return next((tag.name for tag in others if not subject_of(tag.name)), "")


def about(visit: Visit, repository: Repository) -> dict[str, object]:
    """Return what the head of every page about a repository needs."""
    return {"repository": visit.api.repositories.inspect(repository.name)}


def managed(visit: Visit) -> Repository:
    """Return the repository of this address, to who may set it up.

    Raises: NotFound, NotPermitted.
    """
    return inventory.find(visit.registry, visit.identity, visit.path("name"), Level.MANAGE)


def _immutable(visit: Visit, repository: Repository, tags: Sequence[Tag]) -> set[str]:
    with visit.registry.reader.reading() as connection:
        return {tag.name for tag in tags if immutability.is_immutable(connection, repository.name, tag.name)}


def image(visit: Visit) -> Response:
    """Show what a tag or a digest leads to."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    reference = visit.path("reference")
    target = inventory.stored(visit.registry, repository, reference)
    found = inventory.images(visit.registry, repository, target)
    shown = _chosen(visit, found)
    tag = "" if ":" in reference else reference
    names = [name for name in inventory.names(visit.registry, repository, target.digest) if name != tag]
    raw = visit.registry.blobs.read(target.digest)
    annotations = {**target.annotations, **(shown.manifest.annotations if shown else {})}
    return visit.render(
        "image.html",
        here=f":{tag}" if tag else f"@{reference[:19]}",
        tag=tag,
        target=target,
        names=names[:_NAMES_SHOWN],
        more_names=len(names[_NAMES_SHOWN:]),
        images=found,
        image=shown,
        steps=anatomy.steps(shown) if shown else [],
        bars=_bars(shown) if shown else [],
        settings=anatomy.settings(shown.config) if shown and shown.config else [],
        annotations=sorted(annotations.items()),
        examinations=_examinations(visit, repository, shown) if shown and shown.config else {},
        attached=inventory.attached(visit.registry, repository, target.digest),
        referrers=referrers.find(visit.registry, visit.identity, repository.name, target.digest).descriptors,
        raw=raw[:_RAW_SHOWN].decode(errors="replace"),
        **about(visit, repository),
    )


def _examinations(visit: Visit, repository: Repository, image: Image) -> dict[str, Examination | None]:
    """Return what is known of an image by kind, for each kind that this registry can examine."""
    kinds = [kind for kind in ("audit", "sbom") if kind in visit.registry.examiners]
    try:
        found = visit.api.examinations.list(repository.name, image.descriptor.digest).items
    except errors.Unsupported:  # an artifact of another type, although its configuration is an image's
        return {}
    known = {each.kind: each for each in found}
    return {kind: known.get(kind) for kind in kinds}


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


def layer(visit: Visit) -> Response:
    """List the files of a layer."""
    repository = inventory.find(visit.registry, visit.identity, visit.path("name"))
    shown = inventory.image(visit.registry, repository, visit.path("reference"))
    digest, text = visit.path("digest"), visit.query("text")
    step = next((each for each in anatomy.steps(shown) if each.layer and each.layer.digest == digest), None)
    if step is None or step.layer is None:
        raise errors.NotFound(f"the image has no layer {digest[:80]}")
    found = visit.api.layers.files(repository.name, digest)
    fitting = [each for each in found.files if text in each.path]
    return visit.render(
        "layer.html",
        here=f" layer {rendering.short_digest(digest)}",
        digest=digest,
        manifest=shown.descriptor.digest,
        number=step.layer_number,
        of=len(shown.manifest.layers),
        size=step.layer.size,
        step=step,
        layer=found,
        text=text,
        files=fitting[:_FILES_SHOWN],
        total=len(fitting),
        **about(visit, repository),
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
