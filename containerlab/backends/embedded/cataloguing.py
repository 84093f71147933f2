"""What images of this home consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.store.images import Images

if TYPE_CHECKING:
    from containerlab.build.sbom.catalogue import Catalogue
    from containerlab.build.sbom.subject import Subject

__all__ = ["CataloguingVerbs"]


class CataloguingVerbs:
    """Does what `optional.Cataloguing` asks."""

    store: Images

    def packages_of_image(self, name: str, platform: str | None = None) -> tuple[Subject, Catalogue]:
        """Return the packages in an image, and which image that is."""
        from containerlab.backends.embedded_images import now
        from containerlab.build.sbom.catalogue import catalogue
        from containerlab.build.sbom.subject import Subject

        with self.store.blobs.lease():
            image = self.store.get(name, platform)
            found = catalogue(self.store.blobs, list(zip(image.layers, image.diff_ids, strict=True)))
        others = image.names[0] if image.names else name
        called = next((each for each in image.names if name in (each, each.removesuffix(":latest"))), others)
        subject = Subject(
            name=called, digest=image.manifest_digest, platform=image.config.platform, created_s=now()
        )
        return subject, found
