"""Search a layer's tar stream; nothing is unpacked."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from containerlab.build.audit import files, judging
from containerlab.build.audit.finding import Found
from containerlab.build.audit.tokens import LONGEST_BYTES, tokens
from containerlab.store import overlay
from containerlab.store.compression import Readable
from containerlab.store.paths import join
from containerlab.store.tar_read import DIRECTORY, FILE, Reader

__all__ = ["FileFinding", "Layer", "fate", "search"]

_WINDOW_BYTES = 1 << 20
_MOST_OF_A_FILE = 20
"""So many findings of one kind say enough about a file."""


class FileFinding(NamedTuple):
    path: str
    line: int
    found: Found


class Layer(NamedTuple):
    """What a layer has: findings, and what it does to the layers below it."""

    findings: list[FileFinding]
    written: set[bytes]
    """Paths of all but directories."""
    deleted: set[bytes]
    emptied: set[bytes]
    """Directories whose lower content is hidden."""


def search(stream: Readable) -> Layer:
    """Read a tar stream to its end.

    Raises: CorruptContent.
    """
    layer = Layer([], set(), set(), set())
    reader = Reader(stream.read)
    for entry in reader:
        path = b"/".join(part for part in entry.name.split(b"/") if part not in (b"", b"."))
        if not _is_whiteout(layer, path) and entry.kind != DIRECTORY:
            layer.written.add(path)
            if entry.kind == FILE and entry.size:
                shown = os.fsdecode(path)
                layer.findings.extend(_in_file(shown, entry.size, (piece for _, piece in reader.data())))
    return layer


def _is_whiteout(layer: Layer, path: bytes) -> bool:
    """Note what a member deletes. Source: OCI image layer specification, "Whiteouts"."""
    directory, _, name = path.rpartition(b"/")
    if not name.startswith(overlay.WHITEOUT_PREFIX):
        return False
    if name == overlay.OPAQUE_NAME:
        layer.emptied.add(directory)
    elif not name.startswith(overlay.WHITEOUT_PREFIX * 2):
        layer.deleted.add(join(directory, name.removeprefix(overlay.WHITEOUT_PREFIX)))
    return True


def _in_file(path: str, size: int, pieces: Iterator[memoryview]) -> Iterator[FileFinding]:
    kind = files.kind_of(path) if size <= files.MOST_BYTES else None
    found: list[FileFinding] = []
    for window, offset, line in _windows(pieces, files.MOST_BYTES if kind else _WINDOW_BYTES):
        found += _placed(path, window, offset, line, tokens(window))
        if kind:
            found += _placed(path, window, offset, line, files.secrets_in(kind, window))
    return _without_repetition(path, found)


def _windows(pieces: Iterator[memoryview], size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield a file in windows that overlap, each with its offset and the number of its first line."""
    window, offset, line = b"", 0, 1
    for piece in pieces:
        window += piece
        if len(window) >= size + LONGEST_BYTES:
            yield window, offset, line
            gone = len(window) - LONGEST_BYTES
            line += window.count(b"\n", 0, gone)
            window, offset = window[gone:], offset + gone
    yield window, offset, line


def _placed(
    path: str, window: bytes, offset: int, line: int, found: Iterator[Found]
) -> Iterator[FileFinding]:
    """Give what was found in a window its line and its place in the file."""
    is_text = b"\0" not in window[:8192]
    counts: Counter[str] = Counter()
    for each in found:
        counts[each.kind] += 1
        if counts[each.kind] <= _MOST_OF_A_FILE:
            at = line + window.count(b"\n", 0, each.start) if is_text else 0
            yield FileFinding(path, at, msgspec.structs.replace(each, start=offset + each.start))


def _without_repetition(path: str, found: Sequence[FileFinding]) -> Iterator[FileFinding]:
    """Yield each place and each value once; what only shows or tests something is not severe."""
    seen: set[object] = set()
    counts: Counter[str] = Counter()
    for each in found:
        marks = {each.found.start, each.found.value}
        counts[each.found.kind] += 1
        if not marks & seen and counts[each.found.kind] <= _MOST_OF_A_FILE:
            yield each._replace(found=_weighed(path, each))
        seen |= marks


def _weighed(path: str, each: FileFinding) -> Found:
    found = each.found
    if found.kind == "private-key" and path.startswith("etc/ssh/ssh_host_"):
        return msgspec.structs.replace(found, kind="ssh-host-key")
    is_built_in = (
        found.kind.startswith("private-key") and each.line == 0
    )  # what libraries test themselves with
    if is_built_in or (found.kind != "secret-mount" and judging.is_example_path(path)):
        return msgspec.structs.replace(found, severity="low")
    return found


def fate(layers: Sequence[Layer], number: int, path: bytes) -> str:
    """Say what later layers do to a file of layer `number`, from 1; nothing when it is in the image.

    >>> lower, upper = Layer([], {b"a/b"}, set(), set()), Layer([], set(), {b"a"}, set())
    >>> fate([lower, upper], 1, b"a/b")
    'deleted in layer 2, still in layer 1'
    """
    parts = path.split(b"/")
    above = {b"/".join(parts[:length]) for length in range(1, len(parts))}
    for later, layer in enumerate(layers[number:], number + 1):
        if path in layer.written:
            return f"overwritten in layer {later}, still in layer {number}"
        is_hidden = not layer.emptied.isdisjoint(above | {b""}) or not layer.written.isdisjoint(above)
        if is_hidden or not layer.deleted.isdisjoint(above | {path}):
            return f"deleted in layer {later}, still in layer {number}"
    return ""
