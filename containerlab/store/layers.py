"""Layers unpacked once, each by itself, shared by all images and containers as overlay lower directories.

A layer comes into `layers/` complete and verified or not at all: this process reads the blob, checks its
digest and the diff id, and feeds a process that unpacks below `tmp`; then the directory is renamed.
What is in `layers/` never changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from containerlab import errors
from containerlab.linux import idmap as idmaps
from containerlab.linux.files import write_all
from containerlab.linux.idmap import IdMap
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.store import compression, trees, unpacker
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from containerlab.store.layer_writer import Committed, layer_writer
from containerlab.store.unpack import GENEROUS, Limits, Report

__all__ = ["Committed", "Layers"]

_CHUNK = 1 << 18
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20
_RATIO_FROM_BYTES = 1 << 30


class Layered(Protocol):
    """What `ensure` needs to know of an image: its blobs and what they unpack to, lowest first."""

    @property
    def layers(self) -> Sequence[Descriptor]: ...
    @property
    def diff_ids(self) -> Sequence[str]: ...


class Layers:
    """The unpacked layers of a home; safe for many threads and processes."""

    def __init__(self, home: Home, idmap: IdMap | None = None, limits: Limits = GENEROUS) -> None:
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

    def commit(
        self, upper: Path, *, compression: str = "gzip", skip: Collection[str] = (), whole: bool = False
    ) -> Committed:
        """Store what an overlay's upper directory changes as a blob, hashed and compressed while written.

        compression: "gzip", "zstd" or "none". skip: paths relative to the root that are no change (mount
        points). whole: `upper` is no upper directory but a whole file system.
        The caller holds a lease of the blob store.
        """
        return self._pack(["tree" if whole else "change-set", os.fspath(upper), *skip], compression)

    def commit_copy(
        self, root: Path, lowers: Sequence[Path], *, compression: str = "gzip", skip: Collection[str] = ()
    ) -> Committed:
        """Store as a blob how a snapshot that is a copy differs from its layers, topmost first."""
        return self._pack(
            ["copy", os.fspath(root), str(len(lowers)), *map(os.fspath, lowers), *skip], compression
        )

    def _pack(self, words: Sequence[str], compression: str) -> Committed:
        process = trees.inside(
            self.idmap,
            "containerlab.store.packer",
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process, _killed_on_error(process), layer_writer(self._blobs, compression) as layer:
            assert process.stdout is not None
            assert process.stderr is not None
            while chunk := process.stdout.read(_CHUNK):
                layer.write(chunk)
            complaint = process.stderr.read()
            if process.wait():
                raise errors.NotPermitted(f"reading {words[1]} failed: {_last_line(complaint)}")
            return layer.commit()

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
                self._rename(path, scratch / "tree")
            trees.remove(scratch / "tree", self.idmap)

    def drop(self, needed: Callable[[], Collection[str]]) -> int:
        """Remove the unpacked layers that are not among the diff ids `needed` gives; return how many.

        Whoever starts to need a layer says so before `ensure` looks for it: between the asking and the moving
        away here nobody looks, so that what is found there stays.
        """
        with self._home.scratch("gone-") as scratch:
            with self._home.lock(_ALL_LAYERS):
                doomed = self.unreferenced(needed())
                for diff_id in doomed:
                    self._rename(self.path(diff_id), scratch / self.path(diff_id).name)
            for entry in os.scandir(scratch):
                trees.remove(Path(entry.path), self.idmap)
        return len(doomed)

    def sweep(self) -> None:
        """Remove half-unpacked layers of dead processes that only the map's root can remove."""
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

        stop = threading.Event()
        _ = self.idmap  # found once, before the threads ask
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            futures = [pool.submit(self._unpack, *each, stop) for each in missing.items()]
            try:
                reports = [future.result() for future in futures]
            except BaseException:
                stop.set()
                raise
        for report in reports:
            for sentence in report.notices:
                notice(sentence)

    def _unpack(self, diff_id: str, descriptor: Descriptor, stop: threading.Event) -> Report:
        path = self.path(diff_id)
        with self._home.lock(_lock_name(path)):
            if path.exists():
                return Report(0, 0, ())
            with self._home.scratch("layer-") as scratch:
                tree = scratch / "tree"
                tree.mkdir(mode=0o755)
                tree.chmod(0o755)  # whatever the umask is
                try:
                    report = self._fill(tree, diff_id, descriptor, stop)
                    self._rename(tree, path)
                except BaseException:
                    trees.remove(tree, self.idmap)
                    raise
                return report

    def _fill(self, tree: Path, diff_id: str, descriptor: Descriptor, stop: threading.Event) -> Report:
        words = [os.fspath(tree), *unpacker.limits_to_words(self._limits)]
        with self._blobs.open(descriptor) as blob:
            process = trees.inside(
                self.idmap,
                "containerlab.store.unpacker",
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            with process, _killed_on_error(process):
                assert process.stdin is not None
                stream = compression.decompressed(blob, descriptor.media_type)
                hasher = digests.Hasher(diff_id.partition(":")[0])
                self._feed(stream, process.stdin, hasher, descriptor.size, stop)
                answer, complaint = process.communicate()
                if process.returncode > 0:
                    raise errors.NotPermitted(
                        f"unpacking {descriptor.digest} failed: {_last_line(complaint)}"
                    )
                report = unpacker.parse(answer)
                if hasher.digest() != diff_id:
                    raise errors.DigestMismatch(f"layer {diff_id} turned out to be {hasher.digest()}")
                return report

    def _feed(
        self, stream: BinaryIO, pipe: IO[bytes], hasher: digests.Hasher, stored: int, stop: threading.Event
    ) -> None:
        """Send a tar stream to the process that unpacks, to its end or until that stops reading."""
        with contextlib.suppress(OSError):  # only slower without
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        most = max(_RATIO_FROM_BYTES, self._limits.ratio * stored)
        try:
            while chunk := stream.read(_CHUNK):
                if stop.is_set():
                    raise errors.Unavailable("another layer of the image failed")
                hasher.update(chunk)
                if hasher.size > most:
                    raise errors.HostileArchive(
                        f"a layer of {stored} bytes unpacks to more than {self._limits.ratio} times as many",
                        "raise the limit if you trust it",
                    )
                write_all(pipe.fileno(), chunk)
        except BrokenPipeError:
            pass  # it has something to say

    def _rename(self, old: Path, new: Path) -> None:
        """Move a directory that may belong to another id, or forbid its owner to write."""
        try:
            old.rename(new)
        except PermissionError:
            trees.perform(self.idmap, trees.__name__, ["rename", os.fspath(old), os.fspath(new)])


_ALL_LAYERS = "layers"
_ALGORITHMS = {64: "sha256", 128: "sha512"}


def _lock_name(path: Path) -> str:
    return f"layer-{path.name}"


def _last_line(text: bytes) -> str:
    return text.decode(errors="replace").strip().rpartition("\n")[2]


@contextlib.contextmanager
def _killed_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        process.kill()
        raise


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
