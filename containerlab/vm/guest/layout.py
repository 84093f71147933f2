"""What our first process expects of an initramfs and of the kernel command line. Standard library only."""

from __future__ import annotations

__all__ = ["IMAGE", "INIT", "MODULES", "binary"]

INIT = "init"
"""Where the first process lies in the archive, mode 0755."""
MODULES = "lib/conlab/modules"
"""Directory of modules, uncompressed, loaded in the order of their names (NN-name.ko)."""
IMAGE = "image"
"""Directory with the image's files when the initramfs is the root: the first process moves into it, so
programs see neither it nor our files. The kernel word `rootfstype=ramfs` lets these files be more than half
of the memory. Where the root is a disk, the archive has no such directory."""

ROOT_WORD, FILESYSTEM_WORD, OVERLAY_WORD = "conlab.root", "conlab.fs", "conlab.overlay"
"""`conlab.root=/dev/vda conlab.fs=ext4` mounts a disk, `conlab.overlay` read-only with a tmpfs above it.
Modules for it (virtio_blk, the file system, overlay) lie in `MODULES`."""

SUCCESSOR_WORD = "conlab.init"
"""`conlab.init=/sbin/init`: the disk has a system of its own. Our first process leaves itself at
/run/conlab/init and becomes that program; started again there as a service, it serves the host from the
image's directory, /srv/image."""


def binary(architecture: str) -> str:
    """Return the name, beside this file, of the first process for a machine as `uname -m` calls it.

    >>> binary("x86_64")
    'init-x86_64'
    """
    return f"init-{architecture}"
