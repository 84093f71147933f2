"""Find the kernel of a guest: the one that the user names, one that is here, or Debian's cloud kernel.

Debian's, because it is small, has all that guests need, is signed, and is the same on each host.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import apt, cache, debian, own
from containerlab.vm.kernel.cache import Kept, cached, remove
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.kernel.mirror import HINT, Mirror

__all__ = ["Kept", "cached", "find", "pull", "remove"]

Say = Callable[[str], None]


def find(
    home: Home, path: str | None = None, architecture: str | None = None, say: Say | None = None
) -> Kernel:
    """Return the kernel for a guest, downloaded if there is none; `say` is told of what takes time.

    path: an image, a package or a directory, see `own`. architecture: as `uname -m` prints it; this host's.

    Raises: Unavailable without a network; NotFound, InvalidInput, NotPermitted, CorruptContent, Unsupported.
    """
    wanted = architecture or os.uname().machine
    if path is not None:
        return own.kernel(home, path, wanted)
    return cache.latest(home, wanted) or _pulled(home, wanted, say or _silent, is_any_enough=True)


def pull(
    home: Home,
    architecture: str | None = None,
    say: Say | None = None,
    suites: tuple[str, ...] = debian.SUITES,
) -> Kernel:
    """Return Debian's newest cloud kernel, downloaded if it is not here; older ones stay.

    suites: the releases of Debian that are asked, one after the other.

    Raises: as `find`.
    """
    return _pulled(home, architecture or os.uname().machine, say or _silent, suites)


def _silent(line: str) -> None:
    """Nobody wants to know."""


def _pulled(
    home: Home,
    architecture: str,
    say: Say,
    suites: tuple[str, ...] = debian.SUITES,
    *,
    is_any_enough: bool = False,
) -> Kernel:
    try:
        with cache.locked(home):
            known = cache.latest(home, architecture) if is_any_enough else None  # another process fetched it
            return known or _from_index_or_apt(home, architecture, suites, say)
    except OSError as error:
        if isinstance(error, errors.LabError):
            raise
        raise errors.of_the_system(error, "keep a kernel for guests") from error


def _from_index_or_apt(home: Home, architecture: str, suites: tuple[str, ...], say: Say) -> Kernel:
    """Ask Debian's index, and this host's apt where that is out of reach; not where it is damaged."""
    try:
        return _from_index(home, architecture, suites, say)
    except (errors.Unavailable, errors.NotFound) as unreachable:
        if not apt.is_here(architecture):
            raise
        say(f"{unreachable.message}; asking apt")
        try:
            return _from_apt(home, architecture)
        except (errors.Unavailable, errors.NotFound) as error:
            raise errors.Unavailable(
                f"there is no kernel for guests: {unreachable.message}; {error.message}", HINT
            ) from error


def _from_index(home: Home, architecture: str, suites: tuple[str, ...], say: Say) -> Kernel:
    mirror = Mirror(home.moved)
    package = debian.newest(mirror, architecture, suites)
    release = package.name.removeprefix("linux-image-")
    if (known := cache.of(home, f"{release}-{architecture}")) is not None:
        return known
    say(f"fetching guest kernel {release} ({package.size_bytes / 1e6:.0f} MB)")
    with home.scratch("kernel-") as scratch:
        file = scratch / "package.deb"
        with open(file, "wb") as opened:
            mirror.save(package.path, package.size_bytes, package.sha256, opened)
        return _kept(home, architecture, [file], scratch / "made", f"{mirror.address}/{package.path}")


def _from_apt(home: Home, architecture: str) -> Kernel:
    with home.scratch("kernel-") as scratch:
        packages = scratch / "packages"
        packages.mkdir()
        files = apt.fetch(architecture, packages)
        return _kept(home, architecture, files, scratch / "made", f"apt: {files[0].name}")


def _kept(home: Home, architecture: str, packages: list[Path], made: Path, source: str) -> Kernel:
    made.mkdir()
    read = own.unpacked(packages, made)
    if read.architecture != architecture:
        raise errors.CorruptContent(f"{source} is for {read.architecture}, not for {architecture}")
    return cache.keep(home, f"{read.release}-{architecture}", made, read, source)
