"""A home whose guests have a kernel and a small image, for tests of virtual machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from containerlab.engine.engine import Engine
from tests import busybox, kernels
from tests.users import User

__all__ = ["IMAGE", "PACKAGES", "engine", "equip"]

IMAGE = busybox.NAME
PACKAGES = ("qemu-system-x86", "busybox-static")


@contextlib.contextmanager
def engine(home: Path) -> Iterator[Engine]:
    """Yield an engine; the machines that are left in its home are removed."""
    found = busybox.engine(home)
    kernels.seed(home)
    try:
        yield found
    finally:
        for machine in found.machines.list(all=True):
            found.machines.remove(machine.id, force=True)
        found.close()


def equip(user: User) -> None:
    """Give an ordinary user's home a kernel and the image."""
    archive = user.home / "busybox.tar"
    archive.write_bytes(busybox.root_file_system())
    made = user.conlab("import", "-c", 'CMD ["sh"]', str(archive), IMAGE)
    assert made.returncode == 0, made.stderr
    kernels.give(user)
