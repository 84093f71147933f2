"""One program in a container, from its start to its result, and what happens when somebody stops it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from containerlab import units
from containerlab.backends.base import ExitStatus, Session, Sink
from containerlab.engine import attach
from containerlab.engine.result import Interrupted, Output, RunResult
from containerlab.errors import LabError, TimedOut

__all__ = ["Ending", "Program", "supervise"]

_GRACE_S = 3.0
"""Time between the stop signal and the kill after an interrupt, when no stop timeout was given."""
_KILL_S = 10.0
"""How long a killed program may take to be gone: it may hang in the kernel."""


class Program:
    """Follows a session, keeps its output, hands it on to a sink, and ends it in order when asked."""

    def __init__(
        self, session: Session, sink: Sink | None, source: attach.Input | None, started: float
    ) -> None:
        self.session = session
        self.output = Output()
        self.started = started
        self._sink = sink
        self._source = source

    def take(self, stream: str, chunk: bytes) -> None:
        """Keep output and hand it on."""
        self.output.take(stream, chunk)
        if self._sink is not None:
            self._sink(stream, chunk)

    def follow(self, timeout_s: float | None = None) -> ExitStatus:
        """Wait for the end."""
        return attach.follow(self.session, self.take, self._source, timeout_s)

    def end(self, ending: Ending) -> tuple[ExitStatus | None, str]:
        """Send its signal, then KILL after the grace or at a second interrupt; say how it ended, by what."""
        try:
            self._signal(ending.signal)
            status = self.session.pump(self.take, None if ending.grace_s < 0 else ending.grace_s)
        except KeyboardInterrupt:
            status = None
        if status is not None:
            return status, units.signal_name(ending.signal)
        self._signal(signal.SIGKILL)
        return self.session.pump(self.take, _KILL_S), "SIGKILL"

    def _signal(self, number: int) -> None:
        try:
            self.session.signal(number)
        except (LabError, OSError):
            # It has just ended by itself; the pump will tell how.
            return

    def result(self, status: ExitStatus, **facts: Any) -> RunResult:
        """Put together what is known at the end."""
        return RunResult(
            exit_code=status.exit_code,
            pieces=self.output.joined(),
            wall_s=time.monotonic() - self.started,
            started_at=status.started_at,
            finished_at=status.finished_at,
            usage=status.usage,
            oom_killed=status.oom_killed,
            is_truncated=self.output.is_truncated,
            **facts,
        )


class Ending:
    """How a program is to be stopped: its signal, its grace, how long it may run, what is left then."""

    def __init__(self, options: Mapping[str, Any], default_signal: int, aftermath: str) -> None:
        self.aftermath = aftermath
        self.signal: int = options.get("stop_signal", default_signal)
        self.grace_s: float = options.get("stop_timeout", _GRACE_S)
        self.timeout_s: float | None = options.get("timeout")


def supervise(program: Program, ending: Ending, finish: Callable[[ExitStatus], RunResult]) -> RunResult:
    """Follow a program to its end; stop it in order when it is interrupted or takes too long.

    `finish` is called once, after the program has ended, whichever way.
    Raises: Interrupted, TimedOut.
    """
    try:
        status = program.follow(ending.timeout_s)
    except KeyboardInterrupt:
        ended, by = program.end(ending)
        result = finish(ended) if ended else None
        raise Interrupted(_told("stopped", program, ended, by), ending.aftermath, result) from None
    except TimedOut as error:
        ended, by = program.end(ending)
        if ended:
            finish(ended)
        raise TimedOut(_told("it took too long: stopped", program, ended, by), "raise --timeout") from error
    return finish(status)


def _told(what: str, program: Program, status: ExitStatus | None, by: str) -> str:
    after = units.format_seconds(time.monotonic() - program.started)
    return f"{what} after {after} ({by}, {'still there' if status is None else f'exit {status.exit_code}'})"
