"""An archive of an image with 30,000 files becomes an image that containers can start from."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
import time
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.arena import Arena
from benchmarks.measure import Contestant, alternate, timed
from benchmarks.rows import Row, beside, milliseconds

__all__ = ["unpacks"]

_IMAGE = "bench/files:latest"
_FILES, _FILES_PER_DIRECTORY = 30_000, 100


def unpacks(arena: Arena) -> list[Row]:
    """Load it into each store, which unpacks it; remove it between times."""
    archive = _archive(arena.directory)
    times = arena.counts.unpack
    contestants = [Contestant("ours", lambda: _load(arena, archive), times)]
    for name, engine in arena.engines.items():
        contestants.append(Contestant(name, partial(_load_by, engine, archive), times))
    figures = {name: milliseconds(taken) for name, taken in alternate(contestants, warm_up=0).items()}
    subject = "load and unpack 30,000 files, gzip"
    return [beside(subject, figures["ours"], name, figures.get(name), 1) for name in ("docker", "podman")]


def _load(arena: Arena, archive: Path) -> float:
    """Load, and make a container, since ours unpacks when an image is first needed."""

    def load_and_unpack() -> None:
        arena.engine.images.load(input=str(archive))
        arena.engine.containers.create(_IMAGE, ["/bin/true"], name="unpacked")

    took_s = timed(load_and_unpack)()
    arena.engine.containers.remove("unpacked")
    arena.engine.images.remove(_IMAGE)
    return took_s


def _load_by(engine: peers.Engine, archive: Path) -> float:
    took_s = timed(lambda: engine.call("load", "--input", str(archive)))()
    engine.call("rmi", _IMAGE)
    return took_s


def _archive(directory: Path) -> Path:
    """Write an archive in the format of `docker save`, its one layer compressed."""
    layer = _layer()
    diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [_IMAGE], "Layers": ["layer.tar"]}]
    path = directory / "files.tar"
    with tarfile.open(path, "w") as file:
        _add(file, config_name, config)
        _add(file, "layer.tar", gzip.compress(layer, 6))
        _add(file, "manifest.json", json.dumps(manifest).encode())
    return path


def _layer() -> bytes:
    """Return files of 0 to 8 KiB, half of whose bytes compress."""
    source = random.Random(1)
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as file:
        for number in range(_FILES):
            if number % _FILES_PER_DIRECTORY == 0:
                directory = tarfile.TarInfo(f"files/{number // _FILES_PER_DIRECTORY}")
                directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                file.addfile(directory)
            half = source.randrange(4096)
            name = f"files/{number // _FILES_PER_DIRECTORY}/{number}"
            _add(file, name, source.randbytes(half) + b"containerlab" * (half // 12))
    return output.getvalue()


def _add(file: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), int(time.time())
    file.addfile(entry, io.BytesIO(content))
