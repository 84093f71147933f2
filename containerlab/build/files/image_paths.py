"""Paths in an image as instructions write them: relative to the working directory, and never above `/`."""

from __future__ import annotations

import posixpath

__all__ = ["absolute", "destination"]


def absolute(path: str, workdir: str = "/") -> str:
    """Return where a path is, without `.`, `..` and a last slash.

    >>> absolute("bin/../lib/", "/opt"), absolute("//x"), absolute("../..", "/opt")
    ('/opt/lib', '/x', '/')
    """
    return posixpath.normpath(posixpath.join("/", workdir, path)).replace("//", "/", 1)


def destination(path: str, workdir: str) -> str:
    """Return where a COPY or an ADD goes: as `absolute`, with a last slash where it must be a directory.

    >>> destination("bin", "/opt"), destination("bin/", "/opt"), destination("..", "/a/b")
    ('/opt/bin', '/opt/bin/', '/a/')
    """
    place = absolute(path, workdir)
    is_directory = path in ("", ".") or path.endswith(("/", "/.")) or path.rpartition("/")[2] == ".."
    return f"{place.rstrip('/')}/" if is_directory or place == "/" else place
