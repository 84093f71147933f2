"""Searching images for secrets of any kind, and layers for the values of known ones."""

from __future__ import annotations

import secrets
import sysconfig
import tarfile
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.measure import Contestant, alternate, timed
from benchmarks.rows import Figure, Row, reaching
from containerlab.build.secrecy.leaks import Finder

__all__ = ["audits"]

_IMAGE = "bench/audited"
_MOST_BYTES = 400 << 20
_CHUNK = 256 << 10


def audits(arena: Arena) -> list[Row]:
    """Audit an image of this host's programs in gzip; find two values in its tar stream."""
    archive = _archive(arena.directory)
    arena.engine.images.import_(str(archive), _IMAGE)
    known = Finder({str(number): secrets.token_urlsafe(30).encode() for number in range(2)})
    work = {
        "image audit, a layer in gzip": lambda: arena.engine.images.audit(_IMAGE),
        "two known values, in a layer as it is written": lambda: _find(known.another(), archive),
    }
    times = arena.counts.unpack
    samples = alternate([Contestant(name, timed(act), times) for name, act in work.items()])
    arena.engine.images.remove(_IMAGE)
    megabytes = archive.stat().st_size / 1e6
    goals = dict(zip(work, (100, 500), strict=True))
    return [
        reaching(name, Figure(megabytes / taken.median_s, "MB/s", times), goals[name])
        for name, taken in samples.items()
    ]


def _find(finder: Finder, archive: Path) -> None:
    with open(archive, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            finder.feed(chunk)
    finder.leaks()


def _archive(directory: Path) -> Path:
    """Write what every host of Python has: half of it text, half programs."""
    archive, left = directory / "programs.tar", _MOST_BYTES
    with tarfile.open(archive, "w") as output:
        for top in (sysconfig.get_path("stdlib"), "/usr/bin", "/usr/lib"):
            for path in sorted(Path(top).rglob("*")):
                if path.is_file() and not path.is_symlink() and left > 0:
                    output.add(path)
                    left -= path.stat().st_size
    return archive
