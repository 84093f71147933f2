"""Container: a handle on one container, with the verbs that need no name."""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING, Any, Unpack

from containerlab import units
from containerlab.backends.base import ContainerInfo, DiskSize, ExitStatus, Sink
from containerlab.errors import Conflict, NotFound, TimedOut
from containerlab.options.container import ExecOptions, UpdateOptions
from containerlab.options.flag import normalise
from containerlab.options.verbs import KillOptions, LogOptions, RemoveOptions, StopOptions, WaitOptions
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.backends.base import Change, Process
    from containerlab.engine.containers import Containers
    from containerlab.engine.logs import Logs
    from containerlab.engine.result import RunResult
    from containerlab.metrics.sample import Sample
    from containerlab.views.table import Table

__all__ = ["Container"]

_POLL_S = 0.02


class Container(html.Shown):
    """A container; `info` is how it was when last looked at, `reload` looks again.

        with lab.start("lab/base", ["sleep", "60"]) as container:
            container.exec(["hostname"]).stdout

    As a context manager it is removed at the end, running or not.
    """

    def __init__(self, containers: Containers, info: ContainerInfo, size: DiskSize | None = None) -> None:
        self._containers = containers
        self.info = info
        self.size = size
        """What it takes on disk, where that was asked for."""

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def status(self) -> str:
        """created, running, paused, restarting, exited or dead, when last looked at."""
        return self.info.status

    @property
    def pid(self) -> int:
        """Its first process on the host; 0 when it does not run."""
        return self.info.pid

    def reload(self) -> Container:
        """Look again."""
        self.info = self._containers.info(self.id)
        return self

    def exec(
        self,
        command: str | list[str] | tuple[str, ...],
        *,
        input: bytes | str | io.BufferedIOBase | None = None,
        sink: Sink | None = None,
        **options: Unpack[ExecOptions],
    ) -> RunResult:
        """Run another program in it, wait for it, return what it did."""
        return self._containers.exec(self.id, command, input=input, sink=sink, **options)

    def start(self) -> Container:
        """Start it (again)."""
        self._containers.resume(self.id)
        return self.reload()

    def stop(self, **options: Unpack[StopOptions]) -> Container:
        """Ask it to end; kill it when it has not after the timeout."""
        self._containers.stop(self.id, **options)
        return self.reload()

    def kill(self, **options: Unpack[KillOptions]) -> Container:
        """Send its first process a signal, KILL if not said."""
        self._containers.kill(self.id, **options)
        return self

    def restart(self, **options: Unpack[StopOptions]) -> Container:
        """Stop it and start it again."""
        self._containers.restart(self.id, **options)
        return self.reload()

    def pause(self) -> Container:
        """Hold all its processes."""
        self._containers.pause(self.id)
        return self.reload()

    def unpause(self) -> Container:
        """Let its processes go on."""
        self._containers.unpause(self.id)
        return self.reload()

    def wait(self, **options: Unpack[WaitOptions]) -> ExitStatus:
        """Wait for its end and say how it ended."""
        return self._containers.wait_status(self.id, **options)

    @property
    def health(self) -> str:
        """starting, healthy or unhealthy, when last looked at; empty when it is not checked."""
        return self.info.health

    def wait_healthy(self, **options: Unpack[WaitOptions]) -> Container:
        """Wait until its health check succeeds.

        Raises: TimedOut; Conflict when it has no check, has ended or has become unhealthy.
        """
        timeout_s = normalise(WaitOptions, options).get("timeout", math.inf)
        deadline = time.monotonic() + timeout_s
        while self.reload().health != "healthy":
            if why := self._why_never_healthy():
                raise Conflict(f"container {self.name} {why}", self._last_check())
            if time.monotonic() >= deadline:
                raise TimedOut(f"container {self.name} is not healthy after {timeout_s:g} s")
            time.sleep(_POLL_S)
        return self

    def _why_never_healthy(self) -> str:
        if self.status not in ("running", "paused", "restarting"):
            return f"does not run: it is {self.status}"
        if not self.health:
            return "has no health check"
        return "is unhealthy" if self.health == "unhealthy" and self.status == "running" else ""

    def _last_check(self) -> str:
        log = self.info.detail.get("health", {}).get("log", ())
        return f"its last check said: {log[-1]['output'].strip()}" if log else ""

    def rename(self, new_name: str) -> Container:
        """Give it another name."""
        self._containers.rename(self.id, new_name)
        return self.reload()

    def update(self, **options: Unpack[UpdateOptions]) -> Container:
        """Change its limits, running or not."""
        self._containers.update(self.id, **options)
        return self.reload()

    def remove(self, **options: Unpack[RemoveOptions]) -> None:
        """Remove it; it must have ended unless `force`."""
        self._containers.remove(self.id, **options)

    def logs(self, **options: Unpack[LogOptions]) -> Logs:
        """Return what it printed."""
        return self._containers.logs(self.id, **options)

    def stats(self) -> Sample:
        """Measure it once."""
        return self._containers.sample(self.id)

    def top(self) -> Table[Process]:
        """List its processes."""
        return self._containers.top(self.id)

    def diff(self) -> Table[Change]:
        """List the paths it changed."""
        return self._containers.diff(self.id)

    def inspect(self) -> dict[str, Any]:
        """Return all that is known about it, laid out as Docker does."""
        return self._containers.inspect(self.id).documents[0]

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.remove(force=True)
        except NotFound:
            return

    def to_text(self) -> str:
        state = self.status
        if self.info.exit_code is not None and self.status == "exited":
            state += f" ({self.info.exit_code})"
        age = units.format_age(self.info.created)
        return f"{self.name} · {self.id[:12]} · {self.info.image} · {state} · created {age}"

    def __repr__(self) -> str:
        return f"<Container {self.name} {self.status}>"
