"""Removing what has ended by itself; it is worth nothing before, too, and only takes room."""

from __future__ import annotations

from containerlab.distribution.server.accounts import attempts, proofs, robots
from containerlab.distribution.server.registry import Registry

__all__ = ["sweep"]


def sweep(registry: Registry) -> None:
    """Remove rights, shares, logins and robots whose time is over, and guesses that are forgiven."""
    now = registry.now()
    with registry.database.writing() as connection:
        attempts.sweep(connection, now)
        proofs.sweep(connection, now)
        robots.sweep(connection, now)
        for table in ("rights", "shares"):
            connection.execute(f"DELETE FROM {table} WHERE until <= ?", (now,))
