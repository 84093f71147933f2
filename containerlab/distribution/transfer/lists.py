"""Manifest lists: what goes into one, and how it is pushed with the images that it names."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import copy, push
from containerlab.distribution.transfer.progress import Watcher, nobody
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference
from containerlab.store import lookup
from containerlab.store.drafts import Draft, Entry
from containerlab.store.images import Images

__all__ = ["document", "entries", "push_list"]


def entries(images: Images, words: str, tls_verify: bool | None = None) -> list[Entry]:
    """Describe the images that a name leads to, in the store or else at its registry.

    Raises: NotFound when neither has it.
    """
    try:
        with images.database.reading() as connection:
            match = lookup.find(connection, words)
    except errors.NotFound:
        return list(_afar(Reference.parse(words), tls_verify))
    return list(_stored(images, match))


def _stored(images: Images, match: lookup.Match) -> Iterator[Entry]:
    """Yield the images of an index that are whole in the store."""
    for descriptor, document in images.walk(match.image):
        if not isinstance(document, Manifest) or match.manifest not in ("", descriptor.digest):
            continue
        if not documents.is_attestation(descriptor):
            platform = images.at(descriptor.bare()).config.platform
            yield _entry(match.name, descriptor, platform, is_local=True)


def _entry(name: str, descriptor: Descriptor, platform: Platform | None, *, is_local: bool) -> Entry:
    reference = Reference.parse(name) if name else None
    place = f"{reference.registry}/{reference.repository}@" if reference else ""
    return Entry(
        source=f"{place}{descriptor.digest}",
        descriptor=msgspec.structs.replace(descriptor.bare(), platform=descriptor.platform or platform),
        is_local=is_local,
    )


def _afar(reference: Reference, tls_verify: bool | None) -> Iterator[Entry]:
    with Remote(reference, tls_verify=tls_verify) as remote:
        fetched = remote.manifest(reference.digest or reference.tag)
        found = fetched.document
        if isinstance(found, Index):
            for each in found.manifests:
                yield _entry(reference.full(), each, None, is_local=False)
            return
        raw = remote.small_blob(found.config)
        platform = (
            documents.decode_config(raw).platform if documents.is_config(found.config.media_type) else None
        )
        yield _entry(reference.full(), fetched.descriptor, platform, is_local=False)


def document(draft: Draft) -> tuple[bytes, str]:
    """Return the index that a list becomes, and its media type: Docker's when all that it names is Docker's.

    Raises: InvalidInput when it is not said for which platform an image is.
    """
    named = [entry.descriptor for entry in draft.entries]
    for descriptor in named:
        if descriptor.platform is None or not (descriptor.platform.architecture and descriptor.platform.os):
            raise errors.InvalidInput(
                f"it is not said for which platform {descriptor.digest} is",
                "say it with `manifest annotate --os linux --arch …`",
            )
    is_dockers = all(each.media_type == documents.DOCKER_MANIFEST for each in named) and not draft.annotations
    media_type = documents.DOCKER_INDEX if is_dockers else documents.OCI_INDEX
    index = Index(
        schema_version=2, media_type=media_type, manifests=tuple(named), annotations=draft.annotations
    )
    return documents.encode(index), media_type


def push_list(images: Images, draft: Draft, tls_verify: bool | None = None, watch: Watcher = nobody) -> str:
    """Send what the registry has not of the images, then the index; return its digest.

    Raises: InvalidInput for an empty list; NotFound for an image that is no longer where it was.
    """
    target = Reference.parse(draft.name)
    if not draft.entries:
        raise errors.InvalidInput(f"the list {target.familiar()} names no image", "`manifest add` adds some")
    raw, media_type = document(draft)
    for entry in draft.entries:
        place = f"{target.registry}/{target.repository}@{entry.descriptor.digest}"
        if entry.is_local:
            order = push.PushOrder(tls_verify=tls_verify)
            push.push_digest(images, Reference.parse(place), entry.descriptor.bare(), order, watch)
        else:
            copy.copy(entry.source, place, copy.CopyOrder(target_tls_verify=tls_verify), watch)
    with Remote(target, for_push=True, tls_verify=tls_verify) as remote:
        remote.put_manifest(target.tag, raw, media_type)
    return digests.of(raw)
