"""A session: somebody attached to a process by way of its monitor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from containerlab.backends.base import ContainerInfo, ExitStatus, Sink, Usage
from containerlab.runtime import wire
from containerlab.runtime.lifecycle import Connection

__all__ = ["EmbeddedSession", "status_of"]


class EmbeddedSession:
    """Implements `base.Session` over a connection to a monitor."""

    def __init__(
        self,
        info: ContainerInfo,
        connection: Connection,
        on_signal: Callable[[int], None],
        lost: Callable[[], ExitStatus],
    ) -> None:
        self.info = info
        self._connection = connection
        self._on_signal = on_signal
        self._lost = lost

    def pump(self, sink: Sink, timeout_s: float | None = None) -> ExitStatus | None:
        """Hand output on until the process has ended."""
        if not self._connection.pump(sink, timeout_s):
            return None
        state = self._connection.state
        self._connection.close()
        return status_of(state) if state and state["status"] != "running" else self._lost()

    def write(self, data: bytes) -> None:
        """Send to standard input, in frames that the monitor takes."""
        for start in range(0, len(data), wire.MOST_BYTES // 4):
            self._connection.send(wire.STDIN, data[start : start + wire.MOST_BYTES // 4])

    def close_stdin(self) -> None:
        """End standard input."""
        self._connection.send(wire.CLOSE_STDIN)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal's size."""
        self._connection.send(wire.RESIZE, rows.to_bytes(2, "big") + columns.to_bytes(2, "big"))

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._on_signal(number)

    def detach(self) -> None:
        """Let go."""
        self._connection.send(wire.DETACH)
        self._connection.close()


def status_of(state: dict[str, Any]) -> ExitStatus:
    """Return how a process ended, from its monitor's words."""
    return ExitStatus(
        exit_code=125 if state.get("exit_code") is None else state["exit_code"],
        oom_killed=state.get("oom_killed", False),
        started_at=state.get("started_at", 0.0),
        finished_at=state.get("finished_at", 0.0),
        usage=Usage(
            cpu_s=state.get("cpu_s", 0.0),
            peak_memory_bytes=state.get("peak_memory_bytes"),
            throttled_s=state.get("throttled_s", 0.0),
            source=state.get("usage_source") or "cgroup",
        ),
        error=state.get("error", ""),
    )
