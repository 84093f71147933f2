"""An image in three versions: the first, one with another file in the application, one in the base."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["APP_BYTES", "APP_CHANGED", "BASE_CHANGED", "EDIT", "FIRST", "VERSIONS", "build"]

FIRST, APP_CHANGED, BASE_CHANGED = VERSIONS = ("first", "app-changed", "base-changed")
EDIT = b"a line that was not there..."
"""What one file has in a later version where it had something else before."""
_FILES, _FILE_BYTES = 16, 1 << 16
APP_BYTES = _FILES * _FILE_BYTES
_CHANGED_FILE = 7
# The base becomes one layer, as those are that distributions hand out; the application lies above it.
_DOCKERFILE = """\
FROM {image} AS base
COPY base /
FROM scratch
COPY --from=base / /
COPY app /conlab-app
"""


def build(engine: Engine, image: str, context: Path) -> Mapping[str, str]:
    """Build the three on an image of the engine's store; return their names by version."""
    names = {}
    for version in VERSIONS:
        directory = context / version
        _write(directory, image, version)
        names[version] = f"conlab/delivery:{version}"
        engine.build(str(directory), tag=[names[version]], quiet=True)
    return names


def _write(directory: Path, image: str, version: str) -> None:
    for name, content in _content(version).items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (directory / "Dockerfile").write_text(_DOCKERFILE.format(image=image))
    for path in directory.rglob("*"):  # what has not changed has the same layers
        os.utime(path, (0, 0))


def _content(version: str) -> dict[str, bytes]:
    release = EDIT if version == BASE_CHANGED else bytes(len(EDIT))
    files = {"base/etc/conlab-release": release}
    for number in range(_FILES):
        file = _text(number)
        if version == APP_CHANGED and number == _CHANGED_FILE:
            file = file[:1000] + EDIT + file[1000 + len(EDIT) :]
        files[f"app/{number:02}.txt"] = file
    return files


def _text(number: int) -> bytes:
    """Return bytes that are the same at every run, and compress by half as programs do."""
    blocks = (hashlib.sha256(b"%d %d" % (number, block)).hexdigest() for block in range(_FILE_BYTES // 64))
    return "".join(blocks).encode()
