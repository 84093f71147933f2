"""Archives that are uploaded in pieces, and become images of a repository when they are whole."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Page, RepositoryName, TagName

__all__ = ["ArchiveUpload", "Archives", "ImportedImage", "UploadId"]

UploadId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", examples=["0" * 32])]
_Size = Annotated[int, Meta(ge=1, le=1 << 50)]


class ImportedImage(msgspec.Struct, frozen=True):
    """An image that came out of an archive."""

    tag: str
    digest: str
    """Of its manifest or index."""


class ArchiveUpload(msgspec.Struct, frozen=True, kw_only=True):
    """An archive on its way into a repository."""

    id: str
    repository: str
    tag: str
    """For the one image of an archive, whatever it is called there; empty: as it is called there."""
    size: int
    """In bytes, as announced."""
    received: int
    """Bytes that have arrived: the offset of the next piece."""
    status: Literal["receiving", "importing", "imported", "failed"]
    detail: str = ""
    """Why it failed."""
    images: tuple[ImportedImage, ...] = ()
    created: float
    touched: float


class Archives(Noun):
    """Uploads of archives.

    The bytes go to PATCH /archives/{id}/content, in pieces of any size, each with its place in the header
    Upload-Offset. The answer, 204 or 409 for a wrong place, says in Upload-Offset where to go on; so does
    `inspect` after a connection was cut.
    """

    @operation("POST /archives", who="write", status=201)
    def begin(self, repository: RepositoryName, size: _Size, tag: TagName | None = None) -> ArchiveUpload:
        """Begin the upload of an archive of `size` bytes, as Docker, podman or skopeo write it."""

    @operation("GET /archives", who="account")
    def list(self) -> Page[ArchiveUpload]:
        """List your uploads that are not over, and how the last ones ended."""

    @operation("GET /archives/{id}", who="account")
    def inspect(self, id: UploadId) -> ArchiveUpload:
        """Return how far an upload is."""

    @operation("POST /archives/{id}/import", who="write")
    def finish(self, id: UploadId) -> ArchiveUpload:
        """Take the images of a complete archive into the repository, and answer when they are there."""

    @operation("DELETE /archives/{id}", who="account")
    def cancel(self, id: UploadId) -> None:
        """Give an upload up."""
