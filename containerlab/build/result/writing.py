"""The result of a build goes where an output says: store, archive, directory or standard output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.build.result import local_tree
from containerlab.build.result.built import Built
from containerlab.build.result.export import Attest, ExportOptions, to_blobs, to_store
from containerlab.build.result.outputs import Output
from containerlab.oci.image import Descriptor
from containerlab.oci.reference import Reference
from containerlab.store import tar_copy
from containerlab.store import tar_write as tar
from containerlab.store.flatten import flattened, merge
from containerlab.store.images import Images
from containerlab.store.layer_processes import unpack_plain
from containerlab.store.output_file import output as output_file
from containerlab.store.tar_copy import Change
from containerlab.store.tar_read import Entry

__all__ = ["NOTHING", "Beside", "Statements", "write"]

Beside = Callable[[Built], Mapping[str, bytes]]
"""Gives files that are written beside the root file system of an image: its attestations."""


class Statements(NamedTuple):
    """What makes statements about the images: for an index, and as files."""

    attest: Attest | None = None
    beside: Beside | None = None


NOTHING = Statements()


def write(
    output: Output,
    built: Sequence[Built],
    images: Images,
    names: Sequence[str] = (),
    *,
    newest_s: int | None = None,
    statements: Statements = NOTHING,
) -> Descriptor | None:
    """Write what was built, one image for each platform; return what its names lead to, if there is such.

    names: those of the build; the output's own come on top. newest_s: SOURCE_DATE_EPOCH. The caller holds a
    lease. After an error nothing is half-made.

    Raises: InvalidInput, Conflict, NotPermitted, Unsupported.
    """
    names = tuple(dict.fromkeys((*names, *output.names)))
    if output.kind == "cacheonly":
        return None
    if output.kind in ("local", "tar"):
        write_root = _to_directory if output.kind == "local" else _to_tar
        write_root(output, built, images, newest_s, statements.beside)
        return None
    options = _options(output, newest_s)
    if output.kind == "image":
        kept = () if output.pushes_by_digest else names
        return to_store(images, built, kept, options, statements.attest)
    if output.kind == "docker":
        return _to_docker(output, built, images, names, options)
    descriptor = to_blobs(images.blobs, built, names, options, statements.attest)
    return _to_archive(output, images, descriptor, names)


def _options(output: Output, newest_s: int | None) -> ExportOptions:
    if output.rewrites_times and newest_s is None:
        raise errors.InvalidInput(
            "rewrite-timestamp needs to know the time",
            "set SOURCE_DATE_EPOCH, as `--build-arg` or around conlab",
        )
    form = msgspec.structs.replace(output.export.form, newest_s=newest_s if output.rewrites_times else None)
    return msgspec.structs.replace(output.export, newest_s=newest_s, form=form)


def _to_docker(
    output: Output, built: Sequence[Built], images: Images, names: Sequence[str], options: ExportOptions
) -> Descriptor:
    if len(built) > 1:
        raise errors.Unsupported(
            "an archive for Docker has an image for one platform only", "choose type=oci, or one --platform"
        )
    return _to_archive(output, images, to_blobs(images.blobs, built, names, options), names)


def _to_archive(output: Output, images: Images, descriptor: Descriptor, names: Sequence[str]) -> Descriptor:
    from containerlab.store import archives

    full = [Reference.parse(name).full() for name in names] or [""]
    chosen = [archives.Chosen("", name, descriptor) for name in full]
    if output.is_directory:
        archives.write_directory(images, chosen, Path(output.destination))
        return descriptor
    with output_file(_path(output)) as file:
        archives.write(images, chosen, file, f"{output.kind}-archive")
    return descriptor


def _path(output: Output) -> str | None:
    return None if output.destination == "-" else output.destination


def _to_tar(
    output: Output, built: Sequence[Built], images: Images, newest_s: int | None, beside: Beside | None
) -> None:
    with output_file(_path(output)) as file:
        for each in built:
            pieces = _root(images, each, _moved(_folder(output, built, each), newest_s), beside)
            for piece in tar_copy.batched(pieces):
                file.write(piece)
        file.write(tar.END)


def _to_directory(
    output: Output, built: Sequence[Built], images: Images, newest_s: int | None, beside: Beside | None
) -> None:
    with local_tree.staged(Path(output.destination), alone=output.deletes_others) as stage:
        for each in built:
            place = stage / _folder(output, built, each)
            place.mkdir(exist_ok=True)
            pieces = _root(images, each, _owned(newest_s), beside)
            unpack_plain(place, _ended(tar_copy.batched(pieces)))


def _folder(output: Output, built: Sequence[Built], each: Built) -> str:
    splits = len(built) > 1 if output.splits_platforms is None else output.splits_platforms
    return str(each.platform).replace("/", "_") if splits else ""


def _ended(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    yield tar.END


def _root(images: Images, built: Built, change: Change, beside: Beside | None) -> Iterator[bytes]:
    """Give the root file system of an image as a tar stream without its end."""
    layers = [layer.descriptor for layer in built.layers]
    yield from flattened(images.blobs, layers, merge(images.blobs, layers), change)
    for name, content in (beside(built) if beside else {}).items():
        entry = Entry(name.encode(), tar.FILE, 0o644, 0, 0, len(content), 0, b"", (0, 0), {}, None)
        if changed := change(entry):
            yield tar_copy.entry_bytes(changed) + content + tar.padding(len(content))


def _moved(folder: str, newest_s: int | None) -> Change:
    """Return a change after which all is below a folder."""
    bound, prefix = tar_copy.bounded(newest_s), folder.encode() + b"/" if folder else b""

    def change(entry: Entry) -> Entry | None:
        link = prefix + entry.link if entry.kind == tar.HARD_LINK else entry.link
        return bound(entry._replace(name=prefix + entry.name, link=link))

    return change


def _owned(newest_s: int | None) -> Change:
    """Return a change after which all belongs to the user, and gives nobody a right that he has not.

    Devices are left out, and so are set-id bits and capabilities: a root file system from anyone must not
    leave a program behind that runs as the user who looked at it.
    """
    bound, uid, gid = tar_copy.bounded(newest_s), os.geteuid(), os.getegid()

    def change(entry: Entry) -> Entry | None:
        if entry.kind in (tar.CHARACTER, tar.BLOCK):
            return None
        xattrs = {name: value for name, value in entry.xattrs.items() if name.startswith("user.")}
        return bound(entry._replace(uid=uid, gid=gid, mode=entry.mode & 0o1777, xattrs=xattrs))

    return change
