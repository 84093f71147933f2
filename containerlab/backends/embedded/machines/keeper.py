"""The verbs of virtual machines."""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from containerlab import units
from containerlab.backends.base import StepInfo
from containerlab.backends.embedded import naming
from containerlab.backends.embedded.machines import deciding, repair
from containerlab.backends.embedded.machines.deciding import Decision, Place
from containerlab.backends.embedded.machines.describing import describe
from containerlab.backends.embedded.machines.ground import Surroundings, await_end
from containerlab.backends.embedded.machines.looking import LookingVerbs
from containerlab.backends.embedded.machines.session import ExecSession, ProgramSession
from containerlab.backends.embedded.machines.states import StateVerbs
from containerlab.backends.embedded.mounting import refuse_duplicates
from containerlab.backends.machine import KernelInfo
from containerlab.errors import Conflict, InvalidInput
from containerlab.options.machine import VmExecOptions, VmRunOptions
from containerlab.options.mounts import MountRequest
from containerlab.runtime.spec import arguments
from containerlab.store.images import Image
from containerlab.vm import connection as connections
from containerlab.vm import control, orders
from containerlab.vm.guest import wire
from containerlab.vm.kernel import debian, kernels
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import snapshots
from containerlab.vm.records import Machine, MachineState
from containerlab.vm.tiers import DEFAULT

__all__ = ["Keeper"]

Say = Callable[[str], None]
_FIRST_STREAM = wire.MAIN + 1
_LOOK_AGAIN_S = 0.01


