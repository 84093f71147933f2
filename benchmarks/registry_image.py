"""An image of the usual size for registries: 10 gzip layers of 528 MB, 0.91 GB unpacked.

Two thirds are files of the host, the rest is noise, as what a layer holds is in part compressed already. It
is made once a machine, because compressing takes half a minute, and the same for equal hosts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

__all__ = ["ANY_SIZE", "LARGER", "Layer", "layout"]

_REAL_MB, _NOISE_MB = 474, 416
_SHARES = (26, 20, 14, 11, 9, 7, 5, 4, 3, 1)
"""Of the layers, in percent."""
_LARGEST = 8 << 20
ANY_SIZE, LARGER = 1, 8 << 10
"""The smallest files that are taken. With those of any size there are five times as many, and a pull is in
part how fast the disk makes files."""
_PLACES = ("/usr/lib", "/usr/share", "/usr/bin", "/opt", "/usr/local")
_TYPE = "application/vnd.oci.image"


class Layer(NamedTuple):
    """Paths of the host and bytes of noise that a layer is made of."""

    number: int
    paths: tuple[str, ...]
    noise_bytes: int
    seed: str = ""


def layout(directory: Path, seed: str = "", smallest: int = LARGER) -> Path:
    """Return an OCI image layout with the image; another seed changes its last layer alone."""
    place = directory / f"registry-image-{smallest}{seed}"
    if not (place / "index.json").exists():
        _write(place, seed, smallest)
    return place


def _write(place: Path, seed: str, smallest: int) -> None:
    blobs = place / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        made = list(pool.map(_layer, [str(blobs)] * len(_SHARES), _plan(seed, smallest)))
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _ in made]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": _document(blobs, config, "config"),
        "layers": [descriptor for _, descriptor in made],
    }
    index = {"schemaVersion": 2, "manifests": [_document(blobs, manifest, "manifest")]}
    (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (place / "index.json").write_text(json.dumps(index))


def _document(blobs: Path, value: object, kind: str) -> dict[str, object]:
    raw = json.dumps(value).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": f"{_TYPE}.{kind}.v1+json", "digest": f"sha256:{digest}", "size": len(raw)}


def _plan(seed: str, smallest: int) -> Iterator[Layer]:
    """Deal the host's files out to the layers, by their shares."""
    files = _files(smallest)
    for number, share in enumerate(_SHARES):
        paths, left = [], share * _REAL_MB * 10_000
        while left > 0:
            path, size = next(files)
            paths.append(path)
            left -= size
        is_last = number == len(_SHARES) - 1
        yield Layer(number, tuple(paths), share * _NOISE_MB * 10_000, seed if is_last else "")


def _files(smallest: int) -> Iterator[tuple[str, int]]:
    for place in _PLACES:
        for top, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(top, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    size = os.path.getsize(path)
                    if smallest <= size < _LARGEST:
                        yield path, size
    raise SystemExit("This host has too few files for the image that registries are measured with.")


def _layer(blobs: str, plan: Layer) -> tuple[str, dict[str, object]]:
    """Write one layer; return its diff id and its descriptor."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as file:
        for path in plan.paths:
            file.add(path, path.lstrip("/"), filter=_as_root)
        source = random.Random(f"{plan.number}{plan.seed}")
        entry = tarfile.TarInfo(f"noise/{plan.number}")
        entry.size = plan.noise_bytes
        file.addfile(entry, io.BytesIO(source.randbytes(plan.noise_bytes)))
    compressor = zlib.compressobj(6, wbits=31)
    packed = compressor.compress(plain.getbuffer()) + compressor.flush()
    digest = hashlib.sha256(packed).hexdigest()
    Path(blobs, digest).write_bytes(packed)
    descriptor: dict[str, object] = {
        "mediaType": f"{_TYPE}.layer.v1.tar+gzip",
        "digest": f"sha256:{digest}",
        "size": len(packed),
    }
    return f"sha256:{hashlib.sha256(plain.getbuffer()).hexdigest()}", descriptor


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
