"""The extended attributes of files that go into layers.

Only the standard library: see `trees`. Source: xattr(7).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from containerlab.store import overlay

__all__ = ["is_of_the_file", "read_xattrs"]

_ABSENT = (errno.ENOTSUP, errno.ENOENT, errno.ENOTDIR)
"""No such attributes on this file system, or no /proc to reach the file by."""


def is_of_the_file(name: str) -> bool:
    """Tell whether an attribute belongs to the file itself, not to an overlay or to the host's policy."""
    return not overlay.is_own_attribute(name) and name != "security.selinux"


def read_xattrs(file: int | bytes, is_wanted: Callable[[str], bool] = is_of_the_file) -> dict[str, bytes]:
    """Return the attributes of an open file, or of a path whose last link is not followed.

    Raises: OSError.
    """
    follow = isinstance(file, int)
    try:
        names = os.listxattr(file, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return {}
        raise
    return {name: os.getxattr(file, name, follow_symlinks=follow) for name in names if is_wanted(name)}
