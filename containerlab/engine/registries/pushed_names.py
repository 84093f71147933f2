"""Names as they are pushed, `localhost:5000/lab/app:v1`, where a command takes a repository and a tag."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab import errors
from containerlab.engine.registries.remote import default_host

__all__ = ["taken_apart"]

_NAMES = ("repository", "scope", "organization")
"""Parameters that may have the host before them."""


def taken_apart(parameters: Sequence[str], words: Sequence[str], host: str) -> tuple[list[str], str]:
    """Return the words without the host and with the tag as a word of its own, and the host.

    parameters: what the words are, in their order. host: what an option names, if one does.

    >>> taken_apart(["repository", "reference"], ["localhost:5000/lab/app:v1"], "")
    (['lab/app', 'v1'], 'localhost:5000')
    >>> taken_apart(["repository", "reference"], ["lab/app", "v1"], "registry.example")
    (['lab/app', 'v1'], 'registry.example')

    Raises: InvalidInput when two hosts are named.
    """
    found = list(words)
    for number, name in enumerate(parameters[: len(words)]):
        if name not in _NAMES:
            continue
        first, slash, rest = found[number].partition("/")
        if slash and rest and (":" in first or first in ("localhost", host or default_host())):
            if host and host.rpartition("://")[2].rstrip("/") != first:
                raise errors.InvalidInput(f"two registries are named: {host} and {first}", "leave one out")
            found[number], host = rest, first
        is_last = number + 1 == len(found) and parameters[number + 1 :] == ["reference"]
        if name == "repository" and is_last:
            found[number:] = _split(found[number])
    return found, host


def _split(name: str) -> list[str]:
    for sign in ("@", ":"):
        repository, found, reference = name.partition(sign)
        if found and reference:
            return [repository, reference]
    return [name]
