"""Where an archive is written to: a file that appears when it is complete, or standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from containerlab.errors import InvalidInput

__all__ = ["output"]


@contextmanager
def output(path: str | None) -> Iterator[BinaryIO]:
    """Open a file that appears when it is complete; standard output without a path."""
    if path is None:
        if sys.stdout.isatty():
            raise InvalidInput("an archive is not written to a terminal", "give --output FILE or redirect")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if os.path.exists(path) and not os.path.isfile(path):
        if os.path.isdir(path):
            raise InvalidInput(f"cannot write {path}: it is a directory", "name a file in it")
        with open(path, "wb") as file:  # a device or a pipe
            yield file
        return
    partial = f"{path}.partial-{os.getpid()}"
    try:
        with open(partial, "xb") as file:
            yield file
        os.replace(partial, path)
    except BaseException as error:
        if os.path.exists(partial):
            os.unlink(partial)
        if isinstance(error, OSError) and error.filename == partial:
            raise InvalidInput(f"cannot write {path}: {error.strerror}", "name another place") from error
        raise
