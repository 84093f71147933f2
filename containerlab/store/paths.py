"""Paths as layers have them: bytes, relative to a root.

Only the standard library: see `trees`.
"""

from __future__ import annotations

__all__ = ["join"]


def join(above: bytes, name: bytes) -> bytes:
    """Return the path of a name in a directory; either may be empty.

    >>> join(b"etc", b"hosts"), join(b"", b"etc"), join(b"etc", b"")
    (b'etc/hosts', b'etc', b'etc')
    """
    return above + b"/" + name if above and name else above or name
