"""Images that are made a few lines at a time: which lines made which state, in their order.

Kept in the home, a file for each name, so that the next lines find the state they go on from, and the whole
can be written down as a Dockerfile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from containerlab.errors import CorruptContent
from containerlab.oci.reference import Reference
from containerlab.store.home import Home

__all__ = ["Lines", "dockerfile_of", "keep", "read"]


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of a Dockerfile, and the image that they led to."""

    text: str
    """The first of a name begin with FROM."""
    image_id: str
    cell: str = ""
    """Which cell of a notebook they are from; empty where cells have no names."""


def read(home: Home, name: str) -> tuple[Lines, ...]:
    """Return what made an image so far, nothing for one that was not made so.

    Raises: CorruptContent.
    """
    path = _path(home, name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Lines, ...])
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as error:
        raise CorruptContent(
            f"{path} cannot be read: {error}", "remove it, and begin anew with --from"
        ) from error


def keep(home: Home, name: str, made: Sequence[Lines]) -> None:
    """Keep what made an image."""
    path = _path(home, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    home.replace(path, msgspec.json.encode(made))


def _path(home: Home, name: str) -> Path:
    return home.root / "layered" / f"{quote(Reference.parse(name).full(), safe='')}.json"


def dockerfile_of(made: Sequence[Lines]) -> str:
    r"""Write all lines as one Dockerfile.

    >>> dockerfile_of([Lines(text="FROM a\nRUN b\n", image_id="1"), Lines(text="RUN c", image_id="2")])
    'FROM a\nRUN b\n\nRUN c\n'
    """
    return "\n\n".join(each.text.strip("\n") for each in made) + "\n"
