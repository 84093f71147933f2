"""The process that turns a directory into a tar stream on standard output; see `pack`."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab.linux.files import write_all
from containerlab.store.pack_order import Order, perform

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Perform an order that came in words."""
    perform(Order.parse(words), _write)
    return 0


def _write(data: bytes) -> None:
    write_all(1, data)
