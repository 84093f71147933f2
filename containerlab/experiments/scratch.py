"""A directory for a comparison, on the disk where the engine's home is: not in /tmp, which may be memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from containerlab.experiments.shares import PREFIX, is_stale
from containerlab.store.home import Home

__all__ = ["directory"]


@contextmanager
def directory(home: str) -> Iterator[Path]:
    """Give a new directory below a home, empty for the usual one; it is removed after the block.

    Those of comparisons that were killed are removed first.
    """
    place = Home.open(home or None).cache
    for left in place.glob(f"{PREFIX}*"):
        if is_stale(left.name):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=place) as made:
        yield Path(made)
