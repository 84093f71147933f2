"""What registries have, without pulling it: listed, inspected, copied, deleted."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.engine.inspection import Inspection
from containerlab.errors import InvalidInput, LabError, NotFound, Unsupported
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, ImageConfig, Index, Manifest
from containerlab.oci.reference import Reference, names_one
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.distribution.remote import Fetched, Remote

__all__ = [
    "RawDocument",
    "RemoteTag",
    "copy",
    "delete",
    "inspect",
    "raw",
    "referrers",
    "tags",
]

Options = Mapping[str, Any]
"""As of the command, normalised; see options/remote.py."""


class RemoteTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of a repository; what it leads to is known only when that was asked for."""

    name: str
    digest: str = ""
    media_type: str = ""
    size_bytes: int | None = None
    """Of the manifest or index itself."""


class RawDocument(bytes):
    """A manifest, an index or a configuration, byte for byte; a notebook shows it as text."""

    def __repr__(self) -> str:
        return self.decode(errors="replace")


TAGS = (
    Column("tag", "TAG", lambda row: row.name, "name", "Tag"),
    Column("digest", "DIGEST", lambda row: row.digest, "digest", "Digest", is_visible=False),
    Column("media_type", "TYPE", lambda row: _kind(row.media_type), "text", "MediaType", is_visible=False),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size", is_visible=False),
)
REFERRERS = (
    Column("digest", "DIGEST", lambda row: row.digest, "digest", "Digest"),
    Column("artifact_type", "TYPE", lambda row: row.artifact_type, "text", "ArtifactType"),
    Column("size_bytes", "SIZE", lambda row: row.size, "size", "Size"),
    Column("annotations", "ANNOTATIONS", lambda row: row.annotations, is_visible=False),
)


def _kind(media_type: str) -> str:
    if documents.is_index(media_type):
        return "index"
    return "manifest" if documents.is_manifest(media_type) else media_type


# looking


def tags(name: str, options: Options) -> Table[RemoteTag]:
    """List the tags of a repository."""
    reference = Reference.parse(name)
    with _remote(reference, options.get("tls_verify")) as remote:
        wanted = re.compile(fnmatch.translate(options.get("filter", "*")))
        names = sorted(filter(wanted.match, remote.tags()))  # which not every registry does itself
        found = [RemoteTag(name=tag) for tag in names[: options.get("limit")]]
        if options.get("long"):
            from containerlab.distribution.transfer import parallel

            found = parallel.each(found, lambda tag: _described(remote, tag), _QUESTIONS, remote.close)
    # The size of a manifest would be taken for that of its image, which costs a request that is counted.
    shown = (
        [column._replace(is_visible=column.key != "size_bytes") for column in TAGS]
        if options.get("long")
        else TAGS
    )
    return Table(found, shown)


_QUESTIONS = 8


def _described(remote: Remote, tag: RemoteTag) -> RemoteTag:
    found = remote.head(tag.name)
    if found is None:  # deleted since it was listed
        return tag
    return RemoteTag(name=tag.name, digest=found.digest, media_type=found.media_type, size_bytes=found.size)


def referrers(name: str, options: Options) -> Table[Descriptor]:
    """List what speaks about an image: signatures, attestations, SBOMs."""
    reference = Reference.parse(name)
    with _remote(reference, options.get("tls_verify")) as remote:
        digest = reference.digest or remote.manifest(reference.tag).descriptor.digest
        return Table(remote.referrers(digest, options.get("artifact_type", "")), REFERRERS)


def inspect(name: str, options: Options) -> Inspection:
    """Describe an image of a registry without pulling its layers, as `skopeo inspect` does."""
    reference = Reference.parse(name)
    with _remote(reference, options.get("tls_verify")) as remote:
        root = remote.manifest(reference.digest or reference.tag)
        chosen, config = _with_config(remote, root, name, options.get("platform"))
    document = msgspec.json.decode(config) if options.get("config") else None
    return Inspection([document or _document(reference, root, chosen, config)])


def raw(name: str, options: Options) -> RawDocument:
    """Return what a name leads to, or the configuration of the image, byte for byte."""
    reference = Reference.parse(name)
    with _remote(reference, options.get("tls_verify")) as remote:
        root = remote.manifest(reference.digest or reference.tag)
        if options.get("config") or options.get("platform"):
            chosen, config = _with_config(remote, root, name, options.get("platform"))
            return RawDocument(config if options.get("config") else chosen.raw)
        return RawDocument(root.raw)


def _with_config(remote: Remote, root: Fetched, name: str, platform: str | None) -> tuple[Fetched, bytes]:
    chosen = _chosen(remote, root, name, platform)
    if not isinstance(chosen.document, Manifest):
        raise NotFound(f"{name} is an index that names no image", "--raw shows it")
    return chosen, remote.small_blob(chosen.document.config)


