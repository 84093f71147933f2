"""An image of a Debian or Ubuntu release, made by the real debootstrap."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from containerlab import errors
from containerlab.linux.files import remove_content
from containerlab.linux.idmap import HOST
from containerlab.oci.image import Config
from containerlab.store import trees
from containerlab.store.from_host import HostImage
from containerlab.store.home import Home
from containerlab.store.host_programs import PATH
from containerlab.store.layers import Layers

__all__ = ["from_debootstrap"]

_SUITE = re.compile(r"[a-z][a-z0-9.-]*")
_VARIANTS = ("minbase", "buildd", "fakechroot", "")
_EMPTIED = ("var/cache/apt", "var/lib/apt/lists", "var/log", "tmp", "run")
"""What apt makes again, and what says only how the image was made."""


def from_debootstrap(
    home: Home,
    suite: str,
    mirror: str | None = None,
    *,
    variant: str = "minbase",
    compression: str = "gzip",
    progress: Callable[[str], None] | None = None,
) -> HostImage:
    """Store the layer of a release: `suite` is its name, as in bookworm or noble.

    progress: takes what debootstrap says, line by line. The caller holds a lease of the blob store.

    Raises: InvalidInput; Unsupported without debootstrap; NotPermitted for others than root; Unavailable
        with its last words when it fails.
    """
    _check(suite, variant)
    with home.scratch("debootstrap-") as scratch:
        root = scratch / "root"
        root.mkdir(mode=0o755)
        words = [f"--variant={variant}"] if variant else []
        _run([*words, suite, str(root), *([mirror] if mirror else [])], progress or (lambda _: None))
        for folder in _EMPTIED:
            _empty(root / folder)
        committed = Layers(home, HOST).commit_tree(root, compression)
    config = Config(env=(f"PATH={PATH}",), cmd=("/bin/bash",), working_dir="/")
    return HostImage((committed,), (f"debootstrap {' '.join(words)} {suite} {mirror or ''}".strip(),), config)


def _check(suite: str, variant: str) -> None:
    if not _SUITE.fullmatch(suite):
        raise errors.InvalidInput(
            f"{suite!r} is not the name of a release", "write bookworm, trixie or noble"
        )
    if variant not in _VARIANTS:
        raise errors.InvalidInput(
            f"debootstrap has no variant {variant!r}", errors.nearest(variant, _VARIANTS) or "use minbase"
        )
    if shutil.which("debootstrap", path=PATH) is None:
        raise errors.Unsupported("debootstrap is not installed", "install the package debootstrap")
    if os.geteuid() != 0:
        raise errors.NotPermitted(
            "debootstrap needs root: it makes device nodes and mounts /proc", "run it with sudo"
        )


def _run(words: Sequence[str], progress: Callable[[str], None]) -> None:
    process = trees.inside(
        HOST,
        "containerlab.store.alone",
        ["debootstrap", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": PATH},
    )
    last = ""
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = line.decode(errors="replace").strip() or last
                progress(last)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise errors.Unavailable(f"debootstrap failed: {last}", "check the release, the mirror, the network")


def _empty(folder: Path) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        remove_content(fd)
    finally:
        os.close(fd)
