"""Steps of builds outside of a home: a directory that another machine can build from.

    oci-layout  index.json  blobs/sha256/…

The index leads to one document, the list of steps with their keys and layers; the layers are blobs beside it.
They are verified when they are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from containerlab.build.cache.steps import Cached, Key
from containerlab.errors import CorruptContent, InvalidInput, NotFound
from containerlab.linux.files import write_atomically
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index
from containerlab.store.blobs import Blobs
from containerlab.store.layer_writer import Committed

__all__ = ["STEPS", "Carried", "blob_path", "read", "read_document", "write", "write_document"]

STEPS = "application/vnd.containerlab.buildcache.v1+json"
_CHUNK = 1 << 20


class Carried:
    """A cache in a directory, as far as a build looks into it."""

    def __init__(self, directory: Path, steps: Mapping[str, Cached]) -> None:
        self._directory = directory
        self._steps = steps

    def take(self, key: Key, blobs: Blobs) -> Cached | None:
        """Bring the layer of a step into a store, if the step is here.

        Raises: DigestMismatch, and then nothing is brought in.
        """
        step = self._steps.get(key.text)
        if step is None:
            return None
        try:
            with open(blob_path(str(self._directory), step.layer), "rb") as file:
                blobs.copy(file, step.layer.descriptor)
        except FileNotFoundError:
            return None
        return step


def read(directory: str) -> Carried:
    """Open the cache in a directory. Raises: NotFound, CorruptContent."""
    steps = msgspec.json.decode(read_document(directory, STEPS), type=list[Cached])
    return Carried(Path(directory), {step.key: step for step in steps})


def write(directory: str, steps: Iterable[Cached], blobs: Blobs) -> None:
    """Write steps with their layers; what the directory had before goes on to be there as blobs only.

    Raises: InvalidInput for a directory that holds something else.
    """
    kept = list(steps)
    write_document(directory, (STEPS, msgspec.json.encode(kept)), [step.layer for step in kept], blobs)


def read_document(directory: str, media_type: str) -> bytes:
    """Return the document of a type that a directory's index names.

    Raises: NotFound, CorruptContent.
    """
    root = Path(directory)
    try:
        index = documents.decode_document((root / "index.json").read_bytes(), documents.OCI_INDEX)
        assert isinstance(index, Index)
        found = next((each for each in index.manifests if each.media_type == media_type), None)
        if found is None:
            raise CorruptContent(
                f"{directory} has something else than what is sought", "name another directory"
            )
        raw = (root / "blobs" / digests.path(found.digest)).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"there is nothing of a build cache in {directory}", "check the path") from error
    if digests.of(raw) != found.digest:
        raise CorruptContent(f"the build cache in {directory} is damaged", "write it again")
    return raw


def write_document(
    directory: str, document: tuple[str, bytes], layers: Iterable[Committed], blobs: Blobs
) -> None:
    """Write a document, (media type, content), with the layers that it names.

    Raises: InvalidInput for a directory that holds something else.
    """
    root = Path(directory)
    if root.exists() and any(root.iterdir()) and not (root / "oci-layout").exists():
        raise InvalidInput(f"{directory} holds other things", "name an empty directory")
    (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    for layer in layers:
        _write_layer(root, layer, blobs)
    media_type, raw = document
    descriptor = Descriptor.of(raw, media_type)
    write_atomically(str(root / "blobs" / digests.path(descriptor.digest)), raw, 0o644)
    index = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=(descriptor,))
    write_atomically(str(root / "oci-layout"), documents.OCI_LAYOUT, 0o644)
    write_atomically(str(root / "index.json"), documents.encode(index), 0o644)


def blob_path(directory: str, layer: Committed) -> Path:
    """Return where a directory has a layer."""
    return Path(directory) / "blobs" / digests.path(layer.descriptor.digest)


def _write_layer(root: Path, layer: Committed, blobs: Blobs) -> None:
    path = blob_path(str(root), layer)
    if path.exists():
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with blobs.open(layer.descriptor) as source, open(temporary, "wb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
