"""Examiners of a registry: each image is looked at by a process of its own, bounded in time and memory.

That keeps the server small, whatever an image is made of; the processor is taken when nobody else wants it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from containerlab import errors

if TYPE_CHECKING:
    from containerlab.distribution.server.registry import Examiner
    from containerlab.store.home import Home
    from containerlab.store.images import Image, Images

__all__ = ["ChildExaminer", "examiners", "main"]

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from containerlab.engine.registries.examining import main; sys.exit(main(*sys.argv[2:]))"
)
_PATIENCE_S = 600.0
_MEMORY_BYTES = 4 << 30
_MOST_BYTES = 64 << 20


def examiners() -> Mapping[str, Examiner]:
    """Return one for each kind of examination."""
    return {kind: ChildExaminer(kind) for kind in ("audit", "sbom")}


class ChildExaminer:
    """See `server.registry.Examiner`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    def __call__(self, home: Home, digest: str) -> bytes:
        root = __file__.removesuffix("/containerlab/engine/registries/examining.py")
        words = [sys.executable, "-P", "-c", _PROGRAM, root, self._kind, os.fspath(home.root), digest]
        # Its standard input ends with this process, and it with that.
        inside, outside = os.pipe()
        try:
            process = self._start(words, inside)
            try:
                said, _ = process.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise errors.TimedOut(f"the {self._kind} took more than {_PATIENCE_S:.0f} s") from None
            finally:
                self._end(process)
        finally:
            os.close(inside)
            os.close(outside)
        return self._read(said, process.returncode)

    def _start(self, words: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise errors.Unavailable("the server ends")
            process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE)
            self._running.add(process)
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate()
        with self._lock:
            self._running.discard(process)

    def _read(self, said: bytes, code: int) -> bytes:
        if self._is_stopped:
            raise errors.Unavailable("the server ends")
        if code == 0 and len(said) <= _MOST_BYTES:
            return said
        with contextlib.suppress(msgspec.MsgspecError):
            raise errors.CorruptContent(msgspec.json.decode(said, type=_Problem).problem)
        raise errors.CorruptContent(f"the {self._kind} came to no end: it needed too much, or gave too much")

    def stop(self) -> None:
        """End what is going on, and begin nothing more."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.kill()


class _Problem(msgspec.Struct):
    problem: str


def main(kind: str, home: str, digest: str) -> int:
    """Be such a process: write what was found to standard output, or why it could not be."""
    from containerlab.distribution.server.serving.process import end_with_input
    from containerlab.store.home import Home
    from containerlab.store.images import Images

    end_with_input(lambda: os._exit(1))
    _be_modest()
    images = Images(Home.open(home))
    try:
        with images.blobs.lease():
            found = _PERFORM[kind](images, _image(images, digest))
    except (errors.LabError, MemoryError, RecursionError) as error:
        found = msgspec.json.encode(
            _Problem(getattr(error, "message", f"{kind} failed: {type(error).__name__}"))
        )
        code = 1
    else:
        code = 0
    finally:
        images.close()
    sys.stdout.buffer.write(found)
    sys.stdout.flush()
    os._exit(code)  # the thread that reads standard input waits for ever


def _be_modest() -> None:
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(_PATIENCE_S), int(_PATIENCE_S)))


def _image(images: Images, digest: str) -> Image:
    from containerlab.oci.image import OCI_MANIFEST, Descriptor

    return images.at(Descriptor(media_type=OCI_MANIFEST, digest=digest, size=images.blobs.size(digest)))


def _audit(images: Images, image: Image) -> bytes:
    from containerlab.build.audit.audit import audit

    return msgspec.json.encode(audit(images, image))


def _sbom(images: Images, image: Image) -> bytes:
    import time

    from containerlab.build.sbom.catalogue import catalogue
    from containerlab.build.sbom.spdx import document
    from containerlab.build.sbom.subject import Subject

    found = catalogue(images.blobs, list(zip(image.layers, image.diff_ids, strict=True)))
    digest = image.manifest_digest
    return document(
        found,
        Subject(name=digest, digest=digest, platform=image.config.platform, created_s=time.time()),
    )


_PERFORM = {"audit": _audit, "sbom": _sbom}
