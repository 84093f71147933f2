"""An image as lines of text: what its configuration says and what its files are, over those of its base."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Picture", "lines", "read"]

_OPAQUE, _WHITEOUT = ".wh..wh..opq", ".wh."
_COMMENT = "buildkit.dockerfile.v0"
_OLD_S = 1_600_000_000
"""A file that is older came with its time; all others were made just now."""
_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}


class Picture(NamedTuple):
    """config: the document; files: path → what it is."""

    config: Mapping[str, Any]
    files: Mapping[str, str]


NOTHING = Picture({"os": "linux", "rootfs": {"diff_ids": []}}, {})


def lines(archive: bytes, base: Picture) -> list[str]:
    """Say what an image of an archive has that its base has not, if it has that base."""
    image = read(archive)
    if image.config["rootfs"]["diff_ids"][:1] != base.config["rootfs"]["diff_ids"]:
        base = NOTHING
    return [*_about_config(image.config, base.config), *_about_files(image.files, base.files)]


def read(archive: bytes) -> Picture:
    """Read an archive as `docker save` writes it."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        (manifest,) = json.loads(_content(file, "manifest.json"))
        config = json.loads(_content(file, manifest["Config"]))
        tree: dict[str, list[str]] = {}
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_content(file, layer))) as changes:
                _lay(tree, changes)
    return Picture(config, _numbered(tree))


def _content(file: tarfile.TarFile, name: str) -> bytes:
    found = file.extractfile(name)
    assert found, name
    return found.read()


def _lay(tree: dict[str, list[str]], changes: tarfile.TarFile) -> None:
    """Put a layer onto a tree; hard-linked paths share one list."""
    hidden, new = [], {}
    for entry in changes:
        path = "/" + entry.name.removeprefix("./").strip("/")
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            hidden.append(folder.rstrip("/") + "/")
        elif name.startswith(_WHITEOUT):
            gone = posixpath.join(folder, name.removeprefix(_WHITEOUT))
            hidden.append(gone + "/")
            tree.pop(gone, None)
        elif path != "/":
            other = "/" + entry.linkname.removeprefix("./").strip("/")
            new[path] = (new.get(other) or tree[other]) if entry.islnk() else [_about(changes, entry)]
    for path in [path for path in tree if path.startswith(tuple(hidden))]:
        del tree[path]
    for path, fields in new.items():
        if not fields[0].startswith("directory"):
            for below in [other for other in tree if other.startswith(f"{path}/")]:
                del tree[below]
        tree[path] = fields


def _about(changes: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    kind = _KINDS.get(entry.type, "file")
    words = [kind]
    if kind != "link":
        words.append(f"{entry.mode & 0o7777:04o}")
    words.append(f"{entry.uid}:{entry.gid}")
    if kind == "link":
        words.append(f"-> {entry.linkname}")
    if kind in ("char", "block"):
        words.append(f"{entry.devmajor},{entry.devminor}")
    if kind == "file":
        found = changes.extractfile(entry)
        assert found
        words.append(_about_content(found.read()))
    for name, value in sorted(entry.pax_headers.items()):
        if name.startswith("SCHILY.xattr."):
            words.append(f"{name.removeprefix('SCHILY.xattr.')}={json.dumps(value)}")
    if kind != "directory" and entry.mtime < _OLD_S:
        words.append(f"@{int(entry.mtime)}")
    return " ".join(words)


def _about_content(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if len(text.encode()) == len(content) and len(content) <= 400:
        return json.dumps(text, ensure_ascii=False)
    return f"{len(content)} bytes {hashlib.sha256(content).hexdigest()[:16]}"


def _numbered(tree: Mapping[str, list[str]]) -> dict[str, str]:
    """Say of each path but the first of a file which it is the same as."""
    first: dict[int, str] = {}
    files = {}
    for path, fields in sorted(tree.items()):
        known = first.setdefault(id(fields), path)
        files[path] = fields[0] if known == path else f"same as {known}"
    return files


def _about_config(config: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[str]:
    for key in ("architecture", "os", "author"):
        if config.get(key) != base.get(key):
            yield f"{key} {config.get(key)}"
    inner, below = config.get("config") or {}, base.get("config") or {}
    for key in sorted(inner.keys() | below.keys()):
        if (inner.get(key) or None) != (below.get(key) or None):
            yield f"{key} {json.dumps(inner.get(key) or None, ensure_ascii=False, sort_keys=True)}"
    history = config.get("history") or []
    known = len(base.get("history") or [])
    if any(
        ours["created_by"] != before["created_by"]
        for ours, before in zip(history, base.get("history") or [], strict=False)
    ):
        yield "history of the base changed"
    for entry in history[known:]:
        mark = "settings" if entry.get("empty_layer") else "layer"
        text, comment = entry.get("created_by", "").replace("\n", "\\n"), entry.get("comment", "")
        yield f"{mark} {text}" + ("" if comment == _COMMENT else f" ({comment})")
    layers = len(config["rootfs"]["diff_ids"]) - len(base["rootfs"]["diff_ids"])
    said = sum(not entry.get("empty_layer") for entry in history[known:])
    if layers != said:
        yield f"{layers} layers, though the history says {said}"


def _about_files(files: Mapping[str, str], base: Mapping[str, str]) -> Iterator[str]:
    for path in sorted(files.keys() | base.keys()):
        if path not in files:
            yield f"{path} removed"
        elif files[path] != base.get(path):
            yield f"{path} {files[path]}"
