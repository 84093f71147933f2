"""`oci/index.json`: the names of the store as an OCI image layout tells them to other tools.

Source: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index
from containerlab.oci.reference import Reference
from containerlab.store.home import Home

__all__ = ["NAME_ANNOTATION", "read", "write"]

NAME_ANNOTATION = "org.opencontainers.image.ref.name"


def read(home: Home) -> tuple[Descriptor, ...]:
    """Return what the layout has, a descriptor for each name.

    Raises: CorruptContent.
    """
    path = home.oci / "index.json"
    try:
        document = documents.decode_document(path.read_bytes(), documents.OCI_INDEX)
    except FileNotFoundError:
        return ()
    except errors.CorruptContent as error:
        hint = "remove it, and load the images again"
        raise errors.CorruptContent(f"{path} is damaged: {error.message}", hint) from error
    return document.manifests if isinstance(document, Index) else ()


def write(home: Home, connection: sqlite3.Connection) -> None:
    """Write it anew from within the transaction that changed the names.

    The transaction is the lock. A process killed before its end leaves an index that is one step ahead, of
    something that is complete; the next change mends it.
    """
    rows = connection.execute(
        "SELECT media_type, digest, size, name FROM images LEFT JOIN names ON digest = image"
        " ORDER BY name, digest"
    )
    found = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(map(_entry, rows)))
    home.replace(home.oci / "index.json", documents.encode(found))


def _entry(row: tuple[str, str, int, str | None]) -> Descriptor:
    media_type, digest, size, name = row
    annotations = {NAME_ANNOTATION: Reference.parse(name).familiar()} if name else {}
    return Descriptor(media_type=media_type, digest=digest, size=size, annotations=annotations)
