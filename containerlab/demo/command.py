"""`conlab demo [DIRECTORY]`."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab.errors import InvalidInput

__all__ = ["main"]

USAGE = """Usage: conlab demo [DIRECTORY]

Make an image of this machine's programs, run containers under limits, and write what happened, with pictures,
to DIRECTORY/report.html (DIRECTORY: demo)."""


def main(words: Sequence[str] = ()) -> int:
    """Play the demo and say where its page is.

    Raises: InvalidInput for anything but one directory.
    """
    if {"-h", "--help"} & set(words):
        print(USAGE)
        return 0
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise InvalidInput(
            f"the demo takes one directory, not {' '.join(words)!r}", "write: conlab demo [DIRECTORY]"
        )
    from containerlab.demo.play import play
    from containerlab.engine.engine import Engine

    with Engine() as engine:
        print(play(engine, words[0] if words else "demo"))
    return 0
