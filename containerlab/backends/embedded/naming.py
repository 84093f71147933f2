"""Names for containers that were given none: an adjective and somebody who made containers possible."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["invent"]

_ADJECTIVES = """
    able agile bold brave bright brisk calm candid cheery clever cosy curious deft eager early fair
    fond frank fresh gentle glad grand happy hardy honest jolly keen kind lively lucid merry mild neat
    nimble noble open patient plain proud quick quiet ready sharp sober solid steady still sunny swift
    tidy trusty vivid warm wise witty
""".split()  # noqa: SIM905
_NAMES = """
    biederman brauner brown callaghan coar crosbie dike emelianov engels estes georgiev graber gregg
    hallyn heo hykes jackson kamp kerrisk kernighan knuth kolyshkin kuznetsov lameter lamport lerche
    lezcano liskov lovelace lutomirski mckusick menage morton pike poettering ritchie salter sarai
    scrivano seth shuttleworth singh soltesz szeredi tannenbaum thompson torvalds tuomisto turing viro
    walsh watson zemlin
""".split()  # noqa: SIM905


def invent(is_taken: Callable[[str], bool]) -> str:
    """Return a name that is not taken."""
    while True:
        name = f"{_ADJECTIVES[_draw(len(_ADJECTIVES))]}_{_NAMES[_draw(len(_NAMES))]}"
        if not is_taken(name):
            return name
        name += str(_draw(1000))
        if not is_taken(name):
            return name


def _draw(below: int) -> int:
    """Draw a number; `random` would cost a command line 10 ms to import."""
    return int.from_bytes(os.urandom(4), "big") % below
