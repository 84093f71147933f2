"""Images by their names: the one door through which an image comes into the store, and the way to find it.

A name leads to the descriptor of a manifest or of an index. Names live in state.db; `oci/index.json` says the
same, so that other tools can read the layout as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, ImageConfig, Index, Manifest
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference
from containerlab.store import index, lookup, tables
from containerlab.store.blobs import CONTENT_LOCK, Blobs
from containerlab.store.database import Database, Schema
from containerlab.store.home import Home

__all__ = ["Image", "Images"]

_REFERENCED_LAYERS = "SELECT digest FROM contents WHERE kind = 'layer' UNION SELECT diff_id FROM build_steps"
_MAX_DEPTH = 3
_CACHED = 1024


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image for one platform, with the bytes that its digests were computed from."""

    descriptor: Descriptor
    """What its names lead to: the manifest, or an index that has it."""
    names: tuple[str, ...]
    """As users write them, sorted; empty for a dangling image."""
    manifest_digest: str
    manifest: Manifest
    config: ImageConfig
    manifest_raw: bytes
    config_raw: bytes

    @property
    def id(self) -> str:
        """Digest of the configuration."""
        return self.manifest.config.digest

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Blobs, lowest first."""
        return self.manifest.layers

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Digests of the uncompressed layers, lowest first."""
        return self.config.rootfs.diff_ids

    @property
    def size_bytes(self) -> int:
        """Sum of the layers as they are stored."""
        return sum(layer.size for layer in self.layers)


class _Read(NamedTuple):
    manifest: Manifest
    config: ImageConfig
    manifest_raw: bytes
    config_raw: bytes


_Manifests = Sequence[tuple[Descriptor, _Read]]


