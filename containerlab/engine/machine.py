"""Machine: a handle on one virtual machine, with the verbs that need no name."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Unpack

from containerlab import units
from containerlab.backends.base import ExitStatus, Sink
from containerlab.backends.machine import Boot, MachineInfo, MachineSample
from containerlab.engine.machine_result import accelerated
from containerlab.errors import NotFound
from containerlab.options.machine import VmExecOptions, VmLogOptions, VmRemoveOptions
from containerlab.options.verbs import KillOptions, StopOptions, WaitOptions
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.engine.logs import Logs
    from containerlab.engine.machines import Machines, Snapshot
    from containerlab.engine.result import RunResult

__all__ = ["Machine"]


class Machine(html.Shown):
    """A virtual machine; `info` is how it was when last looked at, `reload` looks again.

        with lab.machines.start("lab/base", ["sleep", "60"], tier="microvm") as machine:
            machine.exec(["uname", "-r"]).stdout

    As a context manager it is powered off and removed at the end.
    """

    def __init__(self, machines: Machines, info: MachineInfo) -> None:
        self._machines = machines
        self.info = info

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def status(self) -> str:
        """created, booting, running, paused, restarting, exited or dead, when last looked at."""
        return self.info.status

    @property
    def pid(self) -> int:
        """QEMU's process on the host; 0 when it does not run."""
        return self.info.pid

    @property
    def boot(self) -> Boot:
        """How it came up: tier, accelerator, kernel, seconds."""
        return self.info.boot

    @property
    def ports(self) -> tuple[str, ...]:
        """Its ports that are published, as 127.0.0.1:8080:80/tcp."""
        return tuple(self.info.detail.get("ports", ()))

    def reload(self) -> Machine:
        """Look again."""
        self.info = self._machines.info(self.id)
        return self

    def exec(
        self,
        command: str | list[str] | tuple[str, ...],
        *,
        input: bytes | str | io.BufferedIOBase | None = None,
        sink: Sink | None = None,
        **options: Unpack[VmExecOptions],
    ) -> RunResult:
        """Run another program in it, wait for it, return what it did."""
        return self._machines.exec(self.id, command, input=input, sink=sink, **options)

    def start(self) -> Machine:
        """Boot it (again)."""
        self._machines.resume(self.id)
        return self.reload()

    def stop(self, **options: Unpack[StopOptions]) -> Machine:
        """Ask its program to end; power it off when it has not after the timeout."""
        self._machines.stop(self.id, **options)
        return self.reload()

    def kill(self, **options: Unpack[KillOptions]) -> Machine:
        """Take its power away, or send its program a signal."""
        self._machines.kill(self.id, **options)
        return self.reload()

    def pause(self) -> Machine:
        """Hold its processors."""
        self._machines.pause(self.id)
        return self.reload()

    def unpause(self) -> Machine:
        """Let its processors go on."""
        self._machines.unpause(self.id)
        return self.reload()

    def snapshot(self) -> Snapshot:
        """Save its memory and devices to a file."""
        return self._machines.snapshot(self.id)

    def wait(self, **options: Unpack[WaitOptions]) -> ExitStatus:
        """Wait for its end and say how it ended."""
        return self._machines.wait_status(self.id, **options)

    def logs(self, **options: Unpack[VmLogOptions]) -> Logs | bytes:
        """Return what its program printed; with `console` what its kernel did."""
        return self._machines.logs(self.id, **options)

    def stats(self) -> MachineSample:
        """Measure it once, from the host and from inside."""
        return self._machines.sample(self.id)

    def inspect(self) -> dict[str, Any]:
        """Return all that is known about it."""
        return self._machines.inspect(self.id).documents[0]

    def remove(self, **options: Unpack[VmRemoveOptions]) -> None:
        """Remove it; it must have ended unless `force`."""
        self._machines.remove(self.id, **options)

    def __enter__(self) -> Machine:
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
        kind = " · ".join(filter(None, (f"vm {self.boot.tier}", accelerated(self.boot.accelerator))))
        age = units.format_age(self.info.created)
        return f"{self.name} · {self.id[:12]} · {self.info.image} · {kind} · {state} · created {age}"

    def __repr__(self) -> str:
        return f"<Machine {self.name} {self.status}>"
