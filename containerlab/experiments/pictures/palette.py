"""How a subject looks in every picture: colour, mark and stroke, so that colour is never all.

Colours are Okabe and Ito's, which the colour-blind tell apart: containers are cool, machines are warm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from containerlab.experiments.row import Row
from containerlab.views.plot import BLUE, GREEN, INK, PURPLE, VERMILLION

__all__ = ["Style", "order", "style"]

ORANGE, SKY = "#E69F00", "#56B4E9"


class Style(NamedTuple):
    color: str
    marker: str
    dash: Any = "-"


_STYLES = {
    "bare process": Style(INK, "|", (0, (1, 1.2))),
    "containerlab": Style(BLUE, "o"),
    "crun": Style(GREEN, "^"),
    "runc": Style(GREEN, "v", (0, (4, 1.5))),
    "docker": Style(SKY, "s"),
    "podman": Style(SKY, "D", (0, (4, 1.5))),
    "vm resume": Style(ORANGE, "P"),
    "vm microvm": Style(VERMILLION, "X"),
    "vm image": Style(PURPLE, "d"),
    "vm classic": Style(PURPLE, "*", (0, (4, 1.5))),
    "layers": Style(BLUE, "o"),
}
"""By what the name begins with; in the order in which pictures and legends have them."""
_OTHERS = {
    "process": Style(INK, "|", (0, (1, 1.2))),
    "container": Style(GREEN, "h", (0, (1, 1))),
    "vm": Style(VERMILLION, "p", (0, (1, 1))),
    "layers": Style(BLUE, "o"),
    "disk": Style(VERMILLION, "X"),
}
_KINDS = tuple(_OTHERS)


def style(subject: str, kind: str) -> Style:
    """Return how a subject is drawn.

    >>> style("vm microvm (tcg)", "vm").marker, style("kata", "container").marker
    ('X', 'h')
    """
    known = _known(subject)
    return _STYLES[known] if known else _OTHERS.get(kind, Style(INK, "h"))


def _known(subject: str) -> str:
    return next((name for name in _STYLES if subject.startswith(name)), "")


def order(row: Row) -> tuple[int, int, str]:
    """Sort rows by their subjects: the bare process, containers, machines from quick to slow."""
    known = list(_STYLES).index(name) if (name := _known(row.subject)) else len(_STYLES)
    return _KINDS.index(row.kind) if row.kind in _KINDS else len(_KINDS), known, row.subject
