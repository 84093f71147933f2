"""A home whose guests have a kernel and a small image, for tests of virtual machines."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from containerlab.engine.engine import Engine
from tests import busybox, kernels
from tests.users import User

__all__ = ["IMAGE", "PACKAGES", "engine", "equip", "is_gone", "until"]

IMAGE = busybox.NAME
PACKAGES = ("qemu-system-x86", "busybox-static")
_LIMIT_S = 60


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
    place = Path(user.environment.get("CONTAINERLAB_HOME", user.home / ".local/share/containerlab"))
    archive = user.home / "busybox.tar"
    archive.write_bytes(busybox.root_file_system())
    made = user.conlab("import", "-c", 'CMD ["sh"]', str(archive), IMAGE)
    assert made.returncode == 0, made.stderr
    kernel = kernels.kernel_of().image.parent
    lent = place / "cache" / "kernels" / kernel.name
    if not lent.exists():
        lent.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copytree(kernel, lent)
        for path in (lent.parent, *lent.parent.rglob("*")):
            os.chown(path, user.uid, user.gid)


def is_gone(pid: int) -> bool:
    """Say whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + _LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)
