"""What a run gives back: how it ended, what it printed, what it used."""

from __future__ import annotations

from typing import Any

import msgspec

from containerlab import units
from containerlab.backends.base import StepInfo, Usage
from containerlab.errors import ContainerFailed
from containerlab.views import html

__all__ = ["Interrupted", "Output", "RunResult"]

KEPT_BYTES = 64 << 20
"""Most output of each stream that is held in memory; the container's log on disk has all of it."""


_PIECE_BYTES = 128
"""What a piece costs beside its bytes: a program may change streams with every byte."""


class Output:
    """Collects what arrives from a session, up to a limit for each stream."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.is_truncated = False
        self._pieces: list[tuple[str, bytearray]] = []
        self._room = dict.fromkeys(("stdout", "stderr"), kept_bytes + _PIECE_BYTES)

    def take(self, stream: str, chunk: bytes) -> None:
        """Keep a chunk, or what there is room for."""
        if not self._pieces or self._pieces[-1][0] != stream:
            self._room[stream] -= _PIECE_BYTES
            if self._room[stream] > 0:
                self._pieces.append((stream, bytearray()))
        kept = chunk[: max(0, self._room[stream])]
        self._room[stream] -= len(kept)
        self.is_truncated |= len(kept) < len(chunk)
        if kept:
            self._pieces[-1][1].extend(kept)

    def joined(self) -> tuple[tuple[str, bytes], ...]:
        """Return the pieces in order of arrival, neighbours of one stream made one."""
        return tuple((stream, bytes(piece)) for stream, piece in self._pieces)


class RunResult(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """How a program in a container ended, what it printed, and what the container used.

    >>> result = RunResult(exit_code=0, pieces=(("stdout", b"hi\\n"),), wall_s=0.012)
    >>> result.stdout, result
    ('hi\\n', exit 0 · 12 ms)
    """

    exit_code: int
    """As Docker's: the program's own, 128 + signal, 126 or 127 when it could not be executed."""
    pieces: tuple[tuple[str, bytes], ...] = ()
    """(stream, bytes) in the order in which they arrived."""
    id: str = ""
    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    wall_s: float = 0.0
    """From the call to the end of the program, set-up included."""
    started_at: float = 0.0
    finished_at: float = 0.0
    usage: Usage = Usage()
    memory_limit_bytes: int | None = None
    oom_killed: bool = False
    is_truncated: bool = False
    """Whether it printed more than is held here; the container's log has all of it."""
    notices: tuple[str, ...] = ()
    """What was asked and could not be given, a sentence each."""
    steps: tuple[StepInfo, ...] = ()
    """What was done to set the container up, if it was asked with `explain`."""

    @property
    def stdout_bytes(self) -> bytes:
        return b"".join(chunk for stream, chunk in self.pieces if stream == "stdout")

    @property
    def stderr_bytes(self) -> bytes:
        return b"".join(chunk for stream, chunk in self.pieces if stream == "stderr")

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode(errors="replace")

    @property
    def output(self) -> str:
        """Both streams as text, in the order in which they arrived."""
        return b"".join(chunk for _, chunk in self.pieces).decode(errors="replace")

    @property
    def cpu_s(self) -> float:
        return self.usage.cpu_s

    @property
    def peak_memory_bytes(self) -> int | None:
        return self.usage.peak_memory_bytes

    @property
    def throttled_s(self) -> float:
        return self.usage.throttled_s

    def check(self) -> RunResult:
        """Return this result if the exit code is 0.

        Raises: ContainerFailed otherwise.
        """
        if self.exit_code == 0:
            return self
        what = " ".join(self.command) or self.image
        why = "killed: it ran out of memory" if self.oom_killed else self._last_words()
        raise ContainerFailed(f"{what!r} ended with exit code {self.exit_code}", why, result=self)

    def _last_words(self) -> str:
        lines = self.stderr_bytes[-2000:].decode(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")

    def card(self) -> list[str]:
        """Return the facts that matter, most important first."""
        facts = [f"exit {self.exit_code}", *(["out of memory"] if self.oom_killed else [])]
        facts.append(units.format_seconds(self.wall_s))
        if self.peak_memory_bytes is not None:
            limit = f" of {units.format_size(self.memory_limit_bytes)}" if self.memory_limit_bytes else ""
            facts.append(f"peak {units.format_size(self.peak_memory_bytes)}{limit}")
        if self.cpu_s:
            facts.append(f"cpu {units.format_seconds(self.cpu_s)}")
        if self.throttled_s:
            facts.append(f"throttled {units.format_seconds(self.throttled_s)}")
        if self.is_truncated:
            facts.append("output cut")
        return facts

    def to_text(self) -> str:
        return "\n".join([" · ".join(self.card()), *(f"not enforced: {notice}" for notice in self.notices)])

    def to_html(self) -> str:
        first, *rest = self.card()
        facts = " · ".join([f"<b>{html.text(first)}</b>", *map(html.text, rest)])
        title = " ".join((self.name, self.image, *self.command))
        notices = "".join(html.line(f"not enforced: {html.text(notice)}") for notice in self.notices)
        return html.line(html.mark(self.exit_code == 0) + facts, title) + notices

    def to_record(self) -> dict[str, Any]:
        """Return plain values, output as text."""
        plain = {name: getattr(self, name) for name in self.__struct_fields__ if name != "pieces"}
        record: dict[str, Any] = msgspec.to_builtins(plain)
        return {**record, "stdout": self.stdout, "stderr": self.stderr}

    def __repr__(self) -> str:
        return self.to_text()


class Interrupted(KeyboardInterrupt):
    """The stop button was pressed: the program was asked to end, and was ended; `result` says how.

    exit_code: the program's, or what ends a command that ran none.
    """

    def __init__(
        self, message: str, hint: str = "", result: RunResult | None = None, exit_code: int = 130
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.result = result
        self.exit_code = result.exit_code if result else exit_code

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self.message}", *([f"  {self.hint}"] if self.hint else [])]
