"""What a step writes, made lines that can be shown: no control sequences, no endless lines."""

from __future__ import annotations

import codecs
import re
from collections import deque

__all__ = ["Log", "clean"]

_KEPT_LINES = 40
_LONGEST_LINE = 4096
"""Characters after which a line is ended for it."""
_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, moves of the cursor
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC, DCS and other strings
    r"|[ -/]*[0-~])"
)
"""Control sequences. Source: ECMA-48, 5.4 and 5.6."""


def clean(line: str) -> str:
    r"""Return what a line looks like in the end: without control sequences, after its last return.

    >>> clean("10 %\r\x1b[32m100 %\x1b[0m")
    '100 %'
    """
    plain = _SEQUENCES.sub("", line) if "\x1b" in line else line
    shown = plain.rstrip("\r").rpartition("\r")[2].expandtabs()
    return shown if shown.isprintable() else "".join(each for each in shown if each.isprintable())


class Log:
    """Makes lines of what arrives in pieces, and keeps the last ones."""

    def __init__(self) -> None:
        new_decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": new_decoder("replace"), "stderr": new_decoder("replace")}
        self._open = dict.fromkeys(self._decoders, "")
        self.last: deque[str] = deque(maxlen=_KEPT_LINES)

    def feed(self, stream: str, data: bytes) -> list[str]:
        """Take a piece; return the lines that are whole now."""
        text = self._open[stream] + self._decoders[stream].decode(data)
        *lines, rest = text.split("\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest[:_LONGEST_LINE]], ""
        self._open[stream] = rest
        return self._keep(lines)

    def end(self) -> list[str]:
        """Return what was written without a newline at its end."""
        lines = [rest for rest in self._open.values() if rest]
        self._open = dict.fromkeys(self._open, "")
        return self._keep(lines)

    def tail(self, count: int) -> list[str]:
        """Return the last lines, one that goes on among them."""
        going_on = [clean(rest) for rest in self._open.values() if rest]
        return [*self.last, *going_on][-count:] if count > 0 else []

    def _keep(self, lines: list[str]) -> list[str]:
        cleaned = [clean(line) for line in lines]
        self.last.extend(cleaned)
        return cleaned
