"""What was built becomes an image: manifests, and an index where there are several or attestations.

Source: OCI image-spec 1.1; BuildKit, exporter/containerimage, whose documents these equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from containerlab import errors
from containerlab.build.result.annotations import Annotation, chosen
from containerlab.build.result.built import Built
from containerlab.build.result.recompress import LayerForm, converted
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, History, Index
from containerlab.store.assemble import write_manifest
from containerlab.store.blobs import Blobs
from containerlab.store.images import Images

__all__ = ["AS_IT_IS", "Attest", "ExportOptions", "bounded", "to_blobs", "to_store"]

Attest = Callable[[Built, Descriptor, Sequence[str]], Descriptor | None]
"""Writes the attestation manifest of an image that has a manifest and these names; None if there is none."""


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an image is written."""

    annotations: tuple[Annotation, ...] = ()
    form: LayerForm = LayerForm()
    oci_types: bool = True
    """Whether the documents are called as OCI calls them, not as Docker does; without, no annotations."""
    newest_s: int | None = None
    """Nothing in the image says that it is later than this (SOURCE_DATE_EPOCH)."""


AS_IT_IS = ExportOptions()


def to_store(
    images: Images,
    built: Sequence[Built],
    names: Sequence[str],
    options: ExportOptions = AS_IT_IS,
    attest: Attest | None = None,
) -> Descriptor:
    """Bring an image for one or several platforms into the store under all `names`; without, it has none.

    Returns what the names lead to. The caller holds a lease.

    Raises: InvalidInput for annotations of an index where there is none.
    """
    descriptor = to_blobs(images.blobs, built, names, options, attest)
    images.put_all([(name, descriptor) for name in names or (None,)])
    return descriptor


def to_blobs(
    blobs: Blobs,
    built: Sequence[Built],
    names: Sequence[str] = (),
    options: ExportOptions = AS_IT_IS,
    attest: Attest | None = None,
) -> Descriptor:
    """Write the documents of an image; annotations for its descriptor are in what is returned.

    Raises: InvalidInput for annotations of an index where there is none.
    """
    if attest or options.annotations:  # which the documents of Docker have no place for
        options = msgspec.structs.replace(options, oci_types=True)
    final = [converted(blobs, bounded(each, options.newest_s), options.form) for each in built]
    manifests = [_manifest(blobs, each, options) for each in final]
    attested = [
        attest(each, found, names) if attest else None for each, found in zip(final, manifests, strict=True)
    ]
    if len(final) == 1 and not any(attested):
        if any(each.place.startswith("index") for each in options.annotations):
            raise errors.InvalidInput(
                "annotations of an index need one, and an image for one platform has none",
                "annotate its manifest, or build for several platforms",
            )
        return msgspec.structs.replace(manifests[0], platform=None)
    index = Index(
        schema_version=2,
        media_type=documents.OCI_INDEX if options.oci_types else documents.DOCKER_INDEX,
        manifests=(*manifests, *filter(None, attested)),
        annotations=chosen(options.annotations, "index"),
    )
    descriptor = blobs.write(documents.encode(index), index.media_type)
    outer = chosen(options.annotations, "index-descriptor")
    return msgspec.structs.replace(descriptor, annotations=outer)


def _manifest(blobs: Blobs, built: Built, options: ExportOptions) -> Descriptor:
    """Write configuration and manifest; return the descriptor as an index has it."""
    descriptor = write_manifest(
        blobs,
        documents.encode_config(built.config),
        [layer.descriptor for layer in built.layers],
        oci=options.oci_types,
        annotations=chosen(options.annotations, "manifest", built.platform),
    )
    return msgspec.structs.replace(
        descriptor,
        platform=built.platform,
        annotations=chosen(options.annotations, "manifest-descriptor", built.platform),
    )


def bounded(built: Built, newest_s: int | None) -> Built:
    """Return the image with no time in its configuration after `newest_s`; None leaves it as it is."""
    if newest_s is None:
        return built
    config = built.config
    history = tuple(_bounded_line(line, newest_s) for line in config.history)
    created = _earlier(config.created, newest_s)
    return msgspec.structs.replace(
        built, config=msgspec.structs.replace(config, created=created, history=history)
    )


def _bounded_line(line: History, newest_s: int) -> History:
    return msgspec.structs.replace(line, created=_earlier(line.created, newest_s))


def _earlier(text: str | None, newest_s: int) -> str | None:
    found = documents.parse_time(text)
    return documents.format_time(newest_s) if found is not None and found > newest_s else text
