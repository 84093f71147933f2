"""What a build is asked to state about its images: made when an image has its digest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from containerlab.build.attestations.facts import Facts
from containerlab.build.attestations.provenance import provenance
from containerlab.build.attestations.requests import Provenance, Requests, Sbom
from containerlab.build.attestations.statement import Predicate, encode, write_attestation
from containerlab.build.result.built import Built
from containerlab.build.sbom import catalogue as packages
from containerlab.build.sbom import cyclonedx, spdx
from containerlab.build.sbom.subject import Subject
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.oci.platform import Platform
from containerlab.store.blobs import Blobs

__all__ = ["Attester"]

_FORMATS = {
    "spdx": (spdx.PREDICATE_TYPE, spdx.document, "sbom.spdx.json"),
    "cyclonedx": (cyclonedx.PREDICATE_TYPE, cyclonedx.document, "sbom.cdx.json"),
}


class Attester:
    """Makes the statements that a build attaches.

    facts: gives what is known of the build for a platform, when it is asked.
    """

    def __init__(self, blobs: Blobs, requests: Requests, facts: Callable[[Platform], Facts]) -> None:
        self._blobs, self.requests = blobs, requests
        self._facts = functools.cache(facts)  # all statements tell the same end
        self._catalogues: dict[tuple[str, ...], packages.Catalogue] = {}

    def attest(self, built: Built, of: Descriptor, names: Sequence[str]) -> Descriptor | None:
        """Write the attestation manifest of an image: what `export` asks for."""
        return write_attestation(self._blobs, of, names, self._predicates(built, of.digest, names))

    def beside(self, built: Built) -> Mapping[str, bytes]:
        """Return the statements as files: what `writing` asks for where there is no index."""
        raw = documents.encode_config(built.config)  # its digest stands for the layers too
        of = Descriptor(
            media_type=documents.OCI_CONFIG, digest=digests.of(raw), size=len(raw), platform=built.platform
        )
        return {each.file_name: encode(each, of, ()) for each in self._predicates(built, of.digest, ())}

    def _provenance(self, built: Built) -> Predicate | None:
        """Return how an image was built, if that was asked for."""
        if self.requests.provenance is None:
            return None
        layers = [
            {"mediaType": each.media_type, "digest": each.digest, "size": each.size}
            for each in (layer.descriptor for layer in built.layers)
        ]
        return provenance(self._facts(built.platform), self.requests.provenance, layers)

    def told(self, built: Built) -> Any:
        """Return the least of how an image was built: what a metadata file tells."""
        asked = self.requests.provenance or Provenance()
        how = provenance(self._facts(built.platform), msgspec.structs.replace(asked, mode="min"))
        return msgspec.Raw(how.body)

    def _predicates(self, built: Built, digest: str, names: Sequence[str]) -> list[Predicate]:
        found = [self._sbom(self.requests.sbom, built, digest, names)] if self.requests.sbom else []
        how = self._provenance(built)
        return [*found, *([how] if how else [])]

    def _sbom(self, request: Sbom, built: Built, digest: str, names: Sequence[str]) -> Predicate:
        found = self._catalogue(built)
        kind, document, file_name = _FORMATS[request.format]
        subject = Subject(
            name=names[0] if names else "image",
            digest=digest,
            platform=built.platform,
            created_s=self._facts(built.platform).finished_at,
        )
        return Predicate(type=kind, body=document(found, subject), file_name=file_name)

    def _catalogue(self, built: Built) -> packages.Catalogue:
        """Return the packages, looked for once however many outputs tell of them."""
        key = tuple(layer.diff_id for layer in built.layers)
        if key not in self._catalogues:
            self._catalogues[key] = packages.catalogue(self._blobs, built.layers)
        return self._catalogues[key]
