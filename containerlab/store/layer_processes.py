"""The processes that unpack layers, as this process sees them: what it feeds them and reads."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from containerlab import errors
from containerlab.linux.files import write_all
from containerlab.linux.idmap import HOST, IdMap
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.store import compression, trees, unpacker
from containerlab.store.unpack import GENEROUS, Limits, Report

__all__ = ["Growth", "Unpacking", "unpack_plain"]

_PIPE_BYTES = 1 << 20
_RATIO_FROM_BYTES = 1 << 30
_PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)


class Unpacking:
    """Unpacks layers of one image; setting `stop` ends all that are under way."""

    def __init__(self, idmap: IdMap, limits: Limits | None = None) -> None:
        self.stop = threading.Event()
        self._idmap = idmap
        self._limits = limits or GENEROUS

    def fill(self, tree: Path, blob: compression.Readable, descriptor: Descriptor, diff_id: str) -> Report:
        """Unpack a layer into an empty directory, and verify what was unpacked.

        Raises: DigestMismatch, HostileArchive, CorruptContent, NotPermitted; then the directory is of no use.
        """
        words = ["layer", os.fspath(tree), *unpacker.limits_to_words(self._limits)]
        process = trees.inside(
            self._idmap,
            "containerlab.store.unpacker",
            words,
            **_PIPES,
        )
        with process, trees.killed_on_error(process):
            assert process.stdin is not None
            pieces = compression.pieces(blob, descriptor.media_type)
            hasher = digests.Hasher.like(diff_id)
            self._feed(pieces, process.stdin, hasher, descriptor.size)
            answer, complaint = process.communicate()
            if process.returncode > 0:
                raise errors.NotPermitted(
                    f"unpacking {descriptor.digest} failed: {trees.last_line(complaint)}"
                )
            report = unpacker.parse(answer)
            if hasher.digest() != diff_id:
                raise errors.DigestMismatch(f"layer {diff_id} turned out to be {hasher.digest()}")
            return report

    def _feed(self, pieces: Iterable[bytes], pipe: IO[bytes], hasher: digests.Hasher, stored: int) -> None:
        """Send a tar stream to the process that unpacks, to its end or until that stops reading."""
        with contextlib.suppress(OSError):  # only slower without
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        most = max(_RATIO_FROM_BYTES, self._limits.ratio * stored)
        try:
            for chunk in pieces:
                if self.stop.is_set():
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


class Growth:
    """Unpacks a layer that is just being made, for whose stream is to be trusted; a context manager."""

    def __init__(self, tree: Path, idmap: IdMap) -> None:
        words = ["layer", os.fspath(tree), *unpacker.limits_to_words(GENEROUS)]
        self._process = trees.inside(idmap, "containerlab.store.unpacker", words, **_PIPES)
        self.diff_id = ""

    def __enter__(self) -> Growth:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        with self._process:
            if kind is not None or not self.diff_id:
                self._process.kill()
                return
            answer, complaint = self._process.communicate()
        if self._process.returncode:
            raise errors.NotPermitted(f"unpacking a new layer failed: {trees.last_line(complaint)}")
        unpacker.parse(answer)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the tar stream."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has something to say
            write_all(self._process.stdin.fileno(), data)

    def settle(self, diff_id: str) -> None:
        """Say which layer it was; without that nothing remains."""
        self.diff_id = diff_id


def unpack_plain(directory: Path, pieces: Iterable[bytes]) -> Report:
    """Unpack an archive that is no layer into a directory, as the user who runs this.

    Raises: HostileArchive, CorruptContent, NotPermitted; what was made until then remains.
    """
    words = ["plain", os.fspath(directory), *unpacker.limits_to_words(GENEROUS)]
    process = trees.inside(HOST, "containerlab.store.unpacker", words, **_PIPES)
    with process, trees.killed_on_error(process):
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has something to say
            for piece in pieces:
                write_all(process.stdin.fileno(), piece)
        answer, complaint = process.communicate()
        if process.returncode > 0:
            raise errors.NotPermitted(f"writing to {directory} failed: {trees.last_line(complaint)}")
        return unpacker.parse(answer)
