"""What a machine is told to do so that it runs tests."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

__all__ = ["orders"]


def orders(words: Sequence[str]) -> str:
    """Return a script that runs pytest with these words; the processor is emulated, so nothing hurries."""
    return f"""
python3 -m compileall -q -j 2 containerlab tests
exec python3 -m pytest -p no:cacheprovider --timeout 1200 {shlex.join(words)}
"""