def _chosen(remote: Remote, root: Fetched, name: str, platform: str | None) -> Fetched:
    from containerlab.distribution.transfer import platforms

    wanted = platforms.read(platform or "")
    *_, last = platforms.chosen(
        root, wanted, lambda descriptor: remote.manifest(descriptor.digest, (descriptor.media_type,)), name
    )
    return last


def _document(reference: Reference, root: Fetched, chosen: Fetched, config: bytes) -> dict[str, Any]:
    manifest = chosen.document
    assert isinstance(manifest, Manifest)  # as `_with_config` chose it
    found: dict[str, Any] = {
        "Name": f"{reference.registry}/{reference.repository}",
        "Digest": root.descriptor.digest,
        "MediaType": root.descriptor.media_type,
    }
    if isinstance(root.document, Index):
        found["Platforms"] = [_entry(each) for each in root.document.manifests]
        found["Manifest"] = chosen.descriptor.digest
    found |= _of_config(config)
    if manifest.artifact_type or not documents.is_config(manifest.config.media_type):
        found["ArtifactType"] = manifest.artifact_type or manifest.config.media_type
    found["Layers"] = [_layer(each) for each in manifest.layers]
    found["Size"] = sum(layer.size for layer in manifest.layers)
    if manifest.annotations:
        found["Annotations"] = manifest.annotations
    return found


def _entry(descriptor: Descriptor) -> dict[str, Any]:
    platform = str(descriptor.platform) if descriptor.platform else ""
    return {"Platform": platform, "Digest": descriptor.digest, "Size": descriptor.size}


def _layer(descriptor: Descriptor) -> dict[str, Any]:
    return {"MIMEType": descriptor.media_type, "Digest": descriptor.digest, "Size": descriptor.size}


def _of_config(raw: bytes) -> dict[str, Any]:
    """Return what an image's configuration says; nothing for that of another artifact."""
    with suppress(LabError):
        config: ImageConfig = documents.decode_config(raw)
        return {
            "Created": config.created or "",
            "Author": config.author,
            "Architecture": config.architecture,
            "Variant": config.variant,
            "Os": config.os,
            "Labels": config.config.labels,
            "Env": list(config.config.env),
            "Entrypoint": list(config.config.entrypoint),
            "Cmd": list(config.config.cmd),
            "History": [line.created_by for line in config.history],
        }
    return {}


# changing


def copy(source: str, target: str, options: Options) -> str:
    """Copy an image past the store; return the name that it has now, with its digest."""
    from containerlab.distribution.transfer import copy as transfer
    from containerlab.distribution.transfer import platforms

    order = transfer.CopyOrder(
        platforms=platforms.read(options.get("platform", "all")),
        referrers=options.get("referrers", False),
        source_tls_verify=options.get("src_tls_verify"),
        target_tls_verify=options.get("dest_tls_verify"),
    )
    copied = transfer.copy(source, target, order)
    return f"{copied.name.partition('@')[0]}@{copied.digest}"


def delete(name: str, options: Options) -> tuple[str, ...]:
    """Delete a tag, or a manifest with all its tags; return what is gone."""
    reference = Reference.parse(name)
    if not names_one(name):
        raise InvalidInput(
            f"{name} names neither a tag nor a digest", f"write which: {name}:latest, or {name}@sha256:…"
        )
    with _remote(reference, options.get("tls_verify"), for_push=True) as remote:
        if reference.digest:
            remote.delete_manifest(reference.digest)
        elif options.get("manifest"):
            digest = remote.manifest(reference.tag).descriptor.digest
            remote.delete_manifest(digest)
            return (f"Deleted: {remote.name}@{digest}",)
        else:
            _delete_tag(remote, reference)
    return (f"Deleted: {reference.full()}",)


_NO_TAGS = (400, 404, 405, 501)
"""How registries say that they do not delete tags, or that there is none; docker-registry: 400."""


def _delete_tag(remote: Remote, reference: Reference) -> None:
    from containerlab.distribution.refusals import RegistryRefused

    try:
        remote.delete_tag(reference.tag)
    except RegistryRefused as error:
        if error.status not in _NO_TAGS:
            raise
        if remote.head(reference.tag) is None:
            raise NotFound(
                f"there is no {reference.full()}", f"`registry tags {remote.name}` lists them"
            ) from error
        raise Unsupported(
            f"{reference.registry} cannot delete a tag alone",
            "with --manifest what it leads to is deleted, and all its tags",
        ) from error


def _remote(reference: Reference, tls_verify: bool | None, *, for_push: bool = False) -> Remote:
    from containerlab.distribution.remote import Remote

    return Remote(reference, for_push=for_push, tls_verify=tls_verify)
