"""Names for containers that were given none: an adjective and somebody who made containers possible."""

from __future__ import annotations

import random
from collections.abc import Container

__all__ = ["invent"]

_ADJECTIVES = (
    "able agile bold brave bright brisk calm candid cheery clever cosy curious deft eager early fair fond frank "
    "fresh gentle glad grand happy hardy honest jolly keen kind lively lucid merry mild neat nimble noble open "
    "patient plain proud quick quiet ready sharp sober solid steady still sunny swift tidy trusty vivid warm wise witty"
).split()
_NAMES = (
    "biederman brauner brown callaghan coar crosbie dike emelianov engels estes georgiev graber gregg hallyn heo "
    "hykes jackson kamp kerrisk kernighan knuth kolyshkin kuznetsov lameter lamport lerche lezcano liskov lovelace "
    "lutomirski mckusick menage morton pike poettering ritchie salter sarai scrivano seth shuttleworth singh soltesz "
    "szeredi tannenbaum thompson torvalds tuomisto turing viro walsh watson zemlin"
).split()


def invent(taken: Container[str]) -> str:
    """Return a name that is not taken."""
    while True:
        name = f"{random.choice(_ADJECTIVES)}_{random.choice(_NAMES)}"
        if name not in taken:
            return name
        name += str(random.randrange(1000))
        if name not in taken:
            return name
