"""Which images of an index are meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from containerlab import errors
from containerlab.distribution.refusals import plain
from containerlab.distribution.remote import Fetched
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index
from containerlab.oci.platform import Platform

__all__ = ["EVERY", "Wanted", "chosen", "only", "read"]

_MOST_DEPTH, _MOST = 3, 10_000
"""How deep indexes may lie in each other, and to how many manifests one may lead."""
EVERY = "all"


class Wanted(msgspec.Struct, frozen=True):
    """Platforms that are asked for."""

    words: tuple[str, ...] = ()
    """As linux/arm64; empty for this machine's."""
    is_all: bool = False
    """Whether all that there is is meant, statements about images too."""


def read(text: str) -> Wanted:
    """Read what a user gave: platforms with commas between, `all`, or nothing.

    >>> read("linux/arm64,amd64").words
    ('linux/arm64', 'linux/amd64')

    Raises: InvalidInput.
    """
    words = [word for word in text.split(",") if word]
    if EVERY in words:
        return Wanted(is_all=True)
    return Wanted(tuple(str(Platform.parse(word)) for word in words))


def only(wanted: Wanted) -> str | None:
    """Return the one platform that is asked for, None for this machine's.

    Raises: InvalidInput for several, which a new index would be needed for.
    """
    if len(wanted.words) > 1:
        raise errors.InvalidInput(
            f"--platform {','.join(wanted.words)}: only one, or all, can be sent", "name one of them"
        )
    return wanted.words[0] if wanted.words else None


def chosen(
    root: Fetched, wanted: Wanted, child: Callable[[Descriptor], Fetched], name: str
) -> Iterator[Fetched]:
    """Go through the manifests that are meant, and the indexes that lead to them.

    child: fetches what an index names.

    Raises: NotFound, which says for which platforms there is something.
    """
    if not isinstance(root.document, Index):
        yield root
        return
    found = list(_Choice(wanted, child).made(root))
    missing = _missing(found, wanted)
    if missing:
        offered = _offered(root.document)
        raise errors.NotFound(
            f"{name} has no image for {missing}",
            f"there is: {offered}" if offered else "it says of none for what it is",
        )
    yield from found


class _Choice:
    """What is chosen below an index; the same is fetched once, however often indexes name it."""

    def __init__(self, wanted: Wanted, child: Callable[[Descriptor], Fetched]) -> None:
        self._wanted, self._child = wanted, child
        self._fetched: dict[str, Fetched] = {}
        self._named: set[tuple[str, str]] = set()

    def made(self, at: Fetched, depth: int = 0) -> Iterator[Fetched]:
        yield at
        document = at.document
        if not isinstance(document, Index):
            return
        if depth == _MOST_DEPTH:
            raise errors.CorruptContent(f"index {at.descriptor.digest} is nested too deeply")
        for descriptor in _entries(document, self._wanted):
            name = descriptor.digest, str(descriptor.platform)
            if name not in self._named:
                self._named.add(name)
                yield from self.made(self._fetch(descriptor), depth + 1)

    def _fetch(self, descriptor: Descriptor) -> Fetched:
        if descriptor.digest in self._fetched:
            return Fetched(descriptor, self._fetched[descriptor.digest].raw)
        if len(self._fetched) >= _MOST:
            raise errors.CorruptContent(f"the index leads to more than {_MOST} manifests")
        self._fetched[descriptor.digest] = fetched = self._child(descriptor)
        return fetched


def _entries(index: Index, wanted: Wanted) -> Iterator[Descriptor]:
    """Yield what is meant of one index; indexes in it may have more."""
    if wanted.is_all:
        yield from index.manifests
        return
    images = [each for each in index.manifests if documents.is_manifest(each.media_type)]
    offered = [each.platform for each in images]
    numbers = {each.best(offered, strict=is_strict) for each, is_strict in _platforms(wanted)}
    yield from (image for number, image in enumerate(images) if number in numbers)
    yield from (each for each in index.manifests if documents.is_index(each.media_type))


def _platforms(wanted: Wanted) -> list[tuple[Platform, bool]]:
    """Return what suits, and whether it is meant to the letter."""
    return [(Platform.parse(word), True) for word in wanted.words] or [(Platform.host(), False)]


def _missing(found: Sequence[Fetched], wanted: Wanted) -> str:
    """Name the platforms for which nothing was found."""
    if wanted.is_all:
        return ""
    images = [each.descriptor for each in found if documents.is_manifest(each.descriptor.media_type)]
    offered = [each.platform for each in images]
    lacking = [
        str(each) for each, is_strict in _platforms(wanted) if each.best(offered, strict=is_strict) is None
    ]
    return ", ".join(lacking)


def _offered(index: Index) -> str:
    platforms = (each.platform for each in index.manifests if not documents.is_attestation(each))
    return plain(", ".join(sorted({str(each) for each in platforms if each})))
