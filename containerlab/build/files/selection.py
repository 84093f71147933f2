"""What COPY and ADD are asked to do with files, as plain values that cross into a user namespace.

Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Selection", "Source", "Target"]


class Source(NamedTuple):
    """A tree that files come from.

    roots: directories that are shown as one, topmost first: one folder, or the unpacked layers of a stage.
    ignore: patterns of a .dockerignore, cleaned, in their order.
    inline: files that are only here: path → content (heredocs).
    is_context: whether the files belong to 0:0 whatever their owner is (the user's own files).
    """

    roots: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    inline: tuple[tuple[str, bytes], ...] = ()
    is_context: bool = False


class Selection(NamedTuple):
    """Which files, and how they are to arrive; all expanded already.

    paths: as after COPY, with wildcards; none makes the destination alone. destination: absolute, with its
    last slash if it had one.
    owner: uid and gid of --chown, resolved; None keeps the source's. chmod: octal or symbolic, or "".
    unpacks: whether archives among the sources are unpacked (ADD). keeps_parents, excludes: as the flags.
    """

    paths: tuple[str, ...]
    destination: str
    owner: tuple[int, int] | None = None
    chmod: str = ""
    unpacks: bool = False
    keeps_parents: bool = False
    excludes: tuple[str, ...] = ()


class Target(NamedTuple):
    """What the files come onto.

    lowers: unpacked layers, topmost first; empty for --link, where nothing below counts.
    newest_s: no time in the layer is later than this (SOURCE_DATE_EPOCH); None for no bound.
    """

    lowers: tuple[str, ...] = ()
    newest_s: int | None = None
