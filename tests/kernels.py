"""Kernels for guests: Debian's, downloaded once for this checkout, below build/kernels."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import kernels
from containerlab.vm.kernel.kernel import Kernel
from tests.users import REPOSITORY, User

__all__ = ["PLACE", "give", "kernel_of", "seed"]

PLACE = REPOSITORY / "build" / "kernels"
_SUITES = {"6.12": "trixie", "6.1": "bookworm"}


def kernel_of(series: str = "6.12", architecture: str | None = None) -> Kernel:
    """Return Debian's cloud kernel of a series; skip where none can be had."""
    home, wanted = Home.open(PLACE), architecture or os.uname().machine
    for kept in kernels.cached(home):
        if kept.kernel.release.startswith(f"{series}.") and kept.kernel.architecture == wanted:
            return kept.kernel
    try:
        return kernels.pull(home, wanted, suites=(_SUITES[series],))
    except errors.Unavailable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs a kernel for guests: {error}")


def seed(home: Path) -> Kernel:
    """Lend a home (of this user) the kernel that `find` chooses, so that it does not download its own."""
    kernel = kernel_of()
    place = kernel.image.parent
    lent = Home.open(home).cache / "kernels"
    lent.mkdir(mode=0o700, exist_ok=True)
    if not (lent / place.name).exists():
        (lent / place.name).symlink_to(place)
    return kernel._replace(
        image=lent / place.name / kernel.image.name,
        modules=lent / place.name / "modules" if kernel.modules else None,
    )


def give(user: User) -> None:
    """Copy it to the home of a user, who may not look into this checkout."""
    place = kernel_of().image.parent
    home = Path(user.environment.get("CONTAINERLAB_HOME", user.home / ".local/share/containerlab"))
    target = home / "cache" / "kernels" / place.name
    if target.exists():
        return
    shutil.copytree(place, target)
    folders = [each for each in target.parents if each.is_relative_to(home)]
    for folder in folders:
        folder.chmod(0o700)
    above = [each for each in home.parents if each.is_relative_to(user.home)]
    for path in (*above, *folders, target, *target.rglob("*")):
        os.chown(path, user.uid, user.gid)
