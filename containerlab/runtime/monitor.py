"""The monitor: one process that looks after one container.

It makes the container's process, writes its output to the log and to whoever is attached, writes its exit
code to disk before it tells anybody, takes the cgroups away, restarts by policy, and ends. While it lives
it holds a lock on the container's directory; a free lock beside the word "running" means that it died, and
then the kernel has killed the container too (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import time
from typing import Any, NamedTuple

from containerlab.errors import SetupFailed
from containerlab.linux import procfs
from containerlab.linux.cgroups import control as cgroups
from containerlab.linux.cgroups.counters import usage
from containerlab.linux.files import remove_tree, write_atomically
from containerlab.runtime import hooks, wire
from containerlab.runtime.clients import Clients
from containerlab.runtime.logfile import LogWriter
from containerlab.runtime.spawn import ChildFailed, Spawned, spawn
from containerlab.runtime.steps import Plan
from containerlab.runtime.streams import Stdio, Watch

__all__ = ["Launch", "look_after"]

_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S, _STEADY_S = 60.0, 0.1, 10.0


class Launch(NamedTuple):
    """What a monitor is told.

    directory: the container's, for state, log and socket; empty for an exec session.
    attached: whether the container ends with its client.
    stdin_open: whether standard input is a pipe from the client instead of /dev/null.
    restart: "no", "on-failure", "always" or "unless-stopped"; restart_most: tries, 0 for no bound.
    remove: paths to remove when the container has ended (--rm), its directory last.
    stop_signal, stop_timeout_s: how an attached container is ended when its client dies.
    log: whether to keep output; log_most_bytes (0: no bound), log_most_files.
    hooks: ((kind, path, args, env, timeout_s), …) of the specification.
    events: the file that events are appended to, or empty.
    labels: (id, name, image) for events.
    """

    directory: str
    attached: bool = False
    stdin_open: bool = False
    restart: str = "no"
    restart_most: int = 0
    remove: tuple[str, ...] = ()
    stop_signal: int = 15
    stop_timeout_s: float = 10.0
    log: bool = True
    log_most_bytes: int = 0
    log_most_files: int = 1
    hooks: tuple[Any, ...] = ()
    events: str = ""
    labels: tuple[str, str, str] = ("", "", "")


def look_after(launch: Launch, plan: Plan, client: int, extra: list[int]) -> None:
    """Run the container, or exec session, from its start to its end."""
    os.setsid()
    _rename(b"conlab-monitor")
    Monitor(launch, plan, Clients(client, launch.directory), extra).run()


def _rename(name: bytes) -> None:
    fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, name)
    os.close(fd)


class Monitor:
    """The state of one monitor; `run` is its life."""

    def __init__(self, launch: Launch, plan: Plan, clients: Clients, extra: list[int]) -> None:
        self.launch = launch
        self.plan = plan
        self.clients = clients
        self.extra = extra
        self.state: dict[str, Any] = {"restarts": 0}
        self.log: LogWriter | None = None
        self.lock = -1

    def run(self) -> None:
        """Start, watch, and start again while the policy says so."""
        if not self._lock():
            self._tell_failure("lock", errno.EBUSY, "the container is running already")
            return
        if self.launch.directory and self.launch.log:
            self.log = LogWriter(
                self.launch.directory, self.launch.log_most_bytes, self.launch.log_most_files
            )
        backoff_s = _FIRST_BACKOFF_S
        while self._run_once():
            if self.state["finished_at"] - self.state["started_at"] >= _STEADY_S:
                backoff_s = _FIRST_BACKOFF_S
            self._write_state(status="restarting", restarts=self.state["restarts"] + 1)
            if not self._pause(backoff_s):
                self._write_state(status="exited")
                break
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
        self._finish()

    def _lock(self) -> bool:
        if not self.launch.directory:
            return True
        fd = os.open(self.launch.directory + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self.lock = fd
        return True

    def _unlock(self) -> None:
        """Let others change the container before they are told that it has ended."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    def _run_once(self) -> bool:
        """Run the process once; say whether it should be started again."""
        stdio = Stdio.make(self.plan.terminal, self.launch.stdin_open)
        try:
            if self.plan.cgroup and self.launch.directory:
                cgroups.create(self.plan.cgroup)
            spawned = spawn(self.plan, [*stdio.theirs, *self.extra], self._run_hooks)
        except ChildFailed as failure:
            self._discard(failure.step, failure.errno, failure.text)
            return False
        except (OSError, SetupFailed) as error:
            self._discard(-1, getattr(error, "errno", None) or errno.EIO, str(error))
            return False
        stdio.close_theirs()
        self._announce(spawned)
        self._watch(spawned, stdio.with_terminal(spawned.terminal))
        self._collect(spawned)
        return self._wants_restart()

    def _discard(self, step: int, code: int, text: str) -> None:
        name = self.plan.steps[step][0] if step >= 0 else "prepare"
        exit_code = _exit_code_of_failure(name, code)
        self._remove_cgroup()
        self._write_state(
            status="created", error=f"{name}: {text}", exit_code=exit_code, finished_at=time.time()
        )
        self._tell_failure(name, code, text)

    def _tell_failure(self, name: str, code: int, text: str) -> None:
        self._unlock()
        self.clients.send(wire.FAILED, json.dumps({"step": name, "errno": code, "text": text}).encode())
        self.clients.flush()
        self.clients.close()

    def _run_hooks(self, pid: int) -> None:
        for kind in ("prestart", "createRuntime"):
            hooks.run(self.launch.hooks, kind, self._oci_state(pid, "creating"))

    def _oci_state(self, pid: int, status: str) -> dict[str, Any]:
        return hooks.state(self.launch.labels[0], status, pid, self.launch.directory)

    def _announce(self, spawned: Spawned) -> None:
        os.close(spawned.channel)
        self._write_state(
            status="running",
            pid=spawned.pid,
            start_ticks=procfs.start_ticks(spawned.pid),
            boot=procfs.boot_id(),
            started_at=time.time(),
            finished_at=0.0,
            exit_code=None,
            oom_killed=False,
            error="",
        )
        self._emit("start")
        hooks.run(self.launch.hooks, "poststart", self._oci_state(spawned.pid, "running"))
        self.clients.send(wire.STARTED, json.dumps(self.state).encode())

    def _watch(self, spawned: Spawned, stdio: Stdio) -> None:
        """Carry output and input until the process has ended and its output is drained."""
        watch = Watch(spawned, stdio, self.clients, self.log)
        if self.launch.attached:
            watch.on_orphaned = lambda: self._end_orphan(watch)
        watch.run()

    def _end_orphan(self, watch: Watch) -> None:
        watch.kill_at = time.monotonic() + self.launch.stop_timeout_s
        self.signal(watch.spawned.pidfd, self.launch.stop_signal)

    def signal(self, pidfd: int, number: int) -> None:
        if self.plan.cgroup and self.launch.directory:
            cgroups.thaw(self.plan.cgroup)
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            pass

    def _collect(self, spawned: Spawned) -> None:
        _, status, rusage = os.wait4(spawned.pid, 0)
        os.close(spawned.pidfd)
        used = self._usage(rusage)
        code = os.waitstatus_to_exitcode(status)
        self._remove_cgroup()
        self._write_state(
            status="exited",
            pid=0,
            exit_code=code if code >= 0 else 128 - code,
            finished_at=time.time(),
            **used,
        )
        if used["oom_killed"]:
            self._emit("oom")
        self._emit("die", exitCode=str(self.state["exit_code"]))
        hooks.run(self.launch.hooks, "poststop", self._oci_state(0, "stopped"))

    def _usage(self, rusage: Any) -> dict[str, Any]:
        if self.plan.cgroup and self.launch.directory:
            used = usage(self.plan.cgroup)
            return {
                "cpu_s": used.cpu_usec / 1e6
                if used.cpu_usec is not None
                else rusage.ru_utime + rusage.ru_stime,
                "peak_memory_bytes": used.peak_memory_bytes,
                "throttled_s": (used.throttled_usec or 0) / 1e6,
                "oom_killed": bool(used.oom_kills),
                "usage_source": "cgroup",
            }
        return {
            "cpu_s": rusage.ru_utime + rusage.ru_stime,
            "peak_memory_bytes": rusage.ru_maxrss * 1024,
            "throttled_s": 0.0,
            "oom_killed": False,
            "usage_source": "rusage",
        }

    def _remove_cgroup(self) -> None:
        if not (self.plan.cgroup and self.launch.directory):
            return
        cgroups.kill(self.plan.cgroup)
        cgroups.remove(self.plan.cgroup)

    def _wants_restart(self) -> bool:
        policy, code = self.launch.restart, self.state["exit_code"]
        if policy == "no" or os.path.exists(self.launch.directory + "/stopping"):
            return False
        if policy == "on-failure":
            tries = self.launch.restart_most
            return code != 0 and (not tries or self.state["restarts"] < tries)
        return True

    def _pause(self, seconds: float) -> bool:
        """Wait before a restart; say False when the container was stopped meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            select.poll().poll(min(left, 0.1) * 1000)
            if os.path.exists(self.launch.directory + "/stopping"):
                return False
        return True

    def _finish(self) -> None:
        if self.log:
            self.log.close()
        for path in self.launch.remove if "exit_code" in self.state else ():
            self._remove(path)
        if self.launch.remove:
            self._emit("destroy")
        self._unlock()
        self.clients.send(wire.EXITED, json.dumps(self.state).encode())
        self.clients.flush()
        self.clients.close()

    def _remove(self, path: str) -> None:
        """Remove what --rm takes along; what belongs to other ids waits for the next command's sweep."""
        try:
            if os.path.islink(path):
                os.unlink(path)
            else:
                remove_tree(path)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            self.state["error"] = f"not removed yet: {error}"

    def _write_state(self, **changes: Any) -> None:
        self.state.update(changes)
        if self.launch.directory:
            write_atomically(self.launch.directory + "/state.json", json.dumps(self.state).encode())

    def _emit(self, action: str, **attributes: str) -> None:
        if not self.launch.events:
            return
        container, name, image = self.launch.labels
        event = {
            "time": time.time(),
            "kind": "container",
            "action": action,
            "id": container,
            "attributes": {"name": name, "image": image, **attributes},
        }
        fd = os.open(self.launch.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(fd, json.dumps(event).encode() + b"\n")
        os.close(fd)


def _exit_code_of_failure(step: str, code: int) -> int:
    """Return 127 for a program that is not there, 126 for one that cannot be executed, else 125."""
    if step not in ("find_program", "execute"):
        return 125
    return 127 if code in (errno.ENOENT, errno.ENOTDIR) else 126
