"""Trees to copy from, and the layers that come out, in lines."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from containerlab.build.files.copier import copy
from containerlab.build.files.selection import Selection, Source, Target

__all__ = ["NOW_S", "context", "layer", "lines", "make", "names"]

NOW_S = 1_000_000


def make(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Make a tree: path → content; None for a folder, `-> TARGET` for a link. Modes are 0644 and 0755."""
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o644)
    for folder in (root, *(each for each in root.rglob("*") if each.is_dir() and not each.is_symlink())):
        folder.chmod(0o755)
    return root


def context(root: Path, *ignore: str, inline: tuple[tuple[str, bytes], ...] = ()) -> Source:
    return Source((str(root),), ignore, inline, is_context=True)


def layer(
    source: Source,
    *paths: str,
    to: str,
    onto: tuple[Path, ...] = (),
    newest_s: int | None = None,
    **options: Any,
) -> bytes:
    """Copy and return the tar stream; options are those of Selection."""
    pieces: list[bytes] = []
    target = Target(tuple(map(str, onto)), newest_s)
    copy(source, Selection(paths, to, **options), target, pieces.append, NOW_S)
    return b"".join(pieces)


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def names(data: bytes) -> list[str]:
    return [member.name for member in members(data)]


def lines(data: bytes) -> list[str]:
    """Say of each member `NAME MODE UID:GID`, and `-> LINK`, `= FIRST NAME` or ` CONTENT`."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [_line(archive, member) for member in archive]


def _line(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    slash = "/" if member.isdir() else ""
    rest = ""
    if member.issym():
        rest = f" -> {member.linkname}"
    elif member.islnk():
        rest = f" = {member.linkname}"
    elif member.isfile():
        file = archive.extractfile(member)
        assert file is not None
        rest = f" {file.read().decode()}"
    return f"{member.name}{slash} {member.mode:o} {member.uid}:{member.gid}{rest}"
