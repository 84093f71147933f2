"""What a guest kernel is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Kernel"]


class Kernel(NamedTuple):
    """A kernel that QEMU can be handed.

    release: as `uname -r` prints it. architecture: as `uname -m` prints it. image: the uncompressed kernel
    (vmlinux on x86_64, Image on aarch64). modules: directory like /lib/modules/RELEASE, its files plain or
    compressed; None when all is built in. digest: of `image`, as sha256:….
    """

    release: str
    architecture: str
    image: Path
    modules: Path | None
    digest: str
