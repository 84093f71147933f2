"""Hide known values in a stream of output, however it is cut into chunks."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from containerlab.build.secrecy import disguises

__all__ = ["LEAST_BYTES", "MASK", "Masker"]

MASK = b"***"
LEAST_BYTES = 4
"""Shorter values are not hidden: they are in every log by chance, and the gaps would tell them."""
_LEAST_LINE_BYTES = 8
"""Shorter lines of a value are not hidden by themselves: they are words such as `{` or `default`."""
_MOST_LINES = 512
"""Of a value with more lines, lines by themselves are not hidden, only the secret parts."""


class Masker:
    """Replaces secret values in a stream by `***`; values that touch or overlap become one `***`.

    Hidden are the values, the secret parts of files of settings, and both in base64, hex, URL and JSON
    encoding. No more is held back than what may be the beginning of a value, at most 4 KiB.

    >>> masker = Masker([b"sesame"])
    >>> masker.feed(b"open ses"), masker.feed(b"ame!"), masker.flush()
    (b'open ', b'***!', b'')
    """

    def __init__(self, values: Iterable[bytes]) -> None:
        self._needles = tuple({each for value in values for each in _needles(value)})
        self._held = b""
        self._hidden = -1
        """Where what was hidden last ends, counted from the first byte held; negative when it has passed."""

    def another(self) -> Masker:
        """Return a masker of the same values for another stream."""
        masker = Masker(())
        masker._needles = self._needles
        return masker

    def feed(self, chunk: bytes) -> bytes:
        """Take output and return what of it can be shown now."""
        if not self._needles:
            return chunk
        data = self._held + chunk
        return self._show(data, self._undecided(data))

    def flush(self) -> bytes:
        """End the stream: return what was held back."""
        shown = self._show(self._held, len(self._held))
        self._hidden = -1
        return shown

    def mask(self, text: str) -> str:
        """Hide the values in a text that is whole: a message, the name of a step."""
        masker = self.another()
        return (masker.feed(text.encode(errors="surrogateescape")) + masker.flush()).decode(
            errors="surrogateescape"
        )

    def _show(self, data: bytes, end: int) -> bytes:
        """Return the first `end` bytes, masked; all occurrences that begin there are whole."""
        shown = []
        for start, stop in self._found(data, end):
            if start > self._hidden:
                shown += [data[max(self._hidden, 0) : start], MASK]
            self._hidden = max(self._hidden, stop)
        shown.append(data[max(self._hidden, 0) : end])
        self._held = data[end:]
        self._hidden = max(self._hidden - end, -1)
        return b"".join(shown)

    def _found(self, data: bytes, end: int) -> list[tuple[int, int]]:
        """Return where values begin and stop, of those that begin before `end`."""
        return sorted(
            (start, start + len(needle))
            for needle in self._needles
            for start in _occurrences(data, needle, end)
        )

    def _undecided(self, data: bytes) -> int:
        """Return where the longest end of the data begins that may be the beginning of a value."""
        return min((_beginning(data, needle) for needle in self._needles), default=len(data))


def _needles(value: bytes) -> Iterator[bytes]:
    for form in disguises.needles(value, LEAST_BYTES):
        yield form.data
    value = value.strip()
    if len(value) >= LEAST_BYTES:
        for whole in (value, value + b"\n"):  # with the last characters, that other forms leave out
            yield from (base64.b64encode(whole), base64.urlsafe_b64encode(whole))
    for at in range(disguises.MOST_BYTES, len(value), disguises.MOST_BYTES):  # the rest of a long value
        yield value[at : at + disguises.MOST_BYTES]
    lines = value.splitlines()
    for line in lines if len(lines) <= _MOST_LINES else ():
        if len(line.strip()) >= _LEAST_LINE_BYTES:
            yield line.strip()[: disguises.MOST_BYTES]


def _occurrences(data: bytes, needle: bytes, end: int) -> Iterator[int]:
    """Yield where a needle begins before `end`, overlapping ones too."""
    stop = end + len(needle) - 1
    at = data.find(needle, 0, stop)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1, stop)


def _beginning(data: bytes, needle: bytes) -> int:
    """Return where the longest end of `data` begins that is a part, not all, of the needle's beginning."""
    at = data.find(needle[:1], max(0, len(data) - len(needle) + 1))
    while at >= 0:
        if needle.startswith(data[at:]):
            return at
        at = data.find(needle[:1], at + 1)
    return len(data)
