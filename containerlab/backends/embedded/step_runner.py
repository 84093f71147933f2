"""Running the programs of builds: containers that are not listed, whose upper directory becomes a layer."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from containerlab.backends.base import ExitStatus
from containerlab.backends.embedded import mount_points, starting
from containerlab.backends.embedded.containers import ContainerVerbs
from containerlab.backends.embedded.describing import describe_start
from containerlab.backends.embedded.session import EmbeddedSession
from containerlab.errors import LabError, Unavailable
from containerlab.oci.image import Config
from containerlab.store import snapshots, stubs
from containerlab.store.layer_writer import Committed
from containerlab.store.layers import PackOptions
from containerlab.store.records import Record

if TYPE_CHECKING:
    from containerlab.build.running import Program

__all__ = ["StepRunner"]

_HOSTNAME = "buildkitsandbox"
"""As BuildKit names the host, for builds should not differ by it."""


class StepRunner:
    """Implements `build.running.Runner` on the embedded backend."""

    def __init__(self, backend: ContainerVerbs) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._sessions: set[EmbeddedSession] = set()
        self._is_stopped = False

    def stop(self) -> None:
        """Kill all programs that run, and those that would begin."""
        with self._lock:
            self._is_stopped = True
            sessions = list(self._sessions)
        for session in sessions:
            with contextlib.suppress(LabError, OSError):  # it has just ended
                session.signal(signal.SIGKILL)

    @contextlib.contextmanager
    def run(self, program: Program, sink: Callable[[str, bytes], None]) -> Iterator[_Ended]:
        """Run a program to its end; what it changed is there until the end of the block."""
        record = self._record(program)
        try:
            session = self._start(record, program)
            try:
                status = self._follow(session, sink)
            finally:
                with self._lock:
                    self._sessions.discard(session)
            yield _Ended(self._backend, record, program, status)
        finally:
            self._backend.discard(record)

    def _record(self, program: Program) -> Record:
        records, host = self._backend.records, self._backend.host
        container_id = records.new_id()
        return Record(
            id=container_id,
            name=f"build-{container_id[:12]}",
            image="",
            image_id="",
            layers=tuple(layer.diff_id for layer in program.layers),
            command=program.words,
            arguments=program.words,
            created=time.time(),
            options=_options(program),
            creator=records.myself(),
            purpose="build",
            stop_signal=int(signal.SIGKILL),  # when its builder dies
            stop_timeout_s=0.0,
            idmap=host.idmap.kind,
            snapshot=snapshots.trial(self._backend.home, host.idmap).kind,
        )

    def _start(self, record: Record, program: Program) -> EmbeddedSession:
        backend = self._backend
        backend.records.add(record)
        with backend.records.held(record.id):
            decision = self._decide(record, program)
            lock = backend.records.supervise(record.id)
            try:
                connection = backend.launched(decision, lock, attached=True)
            finally:
                os.close(lock)
        directory = backend.records.directory(record.id)
        session = backend.session(describe_start(record, decision.kept, directory), connection)
        with self._lock:
            self._sessions.add(session)
            is_stopped = self._is_stopped
        if is_stopped:
            self.stop()
        return session

    def _decide(self, record: Record, program: Program) -> starting.Decision:
        backend = self._backend
        parts = starting.Parts(
            list(program.lowers) or [_nothing(backend.home.cache)],
            program.mounts,
            starting.namespaces_of_others(backend.records, record.options, backend.host),
            program.secrets,
            program.secret_environment,
        )
        config = Config(env=program.environment)
        return starting.decide(backend.home, backend.host, record, config, parts)

    def _follow(self, session: EmbeddedSession, sink: Callable[[str, bytes], None]) -> ExitStatus:
        status = session.pump(sink)
        for stream in ("stdout", "stderr"):
            sink(stream, b"")
        if status is None:
            raise Unavailable("the monitor of a step did not say how it ended", "build again")
        return status


class _Ended:
    """Implements `build.running.Ended`."""

    def __init__(self, backend: ContainerVerbs, record: Record, program: Program, status: ExitStatus) -> None:
        self._backend, self._record, self._program = backend, record, program
        self.exit_code = status.exit_code
        self.is_oom_killed = status.oom_killed

    def commit(
        self, compression: str, newest_s: int | None, watch: Callable[[bytes], object] | None
    ) -> Committed:
        """Pack what it changed as a layer."""
        record, layers = self._record, self._backend.layers
        directory = Path(self._backend.records.directory(record.id))
        is_copy = record.snapshot == "copy"
        changed = directory / ("root" if is_copy else "upper")
        options = PackOptions(
            compression, newest_s=newest_s, noted=self._backend.noted(self._record, self._program.lowers)
        )
        stubs.clear(changed, self._program.lowers, self._mounted(), layers.idmap, is_copy=is_copy)
        if is_copy:
            return layers.commit_copy(changed, self._program.lowers, options, watch)
        return layers.commit(changed, options, watch)

    def adopt(self, layer: Committed) -> None:
        """Let what was packed be the unpacked layer; nothing can be packed any more."""
        if self._record.snapshot == "overlay":
            directory = Path(self._backend.records.directory(self._record.id))
            self._backend.layers.adopt(directory / "upper", layer)

    def _mounted(self) -> list[str]:
        program = self._program
        targets = [point.destination for point in program.mounts] + [file.target for file in program.secrets]
        return mount_points.targets(self._record, targets)


def _options(program: Program) -> dict[str, Any]:
    options: dict[str, Any] = {
        "entrypoint": (),
        "workdir": program.directory,
        "network": "none" if program.network == "none" else "host",
        "hostname": _HOSTNAME,
        "log_driver": "none",
        **dict(program.options),
    }
    if program.user:
        options["user"] = program.user
    if program.is_insecure:
        options["privileged"] = True
    return options


def _nothing(cache: Path) -> Path:
    """Return an empty directory, for what stands on no layer."""
    empty = cache / "empty"
    empty.mkdir(mode=0o755, exist_ok=True)
    return empty
