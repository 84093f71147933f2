"""The file system of a container: its image's layers below, a place of its own above.

Three kinds, and the first that works here is taken: "overlay" (the kernel's), "fuse-overlayfs" (a program),
"copy" (a full copy). What works is found by trying once per boot, in a process of its own.
Mounts are data; the runtime performs them in the container's mount namespace.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.hashes import sha256
from containerlab.linux.files import read_whole, write_atomically
from containerlab.linux.idmap import IdMap
from containerlab.linux.mounts import Mount
from containerlab.linux.procfs import boot_id
from containerlab.store import trees
from containerlab.store.home import Home

__all__ = ["KINDS", "MOST_LAYERS", "Snapshot", "Trial", "overlay", "prepare", "remove", "trial"]

KINDS = ("overlay", "fuse-overlayfs", "copy")
MOST_LAYERS = 250
"""So many layers can be mounted wherever the home is."""
_PAGE_BYTES = 4096
"""mount(2) takes at most one page of data, its terminating zero included."""
_OPTIONS_BYTES = 256
"""Room for the options that somebody else adds."""


class Snapshot(NamedTuple):
    """What the runtime has to mount to see the file system, and where.

    kind: one of KINDS.
    mounts: in order; target "" is `root`. A Mount of type "overlay" whose source is an absolute path has
        relative paths in its options: change to that directory first. Type "fuse-overlayfs": execute the
        program that is its source with `-o OPTIONS ROOT`. None at all: `root` is complete.
    root: the directory where the file system is, or is mounted.
    upper: what is changed comes to lie here; None when nothing can be written, or in a copy.
    """

    kind: str
    mounts: tuple[Mount, ...]
    root: Path
    upper: Path | None


class Trial(NamedTuple):
    """Which kind of snapshot works here, and why not the ones before it, a sentence each."""

    kind: str
    refusals: tuple[str, ...] = ()


def prepare(
    home: Home,
    container: Path,
    lowers: Sequence[Path],
    *,
    idmap: IdMap,
    readonly: bool = False,
    kind: str = "",
) -> Snapshot:
    """Make the directories of a container's file system and say how to mount it.

    lowers: unpacked layers, topmost first. readonly: without an upper directory, so that not even a mount
    point can be made in it. kind: instead of the one that a trial chooses.
    """
    if not lowers:
        raise errors.InvalidInput("a snapshot needs at least one layer")
    kind = kind or trial(home, idmap).kind
    root = container / "root"
    root.mkdir(mode=0o755, exist_ok=True)
    if kind == "copy":
        return _copy(root, lowers, idmap)
    upper = None if readonly else _upper(container, lowers[0])
    if readonly and len(lowers) == 1:
        lowers = [lowers[0], _nothing(container)]
    mount = overlay(home, lowers, upper, idmap) if kind == "overlay" else _fuse(lowers, upper)
    return Snapshot(kind, (mount,), root, upper)


def remove(container: Path, idmap: IdMap) -> None:
    """Remove a container's directory with all in it, whoever of the map owns it.

    Raises: NotPermitted.
    """
    trees.remove(container, idmap)


def _upper(container: Path, top: Path) -> Path:
    """Make the upper and the work directory; the root of the merged tree looks as `upper` does."""
    upper = container / "upper"
    upper.mkdir(mode=0o755, exist_ok=True)
    (container / "work").mkdir(mode=0o700, exist_ok=True)
    like = os.stat(top)
    os.chmod(upper, like.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.chown(upper, like.st_uid, like.st_gid)
    return upper


def _nothing(container: Path) -> Path:
    """Make an empty directory: without an upper one, an overlay wants two lower ones."""
    empty = container / "empty"
    empty.mkdir(mode=0o755, exist_ok=True)
    return empty


def overlay(home: Home, lowers: Sequence[Path], upper: Path | None, idmap: IdMap) -> Mount:
    """Say how to mount directories of the home, topmost first, as one; see `Snapshot.mounts`.

    upper: what is changed comes to lie here; beside it is the directory `work`.

    Raises: Unsupported for more than can be mounted.
    """
    options = _overlay_options([str(lower) for lower in lowers], _text(upper)) + _extra(idmap)
    if len(",".join(options)) < _PAGE_BYTES - _OPTIONS_BYTES:
        return Mount("overlay", "", "overlay", options)
    short = [_short_link(home, lower) for lower in lowers]
    above = None if upper is None else os.path.relpath(upper, home.root)
    options = _overlay_options(short, above) + _extra(idmap)
    if len(",".join(options)) >= _PAGE_BYTES:
        raise errors.Unsupported(
            f"{len(lowers)} layers are more than overlayfs can be told of",
            "build the image with fewer layers",
        )
    return Mount(str(home.root), "", "overlay", options)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _overlay_options(lowers: Sequence[str], upper: str | None) -> tuple[str, ...]:
    below = "lowerdir=" + ":".join(_escaped(lower).replace(":", "\\:") for lower in lowers)
    if upper is None:
        return (below,)
    work = os.path.join(os.path.dirname(upper), "work")
    return below, f"upperdir={_escaped(upper)}", f"workdir={_escaped(work)}"


def _extra(idmap: IdMap) -> tuple[str, ...]:
    """In the first user namespace, switch off what would let a change set say less than it does.

    A kernel may be built with renames and metadata changes written as references to lower layers.
    """
    return ("userxattr",) if idmap.kind != "none" else ("redirect_dir=off", "metacopy=off", "index=off")


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(",", "\\,")


def _short_link(home: Home, lower: Path) -> str:
    """Return a path of 14 characters, relative to the home, so that MOST_LAYERS fit into a page."""
    import base64

    name = "l/" + base64.urlsafe_b64encode(sha256(os.fsencode(lower)))[:12].decode()
    (home.root / "l").mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (home.root / name).symlink_to(lower)
    return name


def _fuse(lowers: Sequence[Path], upper: Path | None) -> Mount:
    import shutil

    program = shutil.which("fuse-overlayfs")
    if program is None:
        raise errors.Unsupported("fuse-overlayfs is not installed", "install the package fuse-overlayfs")
    options = _overlay_options([str(lower) for lower in lowers], _text(upper))
    return Mount(program, "", "fuse-overlayfs", options)


def _copy(root: Path, lowers: Sequence[Path], idmap: IdMap) -> Snapshot:
    """Copy under another name first: a kill on the way leaves no half of a file system as `root`."""
    draft = root.with_name("root-draft")
    trees.remove(draft, idmap)
    draft.mkdir(mode=0o755)
    words = ["layers", str(draft), *(str(lower) for lower in reversed(lowers))]
    trees.perform(idmap, "containerlab.store.copy", words)
    draft.rename(root)
    return Snapshot("copy", (), root, None)


def trial(home: Home, idmap: IdMap) -> Trial:
    """Return which kind of snapshot works for this home, found once per boot, kernel and kind of map."""
    key = f"{boot_id()} {os.uname().release} {idmap.kind} {os.stat(home.root).st_dev}"
    cache = f"{home.cache}/snapshots-{idmap.kind}"
    try:
        known, kind, *refusals = read_whole(cache).decode().split("\n")
        if known == key and kind in KINDS:
            return Trial(kind, tuple(refusals))
    except (OSError, ValueError):
        pass
    found = _try_all(home, idmap)
    write_atomically(cache, "\n".join((key, found.kind, *found.refusals)).encode())
    return found


def _try_all(home: Home, idmap: IdMap) -> Trial:
    refusals: list[str] = []
    for kind in KINDS[:-1]:
        refusal = _refusal(home, kind, idmap)
        if not refusal:
            return Trial(kind, tuple(refusals))
        refusals.append(f"{kind}: {refusal}")
    return Trial("copy", tuple(refusals))


def _refusal(home: Home, kind: str, idmap: IdMap) -> str:
    """Mount it for real, over two layers, and use it; return why it does not work, or nothing."""
    try:
        with home.scratch("trial-") as scratch:
            lowers = [scratch / "1", scratch / "2"]
            for lower in lowers:
                (lower / "directory").mkdir(parents=True)
                (lower / "directory" / lower.name).write_bytes(b"content")
            snapshot = prepare(home, scratch, lowers, idmap=idmap, kind=kind)
            mount = snapshot.mounts[0]
            words = [mount.source, str(snapshot.root), mount.fstype, ",".join(mount.options)]
            trees.perform(idmap, "containerlab.store.snapshot_trial", words)
            trees.remove(scratch / "work", idmap)
    except (errors.LabError, OSError) as error:
        return str(error).replace("\n", " ")
    return ""
