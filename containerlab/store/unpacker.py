"""The process that unpacks a layer: tar on standard input, one line of result on standard output."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence

from containerlab import errors
from containerlab.linux import syscalls
from containerlab.store import ownership
from containerlab.store.unpack import Limits, Report, unpack

__all__ = ["limits_to_words", "main", "parse"]

_OK = "done"


def main(words: Sequence[str]) -> int:
    """Unpack to a directory and on to the medium: `layer|plain DIRECTORY LIMIT…`.

    A layer's deletions are noted as overlayfs does; in a plain archive their names are as others.
    """
    kind, directory, *limits = words
    os.umask(0)
    gc.disable()  # nothing here makes cycles, and every entry would be looked at again and again
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        report = unpack(
            lambda count: os.read(0, count),
            root,
            Limits(*map(int, limits)),
            whiteouts=kind == "layer",
            notes_owners=ownership.has_single_id(),
        )
        # All files at once; by fsync it would be a flush of the disk for each.
        syscalls.syncfs(root)
        answer = [_OK, str(report.entries), str(report.total_bytes), *report.notices]
    except errors.LabError as error:
        answer = [type(error).__name__, error.message, error.hint]
    except OSError as error:
        answer = ["OSError", str(error.errno), str(error.filename or "")]
    os.write(1, "\t".join(answer).encode())
    return 0


def limits_to_words(limits: Limits) -> list[str]:
    """Return what `main` takes after the directory."""
    return [str(limit) for limit in limits]


def parse(answer: bytes) -> Report:
    """Return what `main` reported.

    Raises: what it met with; Unavailable when it said nothing because somebody killed it.
    """
    kind, *words = answer.decode().split("\t")
    if kind == _OK:
        return Report(int(words[0]), int(words[1]), tuple(words[2:]))
    if kind == "OSError":
        raise OSError(int(words[0]), os.strerror(int(words[0])), words[1])
    if not kind:
        raise errors.Unavailable("the process that unpacks a layer was killed", "try again")
    failure: errors.LabError = getattr(errors, kind)(*words)
    raise failure
