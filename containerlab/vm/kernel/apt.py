"""Fetch the package of a kernel by apt: where Debian's own mirror is out of reach, this host's may not be.

Nothing is installed, and no root is needed; apt verifies what it fetches.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from containerlab import errors
from containerlab.vm.kernel.debian import ARCHITECTURES

__all__ = ["fetch", "is_here"]

_METAS = ("linux-image-cloud-{}", "linux-image-virtual", "linux-image-{}")
"""Debian's for clouds, Ubuntu's for guests, Debian's for everything."""
_NAMED = re.compile(r"^(?:Pre-)?Depends:.*?\b(linux-image-\d[\w.+-]*)", re.MULTILINE)
_MODULES = re.compile(r"\blinux-modules-\d[\w.+-]*")
_PATIENCE_S = 600


def is_here(architecture: str) -> bool:
    """Tell whether apt may know a kernel for guests of this architecture."""
    return (
        architecture == os.uname().machine and architecture in ARCHITECTURES and bool(shutil.which("apt-get"))
    )


def fetch(architecture: str, directory: Path) -> list[Path]:
    """Fetch the packages that a kernel and its modules are in, into an empty directory.

    Raises: NotFound when apt knows none; Unavailable with apt's last words.
    """
    names = _names(ARCHITECTURES[architecture])
    if not names:
        raise errors.NotFound("apt knows no kernel for guests", "run `apt-get update`")
    done = _run("apt-get", "-q", "download", *names, directory=directory)
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or ["it failed"]
        raise errors.Unavailable(f"apt cannot fetch {' '.join(names)}: {words[-1].removeprefix('E: ')}")
    return sorted(directory.glob("*.deb"))


def _names(debian: str) -> list[str]:
    for meta in _METAS:
        if named := _NAMED.search(_shown(meta.format(debian))):
            modules = _MODULES.search(_shown(named[1]))
            return [named[1], *([modules[0]] if modules else [])]
    return []


def _shown(package: str) -> str:
    done = _run("apt-cache", "show", "--no-all-versions", package)
    return "" if done.returncode else done.stdout


def _run(*command: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unavailable(f"apt does not work here: {error}") from error