class Keeper(StateVerbs, LookingVerbs):
    """Implements `backends.machine.MachineBackend` on one home."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._decisions: dict[str, Decision] = {}
        """Of machines that this process has made and is about to start."""

    # --- coming ---------------------------------------------------------------------------------

    def create(
        self,
        image: str,
        command: Sequence[str],
        options: VmRunOptions,
        *,
        ephemeral: bool = False,
        say: Say = print,
    ) -> str:
        """Make a machine and all that it needs, and return its id."""
        self._repair_once()
        found = self._store.get(image, options.get("platform"))
        record = self._draft(image, found, command, dict(options), ephemeral=ephemeral)
        try:
            self.records.add(record)
            decision = self._decide(record, found, say)
            if ephemeral:
                self._decisions[record.id] = decision
            self._emit(record, "create")
        except BaseException:
            self._decisions.pop(record.id, None)
            self._discard(record)
            raise
        return record.id

    def _draft(
        self, name: str, image: Image, command: Sequence[str], given: dict[str, Any], *, ephemeral: bool
    ) -> Machine:
        deciding.refuse_foreign(image, name)
        config = image.config.config
        stop_signal = given.get("stop_signal") or config.stop_signal or signal.SIGTERM
        timeout_s = given.get("stop_timeout", 10.0 if config.stop_timeout is None else config.stop_timeout)
        return Machine(
            id=self.records.new_id(),
            name=given.get("name") or naming.invent(self.records.is_taken),
            image=name,
            image_id=image.id,
            layers=image.diff_ids,
            command=tuple(command),
            arguments=arguments(config, command, given.get("entrypoint")),
            created=time.time(),
            tier=given.get("tier", DEFAULT),
            options=given,
            creator=self.records.myself() if ephemeral else None,
            auto_remove=bool(given.get("rm")),
            stop_signal=units.signal_number(stop_signal),
            stop_timeout_s=float(timeout_s),
            labels={**config.labels, **given.get("label", {})},
            mounts=self._mounts(given.get("volume", ())),
            publish=given.get("publish", ()),
        )

    def _mounts(self, requests: Sequence[MountRequest]) -> tuple[MountRequest, ...]:
        refuse_duplicates(requests)
        for request in requests:
            if not request.source:
                raise InvalidInput(
                    f"no source for {request.target}",
                    "what a machine writes is thrown away anyway; name a directory or a volume",
                )
        return tuple(requests)

    def _decide(self, record: Machine, image: Image, say: Say) -> Decision:
        self._workshop.prepare("containerlab.vm.monitor")  # takes the time that deciding takes
        sources = {request.target: self._source(request) for request in record.mounts}
        place = Place(self._home, self._workshop, self._directory(record), sources, say)
        return deciding.decide(place, record, image)

    def _source(self, request: MountRequest) -> str:
        """Return the directory of the host that a mount shows."""
        if request.kind == "volume":
            return str(self._volumes().ensure(request.source))
        if not os.path.isdir(request.source):
            why = "it is no directory" if os.path.lexists(request.source) else "there is no such directory"
            raise InvalidInput(
                f"cannot share {request.source}: {why}", "machines share directories that are there"
            )
        return request.source

    def _directory(self, record: Machine) -> str:
        return self.records.directory(record.id)

    def start(self, name: str) -> None:
        """Start a machine in the background; return when its program runs."""
        session = self._launched(name, begun_at=time.monotonic(), is_foreground=False)
        session.detach()

    def start_attached(self, name: str, begun_at: float = 0.0) -> ProgramSession:
        """Start a machine that ends with its caller."""
        return self._launched(name, begun_at=begun_at or time.monotonic(), is_foreground=True)

    def _launched(self, name: str, *, begun_at: float, is_foreground: bool) -> ProgramSession:
        machine_id = self.records.find(name)
        if machine_id not in self._decisions:
            repair.repair(self.records, machine_id)
        record = self.records.record(machine_id)
        with self.records.held(machine_id):
            if self.records.is_supervised(machine_id):
                raise Conflict(f"machine {record.name} is running already")
            decision = self._decisions.pop(machine_id, None)
            if decision is None:
                decision = self._decide(record, self._store.get(record.image_id), _silent)
            with self._held(record, decision) as decision:
                repair.keep(self._directory(record), decision.decided)
                launch = decision.launch._replace(begun_at=begun_at, is_foreground=is_foreground)
                session = self._begun(record, decision, launch)
        self._emit(record, "start")
        return session

    @contextlib.contextmanager
    def _held(self, record: Machine, decision: Decision) -> Iterator[Decision]:
        """Keep a machine's snapshot from pruning until its program runs; one that is gone is made again."""
        while True:
            with snapshots.held(decision.launch.state) as is_there:
                if is_there:
                    yield decision
                    return
            decision = self._decide(record, self._store.get(record.image_id), _silent)

    def _begun(self, record: Machine, decision: Decision, launch: Launch) -> ProgramSession:
        self._forget_last(record)
        info = describe(record, MachineState(), decision.decided, launch.directory)
        connection = connections.start(self._workshop, launch)
        session = ProgramSession(info, connection, lambda: self.wait(record.id))
        session.wait_started()
        return session

    def _forget_last(self, record: Machine) -> None:
        """Remove what an earlier start left, but for the log, which goes on."""
        for name in ("state.json", control.SOCKET, "snapshot"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._directory(record)}/{name}")

    def attach(self, name: str) -> ProgramSession:
        """Attach to a running machine."""
        machine_id, _ = self._running(name)
        connection = self._connected(machine_id)
        connection.send(control.ATTACH)
        return ProgramSession(self.inspect(machine_id), connection, lambda: self.wait(machine_id))

    def exec(self, name: str, command: Sequence[str], options: VmExecOptions) -> ExecSession:
        """Start one more program in a running machine."""
        machine_id, state = self._running(name)
        if state.status == "paused":
            raise Conflict(f"machine {name} is paused", f"unpause it first: conlab vm unpause {name}")
        record = self.records.record(machine_id)
        wanted = deciding.wanted_of(record, self._store.get(record.image_id))
        own = record.options
        given: dict[str, Any] = {key: own[key] for key in ("user", "workdir") if key in own}
        given |= {**options, "env": (*own.get("env", ()), *options.get("env", ()))}
        payload = orders.program(wanted._replace(options=given), command).payload()
        session = ExecSession(self.inspect(machine_id), self._connected(machine_id), _FIRST_STREAM)
        session.wait_started(payload)
        self._emit(record, "exec_start", command=" ".join(command))
        return session

    # --- going ----------------------------------------------------------------------------------

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a machine and its files; with `force` also one that runs."""
        machine_id = self.records.find(name)
        record = self.records.record(machine_id)
        if self.records.is_supervised(machine_id):
            if not force:
                self.records.await_release(machine_id)
            if self.records.is_supervised(machine_id) and not force:
                raise Conflict(f"machine {record.name} is running", "stop it first, or use vm rm -f")
            self._kill_and_wait(machine_id)
        if not force and repair.is_coming(self.records, record):
            raise Conflict(f"machine {record.name} is just being started", "wait for it, or use vm rm -f")
        if not os.path.exists(self.records.directory(machine_id)):
            return  # with --rm its monitor was faster
        self._discard(record)
        self._emit(record, "destroy")

    def _kill_and_wait(self, machine_id: str) -> None:
        """Kill until its monitor has ended, whose lock is free then: it may just begin."""
        while self.records.is_supervised(machine_id):
            try:
                with self._connected(machine_id) as connection:
                    connection.send(control.KILL)
                    await_end(connection)
            except Conflict:
                time.sleep(_LOOK_AGAIN_S)

    # --- planning and kernels -------------------------------------------------------------------

    def explain(self, image: str, command: Sequence[str], options: VmRunOptions) -> builtins.list[StepInfo]:
        """Return the steps of a start, QEMU's command line among them."""
        from containerlab.backends.embedded.machines import explaining

        found = self._store.get(image, options.get("platform"))
        record = self._draft(image, found, command, dict(options), ephemeral=False)
        decision = self._decide(record, found, _silent)
        return explaining.steps(record, decision, self._home)

    def snapshot_sizes(self) -> builtins.list[int]:
        """Return the bytes of each snapshot of the resume tier."""
        return snapshots.sizes(self._home)

    def drop_snapshots(self) -> int:
        """Remove the snapshots of the resume tier; return the bytes freed."""
        return snapshots.remove(self._home)

    def kernels(self) -> builtins.list[KernelInfo]:
        """Return the guest kernels that are in the cache."""
        return [
            KernelInfo(
                release=kept.id,
                architecture=kept.kernel.architecture,
                digest=kept.kernel.digest,
                path=str(kept.kernel.image),
                size_bytes=kept.size_bytes,
                source=kept.source,
            )
            for kept in kernels.cached(self._home)
        ]

    def pull_kernel(self, suite: str = "", say: Say = print) -> KernelInfo:
        """Get Debian's newest cloud kernel into the cache."""
        suites = (suite,) if suite else debian.SUITES
        kernel = kernels.pull(self._home, say=say, suites=suites)
        return next(info for info in self.kernels() if info.path == str(kernel.image))

    def remove_kernel(self, release: str) -> None:
        """Remove a guest kernel from the cache."""
        kernels.remove(self._home, release)


def _silent(line: str) -> None:
    """Nobody wants to know."""
