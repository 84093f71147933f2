"""Images from files and into files: Docker's archives, OCI archives, OCI layout directories.

What is written is always an OCI image layout; as docker-archive it has a manifest.json beside, which is what
Docker itself writes since version 25 and what older ones, podman and skopeo read too.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.store import docker_archive, lookup, oci_layout, removal
from containerlab.store.images import Image, Images
from containerlab.store.index import NAME_ANNOTATION
from containerlab.store.sources import Archive, Directory, Source

__all__ = [
    "FORMATS",
    "Chosen",
    "load",
    "load_directory",
    "read",
    "save",
    "save_directory",
    "write",
    "write_directory",
]

FORMATS = ("docker-archive", "oci-archive")
_CHUNK = 1 << 20


def load(images: Images, stream: BinaryIO) -> list[str]:
    """Bring in all images of an archive, compressed or not; return their names, and ids of those without.

    Raises: InvalidInput when it is no image; CorruptContent, and then nothing remains.
    """
    with removal.leased(images):
        return _load(images, Archive(images.blobs, stream))


def load_directory(images: Images, path: Path) -> list[str]:
    """Bring in all images of an OCI layout directory, as `load` does."""
    if not path.is_dir():
        raise errors.NotFound(f"{path} is not a directory")
    with removal.leased(images):
        return _load(images, Directory(images.blobs, path))


def _load(images: Images, source: Archive | Directory) -> list[str]:
    found = read(images, source)
    images.put_all(found)
    named = {descriptor.digest for name, descriptor in found if name}
    result = [name or _ids(images, root)[0] for name, root in found if name or root.digest not in named]
    return list(dict.fromkeys(result))


def read(images: Images, source: Archive | Directory) -> list[tuple[str | None, Descriptor]]:
    """Bring in the blobs of all images, and return an entry for each name; the caller holds a lease.

    Raises: InvalidInput when it is no image; CorruptContent.
    """
    if source.has(oci_layout.LAYOUT):
        found = oci_layout.load(images, source)
        if source.has(docker_archive.MANIFEST):
            found += _docker_names(images, source, found)
    elif isinstance(source, Archive) and source.has(docker_archive.MANIFEST):
        found = docker_archive.load(images, source)
    elif source.has("repositories"):
        raise errors.Unsupported(
            "the archive is of Docker before 1.10, without manifest.json",
            "load and save it with a newer Docker",
        )
    else:
        raise errors.InvalidInput(
            "this is no image: neither manifest.json nor oci-layout is in it",
            "a plain root file system comes in with `import`",
        )
    return found


def _docker_names(
    images: Images, source: Source, found: Sequence[tuple[str | None, Descriptor]]
) -> list[tuple[str | None, Descriptor]]:
    """Docker writes names into both documents, other tools only into manifest.json."""
    by_id = {image_id: root for _, root in found for image_id in _ids(images, root)}
    items = [(docker_archive.image_id(source, item), item) for item in docker_archive.items(source)]
    return [(name, by_id[i]) for i, item in items if i in by_id for name in docker_archive.names(item)]


def _ids(images: Images, root: Descriptor) -> list[str]:
    return [document.config.digest for _, document in images.walk(root) if isinstance(document, Manifest)]


def save(images: Images, names: Sequence[str], output: BinaryIO, archive_format: str = FORMATS[0]) -> None:
    """Write images into a tar archive; the same images always give the same bytes.

    Raises: NotFound and InvalidInput before anything is written.
    """
    if archive_format not in FORMATS:
        raise errors.InvalidInput(
            f"{archive_format!r} is no archive format",
            errors.nearest(archive_format, FORMATS) or " or ".join(FORMATS),
        )
    with images.blobs.lease():
        write(images, _choose(images, names), output, archive_format)


def write(images: Images, chosen: Sequence[Chosen], output: BinaryIO, archive_format: str) -> None:
    """Write images whose blobs are in the store, named there or not, into a tar archive.

    The caller holds a lease.
    """
    files = _documents(chosen)
    if archive_format == "docker-archive":
        files[docker_archive.MANIFEST] = docker_archive.encode([(c.name, _image(images, c)) for c in chosen])
    blobs = _blobs(images, chosen)
    for folder in sorted({"blobs", *(os.path.dirname(_path(blob)) for blob in blobs)}):
        output.write(_header(folder, None))
    for name, content in sorted(files.items()):
        _add(output, name, len(content), io.BytesIO(content))
    for blob in blobs:
        with images.blobs.open(blob) as stream:
            _add(output, _path(blob), blob.size, stream)
    output.write(bytes(2 * tarfile.BLOCKSIZE))


def _image(images: Images, chosen: Chosen) -> Image:
    return images.get(chosen.words) if chosen.words else images.at(chosen.descriptor)


def save_directory(images: Images, names: Sequence[str], path: Path) -> None:
    """Write images into a new directory as an OCI image layout; after an error there is none.

    Raises: AlreadyExists, NotFound.
    """
    with images.blobs.lease():
        write_directory(images, _choose(images, names), path)


def write_directory(images: Images, chosen: Sequence[Chosen], path: Path) -> None:
    """Write images whose blobs are in the store, as `write` does, into a new directory.

    Raises: AlreadyExists.
    """
    if path.exists():
        raise errors.AlreadyExists(f"{path} exists already", "choose another directory")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for name, content in _documents(chosen).items():
            _write(temporary / name, io.BytesIO(content))
        for blob in _blobs(images, chosen):
            with images.blobs.open(blob) as stream:
                _write(temporary / _path(blob), stream)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Chosen(NamedTuple):
    """An image to be written.

    words: what the user called it; empty for one that has no name in the store. name: in full, empty when the
    words are an id.
    """

    words: str
    name: str
    descriptor: Descriptor


def _choose(images: Images, names: Sequence[str]) -> list[Chosen]:
    if not names:
        raise errors.InvalidInput("no image was named", "name one or more")
    with images.database.reading() as connection:
        matches = [(words, lookup.find(connection, words)) for words in names]
    chosen = {
        (match.name, match.image.digest): Chosen(words, match.name, match.image) for words, match in matches
    }
    return [chosen[key] for key in sorted(chosen)]


def _documents(chosen: Sequence[Chosen]) -> dict[str, bytes]:
    index = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(map(_entry, chosen)))
    return {oci_layout.LAYOUT: documents.OCI_LAYOUT, oci_layout.INDEX: documents.encode(index)}


def _entry(chosen: Chosen) -> Descriptor:
    """Podman takes the first annotation for the name, Docker the second."""
    names = {NAME_ANNOTATION: chosen.name, oci_layout.CONTAINERD_NAME: chosen.name} if chosen.name else {}
    return msgspec.structs.replace(chosen.descriptor, annotations={**chosen.descriptor.annotations, **names})


def _blobs(images: Images, chosen: Sequence[Chosen]) -> list[Descriptor]:
    """Return all blobs, sorted; of an index, manifests that are not complete in the store are left out."""
    found: dict[str, Descriptor] = {}
    for each in chosen:
        for descriptor, document in images.walk(each.descriptor):
            parts = (document.config, *document.layers) if isinstance(document, Manifest) else ()
            if all(map(images.blobs.keep, parts)):
                found |= {blob.digest: blob for blob in (descriptor, *parts)}
    return [found[digest] for digest in sorted(found)]


def _path(blob: Descriptor) -> str:
    return f"blobs/{digests.path(blob.digest)}"


def _write(path: Path, stream: BinaryIO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)


def _add(output: BinaryIO, name: str, size: int, stream: BinaryIO) -> None:
    output.write(_header(name, size))
    shutil.copyfileobj(stream, output, _CHUNK)
    output.write(bytes(-size % tarfile.BLOCKSIZE))


def _header(name: str, size: int | None) -> bytes:
    """Make the header of a file, or with no size that of a directory; nothing in it depends on today."""
    info = tarfile.TarInfo(name)
    info.size = size or 0
    if size is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info.tobuf(tarfile.PAX_FORMAT)
