"""The verbs of virtual machines. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Unpack, cast

from containerlab.backends.base import ExitStatus, Pruned, Sink, StepInfo
from containerlab.backends.machine import (
    KernelInfo,
    MachineBackend,
    MachineInfo,
    MachineSample,
    MachineSession,
    Virtual,
)
from containerlab.commands.table import Args, Argument, ImageName, Instead, command
from containerlab.engine import attach, filters, prepare
from containerlab.engine.containers import Given, OnSession, words_of
from containerlab.engine.logs import Logs
from containerlab.engine.machine import Machine
from containerlab.engine.machine_result import VmResult
from containerlab.engine.result import RunResult
from containerlab.engine.running import Ending, Program, supervise
from containerlab.errors import LabError, NotFound, Unsupported
from containerlab.options import verbs
from containerlab.options.flag import normalise
from containerlab.options.machine import (
    VmCreateOptions,
    VmExecOptions,
    VmListOptions,
    VmLogOptions,
    VmPruneOptions,
    VmRemoveOptions,
    VmRunOptions,
    VmStatsOptions,
)

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.inspection import Inspection
    from containerlab.engine.machine_stats import Measured
    from containerlab.views.table import Table

__all__ = ["Machines"]

MachineName = Annotated[str, Argument("MACHINE", "machine")]
Suite = Annotated[str, Argument("SUITE")]
KernelName = Annotated[str, Argument("RELEASE", "kernel")]

_DETACH = Instead("-d --detach", "start", "Run in the background, show the id")
_DRY_RUN = Instead("--dry-run", "plan", "Show the steps and QEMU's command line; do nothing")
_EXEC_DETACH = Instead("-d --detach", "exec_detached", "Run in the background")
_ATTACHED = Instead("-a --attach", "resume_attached", "Show its output and wait for its end")


class Machines:
    """The virtual machines of an engine: any image, booted.

    lab.machines.run("lab/base", ["uname", "-r"], tier="microvm", rm=True).stdout
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _machines(self) -> MachineBackend:
        backend = self._engine.backend
        if not isinstance(backend, Virtual):
            raise Unsupported(f"the {backend.name} backend has no virtual machines", "use the embedded one")
        return backend.machines

    # making and running

    @command("vm run", instead={"detach": _DETACH, "dry_run": _DRY_RUN})
    def run(
        self,
        image: ImageName,
        command: Args = (),
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[VmRunOptions],
    ) -> VmResult:
        """Boot an image as a virtual machine, run its program, return what it did.

        Output is handed on while it runs (in Python: to `sink`) and kept in the result. The machine ends with
        its program, and its record stays unless --rm is given. An interrupt stops it in order: the program's
        stop signal, then the power.
        """
        started = time.monotonic()
        self._engine.warm_up()
        machine, own = prepare.prepare_machine(options)
        if input is not None:
            machine["interactive"] = True
        steps = self._announced(image, command, machine, sink) if own.get("explain") else ()
        first = _FirstOutput(sink)

        def finish(status: ExitStatus) -> RunResult:
            return _result(program, session, status, first, steps)

        with self._made(image, command, machine, own, ephemeral=True) as id_:
            session = self._machines.start_attached(id_, started)
            program = Program(session, first.take, attach.source_of(input), started)
            if on_session:
                on_session(session)
        result = cast(VmResult, supervise(program, _ending(session.info, {**machine, **own}), finish))
        if own.get("check"):
            result.check()
        return result

    def start(self, image: ImageName, command: Args = (), **options: Unpack[VmRunOptions]) -> Machine:
        """Boot an image in the background; return when its program runs."""
        self._engine.warm_up()
        machine, own = prepare.prepare_machine(options)
        with self._made(image, command, machine, own, ephemeral=True) as id_:
            before = self._machines.inspect(id_) if machine.get("rm") else None
            self._machines.start(id_)
            try:
                return Machine(self, self._machines.inspect(id_))
            except NotFound:
                if before is None:
                    raise
                return Machine(self, before)  # a quick program is gone with its machine already

    @command("vm create")
    def create(self, image: ImageName, command: Args = (), **options: Unpack[VmCreateOptions]) -> Machine:
        """Make a virtual machine without starting it."""
        machine, own = prepare.prepare_machine(options)
        with self._made(image, command, machine, own) as id_:
            return self.get(id_)

    def plan(self, image: ImageName, command: Args = (), **options: Unpack[VmRunOptions]) -> Table[StepInfo]:
        """Return the steps that `run` would take, QEMU's command line among them; no machine is made."""
        from containerlab.engine.columns import STEPS
        from containerlab.views.table import Table

        machine, _ = prepare.prepare_machine(options)
        steps = self._machines.explain(image, words_of(command), machine)
        return Table(steps, STEPS, "ID stands for the machine's id, HOME for the engine's home")

    def _announced(
        self, image: str, command: Sequence[str], options: VmRunOptions, sink: Sink | None
    ) -> tuple[StepInfo, ...]:
        steps = self.plan(image, command, **options)
        if sink is not None:
            sink("stderr", (steps.to_text() + "\n").encode())
        return tuple(steps.rows)

    @contextmanager
    def _made(
        self,
        image: str,
        command: Sequence[str],
        options: VmRunOptions,
        own: dict[str, Any],
        *,
        ephemeral: bool = False,
    ) -> Iterator[str]:
        """Make a machine and give its id; remove it when what is done with it fails or is interrupted."""
        id_ = ""

        def create() -> None:
            nonlocal id_
            with self._engine.showing(f"prepare a machine of {image}") as say:
                id_ = self._machines.create(image, words_of(command), options, ephemeral=ephemeral, say=say)

        platform = options.get("platform")
        try:
            if own.get("pull") in ("always", "newer"):
                self._engine.images.renew(image, own, platform)
            try:
                create()
            except NotFound as missing:
                self._engine.images.provide(image, missing, own, platform)
                create()
            yield id_
        except BaseException:
            with suppress(NotFound):  # with --rm its monitor may be faster
                if id_:
                    self._machines.remove(id_, force=True)
            raise

    @command("vm start", each=True, instead={"attach": _ATTACHED})
    def resume(self, name: MachineName, **options: Unpack[verbs.ResumeOptions]) -> str:
        """Boot a machine that was made or has ended. It begins anew: what it wrote is gone."""
        self._machines.start(name)
        return name

    def resume_attached(
        self,
        name: MachineName,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[verbs.ResumeOptions],
    ) -> VmResult:
        """Boot a machine that was made or has ended, wait for it, return what its program did."""
        return self._attached(self._machines.start_attached(name, time.monotonic()), input, sink, on_session)

    @command("vm attach")
    def attach(
        self,
        name: MachineName,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[verbs.AttachOptions],
    ) -> VmResult:
        """Show what the program of a machine prints, hand it input, and wait for its end.

        An interrupt lets go of it; it goes on.
        """
        return self._attached(self._machines.attach(name), input, sink, on_session)

    def _attached(
        self, session: MachineSession, input: Given, sink: Sink | None, on_session: OnSession | None
    ) -> VmResult:
        first = _FirstOutput(sink)
        program = Program(session, first.take, attach.source_of(input), time.monotonic())
        if on_session:
            on_session(session)
        try:
            status = program.follow()
        except KeyboardInterrupt:
            session.detach()
            raise
        return _result(program, session, status, first)

    @command("vm exec", instead={"detach": _EXEC_DETACH})
    def exec(
        self,
        name: MachineName,
        command: Args,
        *,
        input: Given = None,
        sink: Sink | None = None,
        on_session: OnSession | None = None,
        **options: Unpack[VmExecOptions],
    ) -> RunResult:
        """Run another program in a running machine, wait for it, return what it did."""
        started = time.monotonic()
        given = _exec_options(options)
        if input is not None:
            given["interactive"] = True
        words = words_of(command)
        program = Program(self._machines.exec(name, words, given), sink, attach.source_of(input), started)
        if on_session:
            on_session(program.session)

        def finish(status: ExitStatus) -> RunResult:
            return program.result(status, name=name, command=tuple(words))

        result = supervise(program, Ending(given, signal.SIGTERM, "its machine goes on"), finish)
        return result.check() if given.get("check") else result

    def exec_detached(self, name: MachineName, command: Args, **options: Unpack[VmExecOptions]) -> None:
        """Run another program in a running machine and do not wait for it."""
        self._machines.exec(name, words_of(command), _exec_options(options)).detach()

    # looking

    @command("vm ls", "vm list", "vm ps")
    def list(self, **options: Unpack[VmListOptions]) -> Table[Machine]:
        """List running machines, newest first; all with --all."""
        from containerlab.engine.machine_columns import MACHINES
        from containerlab.views.table import Table

        infos = filters.containers(self._machines.list(), normalise(VmListOptions, options))
        return Table([Machine(self, cast(MachineInfo, info)) for info in infos], MACHINES)

    def get(self, name: MachineName) -> Machine:
        """Return a machine by its name, id or the beginning of its id."""
        return Machine(self, self.info(name))

    def info(self, name: str) -> MachineInfo:
        """Return a machine as it is now."""
        return self._machines.inspect(name)

    @command("vm inspect")
    def inspect(self, name: MachineName, *names: MachineName) -> Inspection:
        """Return all that is known about machines."""
        from containerlab.engine.inspection import Inspection
        from containerlab.engine.machine_documents import document

        return Inspection([document(self.info(each)) for each in (name, *names)])

    @command("vm logs")
    def logs(self, name: MachineName, **options: Unpack[VmLogOptions]) -> Logs | bytes:
        """Show what the program of a machine printed, or its kernel with --console."""
        given = normalise(VmLogOptions, options)
        if given.pop("console", False):
            return self._machines.console(name)
        with_times = given.pop("timestamps", False)
        given.pop("details", False)
        self._machines.inspect(name)
        follows = given.get("follow", False)
        return Logs(lambda: self._machines.logs(name, **given), with_times=with_times, follows=follows)

    @command("vm stats")
    def stats(self, *names: MachineName, **options: Unpack[VmStatsOptions]) -> Table[Measured]:
        """Measure machines from the host and from inside: all that run if none is named."""
        from containerlab.engine import machine_stats

        chosen = [self.info(name) for name in names]
        if not names:
            every = normalise(VmStatsOptions, options).get("all")
            chosen = [info for info in self._machines.list() if every or info.status == "running"]
        return machine_stats.table(machine_stats.measure(chosen, self.sample))

    def sample(self, name: str) -> MachineSample:
        """Measure a machine once."""
        return self._machines.sample(name)

    @command("vm port")
    def port(self, name: MachineName) -> Table[Any]:
        """List the ports of a machine that are published."""
        from containerlab.engine.machine_columns import PORTS
        from containerlab.views.table import Table

        published = [text.rpartition(":") for text in self.info(name).detail.get("ports", ())]
        return Table([{"guest": port, "host": host} for host, _, port in published], PORTS)

    # ending and changing

    @command("vm wait", each=True)
    def wait(self, name: MachineName, **options: Unpack[verbs.WaitOptions]) -> int:
        """Wait for a machine's end and return its program's exit code."""
        return self.wait_status(name, **options).exit_code

    def wait_status(self, name: MachineName, **options: Unpack[verbs.WaitOptions]) -> ExitStatus:
        """Wait for a machine's end and return how it ended."""
        return self._machines.wait(name, normalise(verbs.WaitOptions, options).get("timeout"))

    @command("vm stop", each=True)
    def stop(self, name: MachineName, **options: Unpack[verbs.StopOptions]) -> str:
        """Ask a machine's program to end, and power the machine off after the timeout."""
        given = normalise(verbs.StopOptions, options)
        self._machines.stop(name, given.get("signal"), given.get("timeout"))
        return name

    @command("vm kill", each=True)
    def kill(self, name: MachineName, **options: Unpack[verbs.KillOptions]) -> str:
        """Send a machine's program a signal; KILL, if none is said, takes the power away."""
        self._machines.signal(name, normalise(verbs.KillOptions, options).get("signal", signal.SIGKILL))
        return name

    @command("vm restart", each=True)
    def restart(self, name: MachineName, **options: Unpack[verbs.StopOptions]) -> str:
        """Stop a machine and boot it again."""
        self.stop(name, **options)
        self._machines.start(name)
        return name

    @command("vm pause", each=True)
    def pause(self, name: MachineName) -> str:
        """Hold the processors of a machine."""
        self._machines.pause(name)
        return name

    @command("vm unpause", each=True)
    def unpause(self, name: MachineName) -> str:
        """Let the processors of a machine go on."""
        self._machines.unpause(name)
        return name

    @command("vm snapshot")
    def snapshot(self, name: MachineName) -> Snapshot:
        """Save memory and devices of a running machine beside its record; say where, and how many bytes."""
        size_bytes = self._machines.snapshot(name)
        return Snapshot(f"{self.info(name).detail['directory']}/snapshot", size_bytes)

    @command("vm rm", "vm remove", each=True)
    def remove(self, name: MachineName, **options: Unpack[VmRemoveOptions]) -> str:
        """Remove a machine; it must have ended unless --force is given."""
        self._machines.remove(name, **normalise(VmRemoveOptions, options))
        return name

    @command("vm prune")
    def prune(self, **options: Unpack[VmPruneOptions]) -> Pruned:
        """Remove all machines that do not run."""
        ended = [info for info in self._machines.list() if info.status in ("created", "exited", "dead")]
        given = normalise(VmPruneOptions, options)
        removed, freed_bytes = [], 0
        for info in filters.to_prune(ended, given, lambda info: (info.created, info.labels)):
            size_bytes = self._machines.disk_bytes(info.id)
            with suppress(LabError):  # somebody has started or removed it meanwhile
                self._machines.remove(info.id)
                removed.append(info.id)
                freed_bytes += size_bytes
        return Pruned(removed=tuple(removed), freed_bytes=freed_bytes)

    # kernels

    @command("vm kernel ls", "vm kernel list")
    def kernels(self) -> Table[KernelInfo]:
        """List the guest kernels that are here."""
        from containerlab.engine.machine_columns import KERNELS
        from containerlab.views.table import Table

        return Table(self._machines.kernels(), KERNELS)

    @command("vm kernel pull")
    def pull_kernel(self, suite: Suite = "") -> Table[KernelInfo]:
        """Get Debian's newest guest kernel, or that of a suite as bookworm; nothing is installed."""
        from containerlab.engine.machine_columns import KERNELS
        from containerlab.views.table import Table

        with self._engine.showing("get a guest kernel") as say:
            return Table([self._machines.pull_kernel(suite, say)], KERNELS)

    @command("vm kernel rm", "vm kernel remove", each=True)
    def remove_kernel(self, release: KernelName) -> str:
        """Remove a guest kernel, and the snapshots and file systems that were made with it."""
        self._machines.remove_kernel(release)
        return release


