"""The operations of a build: values, each of which says all that its result depends on beside its inputs.

A vertex is an operation with its inputs; the vertices of a target are a graph without cycles. The result of
most is a file system, as a stack of layers; that of a fetch is a tree of files outside of the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from containerlab.build.files.selection import Selection, Source
from containerlab.build.language.instructions import Place
from containerlab.build.language.run_mounts import RunMount
from containerlab.store.images import Image

__all__ = [
    "Base",
    "Copy",
    "Fetch",
    "MakeDirectory",
    "Mounted",
    "Op",
    "Origin",
    "Run",
    "Vertex",
    "height",
    "inputs",
]


class Base(NamedTuple):
    """The layers of an image that is in the store."""

    image: Image


class Fetch(NamedTuple):
    """A file or a repository from elsewhere, for ADD: its result is a `Source`.

    url: http(s), or of a git repository. checksum: what was promised, or "".
    """

    url: str
    checksum: str = ""
    keeps_git_dir: bool = False


class MakeDirectory(NamedTuple):
    """WORKDIR: a directory and its parents, where they are missing. owner: USER, as written."""

    path: str
    owner: str = ""


class Copy(NamedTuple):
    """COPY and ADD. Each part has an origin of its own; chown: as written, resolved in what is below."""

    parts: tuple[tuple[Origin, Selection], ...]
    chown: str = ""
    is_link: bool = False


class Mounted(NamedTuple):
    """A mount of a RUN; origin: where a bind or the first content of a cache comes from."""

    mount: RunMount
    origin: Vertex | None = None


class Run(NamedTuple):
    """A RUN.

    words: what is executed. environment: in order, without `secret_arguments`: values of build arguments
    that look like secrets, which are in the environment but in the cache key only as a keyed hash.
    proxies: predefined proxy arguments: in the environment, not in the cache key.
    """

    words: tuple[str, ...]
    environment: tuple[str, ...]
    directory: str
    user: str = ""
    network: str = "default"
    is_insecure: bool = False
    mounts: tuple[Mounted, ...] = ()
    secret_arguments: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    options: tuple[tuple[str, object], ...] = ()
    """Of the container, as of `run`: see `order.Order.of_containers`, and its hostname."""


Op = Base | Fetch | MakeDirectory | Copy | Run


class Vertex(msgspec.Struct, frozen=True, eq=False):
    """An operation on top of another, or with None on nothing; compared by identity."""

    op: Op
    below: Vertex | None
    name: str
    """As it is shown: `[compile 2/4] RUN make`."""
    stage: str
    slot: str
    """What stands at the same place in the next build of the same Dockerfile: for «why not cached»."""
    place: Place | None = None
    is_uncached: bool = False
    is_internal: bool = False
    """Whether its layer is for mounts of RUN alone, and so in no image."""

    @property
    def kind(self) -> str:
        return _KINDS[type(self.op)]


Origin = Vertex | Source
"""Where files come from: the result of another vertex, or a tree that is there already."""

_KINDS: dict[type, str] = {
    Base: "source",
    Fetch: "source",
    MakeDirectory: "mkdir",
    Copy: "copy",
    Run: "run",
}


def height(vertex: Vertex | None) -> int:
    """Return how many layers a vertex stands for, its own and those below it."""
    count = 0
    while vertex is not None:
        count += len(vertex.op.image.layers) if isinstance(vertex.op, Base) else 1
        vertex = vertex.below
    return count


def inputs(vertex: Vertex) -> Iterator[Vertex]:
    """Yield the vertices that one needs, the one below it first."""
    if vertex.below is not None:
        yield vertex.below
    match vertex.op:
        case Copy(parts=parts):
            yield from (origin for origin, _ in parts if isinstance(origin, Vertex))
        case Run(mounts=mounts):
            yield from (each.origin for each in mounts if each.origin is not None)
