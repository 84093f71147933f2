"""The process that becomes another program in a mount namespace of its own.

Whatever that program leaves mounted vanishes with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from containerlab.linux import mounts, roots, syscalls
from containerlab.linux.namespaces import CLONE_NEWNS

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Become `PROGRAM ARGUMENT…`."""
    syscalls.unshare(CLONE_NEWNS)
    roots.set_propagation(mounts.MS_PRIVATE | mounts.MS_REC)
    os.execvp(words[0], list(words))
