"""Mount a snapshot over two layers in a mount namespace of its own, and do in it what containers do.

Runs as a process: what it mounts vanishes with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from containerlab.linux import mounts, roots, syscalls
from containerlab.linux.namespaces import CLONE_NEWNS

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Try the mount given as source, root, type and options; exit with the reason when it fails."""
    source, root, fstype, options = words
    syscalls.unshare(CLONE_NEWNS)
    roots.set_propagation(mounts.MS_PRIVATE | mounts.MS_REC)
    try:
        _mount(source, root, fstype, options)
        _use(root)
        syscalls.umount2(root)  # ends the program behind a fuse file system
    except OSError as error:
        sys.exit(str(error))
    return 0


def _mount(source: str, root: str, fstype: str, options: str) -> None:
    if fstype == "overlay":
        syscalls.mount(source, root, fstype, 0, options)
        return
    result = subprocess.run([source, "-o", options, root], capture_output=True, text=True)
    if result.returncode:
        raise OSError(result.stderr.strip() or f"exit code {result.returncode}")


def _use(root: str) -> None:
    directory = f"{root}/directory"
    if sorted(os.listdir(directory)) != ["1", "2"]:
        raise OSError("layers are not merged")
    with open(f"{directory}/2", "ab") as file:  # copies it up
        file.write(b" and more")
    os.unlink(f"{directory}/1")
    os.mkdir(f"{directory}/1")
    os.rmdir(f"{directory}/1")
    if os.listdir(directory) != ["2"] or os.stat(f"{directory}/2").st_size != len(b"content and more"):
        raise OSError("changes are not kept")
