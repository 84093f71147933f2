"""Uploads of archives: the page, and what its script calls. The pieces themselves go to `archives.pieces`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from containerlab import errors

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.api.archives import ArchiveUpload
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["begin", "cancel", "finish", "inspect", "page"]


def page(visit: Visit) -> Response:
    """Show where an archive can be dropped, and the uploads that can go on."""
    visit.require_somebody()
    uploads = visit.api.archives.list().items
    return visit.render(
        "upload.html",
        repository=visit.query("repository"),
        open=[each for each in uploads if each.status == "receiving"],
        done=[each for each in uploads if each.status != "receiving"],
    )


def begin(visit: Visit) -> Response:
    """Begin an upload, or go on with one of the same size for the same place."""
    repository, size, tag = visit.field("repository"), visit.number("size"), visit.field("tag")
    if size is None:
        raise errors.InvalidInput("an upload needs a size")
    for each in visit.api.archives.list().items:
        if (each.repository, each.size, each.tag, each.status) == (repository, size, tag, "receiving"):
            return _told(each)
    return _told(visit.api.archives.begin(repository, size, tag or None))


def inspect(visit: Visit) -> Response:
    """Say how far an upload is."""
    return _told(visit.api.archives.inspect(visit.path("id")))


def finish(visit: Visit) -> Response:
    """Take the images out of a complete archive."""
    return _told(visit.api.archives.finish(visit.path("id")))


def cancel(visit: Visit) -> Response:
    """Give an upload up."""
    visit.api.archives.cancel(visit.path("id"))
    return visit.go("/ui/upload", "The upload was given up; what had arrived is gone.")


def _told(upload: ArchiveUpload) -> Response:
    from starlette.responses import Response

    return Response(msgspec.json.encode(upload), media_type="application/json")
