"""Files are taken out of the layers of an image, as if they had never been in it.

A layer that has none of them keeps its blob. Deleting a file in a later layer leaves it readable in the
earlier one; this does not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from containerlab import errors
from containerlab.oci.image import Descriptor
from containerlab.store import overlay, tar_copy
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.flatten import with_paths
from containerlab.store.layer_reader import layer_reader
from containerlab.store.layer_writer import Committed, compression_of, layer_writer
from containerlab.store.paths import join

__all__ = ["drop"]


def drop(blobs: Blobs, layers: Sequence[Committed], paths: Collection[str]) -> tuple[Committed, ...]:
    """Return layers like these, lowest first, that have neither these files nor what is below such paths.

    Deletions of them go too. The caller holds a lease.

    Raises: NotFound for a path that no layer has; InvalidInput for a file that has other names, which would
        keep its content.
    """
    wanted = [_Path(path) for path in paths]
    cleaned = tuple(_cleaned(blobs, layer, wanted) for layer in layers)
    for path in wanted:
        if not path.is_found:
            raise errors.NotFound(f"no layer of the image has {path}", "`image audit` says what is where")
    return cleaned


class _Path:
    """A path that is to go with all that is below it."""

    def __init__(self, text: str) -> None:
        self._bytes = text.strip("/").encode("utf-8", "surrogateescape")
        if not self._bytes:
            raise errors.InvalidInput("all files of an image cannot be dropped", "name a file or a directory")
        self.is_found = False

    def covers(self, path: bytes) -> bool:
        return path == self._bytes or path.startswith(self._bytes + b"/")

    def __str__(self) -> str:
        return "/" + self._bytes.decode("utf-8", "surrogateescape")


def _cleaned(blobs: Blobs, layer: Committed, wanted: Sequence[_Path]) -> Committed:
    doomed = _doomed(blobs, layer.descriptor, wanted)
    if not doomed:
        return layer
    with (
        layer_reader(blobs, layer.descriptor) as reader,
        layer_writer(blobs, compression_of(layer.descriptor)) as writer,
    ):
        kept = (entry for number, entry in enumerate(reader) if number not in doomed)
        for piece in tar_copy.batched(
            each for entry in kept for each in tar_copy.copied(reader, entry, entry)
        ):
            writer.write(piece)
        writer.write(tar.END)
        return writer.commit()


def _doomed(blobs: Blobs, layer: Descriptor, wanted: Sequence[_Path]) -> set[int]:
    """Return the numbers of the entries that are to go."""
    doomed: set[int] = set()
    with layer_reader(blobs, layer) as reader:
        for number, (path, entry) in enumerate(with_paths(reader)):
            hidden = _hidden_by(path)
            covering = [each for each in wanted if each.covers(hidden or path)]
            if covering:
                doomed.add(number)
            if entry.kind == tar.HARD_LINK:
                _refuse_other_name(wanted, path, entry.link)
            for each in covering if hidden is None else ():
                each.is_found = True
    return doomed


def _refuse_other_name(wanted: Sequence[_Path], *names: bytes) -> None:
    """Raise InvalidInput when one name of a file is to go and the other would keep its content."""
    going = [name for name in names if any(each.covers(name) for each in wanted)]
    if len(going) == 1:
        kept = next(name for name in names if name != going[0])
        gone, other = (f"/{name.decode(errors='replace')}" for name in (going[0], kept))
        raise errors.InvalidInput(
            f"{gone} is also called {other}, which would keep its content", "drop that too"
        )


def _hidden_by(path: bytes) -> bytes | None:
    """Return what a deletion hides, or the directory that it empties; None for another entry."""
    above, _, name = path.rpartition(b"/")
    if name == overlay.OPAQUE_NAME:
        return above
    if not name.startswith(overlay.WHITEOUT_PREFIX):
        return None
    return join(above, name.removeprefix(overlay.WHITEOUT_PREFIX))
