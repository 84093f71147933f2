"""From a registry into the store: manifests, configurations, and layers that are unpacked while they arrive.

What is verified stays when a pull is cut off, and so does what came of other blobs; a name leads to an image
only when that is whole.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution.downloads import Download
from containerlab.distribution.refusals import plain
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.transfer import parallel, platforms, speaking
from containerlab.distribution.transfer.arriving import arriving, document
from containerlab.distribution.transfer.progress import Begun, Blob, Note, Status, Watcher, nobody
from containerlab.oci import image as documents
from containerlab.oci.distribution import is_tag
from containerlab.oci.image import MAX_DOCUMENT_BYTES, Descriptor, ImageConfig, Manifest
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference, names_one
from containerlab.store import workshop
from containerlab.store.images import Images
from containerlab.store.layer_processes import Unpacking
from containerlab.store.layers import Layers
from containerlab.store.referrers import attach

__all__ = ["Policy", "PullOrder", "Pulled", "pull"]

Policy = Literal["always", "missing", "never", "newer"]
_JOBS = 3
"""As Docker; each takes some 15 MB for the process that unpacks."""


class PullOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    platforms: platforms.Wanted = platforms.Wanted()
    policy: Policy = "always"
    """always: ask the registry; missing: only when it is not in the store; never; newer: as always, but what
    is in the store will do when the registry cannot be reached."""
    all_tags: bool = False
    referrers: bool = False
    """Whether signatures and whatever else speaks about the image come along, and stay with it."""
    jobs: int = _JOBS
    """How many blobs at once."""
    tls_verify: bool | None = None


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is in the store now."""

    name: str
    """As users write it."""
    digest: str
    """Of the manifest or the index that the name leads to."""
    is_new: bool = True
    """Whether the name led to something else before, or to nothing."""
    fetched_bytes: int = 0


def pull(
    images: Images, layers: Layers, name: str, order: PullOrder, watch: Watcher = nobody
) -> list[Pulled]:
    """Bring an image, or all that a repository has, into the store, unpacked and ready to run.

    Raises: NotFound, NotPermitted, Unavailable; DigestMismatch and others of CorruptContent for what is not
        what it should be; Unsupported for what is no image.
    """
    reference = Reference.parse(name)
    if order.all_tags and names_one(name):
        raise errors.InvalidInput(f"{name} names one image where all tags are asked for", "leave the tag out")
    if not order.all_tags and (found := _sufficient(images, reference, order)):
        return [found]
    try:
        with (
            Remote(reference, tls_verify=order.tls_verify) as remote,
            images.blobs.lease(),
            layers.kept(),
            workshop.opened(layers.idmap),
        ):
            pulling = _Pulling(images, layers, remote, order, watch)
            return [pulling.bring(each) for each in _references(remote, reference, order)]
    except (errors.NotFound, errors.NotPermitted, errors.Unavailable, errors.TimedOut) as error:
        if order.policy != "newer" or (here := _in_store(images, reference, order)) is None:
            raise
        watch(Note(f"{name} is what the store has: {error.message}"))
        return [here]


def _sufficient(images: Images, reference: Reference, order: PullOrder) -> Pulled | None:
    """Return what is in the store if the registry need not be asked. Raises: NotFound for `never`."""
    if order.policy == "never":
        for platform in order.platforms.words or (None,):
            images.get(reference.full(), platform)
    if order.policy in ("missing", "never") or reference.digest:
        return _in_store(images, reference, order)
    return None


def _in_store(images: Images, reference: Reference, order: PullOrder) -> Pulled | None:
    """Return the image as the store has it for all platforms that are asked for."""
    if order.platforms.is_all:
        return None
    with suppress(errors.NotFound, errors.CorruptContent):
        found = [images.get(reference.full(), each) for each in order.platforms.words or (None,)]
        return Pulled(name=reference.familiar(), digest=found[0].descriptor.digest, is_new=False)
    return None


def _references(remote: Remote, reference: Reference, order: PullOrder) -> Sequence[Reference]:
    if not order.all_tags:
        return [reference]
    tags = list(remote.tags())
    if not tags:
        raise errors.NotFound(f"{remote.name} has no tags", "name a digest")
    if wrong := next((tag for tag in tags if not is_tag(tag)), None):
        raise errors.CorruptContent(f"{remote.name} lists {plain(wrong)!r}, which is no tag")
    return [msgspec.structs.replace(reference, tag=tag) for tag in tags]


