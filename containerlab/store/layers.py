"""Layers unpacked once, each by itself, shared by all images and containers as overlay lower directories.

A layer comes into `layers/` complete and verified or not at all, after a power cut too: this process reads
the blob, checks its digest and the diff id, and feeds a process that unpacks below `tmp` and brings all to
the medium; then the directory is renamed.
What is in `layers/` never changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from containerlab.errors import Conflict, Unavailable
from containerlab.linux import idmap as idmaps
from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap
from containerlab.linux.inode_flags import spread_subdirectories
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.store import trees
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from containerlab.store.compression import Readable
    from containerlab.store.layer_processes import Growth, Unpacking
    from containerlab.store.layer_writer import Committed, Watch
    from containerlab.store.owners import Noted
    from containerlab.store.unpack import Limits

    Opened = Callable[[], AbstractContextManager[Readable]]

__all__ = ["Layers", "PackOptions"]


class Layered(Protocol):
    """What `ensure` needs to know of an image: its blobs and what they unpack to, lowest first."""

    @property
    def layers(self) -> Sequence[Descriptor]: ...
    @property
    def diff_ids(self) -> Sequence[str]: ...


class PackOptions(NamedTuple):
    """How what a container changed becomes a layer.

    compression: "gzip", "zstd" or "none". skip: paths relative to the root that are no change (mount points).
    newest_s: no time in the layer is later than this, in seconds since the epoch (SOURCE_DATE_EPOCH).
    noted: what is known of owners where there is a single id.
    """

    compression: str = "gzip"
    skip: Collection[str] = ()
    newest_s: int | None = None
    noted: Noted | None = None


_USUAL = PackOptions()


class Layers:
    """The unpacked layers of a home; safe for many threads and processes."""

    def __init__(self, home: Home, idmap: IdMap | None = None, limits: Limits | None = None) -> None:
        self._home = home
        self._blobs = Blobs(home)
        self._idmap = idmap
        self._limits = limits

    def path(self, diff_id: str) -> Path:
        """Return where the layer is, or would be, unpacked."""
        return self._home.layers / digests.parse(diff_id).partition(":")[2]

    def ensure(self, image: Layered, notice: Callable[[str], None] | None = None) -> list[Path]:
        """Unpack what is missing of an image, in parallel, and return its layers, topmost first.

        notice: takes sentences about what this user cannot have as the archive asks.

        Raises: NotFound for a missing blob, DigestMismatch, HostileArchive, CorruptContent; the layers that
            were complete before remain, nothing else.
        """
        wanted = dict(zip(image.diff_ids, image.layers, strict=True))
        with self._home.lock(_ALL_LAYERS, shared=True):
            missing = {diff_id: wanted[diff_id] for diff_id in wanted if not self.path(diff_id).exists()}
        if missing:
            self._unpack_all(missing, notice or (lambda _: None))
        # A layer that comes twice counts where it comes last: overlayfs refuses the same directory twice.
        return [self.path(diff_id) for diff_id in dict.fromkeys(reversed(image.diff_ids))]

    def receive(
        self, diff_id: str, descriptor: Descriptor, unpacking: Unpacking, opened: Opened
    ) -> tuple[str, ...]:
        """Unpack one layer, unless it is there, while its blob arrives; return sentences about it.

        opened: gives a stream of the blob for the time of a block, and when that is left raises unless the
        digest was right. It is called while nobody else unpacks the layer.

        Raises: as `ensure` does, and what `opened` raises; then the layer is not there.
        """
        path = self.path(diff_id)
        with self._held(path, unpacking.stop):
            if path.exists():
                return ()
            with self._home.scratch("layer-") as scratch:
                tree = _fresh_tree(scratch)
                try:
                    with opened() as blob:
                        report = unpacking.fill(tree, blob, descriptor, diff_id)
                    trees.rename(tree, path, self.idmap)
                except BaseException:
                    trees.remove(tree, self.idmap)
                    raise
                return report.notices

    @contextlib.contextmanager
    def _held(self, path: Path, stop: threading.Event) -> Iterator[None]:
        """Hold the lock of a layer; give up waiting for whoever unpacks it when told to stop."""
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self._home.lock(_lock_name(path), wait=False))
                    break
                except Conflict as error:
                    if stop.wait(_LOOK_AGAIN_S):
                        raise Unavailable("another layer of the image failed") from error
            yield

    def commit(self, upper: Path, options: PackOptions = _USUAL, watch: Watch | None = None) -> Committed:
        """Store what an overlay's upper directory changes as a blob, hashed and compressed while written.

        watch: is shown the tar stream. The caller holds a lease of the blob store.
        """
        from containerlab.store import packing

        table, creator, lowers = options.noted or ("", None, ())
        skip, newest_s = tuple(options.skip), options.newest_s
        order = packing.Order("change-set", str(upper), lowers, skip, newest_s, table, creator)
        return packing.pack(order, self.idmap, self._blobs, options.compression, watch)

    def commit_tree(self, root: Path, compression: str = "gzip") -> Committed:
        """Store a whole file system as a blob; the caller holds a lease of the blob store."""
        from containerlab.store import packing

        order = packing.Order("tree", os.fspath(root))
        return packing.pack(order, self.idmap, self._blobs, compression)

    def commit_copy(
        self,
        root: Path,
        lowers: Sequence[Path],
        options: PackOptions = _USUAL,
        watch: Watch | None = None,
    ) -> Committed:
        """Store as a blob how a snapshot that is a copy differs from its layers, topmost first."""
        from containerlab.store import packing

        below = tuple(map(os.fspath, lowers))
        table, creator, _ = options.noted or ("", None, ())
        skip, newest_s = tuple(options.skip), options.newest_s
        order = packing.Order("copy", os.fspath(root), below, skip, newest_s, table, creator)
        return packing.pack(order, self.idmap, self._blobs, options.compression, watch)

    def adopt(self, upper: Path, committed: Committed) -> Path:
        """Make an upper directory, just packed as `committed`, the unpacked layer of that name.

        It is moved, unless the layer is there already, so that nobody has to unpack it. Only what the
        kernel's overlay wrote, for a container that has ended: its whiteouts are what a lower layer has.
        Returns where the layer is.
        """
        path = self.path(committed.diff_id)
        with self._home.lock(_lock_name(path)):
            if not path.exists():
                _bring_to_medium(upper)
                trees.rename(upper, path, self.idmap)
        return path

    @contextlib.contextmanager
    def growing(self) -> Iterator[Growth]:
        """Unpack a layer while it is made: give what takes its tar stream, and at the end its diff id.

        Raises: NotPermitted, HostileArchive; and then nothing remains.
        """
        from containerlab.store.layer_processes import Growth

        with self._home.scratch("layer-") as scratch:
            tree = _fresh_tree(scratch)
            try:
                with Growth(tree, self.idmap) as growth:
                    yield growth
                path = self.path(growth.diff_id)
                with self._home.lock(_lock_name(path)):
                    if not path.exists():
                        trees.rename(tree, path, self.idmap)
            finally:
                trees.remove(tree, self.idmap)

    def unpacked(self) -> set[str]:
        """Return the hexadecimal digits of the diff ids of all unpacked layers."""
        return {entry.name for entry in os.scandir(self._home.layers)}

    def unreferenced(self, keep: Collection[str]) -> set[str]:
        """Return the diff ids of unpacked layers that are not among `keep`."""
        kept = {diff_id.partition(":")[2] for diff_id in keep}
        return {f"{_ALGORITHMS.get(len(name), 'sha256')}:{name}" for name in self.unpacked() - kept}

    def remove(self, diff_id: str) -> None:
        """Remove an unpacked layer if it is there; the caller knows that no container uses it."""
        path = self.path(diff_id)
        with self._home.lock(_lock_name(path)), self._home.scratch("gone-") as scratch:
            with contextlib.suppress(FileNotFoundError):
                trees.rename(path, scratch / "tree", self.idmap)
            trees.remove(scratch / "tree", self.idmap)
        self._drop_lock(path)

    def drop(self, needed: Callable[[], Collection[str]]) -> int:
        """Remove the unpacked layers that are not among the diff ids `needed` gives; return how many.

        Whoever starts to need a layer says so before `ensure` looks for it: between the asking and the moving
        away here nobody looks, so that what is found there stays. While somebody has `kept`, none goes.
        """
        with self._home.scratch("gone-") as scratch:
            try:
                with self._home.lock(_KEPT, wait=False), self._home.lock(_ALL_LAYERS):
                    doomed = self.unreferenced(needed())
                    for diff_id in doomed:
                        trees.rename(self.path(diff_id), scratch / self.path(diff_id).name, self.idmap)
            except Conflict:
                return 0
            for diff_id in doomed:
                self._drop_lock(self.path(diff_id))
            for entry in os.scandir(scratch):
                trees.remove(Path(entry.path), self.idmap)
        return len(doomed)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let nobody drop layers meanwhile: for builds, which use some that no image or container has yet."""
        with self._home.lock(_KEPT, shared=True):
            yield

    def _drop_lock(self, path: Path) -> None:
        with self._home.lock(_lock_name(path)):
            if not path.exists():
                os.unlink(self._home.root / "locks" / _lock_name(path))

    def sweep(self) -> None:
        """Remove what only the map's root can: half-unpacked layers of dead processes; and locks of none."""
        for lock in os.scandir(self._home.root / "locks"):
            if lock.name.startswith(_LOCK):
                self._drop_lock(self._home.layers / lock.name.removeprefix(_LOCK))
        for entry in os.scandir(self._home.temporary):
            if entry.is_dir(follow_symlinks=False) and (fd := _lock_if_dead(entry.path)) is not None:
                try:
                    trees.remove(Path(entry.path), self.idmap)
                finally:
                    os.close(fd)

    @property
    def idmap(self) -> IdMap:
        """Whose ids the files belong to."""
        if self._idmap is None:
            self._idmap = idmaps.choose()
        return self._idmap

    def _unpack_all(self, missing: dict[str, Descriptor], notice: Callable[[str], None]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from containerlab.store.layer_processes import Unpacking

        unpacking = Unpacking(self.idmap, self._limits)

        def unpack(diff_id: str, descriptor: Descriptor) -> tuple[str, ...]:
            return self.receive(diff_id, descriptor, unpacking, lambda: self._blobs.open(descriptor))

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            try:  # an interrupt may come while the first are at work already
                futures = [pool.submit(unpack, *each) for each in missing.items()]
                notices = [future.result() for future in futures]
            except BaseException:
                unpacking.stop.set()
                raise
        for sentences in notices:
            for sentence in sentences:
                notice(sentence)


def _fresh_tree(scratch: Path) -> Path:
    """Make the directory that becomes a layer, with room around it for thousands of files.

    Near to other layers ext4 without a journal takes half a millisecond for each file: it looks at every
    inode that was freed within some minutes, as those of a layer that was removed. Where a directory comes
    depends on its name, too.
    """
    spread_subdirectories(scratch)
    tree = scratch / scratch.name
    tree.mkdir(mode=0o755)
    tree.chmod(0o755)  # whatever the umask is
    return tree


def _bring_to_medium(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        syscalls.syncfs(fd)
    finally:
        os.close(fd)


_LOOK_AGAIN_S = 0.1
_ALL_LAYERS = "layers"
_KEPT = "layers-kept"
_LOCK = "layer-"
_ALGORITHMS = {64: "sha256", 128: "sha512"}


def _lock_name(path: Path) -> str:
    return f"{_LOCK}{path.name}"


def _lock_if_dead(path: str) -> int | None:
    """Lock a scratch directory whose maker is dead; see `Home.scratch`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:  # its maker has removed it meanwhile
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd
