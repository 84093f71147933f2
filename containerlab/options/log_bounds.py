"""How much of a program's output is kept: what `--log-opt` says.

Source: docs.docker.com, "JSON File logging driver", whose words these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from containerlab import units
from containerlab.errors import InvalidInput, nearest
from containerlab.options import values as v

__all__ = ["LogBounds", "log_bounds"]

_NO_BOUND = "-1"
_KEYS = ("max-size", "max-file", "mode")


class LogBounds(NamedTuple):
    """most_bytes: of one file of the log; 0 for no bound. most_files: how many there are, the oldest goes."""

    most_bytes: int = 0
    most_files: int = 1


def log_bounds(options: Mapping[str, str]) -> LogBounds:
    """Read the options of a log.

    >>> log_bounds({"max-size": "10m", "max-file": "3"})
    LogBounds(most_bytes=10485760, most_files=3)

    Raises: InvalidInput.
    """
    for key in options:
        if key not in _KEYS:
            raise InvalidInput(f"--log-opt: no such key: {key}", nearest(key, _KEYS) or "use max-size")
    v.choice("blocking")(options.get("mode", "blocking"))
    return LogBounds(_bytes(options.get("max-size", _NO_BOUND)), v.whole(1, 1000)(options.get("max-file", 1)))


def _bytes(value: str) -> int:
    if value == _NO_BOUND:
        return 0
    if found := units.size(value):
        return found
    raise InvalidInput("--log-opt: max-size is 0", "give a size: 10m, or -1 for no bound")