class Images:
    """All images of a home; safe for many threads and processes."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.blobs = Blobs(home)
        self.database = Database(home.database, Schema(tables.PARTS, tables.DAMAGED, self._restore))
        self._cache: dict[str, _Read] = {}

    def put(self, name: str | None, descriptor: Descriptor) -> None:
        """Bring in the image whose blobs are there, and let `name` lead to it; with None it has no name yet.

        This is the one door for whatever source. Hold `blobs.lease()` from before the first blob until here.

        Raises: NotFound when a blob is missing, CorruptContent when the documents contradict each other,
            Unsupported when it is no image that can run.
        """
        self.put_all([(name, descriptor)])

    def put_all(self, images: Sequence[tuple[str | None, Descriptor]]) -> None:
        """Bring in several at once: all of them, or none after an error."""
        named = [(Reference.parse(name).full(), found.digest) for name, found in images if name]
        with self.home.lock(CONTENT_LOCK, shared=True):
            complete = [(descriptor, self._complete(descriptor)) for _, descriptor in images]
            self.blobs.sync()
            with self.database.writing() as connection:
                for descriptor, manifests in complete:
                    self._insert(connection, descriptor, manifests)
                for name, digest in named:
                    lookup.assign(connection, name, digest)
                index.write(self.home, connection)

    def get(self, name: str, platform: str | None = None) -> Image:
        """Find an image by its name, `name@digest`, id, manifest digest, or an unambiguous start of its id.

        Of an index the image for `platform` is taken, by default the one that suits this machine best.

        Raises: NotFound with the nearest name, or with the platforms there are; InvalidInput.
        """
        wanted = Platform.parse(platform) if platform else None
        with self.database.reading() as connection:
            match = lookup.find(connection, name)
            names = lookup.names_of(connection, match.image.digest)
            offered = lookup.platforms(connection, match)
        return self._image(match.image, names, _choose(name, offered, wanted))

    def at(self, descriptor: Descriptor, name: str = "", platform: Platform | None = None) -> Image:
        """Return the image that a descriptor leads to, in the store by its blobs alone, as `get` does.

        name: how messages call it. platform: of an index, that which is taken.

        Raises: NotFound, CorruptContent.
        """
        found = self._complete(descriptor)
        offered = [(each.digest, each.platform or read.config.platform) for each, read in found]
        return self._image(descriptor, (), _choose(name or descriptor.digest, offered, platform))

    def list(self) -> tuple[Image, ...]:
        """Return every image by name, of an index that for this machine or else the first."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT media_type, digest, size FROM images").fetchall()
            roots = [lookup.descriptor(row) for row in rows]
            found = [(root, *_about(connection, root)) for root in roots]
        images = [self._listed(*each) for each in found]
        return tuple(sorted(filter(None, images), key=lambda image: (not image.names, image.names, image.id)))

    def names(self) -> tuple[str, ...]:
        """Return all names, as users write them."""
        with self.database.reading() as connection:
            return tuple(lookup.all_names(connection))

    def tag(self, name: str, target: str) -> None:
        """Let the name `target` lead to what `name` leads to.

        Raises: NotFound, InvalidInput.
        """
        reference = Reference.parse(target)
        if reference.digest:
            raise errors.InvalidInput(f"{target!r} has a digest, which cannot be chosen", "write name:tag")
        with self.database.writing() as connection:
            lookup.assign(connection, reference.full(), lookup.find(connection, name).image.digest)
            index.write(self.home, connection)

    def ids(self) -> set[str]:
        """Return the ids of all images, of indexes for whatever platform."""
        with self.database.reading() as connection:
            return {row[0] for row in connection.execute("SELECT id FROM manifests").fetchall()}

    def close(self) -> None:
        """Close the database; it opens again when it is needed."""
        self.database.close()

    def walk(self, descriptor: Descriptor, depth: int = 0) -> Iterator[tuple[Descriptor, Manifest | Index]]:
        """Read the manifest, or the index and all it leads to as far as that is in the store."""
        document = documents.decode_document(self.blobs.read(descriptor.digest), descriptor.media_type)
        yield descriptor, document
        if isinstance(document, Index) and depth < _MAX_DEPTH:
            for child in document.manifests:
                if self.blobs.has(child.digest):
                    yield from self.walk(child, depth + 1)

    def referenced_diff_ids(self) -> set[str]:
        """Return the diff ids of all images and steps of builds: nobody needs other unpacked layers."""
        with self.database.reading() as connection:
            rows = connection.execute(_REFERENCED_LAYERS).fetchall()
        return {row[0] for row in rows}

    def _complete(self, root: Descriptor) -> _Manifests:
        """Return the runnable images of `root`, of which an index may lack some but not all."""
        if self.blobs.size(root.digest) != root.size:
            raise errors.CorruptContent(
                f"manifest {root.digest} has not the {root.size} bytes it should have"
            )
        complete = []
        problem: errors.LabError = errors.NotFound(f"index {root.digest} has no image that is in the store")
        for descriptor, document in self.walk(root):
            if isinstance(document, Manifest) and not documents.is_attestation(descriptor):
                try:
                    complete.append((descriptor, self._checked(descriptor.digest)))
                except errors.LabError as error:
                    problem = error
        if not complete:
            raise problem
        return complete

    def _checked(self, digest: str) -> _Read:
        read = self._read(digest)
        layers, diff_ids = read.manifest.layers, read.config.rootfs.diff_ids
        if len(layers) != len(diff_ids):
            raise errors.CorruptContent(
                f"image {digest} has {len(layers)} layers where its configuration names {len(diff_ids)}"
            )
        for layer in layers:
            if not documents.is_layer(layer.media_type):
                raise errors.Unsupported(
                    f"layer {layer.digest} of type {layer.media_type!r} cannot be unpacked"
                )
        for blob in (read.manifest.config, *layers):
            if self.blobs.size(blob.digest) != blob.size:
                raise errors.CorruptContent(
                    f"blob {blob.digest} has not the {blob.size} bytes it should have"
                )
        return read

    def _insert(self, connection: sqlite3.Connection, root: Descriptor, manifests: _Manifests) -> None:
        contents = {(root.digest, found.digest, "blob") for found, _ in self.walk(root)}
        contents |= {(root.digest, blob.digest, "blob") for blob in self._statements(root)}
        rows = []
        for position, (found, read) in enumerate(manifests):
            config, platform = read.manifest.config, found.platform or read.config.platform
            rows.append((root.digest, found.digest, config.digest, str(platform), position))
            contents |= {(root.digest, blob.digest, "blob") for blob in (config, *read.manifest.layers)}
            contents |= {(root.digest, diff_id, "layer") for diff_id in read.config.rootfs.diff_ids}
        plain = (root.digest, root.media_type, root.size)
        connection.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?)", plain)
        connection.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", contents)
        connection.executemany("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?)", rows)

    def _statements(self, root: Descriptor) -> Iterator[Descriptor]:
        """Yield what the attestations of an index consist of, as far as it is in the store."""
        for found, document in self.walk(root):
            if isinstance(document, Manifest) and documents.is_attestation(found):
                yield from (
                    each for each in (document.config, *document.layers) if self.blobs.has(each.digest)
                )

    def _restore(self, connection: sqlite3.Connection) -> None:
        """Fill a new database from index.json: the way back when state.db was lost."""
        for descriptor in index.read(self.home):
            try:
                self._insert(connection, descriptor, self._complete(descriptor))
            except errors.LabError:
                continue
            if name := descriptor.annotations.get(index.NAME_ANNOTATION):
                lookup.assign(connection, Reference.parse(name).full(), descriptor.digest)

    def _listed(
        self, root: Descriptor, names: tuple[str, ...], offered: Sequence[tuple[str, Platform]]
    ) -> Image | None:
        """Return an image, or None when somebody removed it since it was listed."""
        try:
            return self._image(root, names, _for_host(offered))
        except errors.CorruptContent:
            with self.database.reading() as connection:
                if connection.execute("SELECT 1 FROM images WHERE digest = ?", (root.digest,)).fetchone():
                    raise
            return None

    def _image(self, root: Descriptor, names: tuple[str, ...], digest: str) -> Image:
        try:
            read = self._read(digest)
        except (errors.NotFound, errors.CorruptContent) as error:
            raise errors.CorruptContent(
                f"image {' '.join(names) or root.digest} is damaged: {error.message}",
                "remove it with `image rm`, then load or pull it again",
            ) from error
        return Image(
            descriptor=root,
            names=names,
            manifest_digest=digest,
            manifest=read.manifest,
            config=read.config,
            manifest_raw=read.manifest_raw,
            config_raw=read.config_raw,
        )

    def _read(self, digest: str) -> _Read:
        if found := self._cache.get(digest):
            return found
        manifest_raw = self.blobs.read(digest)
        manifest = documents.decode_document(manifest_raw)
        if not isinstance(manifest, Manifest) or not documents.is_config(manifest.config.media_type):
            raise errors.Unsupported(f"{digest} is not an image that can run, but another artifact")
        config_raw = self.blobs.read(manifest.config.digest)
        read = _Read(manifest, documents.decode_config(config_raw), manifest_raw, config_raw)
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        self._cache[digest] = read
        return read


def _about(
    connection: sqlite3.Connection, root: Descriptor
) -> tuple[tuple[str, ...], Sequence[tuple[str, Platform]]]:
    return lookup.names_of(connection, root.digest), lookup.platforms(connection, lookup.Match(root))


def _choose(name: str, offered: Sequence[tuple[str, Platform]], wanted: Platform | None) -> str:
    if wanted is None and len(offered) == 1:
        return offered[0][0]
    platforms = [platform for _, platform in offered]
    best = wanted.best(platforms, strict=True) if wanted else Platform.host().best(platforms)
    if best is None:
        there = ", ".join(sorted(map(str, platforms)))
        raise errors.NotFound(
            f"image {name} is not in the store for {wanted or Platform.host()}", f"there is: {there}"
        )
    return offered[best][0]


def _for_host(offered: Sequence[tuple[str, Platform]]) -> str:
    return offered[Platform.host().best([platform for _, platform in offered]) or 0][0]
