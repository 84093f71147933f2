"""One repository of one registry: the operations of the specification.

What is read is asked of mirrors first, and what they have not, or have wrong, of the registry itself; what
changes something goes to the registry alone. No digest that an answer states is believed: bytes are hashed.
Source: OCI distribution-spec 1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from containerlab import errors
from containerlab.distribution import referrers, uploads
from containerlab.distribution.downloads import Download
from containerlab.distribution.endpoints import endpoints
from containerlab.distribution.exchange import Answer, Body, Exchange
from containerlab.oci import digest as digests
from containerlab.oci import distribution, untrusted
from containerlab.oci import image as documents
from containerlab.oci.image import MAX_DOCUMENT_BYTES, Descriptor, Index, Manifest
from containerlab.oci.reference import Reference

if TYPE_CHECKING:
    from containerlab.distribution.credentials import Credentials

__all__ = ["ACCEPTED", "Fetched", "Remote"]

ACCEPTED = (
    documents.OCI_INDEX,
    documents.OCI_MANIFEST,
    documents.DOCKER_INDEX,
    documents.DOCKER_MANIFEST,
)
"""What is asked for when nothing else is said."""
_UNTYPED = ("", "application/json", "application/octet-stream", "text/plain")
"""What servers that only hand out files call a manifest: its own words count then."""
_MOST_LIST_BYTES, _MOST_LISTED_BYTES, _MOST_PAGES = 32 << 20, 256 << 20, 20_000
"""Of one page, and of all: a million tags by hundreds fit in."""
_CHANGE, _DELETE = "pull,push", "pull,delete"
_T = TypeVar("_T")


class Fetched(NamedTuple):
    """A manifest or an index with its bytes, of which the descriptor has the digest."""

    descriptor: Descriptor
    raw: bytes

    @property
    def document(self) -> Manifest | Index:
        """What it says. Raises: CorruptContent, Unsupported."""
        return documents.decode_document(self.raw, self.descriptor.media_type)


class _Names(msgspec.Struct):
    tags: list[str] | None = None
    repositories: list[str] | None = None


class Remote:
    """A context manager; safe for many threads.

    for_push: mirrors are left out. tls_verify: False takes any certificate, and plain HTTP too. credentials:
    whose; None for those that are kept where Docker and podman keep them. is_public_only: see `Endpoint`.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        for_push: bool = False,
        tls_verify: bool | None = None,
        credentials: Credentials | None = None,
        is_public_only: bool = False,
    ) -> None:
        self.reference = reference
        found = endpoints(reference, for_push=for_push, tls_verify=tls_verify)
        self._exchanges = [
            Exchange(
                msgspec.structs.replace(each, is_public_only=is_public_only),
                None if each.is_mirror else credentials,
            )
            for each in found
        ]

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; what other threads wait for ends with an error."""
        for exchange in self._exchanges:
            exchange.close()

    @property
    def name(self) -> str:
        """The repository, with its registry."""
        return f"{self.reference.registry}/{self.reference.repository}"

    @property
    def has_mirrors(self) -> bool:
        """Whether others than the registry itself are asked first."""
        return len(self._exchanges) > 1

    # reading

    def manifest(self, reference: str, accept: Sequence[str] = ACCEPTED) -> Fetched:
        """Fetch what a tag or a digest leads to.

        Raises: NotFound, Unsupported, CorruptContent; DigestMismatch when it is not what the digest says.
        """
        try:
            return self._first(lambda exchange: self._manifest(exchange, reference, accept))
        except errors.NotFound as error:
            said = f"{self.name} has nothing called {reference}" if ":" not in reference else error.message
            raise errors.NotFound(said, f"`registry tags {self.name}` lists what it has") from error

    def _manifest(self, exchange: Exchange, reference: str, accept: Sequence[str]) -> Fetched:
        headers = {"Accept": ", ".join(accept)}
        with exchange.request("GET", _path(exchange, "manifests", reference), headers=headers) as answer:
            raw = answer.read(MAX_DOCUMENT_BYTES)
        fetched = Fetched(_descriptor(reference, raw, answer), raw)
        if fetched.descriptor.media_type not in accept:
            documents.decode_document(raw)  # which knows Docker's old ones by name
            raise errors.CorruptContent(
                f"{answer.url} is of type {fetched.descriptor.media_type!r}, which was not asked for"
            )
        return fetched

    def head(self, reference: str, accept: Sequence[str] = ACCEPTED) -> Descriptor | None:
        """Ask what a tag or a digest leads to, without fetching it; None when there is nothing.

        The digest is what the registry says: good to compare with, not to rely on.
        """
        with suppress(errors.NotFound):
            return self._first(lambda exchange: self._head(exchange, reference, accept))
        return None

    def _head(self, exchange: Exchange, reference: str, accept: Sequence[str]) -> Descriptor:
        headers = {"Accept": ", ".join(accept)}
        with exchange.request("HEAD", _path(exchange, "manifests", reference), headers=headers) as answer:
            pass
        if not answer.digest or answer.length is None:  # both are only SHOULDs
            return self._manifest(exchange, reference, accept).descriptor
        return Descriptor(media_type=answer.media_type, digest=answer.digest, size=answer.length)

    def blob(self, descriptor: Descriptor, start: int = 0) -> Download:
        """Give the bytes of a blob from `start` on; not verified, but for the length."""
        return Download(self._exchanges, descriptor.digest, descriptor.size, start)

    def blob_from_registry(self, descriptor: Descriptor) -> Download:
        """Give the bytes of a blob without the mirrors, after what they had was wrong."""
        return Download([self._registry], descriptor.digest, descriptor.size)

    def small_blob(self, descriptor: Descriptor) -> bytes:
        """Fetch a configuration or another document whole, and verify it.

        Raises: CorruptContent, DigestMismatch.
        """
        if descriptor.size > MAX_DOCUMENT_BYTES:
            raise errors.CorruptContent(f"document {descriptor.digest} has {descriptor.size} bytes")
        with self.blob(descriptor) as download:
            raw = b"".join(iter(lambda: download.read(MAX_DOCUMENT_BYTES), b""))
        if not digests.is_of(descriptor.digest, raw):
            raise errors.DigestMismatch(f"document {descriptor.digest} has another digest")
        return raw

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the registry itself has the blob in this repository."""
        path = _path(self._registry, "blobs", descriptor.digest)
        with self._registry.request("HEAD", path, scope=_CHANGE, expect=(200, 404)) as answer:
            return answer.status == 200 and answer.length in (None, descriptor.size)

    def tags(self, most: int = 0, last: str = "") -> Iterator[str]:
        """Go through the tags, in the registry's order; `most` a page, those after `last`."""
        start = _path(self._registry, "tags", "list")
        for raw in self._pages(start, _page_query(most, last), scope="pull"):
            yield from _names(raw).tags or ()

    def catalog(self, most: int = 0, last: str = "") -> Iterator[str]:
        """Go through the repositories of the registry, as far as it tells."""
        for raw in self._pages("/v2/_catalog", _page_query(most, last), scope="registry:catalog:*"):
            yield from _names(raw).repositories or ()

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Return the manifests whose subject has the digest: signatures, attestations, SBOMs."""
        found = self._referrers(digest, artifact_type)
        if found is None:
            found = self._listed_under_tag(digest)
        return [each for each in found if artifact_type in ("", each.artifact_type)]

    def _referrers(self, digest: str, artifact_type: str) -> list[Descriptor] | None:
        """Return what the registry says, or None when it does not know such a question."""
        path = _path(self._registry, "referrers", digest)
        query = [("artifactType", artifact_type)] if artifact_type else []
        try:
            return [
                each
                for raw in self._pages(path, query, scope="pull")
                for each in referrers.read(raw).manifests
            ]
        except (errors.NotFound, errors.Unsupported):
            return None

    def _listed_under_tag(self, digest: str) -> list[Descriptor]:
        with suppress(errors.NotFound):
            return list(referrers.read(self.manifest(distribution.fallback_tag(digest)).raw).manifests)
        return []

    # changing

    def mount(self, descriptor: Descriptor, source: str) -> uploads.Session | None:
        """Take a blob over from another repository; None when it is there, else a session to upload it in."""
        scopes = (f"repository:{source}:pull",)
        try:
            return uploads.begin(self._registry, descriptor.digest, source, scopes=scopes)
        except errors.NotPermitted:  # some refuse all of a token for what is asked beside
            return uploads.begin(self._registry)

    def upload(
        self,
        descriptor: Descriptor,
        body: Body,
        session: uploads.Session | None = None,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Send a blob, in the session that `mount` opened or a new one; progress: more bytes sent."""
        uploads.upload(self._registry, descriptor, body, session, progress)

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> str:
        """Send a manifest or an index under a tag or its digest, and return its digest.

        If it has a subject and the registry does not list referrers, it is listed under the fall-back tag.
        """
        digest = digests.of(raw)
        said = self._put(reference, raw, media_type)
        subject = referrers.subject_of(raw)
        if subject and not said:
            entry = referrers.entry(raw, media_type)
            self._relist(subject, lambda found: [*(e for e in found if e.digest != digest), entry])
        return digest

    def _put(self, reference: str, raw: bytes, media_type: str) -> str:
        """Return the subject that the registry has taken note of."""
        with self._registry.request(
            "PUT",
            _path(self._registry, "manifests", reference),
            headers={"Content-Type": media_type},
            body=raw,
            scope=_CHANGE,
            expect=(200, 201, 202),
        ) as answer:
            return str(answer.headers.get("OCI-Subject", ""))

    def _relist(self, subject: str, change: Callable[[list[Descriptor]], list[Descriptor]]) -> None:
        found = self._listed_under_tag(subject)
        changed = change(found)
        if changed != found:
            raw = referrers.write(changed)
            self._put(distribution.fallback_tag(subject), raw, documents.OCI_INDEX)

    def delete_manifest(self, digest: str) -> None:
        """Delete a manifest with all its tags. Raises: NotFound, Unsupported when that is switched off."""
        fetched = self.manifest(digest)
        subject = referrers.subject_of(fetched.raw)
        self._delete("manifests", digest)
        if subject and self._referrers(subject, "") is None:
            self._relist(subject, lambda found: [each for each in found if each.digest != digest])

    def delete_tag(self, tag: str) -> None:
        """Delete a tag, and nothing else. Raises: NotFound, Unsupported."""
        self._delete("manifests", tag)

    def delete_blob(self, digest: str) -> None:
        """Delete a blob. Raises: NotFound, Unsupported."""
        self._delete("blobs", digest)

    def _delete(self, kind: str, name: str) -> None:
        path = _path(self._registry, kind, name)
        with self._registry.request("DELETE", path, scope=_DELETE, expect=(200, 202, 204)):
            pass

    # how

    @property
    def _registry(self) -> Exchange:
        return self._exchanges[-1]

    def _first(self, ask: Callable[[Exchange], _T]) -> _T:
        *mirrors, registry = self._exchanges
        for exchange in mirrors:
            with suppress(errors.LabError):
                return ask(exchange)
        return ask(registry)

    def _pages(self, url: str, query: Sequence[tuple[str, str]], scope: str) -> Iterator[bytes]:
        """Go through the pages of a list. Raises: CorruptContent when it seems to have no end."""
        seen = set()
        total = 0
        while url and url not in seen:
            seen.add(url)
            with self._registry.request("GET", url, query=query, scope=scope) as answer:
                raw = answer.read(_MOST_LIST_BYTES)
                total += len(raw)
                if len(seen) > _MOST_PAGES or total > _MOST_LISTED_BYTES:
                    raise errors.CorruptContent(
                        f"{self.reference.registry} goes on and on with its list: {len(seen)} pages so far"
                    )
                yield raw
                query = ()
                url = distribution.next_link(answer.headers.get("Link", ""), answer.url) or ""


def _path(exchange: Exchange, kind: str, name: str) -> str:
    return f"/v2/{exchange.endpoint.repository}/{kind}/{quote(name, safe=':')}"


def _names(raw: bytes) -> _Names:
    return untrusted.decode(raw, _Names, "the registry's list")


def _page_query(most: int, last: str) -> list[tuple[str, str]]:
    return [("n", str(most))] * bool(most) + [("last", last)] * bool(last)


def _descriptor(reference: str, raw: bytes, answer: Answer) -> Descriptor:
    """Describe a manifest by its bytes; what was asked for and what the answer says must agree with them."""
    asked = reference if ":" in reference else ""
    for wanted in filter(None, (asked, answer.digest)):
        if not digests.is_of(wanted, raw):
            raise errors.DigestMismatch(f"manifest {wanted} from {answer.url} has another digest")
    media_type, own = answer.media_type, referrers.media_type_of(raw)
    if media_type in _UNTYPED:
        media_type = own
    if own and own != media_type:
        raise errors.CorruptContent(f"{answer.url} is called {media_type!r} and calls itself {own!r}")
    return Descriptor(media_type=media_type, digest=asked or digests.of(raw), size=len(raw))