class _Layer(NamedTuple):
    descriptor: Descriptor
    diff_id: str
    """Empty for what is not unpacked."""


class _Pulling:
    """One repository's images on their way into the store; the caller holds a lease."""

    def __init__(
        self, images: Images, layers: Layers, remote: Remote, order: PullOrder, watch: Watcher
    ) -> None:
        self._images, self._layers, self._blobs = images, layers, images.blobs
        self._remote, self._order, self._watch = remote, order, watch
        self._stop = threading.Event()
        self._resumed: set[str] = set()
        """Blobs of which a part was there."""
        self._fetched_bytes = 0
        self._lock = threading.Lock()

    def bring(self, reference: Reference) -> Pulled:
        """Bring one image in, and let its name lead to it."""
        wanted, before = reference.digest or reference.tag, self._root_of(reference)
        name = _kept_name(reference)
        if before and (here := _in_store(self._images, reference, self._order)):
            now = self._remote.head(wanted)
            if now and now.digest == before:
                self._watch(Begun("Pulling from", reference.repository, wanted))
                return self._with_referrers(here, [before])
        fetched, began = self._remote.manifest(wanted), self._fetched_bytes
        self._watch(Begun("Pulling from", reference.repository, wanted))
        self._count(len(fetched.raw))
        manifests = self._receive(fetched, reference.familiar())
        self._images.put(name, fetched.descriptor)
        pulled = Pulled(
            name=name,
            digest=fetched.descriptor.digest,
            is_new=fetched.descriptor.digest != before,
            fetched_bytes=self._fetched_bytes - began,
        )
        return self._with_referrers(pulled, manifests)

    def _with_referrers(self, pulled: Pulled, manifests: Sequence[str]) -> Pulled:
        """Fetch what speaks about manifests, if that is asked for, and keep it with the image."""
        if not self._order.referrers:
            return pulled
        began, kept = self._fetched_bytes, {}
        for name, fetched in speaking.about(self._remote, dict.fromkeys([pulled.digest, *manifests])).items():
            for part in platforms.chosen(fetched, platforms.Wanted(is_all=True), self._child, name):
                is_root = part.descriptor.digest == fetched.descriptor.digest
                kept[name if is_root else part.descriptor.digest] = part.descriptor
                self._keep_whole(part)
        attach(self._images, pulled.digest, kept)
        more_bytes = self._fetched_bytes - began
        return msgspec.structs.replace(pulled, fetched_bytes=pulled.fetched_bytes + more_bytes)

    def _keep_whole(self, fetched: Fetched) -> None:
        """Fetch a manifest that is no image, with all it names."""
        self._blobs.copy(io.BytesIO(fetched.raw), fetched.descriptor)
        document = fetched.document
        if isinstance(document, Manifest):
            layers = [_Layer(each, "") for each in (document.config, *document.layers)]
            parallel.each(layers, self._bring_layer, self._order.jobs, self._end)

    def _root_of(self, reference: Reference) -> str:
        """Return the digest that the name leads to already, or nothing."""
        with suppress(errors.LabError):
            return self._images.get(reference.full()).descriptor.digest
        return ""

    def _receive(self, root: Fetched, name: str) -> list[str]:
        """Fetch what an image consists of, the chosen part of an index; return the digests of manifests."""
        found: dict[tuple[str, str], _Layer] = {}
        manifests = []
        for fetched in platforms.chosen(root, self._order.platforms, self._child, name):
            self._blobs.copy(io.BytesIO(fetched.raw), fetched.descriptor)
            manifests.append(fetched.descriptor.digest)
            if isinstance(fetched.document, Manifest):
                parts = self._parts(fetched, fetched.document, name)
                found |= {(each.descriptor.digest, each.diff_id): each for each in parts}
        for layer in found.values():
            self._tell(layer.descriptor, "waiting")
        largest_first = sorted(found.values(), key=lambda layer: -layer.descriptor.size)
        parallel.each(largest_first, self._bring_layer, self._order.jobs, self._end)
        return manifests

    def _child(self, descriptor: Descriptor) -> Fetched:
        """Return a manifest that an index names, from the store if it is there."""
        if self._blobs.keep(descriptor):
            return Fetched(descriptor, self._blobs.read(descriptor.digest))
        fetched = self._remote.manifest(descriptor.digest, (descriptor.media_type,))
        self._count(len(fetched.raw))
        if fetched.descriptor.size != descriptor.size:
            raise errors.DigestMismatch(
                f"manifest {descriptor.digest} has {len(fetched.raw)} bytes,"
                f" where its index announced {descriptor.size}"
            )
        return Fetched(descriptor, fetched.raw)

    def _parts(self, fetched: Fetched, manifest: Manifest, name: str) -> Iterator[_Layer]:
        """Fetch the configuration, and yield what else there is to fetch."""
        if documents.is_attestation(fetched.descriptor):
            yield from (_Layer(each, "") for each in (manifest.config, *manifest.layers))
            return
        _refuse_other_than_images(manifest, name)
        raw = document(self._blobs, manifest.config, self._opening(manifest.config), MAX_DOCUMENT_BYTES)
        config = documents.decode_config(raw)
        diff_ids = config.rootfs.diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise errors.CorruptContent(
                f"image {name} has {len(manifest.layers)} layers"
                f" where its configuration names {len(diff_ids)}"
            )
        self._check_platform(config, name)
        is_unpacked = self._is_unpacked(config)
        for descriptor, diff_id in zip(manifest.layers, diff_ids, strict=True):
            yield _Layer(descriptor, diff_id if is_unpacked else "")

    def _check_platform(self, config: ImageConfig, name: str) -> None:
        words = self._order.platforms.words
        offered = [config.platform]
        if words and all(Platform.parse(word).best(offered, strict=True) is None for word in words):
            raise errors.NotFound(f"{name} has no image for {', '.join(words)}", f"there is: {offered[0]}")

    def _is_unpacked(self, config: ImageConfig) -> bool:
        """Tell whether it can run here: of all platforms, others are only kept."""
        if config.os != "linux":
            return False
        return not self._order.platforms.is_all or Platform.host().runs(config.platform)

    def _opening(self, descriptor: Descriptor) -> Callable[[int], Download]:
        return lambda start: self._remote.blob(descriptor, start)

    # layers

    def _bring_layer(self, layer: _Layer) -> None:
        """Fetch and unpack one layer; once more where a part from before, or a mirror, was wrong."""
        try:
            self._fetch(layer, self._opening(layer.descriptor))
        except errors.CorruptContent:
            is_dubious = self._remote.has_mirrors or layer.descriptor.digest in self._resumed
            if self._stop.is_set() or not is_dubious:
                raise
            self._fetch(layer, lambda start: self._remote.blob_from_registry(layer.descriptor))

    def _fetch(self, layer: _Layer, fetch: Callable[[int], Download]) -> None:
        descriptor, done = layer.descriptor, 0

        def told(count: int, is_fetched: bool) -> None:
            nonlocal done
            done += count
            if is_fetched:
                self._count(count)
            else:
                self._resumed.add(descriptor.digest)
            if self._stop.is_set():
                raise errors.Unavailable("another part of the image failed", "try again")
            self._tell(descriptor, "downloading" if done < descriptor.size else "extracting", done)

        was_there = self._blobs.has(descriptor.digest)
        unpacking = Unpacking(self._layers.idmap)
        unpacking.stop = self._stop
        if layer.diff_id:
            self._layers.receive(
                layer.diff_id,
                descriptor,
                unpacking,
                lambda: arriving(self._blobs, descriptor, fetch, told),
            )
        with arriving(self._blobs, descriptor, fetch, told):
            pass
        self._tell(descriptor, "exists" if was_there else "pulled", descriptor.size)

    def _end(self) -> None:
        """Let what is under way end, wherever it waits."""
        self._stop.set()
        self._remote.close()

    def _count(self, count: int) -> None:
        with self._lock:
            self._fetched_bytes += count

    def _tell(self, descriptor: Descriptor, status: Status, done: int = 0) -> None:
        self._watch(Blob(descriptor.digest, descriptor.size, status, done))


def _refuse_other_than_images(manifest: Manifest, name: str) -> None:
    kind = plain(manifest.artifact_type or manifest.config.media_type)
    if not documents.is_config(manifest.config.media_type):
        raise errors.Unsupported(
            f"{name} is no image that can run but an artifact of type {kind}",
            "the tool that made it can fetch it",
        )
    for layer in manifest.layers:
        if not documents.is_layer(layer.media_type):
            raise errors.Unsupported(
                f"{name} has a part of type {layer.media_type!r}, which cannot be unpacked",
                "the tool that made it can fetch it",
            )


def _kept_name(reference: Reference) -> str:
    """Return the name in the store: of tag and digest the digest counts, as with Docker."""
    return (msgspec.structs.replace(reference, tag="") if reference.digest else reference).familiar()
