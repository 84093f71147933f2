"""What builds leave for later ones: the layers of steps, the folders of cache mounts, downloads."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.build.cache import carried
from containerlab.build.cache import mounts as cache_mounts
from containerlab.build.cache.mounts import cache_folder
from containerlab.build.cache.steps import BuildCache
from containerlab.build.contexts import download
from containerlab.linux.files import write_atomically
from containerlab.store import removal, trees
from containerlab.store.images import Images
from containerlab.store.layer_processes import Unpacking
from containerlab.store.layer_writer import Committed
from containerlab.store.layers import Layers

__all__ = ["CacheEntry", "entries", "export_mounts", "import_mounts", "prune"]

_MOUNTS = "application/vnd.containerlab.cachemounts.v1+json"


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A step, a cache mount or a download."""

    id: str
    kind: str
    """step, mount or download."""
    text: str
    """The instruction, the id of the mount, or the URL."""
    size_bytes: int
    created: float
    """Seconds since the epoch, as `used`."""
    used: float
    is_shared: bool = False
    """Whether an image has the layer too, so that removing it would free nothing."""


def entries(images: Images, layers: Layers) -> list[CacheEntry]:
    """Return everything, the one that was of use last first."""
    with images.database.reading() as connection:
        rows = connection.execute("SELECT digest FROM contents WHERE kind = 'blob'").fetchall()
    in_images = {digest for (digest,) in rows}
    steps = [
        CacheEntry(
            id=step.key,
            kind="step",
            text=step.text,
            size_bytes=step.layer.descriptor.size,
            created=step.created,
            used=step.used,
            is_shared=step.layer.descriptor.digest in in_images,
        )
        for step in BuildCache(images.database).all()
    ]
    found = [*steps, *_mounts(images, layers), *_downloads(images)]
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def _downloads(images: Images) -> list[CacheEntry]:
    return [
        CacheEntry(
            id=each.id,
            kind="download",
            text=each.url,
            size_bytes=each.size_bytes,
            created=each.created_s,
            used=each.used_s,
        )
        for each in download.kept(images.home)
    ]


def prune(
    images: Images, layers: Layers, *, every: bool = False, unused_s: float = 0.0, keep_bytes: int = 0
) -> list[CacheEntry]:
    """Remove what no image needs, longest unused first, or with `every` all of it; return what is gone.

    A cache mount that a build has stays.

    unused_s: only what was of no use for so long. keep_bytes: stop when no more than that is left.
    """
    found = entries(images, layers)
    left = sum(entry.size_bytes for entry in found)
    doomed = []
    for entry in reversed(found):
        if left <= keep_bytes and keep_bytes:
            break
        if time.time() - entry.used >= unused_s and (every or _is_of_no_need(entry)):
            doomed.append(entry)
            left -= entry.size_bytes
    BuildCache(images.database).remove([entry.id for entry in doomed if entry.kind == "step"])
    gone = [entry for entry in doomed if _remove(entry, images, layers)]
    removal.collect(images)
    return gone


def _is_of_no_need(entry: CacheEntry) -> bool:
    """Tell whether something can be had again, and freeing it frees room."""
    return entry.kind == "download" or (entry.kind == "step" and not entry.is_shared)


def _remove(entry: CacheEntry, images: Images, layers: Layers) -> bool:
    """Remove what lies beside the steps; tell whether it is gone."""
    if entry.kind == "mount":
        return cache_mounts.remove(images.home, _folder(images, entry.id), layers.idmap)
    if entry.kind == "download":
        download.remove(images.home, entry.id)
    return True


def export_mounts(images: Images, layers: Layers, directory: str, ids: Sequence[str]) -> list[str]:
    """Write the folders of cache mounts to a directory; return their ids.

    Raises: NotFound for an id that there is not.
    """
    found = {entry.text: entry for entry in _mounts(images, layers)}
    for name in ids:
        if name not in found:
            raise errors.NotFound.named("cache mount", name, found, "`builder du` lists them")
    wanted = [entry for name, entry in found.items() if not ids or name in ids]
    with removal.leased(images):
        mounts = [_Mount(entry.text, layers.commit_tree(_folder(images, entry.id) / "0")) for entry in wanted]
        document = (_MOUNTS, msgspec.json.encode(mounts))
        carried.write_document(directory, document, [mount.layer for mount in mounts], images.blobs)
    return [mount.id for mount in mounts]


def import_mounts(images: Images, layers: Layers, directory: str) -> list[str]:
    """Make the folders of cache mounts that a directory has and that are not here yet; return their ids.

    Raises: NotFound, CorruptContent, HostileArchive; Conflict while a build has one of them.
    """
    mounts = msgspec.json.decode(carried.read_document(directory, _MOUNTS), type=list[_Mount])
    made = []
    for mount in mounts:
        folder = cache_folder(images.home, mount.id)
        with cache_mounts.alone(images.home, folder):
            if not (folder / "0").exists():
                _fill(images, layers, carried.blob_path(directory, mount.layer), mount, folder)
                made.append(mount.id)
    return made


class _Mount(NamedTuple):
    """A cache mount as it is carried: all its files as a layer."""

    id: str
    layer: Committed


def _fill(images: Images, layers: Layers, path: Path, mount: _Mount, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with images.home.scratch("mount-") as scratch, removal.leased(images):
        with open(path, "rb") as file:
            images.blobs.copy(file, mount.layer.descriptor)
        tree = scratch / "tree"
        tree.mkdir(mode=0o755)
        with images.blobs.open(mount.layer.descriptor) as blob:
            Unpacking(layers.idmap).fill(tree, blob, mount.layer.descriptor, mount.layer.diff_id)
        write_atomically(str(folder / "id"), mount.id.encode(errors="surrogateescape"), 0o600)
        tree.rename(folder / "0")


def _folder(images: Images, name: str) -> Path:
    return cache_mounts.root(images.home) / name


def _mounts(images: Images, layers: Layers) -> list[CacheEntry]:
    root = cache_mounts.root(images.home)
    folders = sorted(root.iterdir()) if root.is_dir() else []
    if not folders:
        return []
    sizes = trees.perform(layers.idmap, "containerlab.store.tree_size", list(map(str, folders))).split()
    return [_mount(folder, int(size)) for folder, size in zip(folders, sizes, strict=True)]


def _mount(folder: Path, size_bytes: int) -> CacheEntry:
    return CacheEntry(
        id=folder.name,
        kind="mount",
        text=_id_of(folder),
        size_bytes=size_bytes,
        created=folder.stat().st_ctime,
        used=folder.stat().st_mtime,
    )


def _id_of(folder: Path) -> str:
    """Return the id of a mount, or its folder's name if the build was killed before it wrote the id."""
    try:
        return os.fsdecode((folder / "id").read_bytes())
    except FileNotFoundError:
        return folder.name