class Snapshot(NamedTuple):
    """Where a machine was saved, and how large it is."""

    path: str
    size_bytes: int

    def to_text(self) -> str:
        from containerlab import units

        return f"{self.path} ({units.format_size(self.size_bytes)})"


class _FirstOutput:
    """Hands output on, and notes when the first of it came."""

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink
        self.at: float | None = None

    def take(self, stream: str, chunk: bytes) -> None:
        if self.at is None:
            self.at = time.monotonic()
        if self._sink is not None:
            self._sink(stream, chunk)


def _result(
    program: Program,
    session: MachineSession,
    status: ExitStatus,
    first: _FirstOutput,
    steps: Sequence[StepInfo] = (),
) -> VmResult:
    info, boot = session.info, session.boot
    result = program.result(
        status,
        id=info.id,
        name=info.name,
        image=info.image,
        command=info.command,
        notices=info.notices,
        memory_limit_bytes=info.memory_bytes,
        steps=tuple(steps),
    )
    return VmResult(
        **{name: getattr(result, name) for name in result.__struct_fields__},
        tier=boot.tier,
        accelerator=boot.accelerator,
        kernel=boot.kernel,
        boot_s=boot.boot_s,
        set_up_s=boot.ready_s,
        first_output_s=None if first.at is None else first.at - program.started,
    )


def _exec_options(given: VmExecOptions) -> VmExecOptions:
    options = normalise(VmExecOptions, given)
    if "env_file" in options:
        options["env"] = (*prepare.variables(options.pop("env_file")), *options.get("env", ()))
    return cast(VmExecOptions, options)


def _ending(info: MachineInfo, options: dict[str, Any]) -> Ending:
    number = info.detail.get("stop_signal") or signal.SIGTERM
    kept = f"its record is kept: `vm logs {info.name}` shows what it printed"
    return Ending(options, number, "the machine was removed" if options.get("rm") else kept)
