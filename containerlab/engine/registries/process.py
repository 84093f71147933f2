"""What the process of a registry runs: the server, with the examiners that stand on higher floors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from containerlab.distribution.server.serving.process import Order

__all__ = ["command", "main"]

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from containerlab.engine.registries.process import main; sys.exit(main(sys.argv[2]))"
)


def command(order: Order) -> Sequence[str]:
    """Return the words that start such a process."""
    root = __file__.removesuffix("/containerlab/engine/registries/process.py")
    return [sys.executable, "-P", "-c", _PROGRAM, root, msgspec.json.encode(order).decode()]


def main(order: str) -> int:
    """Be the process."""
    from containerlab.distribution.server.serving import process
    from containerlab.engine.registries.examining import examiners

    return process.run(msgspec.json.decode(order, type=process.Order), examiners(), command)
