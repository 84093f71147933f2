"""What our first process expects of an initramfs and of the kernel command line. Standard library only."""

from __future__ import annotations

__all__ = ["IMAGE", "INIT", "MODULES", "ROOT_TAG", "binary"]

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
Modules for it (virtio_blk, the file system, overlay) lie in `MODULES`. What is no path is the tag of a share,
`conlab.fs=virtiofs`."""

ROOT_TAG = "root"

INIT_WORD = "conlab.init"
"""`conlab.init=/sbin/init` hands the machine over to an init of that root, which is to start
`/run/conlab/init --service ROOT`: us again, for the image whose files lie below ROOT."""


def binary(architecture: str) -> str:
    """Return the name, beside this file, of the first process for a machine as `uname -m` calls it.

    >>> binary("x86_64")
    'init-x86_64'
    """
    return f"init-{architecture}"
