"""Pulls: counted in the memory of each process and written down together, not with every request."""

from __future__ import annotations

import threading
from typing import NamedTuple

from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["Pulls"]

_MOST = 10_000
"""Different pulls that are remembered between two times of writing; more are not counted."""


class _Pull(NamedTuple):
    account: str
    address: str
    repository: str
    tag: str
    digest: str


class Pulls:
    """Counts what is pulled; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[_Pull, int] = {}

    def note(self, identity: Identity, repository: str, reference: str, digest: str) -> None:
        """Count a pull of a manifest by a tag or its digest."""
        tag = "" if ":" in reference else reference
        pull = _Pull(identity.name, identity.address, repository, tag, digest)
        with self._lock:
            if pull in self._counts or len(self._counts) < _MOST:
                self._counts[pull] = self._counts.get(pull, 0) + 1

    def write(self, registry: Registry) -> None:
        """Write down what was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        with registry.database.writing() as connection:
            for pull, count in counts.items():
                connection.execute(
                    "UPDATE manifests SET pulls = pulls + ?, pulled = ? WHERE digest = ?"
                    " AND repository = (SELECT id FROM repositories WHERE name = ?)",
                    (count, registry.now(), pull.digest, pull.repository),
                )
                identity = Identity(name=pull.account, address=pull.address)
                detail = f"{count} times" if count > 1 else ""
                about = {"repository": pull.repository, "tag": pull.tag, "digest": pull.digest}
                events.note(registry, connection, identity, "pull", **about, detail=detail)
