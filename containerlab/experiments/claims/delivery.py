"""Claim 6: images of containers are delivered and deployed systematically, images of machines are not."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.errors import CorruptContent, Unavailable, Unsupported
from containerlab.experiments.claims import deltas, parcels, versions
from containerlab.experiments.claims.carrying import carried
from containerlab.experiments.claims.depot import Delivered, Depot
from containerlab.experiments.claims.disk_images import FILE_SYSTEMS, FORMATS, unpack
from containerlab.experiments.claims.parcels import BLOCKS, FILE_OF_APP, FILE_OF_BASE, LAYERS, RSYNC, WHOLE
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.row import Row

__all__ = ["Delivery", "Update"]

_PIECE_BYTES = 1 << 20
_KIB = 1 << 10
_PATIENCE_S = 600.0


class _Way(NamedTuple):
    """A way to deliver a version to somebody who has the first one; block_bytes: of a delta."""

    name: str
    method: str
    version: str = versions.APP_CHANGED
    format: str = ""
    block_bytes: int = 0


_WAYS = (
    _Way("layers", LAYERS),
    _Way("layers, base changed", LAYERS, versions.BASE_CHANGED),
    *(_Way(f"whole {name}", WHOLE, format=name) for name in (*FILE_SYSTEMS, *FORMATS)),
    _Way("raw by 4 KiB blocks", BLOCKS, format="raw", block_bytes=4 * _KIB),
    _Way("raw by 64 KiB blocks", BLOCKS, format="raw", block_bytes=64 * _KIB),
    _Way("raw by rsync", RSYNC, format="raw", block_bytes=4 * _KIB),
    _Way("erofs by 4 KiB blocks", BLOCKS, format="erofs", block_bytes=4 * _KIB),
    _Way("squashfs by 4 KiB blocks", BLOCKS, format="squashfs", block_bytes=4 * _KIB),
    _Way("qcow2 compressed by 4 KiB blocks", BLOCKS, format="qcow2 compressed", block_bytes=4 * _KIB),
    _Way("raw by 4 KiB blocks, base changed", BLOCKS, versions.BASE_CHANGED, "raw", 4 * _KIB),
)
_QUICK = {"layers", "whole raw", "whole qcow2 compressed", "whole raw.zst", "raw by 4 KiB blocks"}
_CHANGES = {versions.APP_CHANGED: FILE_OF_APP, versions.BASE_CHANGED: FILE_OF_BASE}


class Update:
    """What it takes to deliver the next version of an image in which one file has changed.

    An application of 1 MiB in 16 files is laid above the image that is compared; 28 bytes of one file change.
    What is the same for every receiver (building, pushing, compressing) is done before, and not counted.
    """

    name = "update"
    rounds, quick_rounds, warm_ups = 3, 1, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        depot = Depot(stage)
        return [_contestant(way, depot) for way in _WAYS if way.name in _QUICK or not stage.is_quick]


def _contestant(way: _Way, depot: Depot) -> Contestant:
    kind = "layers" if way.method == LAYERS else "disk"
    facts = {"method": way.method, "change": _CHANGES[way.version], "format": way.format or "OCI layers"}
    return Contestant(way.name, kind, "", facts, lambda: _METHODS[way.method](way, depot), depot.close)


def _layers(way: _Way, depot: Depot) -> Iterator[Measurement]:
    for version in versions.VERSIONS:
        depot.forget(version)
    yield Measurement("first_bytes", depot.pull(versions.FIRST).moved_bytes)
    yield from _measurements(depot.pull(way.version))


def _measurements(delivered: Delivered) -> Iterator[Measurement]:
    yield Measurement("moved_bytes", delivered.moved_bytes)
    yield Measurement("deliver_s", delivered.deliver_s)


def _whole(way: _Way, depot: Depot) -> Iterator[Measurement]:
    new = depot.disks.file(way.format, way.version)
    target = depot.directory / f"received.{new.name}"
    began = time.monotonic()
    with carried(_pieces(new)) as way_there, target.open("wb") as file:
        shutil.copyfileobj(way_there.stream, file, _PIECE_BYTES)
    if way.format in FORMATS and FORMATS[way.format].is_packed:
        unpack(target, target.with_suffix(".unpacked"))
    took_s = time.monotonic() - began
    target.unlink()
    target.with_suffix(".unpacked").unlink(missing_ok=True)
    yield from _measurements(Delivered(way_there.passed_bytes, took_s))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _blocks(way: _Way, depot: Depot) -> Iterator[Measurement]:
    """The receiver says what it has as sums of blocks, and gets the blocks that differ, compressed."""
    old, new = (depot.disks.file(way.format, version) for version in (versions.FIRST, way.version))
    target = _copy(old, depot)
    began = time.monotonic()
    known = deltas.sums(target, way.block_bytes)
    changed = deltas.changed_blocks(new, known, way.block_bytes)
    with carried(deltas.packed(changed, new.stat().st_size)) as way_there:
        deltas.apply(way_there.stream, target)
    took_s = time.monotonic() - began
    _check(target, new)
    asked_bytes = len(zlib.compress(known))  # most are of blocks that are empty
    yield from _measurements(Delivered(asked_bytes + way_there.passed_bytes, took_s))
    yield Measurement("patch_bytes", way_there.passed_bytes)


def _rsync(way: _Way, depot: Depot) -> Iterator[Measurement]:
    if not shutil.which("rsync"):
        raise Unsupported("rsync is not installed", "install the package rsync")
    old, new = (depot.disks.file(way.format, version) for version in (versions.FIRST, way.version))
    target = _copy(old, depot)
    words = ["rsync", "--inplace", "--no-whole-file", "--ignore-times", "--compress", "--stats"]
    began = time.monotonic()
    done = subprocess.run(
        [*words, f"--block-size={way.block_bytes}", str(new), str(target)],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    took_s = time.monotonic() - began
    if done.returncode:
        raise Unavailable(f"rsync failed: {done.stderr.strip()}")
    _check(target, new)
    moved = re.findall(r"^Total bytes (?:sent|received): ([\d,]+)", done.stdout, re.MULTILINE)
    yield from _measurements(Delivered(sum(int(each.replace(",", "")) for each in moved), took_s))


def _copy(old: Path, depot: Depot) -> Path:
    target = depot.directory / "received.disk"
    shutil.copyfile(old, target)
    return target


def _check(target: Path, wanted: Path) -> None:
    is_same = filecmp.cmp(target, wanted, shallow=False)
    target.unlink()
    if not is_same:
        raise CorruptContent(f"what was made of the old disk and what was sent is not {wanted.name}")


_METHODS: dict[str, Callable[[_Way, Depot], Iterator[Measurement]]] = {
    LAYERS: _layers,
    WHOLE: _whole,
    BLOCKS: _blocks,
    RSYNC: _rsync,
}


class Delivery:
    """See `Claim`."""

    name = "delivery"
    sentence = (
        "Images of containers are delivered and deployed systematically, by layers and registries; images of "
        "virtual machines are not."
    )
    experiments: Sequence[Experiment] = (Update(),)

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return parcels.judge(self.name, rows)
