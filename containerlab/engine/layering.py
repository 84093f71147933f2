"""An image made a few lines at a time: on which state the next lines stand."""

from __future__ import annotations

import re
from typing import NamedTuple

from containerlab.build.layered import Lines
from containerlab.errors import NotFound

__all__ = ["Below", "below"]

_ID_LENGTH = len("sha256:") + 12
"""As much of an image's id as people are shown."""
_FROM = re.compile(r"\s*(?:#[^\n]*\n\s*)*FROM\s", re.IGNORECASE)


class Below(NamedTuple):
    """What the next lines stand on: what made the state before them, and what they are written below."""

    made: tuple[Lines, ...]
    first_line: str
    """A FROM; empty where the lines bring their own."""


def below(name: str, made: tuple[Lines, ...], current_id: str, new: Lines, base: str) -> Below:
    """Choose the state that `new` lines for an image stand on.

    made: what made the image so far. current_id: of the image that has the name now, or "". base: where to
    begin anew, or "". Lines of a cell that was run before take the place of what it made, and of all that
    came after it; so do lines that are run twice in a row.

    Raises: NotFound when there is nothing to stand on.
    """
    if base or _FROM.match(new.text):
        return Below((), f"FROM {base}\n" if base else "")
    kept = _before(made, new)
    if not kept or (kept == made and kept[-1].image_id != current_id):
        return _of_an_image(name, current_id)
    state = name if kept[-1].image_id == current_id else kept[-1].image_id[:_ID_LENGTH]
    return Below(kept, f"FROM {state}\n")


def _before(made: tuple[Lines, ...], new: Lines) -> tuple[Lines, ...]:
    for number, lines in enumerate(made):
        is_last = number == len(made) - 1
        if lines.cell == new.cell and (new.cell or (is_last and lines.text == new.text)):
            return made[:number]
    return made


def _of_an_image(name: str, image_id: str) -> Below:
    """Stand on an image that was made in another way."""
    if not image_id:
        raise NotFound(
            f"there is no {name} to go on from", "begin with a FROM line, or name an image with --from"
        )
    return Below((Lines(text=f"FROM {name}", image_id=image_id),), f"FROM {name}\n")
