"""Steps of builds at a registry: an artifact whose layers are those of the steps.

Its manifest names the list of steps as its configuration. What a build needs of it is fetched layer by layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from containerlab.build.cache.carried import STEPS
from containerlab.build.cache.steps import Cached, Key
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import push
from containerlab.errors import CorruptContent, NotFound
from containerlab.oci import image as documents
from containerlab.oci import untrusted
from containerlab.oci.image import Descriptor, Manifest
from containerlab.oci.reference import Reference
from containerlab.store.blobs import Blobs
from containerlab.store.images import Images

__all__ = ["Afar", "read", "write"]

_CHUNK = 1 << 20


class Afar:
    """A cache at a registry, as far as a build looks into it."""

    def __init__(self, remote: Remote, steps: Mapping[str, Cached]) -> None:
        self._remote, self._steps = remote, steps

    def take(self, key: Key, blobs: Blobs) -> Cached | None:
        """Bring the layer of a step into a store, if the step is here.

        Raises: DigestMismatch, and then nothing is brought in.
        """
        step = self._steps.get(key.text)
        if step is None:
            return None
        try:
            self._fetch(step.layer.descriptor, blobs)
        except NotFound:
            return None
        return step

    def _fetch(self, descriptor: Descriptor, blobs: Blobs) -> None:
        if blobs.keep(descriptor):
            return
        with self._remote.blob(descriptor) as download, blobs.writer(descriptor) as writer:
            while chunk := download.read(_CHUNK):
                writer.write(chunk)
            writer.commit()


def read(remote: Remote, reference: Reference) -> Afar:
    """Open the cache under a name. Raises: NotFound; CorruptContent for something else."""
    document = remote.manifest(reference.digest or reference.tag).document
    if not isinstance(document, Manifest) or document.config.media_type != STEPS:
        raise CorruptContent(f"{reference.familiar()} is no build cache of this builder", "name another")
    raw = remote.small_blob(document.config)
    steps = untrusted.decode(raw, list[Cached], f"the build cache {reference.familiar()}")
    return Afar(remote, {step.key: step for step in steps})


def write(
    reference: Reference, steps: Iterable[Cached], images: Images, tls_verify: bool | None = None
) -> None:
    """Send steps with their layers, those that the registry has not; the caller holds a lease.

    Raises: NotPermitted, Unavailable.
    """
    kept = list(steps)
    layers = {step.layer.descriptor.digest: step.layer.descriptor for step in kept}
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        artifact_type=STEPS,
        config=images.blobs.write(msgspec.json.encode(kept), STEPS),
        layers=tuple(layers.values()),
    )
    push.push_manifest(images, reference, documents.encode(manifest), tls_verify)
