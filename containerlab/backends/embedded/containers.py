"""The verbs of containers."""

from __future__ import annotations

import builtins
import contextlib
import math
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from containerlab import units
from containerlab.backends.base import ContainerInfo, ExitStatus
from containerlab.backends.embedded import naming, repair, reviving, starting
from containerlab.backends.embedded.describing import describe_start
from containerlab.backends.embedded.looking import LookingVerbs
from containerlab.backends.embedded.session import EmbeddedSession, status_of
from containerlab.errors import Conflict, CorruptContent, LabError, NotFound, TimedOut, Unsupported
from containerlab.linux import procfs
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.files import missing_where_full
from containerlab.oci.image import Config, Healthcheck
from containerlab.options.container import ExecOptions, RunOptions
from containerlab.runtime import wire
from containerlab.runtime.launch import Launch
from containerlab.runtime.lifecycle import Connection, MonitorLost, attach
from containerlab.runtime.spec import arguments, refuse_unsupported
from containerlab.store import snapshots
from containerlab.store.images import Image
from containerlab.store.records import Record

__all__ = ["ContainerVerbs"]

_KILL_AGAIN_S = 0.1


class ContainerVerbs(LookingVerbs):
    """Implements the container verbs of `base.Backend`."""

    # --- coming and going -----------------------------------------------------------------------

    def create(
        self, image: str, command: Sequence[str], options: RunOptions, *, ephemeral: bool = False
    ) -> str:
        """Make a container without starting it and return its id.

        ephemeral: whoever calls is about to start it; with --rm it goes away when he dies before.
        """
        record, found = self._draft(image, command, dict(options), ephemeral=ephemeral)
        try:
            self.records.add(record)
            with self.records.held(record.id):
                decision = self._decide(record, found)
            if ephemeral:
                self._decisions[record.id] = decision
            self._emit(record, "create")
        except BaseException:
            self._decisions.pop(record.id, None)
            self.discard(record)
            raise
        return record.id

    def _draft(
        self, image: str, command: Sequence[str], given: dict[str, Any], *, ephemeral: bool
    ) -> tuple[Record, Image]:
        self._repair()
        self._bring_back_after_boot()
        self.host.require_namespaces()
        refuse_unsupported(given)
        found = self.store.get(image, given.get("platform"))
        config = found.config.config
        mounts = self._mounting.choose(given, config)
        record = Record(
            id=self.records.new_id(),
            name=given.get("name") or naming.invent(self.records.is_taken),
            image=image,
            image_id=found.id,
            layers=found.diff_ids,
            command=tuple(command),
            arguments=arguments(config, command, given.get("entrypoint")),
            created=time.time(),
            options=given,
            creator=self.records.myself() if ephemeral else None,
            auto_remove=bool(given.get("rm")),
            stop_signal=_stop_signal(given, config.stop_signal),
            stop_timeout_s=_stop_timeout(given, config.stop_timeout),
            labels={**config.labels, **given.get("label", {})},
            healthcheck=_healthcheck(given, config),
            idmap=self.host.idmap.kind,
            snapshot=snapshots.trial(self.home, self.host.idmap).kind,
            mounts=mounts.requests,
            anonymous=mounts.anonymous,
        )
        return record, found

    def _decide(self, record: Record, image: Image) -> starting.Decision:
        lowers = self.layers.ensure(image)
        joined = starting.namespaces_of_others(self.records, record.options, self.host)
        volumes = self._mounting.resolve(record, lowers, self.host.idmap)
        parts = starting.Parts(lowers, volumes, joined)
        return starting.decide(self.home, self.host, record, image.config.config, parts)

    def start(self, name: str) -> None:
        """Start a container in the background; return when its program runs."""
        connection, _ = self._launch(name, attached=False)
        try:
            connection.wait_started()
            connection.send(wire.DETACH)
        finally:
            connection.close()

    def start_attached(self, name: str) -> EmbeddedSession:
        """Start a container that ends with its caller."""
        connection, decision = self._launch(name, attached=True)
        directory = self.records.directory(decision.record.id)
        refused = (connection.state or {}).get("refused", ())
        return self.session(describe_start(decision.record, decision.kept, directory, refused), connection)

    def _launch(self, name: str, *, attached: bool) -> tuple[Connection, starting.Decision]:
        container_id = self.records.find(name)
        self._bring_back_after_boot(but=container_id)
        if container_id not in self._decisions:
            repair.repair(self.records, container_id)
        with self.records.held(container_id):
            lock = self.records.supervise(container_id)
            try:
                decision = self._decisions.pop(container_id, None)
                if decision is None:
                    record = self.records.record(container_id)
                    decision = self._decide(record, self.store.get(record.image_id))
                return self.launched(decision, lock, attached=attached), decision
            finally:
                os.close(lock)

    def launched(self, decision: starting.Decision, lock: int, *, attached: bool) -> Connection:
        """Have it launched, and wait until it runs; once more if the launcher died with the request."""
        try:
            connection = starting.launch(self.home, self._launcher, decision, lock, attached=attached)
            connection.wait_started()
        except MonitorLost:
            connection = starting.launch(self.home, self._launcher, decision, lock, attached=attached)
            connection.wait_started()
        return connection

    def session(self, info: ContainerInfo, connection: Connection) -> EmbeddedSession:
        """Return what stands for a container that was just started."""
        return EmbeddedSession(
            info, connection, lambda number: self.signal(info.id, number), lambda: self.wait(info.id)
        )

    def attach(self, name: str) -> EmbeddedSession:
        """Attach to a running container."""
        container_id = self.records.find(name)
        group = repair.cgroup_of(self.records, container_id)
        if group and control.is_frozen(group):
            raise Conflict(f"container {name} is paused", f"unpause it first: conlab unpause {name}")
        try:
            connection = attach(self.records.directory(container_id))
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise Conflict(f"container {name} does not run", f"start it: conlab start {name}") from error
        return self.session(self._describe(container_id), connection)

    def exec(self, name: str, command: Sequence[str], options: ExecOptions) -> EmbeddedSession:
        """Start one more process in a running container."""
        from containerlab.backends.embedded import executing

        container_id, state = self._running(name)
        group = repair.cgroup_of(self.records, container_id)
        if group and control.is_frozen(group):
            raise Conflict(f"container {name} is paused", f"unpause it first: conlab unpause {name}")
        launch = Launch(
            f"{self.home.root}/monitor.log",
            directory="",
            attached=True,
            stdin_open=bool(options.get("interactive")),
        )
        with executing.while_alive(name, state.identity):
            target = executing.Target(
                state.pid,
                self.records.spec(container_id),
                group,
                self.home.cache / "seccomp",
                self.records.directory(container_id),
            )
            plan = executing.plan(target, command, dict(options), self.host)
            # The plan is right if it is the same process still.
            pidfd = procfs.open_pidfd(state.identity)
            try:
                connection = self._launcher.launch(launch, plan, [pidfd])
            finally:
                os.close(pidfd)
            started = connection.wait_started()
        try:
            self._emit(self.records.record(container_id), "exec_start", command=" ".join(command))
            return self._exec_session(container_id, connection, started)
        except BaseException:
            connection.close()
            raise

    def _exec_session(
        self, container_id: str, connection: Connection, started: dict[str, Any]
    ) -> EmbeddedSession:
        identity = procfs.Identity(started["pid"], started["start_ticks"], started["boot"])
        return EmbeddedSession(
            self._describe(container_id),
            connection,
            lambda number: procfs.send_signal(identity, number),
            lambda: ExitStatus(exit_code=137),
        )

    def remove(self, name: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container and its files; with `force` also one that runs."""
        container_id = self.records.find(name)
        record = self._record_to_remove(container_id, force=force)
        if not force:
            self.records.await_release(container_id)
        if self.records.is_supervised(container_id):
            if not force:
                raise Conflict(f"container {record.name} is running", "stop it first, or use rm -f")
            self._kill_and_wait(container_id)
        if not os.path.exists(self.records.directory(container_id)):
            return  # with --rm its monitor was faster
        self.discard(record, volumes=volumes)
        self._emit(record, "destroy")

    def _record_to_remove(self, container_id: str, *, force: bool) -> Record:
        try:
            return self.records.record(container_id)
        except CorruptContent:
            if not force:
                raise
            return self.records.remnant(container_id)

    def _kill_and_wait(self, container_id: str) -> None:
        """Kill until its monitor has ended, whose lock is free then: it may just begin, or begin again."""
        while self.records.is_supervised(container_id):
            try:
                self.signal(container_id, signal.SIGKILL)
            except CorruptContent:
                repair.kill_monitor(self.records.directory(container_id))
            except LabError:
                pass  # it has just ended, or does not run yet
            with contextlib.suppress(LabError):
                self.wait(container_id, _KILL_AGAIN_S)

    def discard(self, record: Record, *, volumes: bool = True) -> None:
        """Remove a container that does not run, with all that belongs to it alone."""
        with contextlib.suppress(NotFound, CorruptContent), missing_where_full():
            repair.repair(self.records, record.id)
        with contextlib.suppress(NotFound), self.records.held(record.id):
            self.records.forget(record, lambda path: snapshots.remove(path, self.host.idmap))
        if volumes:
            self._mounting.remove_anonymous(record)

    # --- signals and states ---------------------------------------------------------------------

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a container's first process; SIGKILL also reaches a paused one."""
        container_id, _ = self._running(name, "restarting")
        record = self.records.record(container_id)
        if number in (record.stop_signal, signal.SIGTERM, signal.SIGKILL):
            with open(f"{self.records.directory(container_id)}/stopping", "w"):
                pass
        # Read after that: either this sees the process that was just started again, or its monitor the file.
        procfs.send_signal(self.records.state(container_id).identity, number)
        if number == signal.SIGKILL and (group := repair.cgroup_of(self.records, container_id)):
            control.thaw(group)
        self._emit(record, "kill", signal=str(int(number)))

    def wait(self, name: str, timeout_s: float | None = None) -> ExitStatus:
        """Wait for a container's end. Raises: TimedOut."""
        container_id = self.records.find(name)
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            status, lives = self._wait_once(container_id, until)
            if status is not None:
                return status
            if not lives and not self.records.is_supervised(container_id):
                return self._end_of(container_id)
            if time.monotonic() >= until:
                raise TimedOut(f"container {name} still runs after {timeout_s:g} s")
            time.sleep(0.001)  # its monitor does not listen yet, or is just dying

    def _wait_once(self, container_id: str, until: float) -> tuple[ExitStatus | None, bool]:
        """Follow a monitor: say how its process ended, if it told, and whether it still runs."""
        try:
            connection = attach(self.records.directory(container_id))
        except (ConnectionRefusedError, FileNotFoundError):
            return None, False
        with contextlib.closing(connection):
            if not connection.pump(
                _ignore, None if until == math.inf else max(0.0, until - time.monotonic())
            ):
                return None, True
            state = connection.state
        return (status_of(state) if state and state["status"] != "running" else None), False

    def _end_of(self, container_id: str) -> ExitStatus:
        repair.repair(self.records, container_id)
        return status_of(msgspec.to_builtins(self.records.state(container_id)))

    def pause(self, name: str) -> None:
        """Hold all processes of a container."""
        container_id, group = self._group_of(name)
        if control.is_frozen(group):
            raise Conflict(f"container {name} is paused already")
        control.freeze(group)
        self._emit(self.records.record(container_id), "pause")

    def unpause(self, name: str) -> None:
        """Let a paused container go on."""
        container_id, group = self._group_of(name)
        if not control.is_frozen(group):
            raise Conflict(f"container {name} is not paused")
        control.thaw(group)
        self._emit(self.records.record(container_id), "unpause")

    def update(self, name: str, options: RunOptions) -> None:
        """Change limits: at once when the container runs, and for its next starts."""
        container_id = self.records.find(name)
        changes = dict(options)
        with self.records.held(container_id):
            record = self.records.record(container_id)
            running = self.records.is_supervised(container_id)
            if record.auto_remove and "restart" in changes:
                raise Conflict(f"--restart and --rm exclude each other: {record.name} has --rm")
            if running and changes.keys() - {"restart"}:
                self._update_running(container_id, changes)
            merged = {**record.options, **changes}
            self.records.write(msgspec.structs.replace(record, options=merged))
        self._emit(record, "update")

    def _update_running(self, container_id: str, changes: dict[str, Any]) -> None:
        from containerlab.backends.embedded import updating

        _, group = self._group_of(container_id)
        decided = repair.decision_of(self.records, container_id)
        linux = self.records.spec(container_id).linux
        plan = updating.change(group, linux.cgroups_path if linux else "", self.host.cgroups, changes)
        kept = msgspec.structs.replace(decided, cgroup=plan, notices=(*decided.notices, *plan.notices))
        starting.keep(self.records.directory(container_id), kept)

    def rename(self, name: str, new_name: str) -> None:
        """Give a container another name."""
        container_id = self.records.find(name)
        with self.records.held(container_id):  # against `update`, which writes the same record
            self.records.rename(container_id, new_name)
        self._emit(self.records.record(container_id), "rename", oldName=name)

    def _group_of(self, name: str) -> tuple[str, CgroupPlan]:
        container_id, _ = self._running(name)
        group = repair.cgroup_of(self.records, container_id)
        if group is None:
            reason = self.host.cgroups.why_not("freezer")
            raise Unsupported(
                f"container {name} has no cgroup: {reason}", "run as root, or have one delegated"
            )
        return container_id, group

    # --- looking --------------------------------------------------------------------------------

    def list(self) -> builtins.list[ContainerInfo]:
        """Return all containers, newest first."""
        self._repair(again=True)
        found = []
        for container_id in self.records.ids():
            with contextlib.suppress(NotFound):
                found.append(self._listed(container_id))
        found = [info for info in found if not info.detail.get("purpose")]
        return sorted(found, key=lambda info: info.created, reverse=True)

    # --- repair ---------------------------------------------------------------------------------

    def _repair(self, *, again: bool = False) -> None:
        """Put right what killed processes left, once in the life of this object or whenever all is listed."""
        if self._repaired and not again:
            return
        self._repaired = True
        ContainerVerbs.check(self)

    def _bring_back_after_boot(self, *, but: str = "") -> None:
        """Once in a boot, start again what a restart policy wants running."""
        if self._booted:
            return
        self._booted = True
        if reviving.is_new_boot(self.home):
            self.bring_back(but=but)

    def bring_back(self, *, but: str = "") -> builtins.list[tuple[str, str]]:
        """Start again what a restart policy wants running and is not; return (name, what was done)."""
        self._booted = True
        with self.home.lock("boot"):
            after_boot = reviving.is_new_boot(self.home)
            repair.repair_all(self.records)
            done = [
                (record.name, self._brought_back(record))
                for record in reviving.wanted(self.records, after_boot=after_boot)
                if record.id != but
            ]
            if after_boot:
                reviving.note_boot(self.home)
        return done

    def _brought_back(self, record: Record) -> str:
        try:
            self.start(record.id)
        except LabError as error:
            self._emit(record, "restart_failed", error=error.message)
            return f"could not be started again: {error.message}"
        return f"started again: --restart {record.options['restart'][0]}"

    def check(self) -> builtins.list[tuple[str, str]]:
        """Repair all containers and clear what is half-made; return (what, what was done)."""
        found = repair.repair_all(self.records)
        done = [(container_id[:12], sentence) for container_id, sentence in found.damaged]
        for container_id in found.doomed:
            with contextlib.suppress(LabError):
                self.discard(self.records.record(container_id))
                done.append((container_id[:12], "removed: --rm, and it has ended"))
        self.records.repair_names()
        if rubbish := self.home.sweep():
            done.append((str(self.home.temporary), f"removed {rubbish} unfinished entries"))
        return done


def _ignore(stream: str, chunk: bytes) -> None:
    """Take output that nobody wants."""


def _healthcheck(options: dict[str, Any], config: Config) -> Healthcheck | None:
    if config.healthcheck is None and not any("health" in name for name in options):
        return None
    from containerlab.backends.embedded import healthcheck

    return healthcheck.choose(options, config)


def _stop_signal(options: dict[str, Any], of_image: str) -> int:
    return int(options.get("stop_signal") or (units.signal_number(of_image) if of_image else signal.SIGTERM))


def _stop_timeout(options: dict[str, Any], of_image: int | None) -> float:
    return float(options.get("stop_timeout", 10.0 if of_image is None else of_image))
