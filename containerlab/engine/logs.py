"""Logs: what a container printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from containerlab.backends.base import ContainerInfo, LogLine
from containerlab.errors import Conflict
from containerlab.views import html

__all__ = ["Logs", "require_kept"]

_SHOWN_LINES = 500


class Logs(html.Shown):
    """Lines of a log; reading starts anew with each iteration.

    for line in container.logs(follow=True):
        print(line.stream, line.text)
    """

    def __init__(
        self, read: Callable[[], Iterator[LogLine]], *, with_times: bool = False, follows: bool = False
    ) -> None:
        self._read = read
        self.with_times = with_times
        self.follows = follows

    def __iter__(self) -> Iterator[LogLine]:
        return self._read()

    @property
    def stdout(self) -> str:
        return self._joined("stdout")

    @property
    def stderr(self) -> str:
        return self._joined("stderr")

    def _joined(self, *streams: str) -> str:
        return b"".join(_text(line) for line in self if line.stream in streams).decode(errors="replace")

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """Return (stream, bytes) as a terminal shows them, with times if they were asked for."""
        begins = {"stdout": True, "stderr": True}
        for line in self:
            stamp = timestamp(line.time).encode() + b" " if self.with_times and begins[line.stream] else b""
            begins[line.stream] = not line.partial
            yield line.stream, stamp + _text(line)

    def to_text(self) -> str:
        lines = b"".join(text for _, text in self.pieces()).decode(errors="replace").splitlines()
        hidden = len(lines) - _SHOWN_LINES
        head = [f"… {hidden} lines before; `.stdout` has all"] if hidden > 0 else []
        return "\n".join(head + lines[-_SHOWN_LINES:])

    def to_html(self) -> str:
        return html.pre(self.to_text())

    def __repr__(self) -> str:
        return self.to_text()


def require_kept(info: ContainerInfo) -> None:
    """Raise Conflict for a container whose output is not kept."""
    if info.detail.get("options", {}).get("log_driver") == "none":
        raise Conflict(f"the output of {info.name} is not kept", "make it without --log-driver none")


def _text(line: LogLine) -> bytes:
    return line.text if line.partial or line.text.endswith(b"\n") else line.text + b"\n"


def timestamp(moment_s: float) -> str:
    """Write a moment as RFC 3339 with nanoseconds, as Docker does.

    >>> timestamp(1.5)
    '1970-01-01T00:00:01.500000000Z'
    """
    whole = datetime.fromtimestamp(int(moment_s), UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{round(moment_s % 1 * 1e9):09}Z"
