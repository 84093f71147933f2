"""The monitor: one process that looks after one container.

It makes the container's process, writes its output to the log and to whoever is attached, writes its exit
code to disk before it tells anybody, takes the cgroups away, restarts by policy, and ends. While it lives
it holds a lock on the container's directory; a free lock beside the word "running" means that it died, and
then the kernel has killed the container too (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import math
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from containerlab.errors import SetupFailed
from containerlab.linux import procfs
from containerlab.linux.cgroups import control as cgroups
from containerlab.linux.cgroups.counters import usage
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.files import read_whole, remove_tree
from containerlab.linux.namespaces import CLONE_NEWPID, CLONE_NEWUSER
from containerlab.runtime import foreign_init, hooks, wire
from containerlab.runtime.clients import Clients
from containerlab.runtime.journal import Journal
from containerlab.runtime.launch import Launch
from containerlab.runtime.logfile import LogWriter
from containerlab.runtime.restarts import Backoff, policy_of
from containerlab.runtime.spawn import ChildFailed, Spawned, spawn
from containerlab.runtime.steps import Plan, step
from containerlab.runtime.streams import Stdio, Watch

if TYPE_CHECKING:
    from containerlab.runtime.health import Health
    from containerlab.runtime.recording import Recording

__all__ = ["look_after", "prepare"]


def look_after(launch: Launch, plan: Plan, client: int, extra: list[int]) -> None:
    """Run the container, or exec session, from its start to its end.

    Descriptors may stay open that only the caller can close, as he has none but his own.
    """
    Monitor(launch, plan, Clients(client, launch.directory), extra).run()


def prepare() -> None:
    """Be a process of its own, with a name, before it is known for whom."""
    os.setsid()
    procfs.rename(b"conlab-monitor")


class Monitor:
    """The state of one monitor; `run` is its life."""

    def __init__(self, launch: Launch, plan: Plan, clients: Clients, extra: list[int]) -> None:
        self.launch = launch
        self.plan = plan
        self.clients = clients
        self.extra = extra
        self.journal = Journal(launch.directory, launch.events, launch.labels)
        self.log: LogWriter | None = None
        # The client took the container's lock; whoever holds this descriptor holds it.
        self.lock = extra.pop(0) if launch.directory else -1
        self.decided = self._version_of_decision() if self._group else (0, 0)

    def run(self) -> None:
        """Start, watch, and start again while the policy says so."""
        if self.launch.directory and self.launch.log:
            self.log = LogWriter(
                self.launch.directory, self.launch.log_most_bytes, self.launch.log_most_files
            )
        try:
            self._run_all()
        except ChildFailed as failure:
            self._discard(_name_of(self.plan, failure.step), failure.errno, failure.text)
        except (OSError, SetupFailed) as error:
            told = error.message if isinstance(error, SetupFailed) else str(error)
            hint = error.hint if isinstance(error, SetupFailed) else ""
            self._discard("prepare", error.errno or errno.EIO, told, hint)
        else:
            self._leave(wire.EXITED, self.journal.state)

    def _unlock(self) -> None:
        """Let others change the container before they are told that it has ended."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    # --- from start to end ----------------------------------------------------------------------

    def _run_all(self) -> None:
        backoff = Backoff()
        while True:
            self._run_once()
            state = self.journal.state
            if state["status"] != "restarting":
                return
            wait_s = backoff.after(state["finished_at"] - state["started_at"])
            if not self._pause(wait_s) or not self._wants_restart(earlier=1):
                self.journal.write(status="exited")
                return
            self._heed_updates()

    def _heed_updates(self) -> None:
        """Take over the limits, and the cgroups for them, that `update` has set meanwhile."""
        if self._group is None or (version := self._version_of_decision()) == self.decided:
            return
        values = json.loads(read_whole(self.launch.directory + "/decision.json"))["cgroup"]
        self.plan = self.plan._replace(cgroup=CgroupPlan.restore(values))
        self.decided = version

    def _version_of_decision(self) -> tuple[int, int]:
        status = os.stat(self.launch.directory + "/decision.json")
        return status.st_ino, status.st_mtime_ns

    def _run_once(self) -> None:
        stdio = Stdio.make(self.plan.terminal, self.launch.stdin_open)
        if self._group:
            refused = cgroups.create(self._group)
            self.journal.update(refused=refused)
        if self.launch.foreign:
            foreign_init.forget(self.launch.foreign[0])
            if self._foreign_group:
                # Made here, for no other runtime tries again when somebody removes the directory above.
                cgroups.create(self._foreign_group)
        spawned = spawn(self.plan, [*stdio.theirs, *self.extra], self._run_hooks)
        stdio.close_theirs()
        pid = self._first_pid(spawned, stdio)
        recording = self._recording(spawned)
        health = self._begin_health(pid)
        self._announce(spawned, pid)
        watch = Watch(spawned, stdio.with_terminal(spawned.terminal), self.clients, self.log)
        watch.health, watch.recording = health, recording
        self._watch(watch)
        self._collect(spawned, recording)

    def _recording(self, spawned: Spawned) -> Recording | None:
        if spawned.listener < 0:
            return None
        from containerlab.runtime.recording import Recording  # only where there is a single id

        table = next(arguments[2] for name, arguments in self.plan.steps if name == "record_ownership")
        # That of an exec session may have ended already, while others that it began go on.
        first = spawned.pidfd if self.launch.directory else self.extra[-1]
        return Recording(spawned.listener, first, table)

    @property
    def _group(self) -> CgroupPlan | None:
        """The cgroup to make and remove; an exec session only enters its container's."""
        return self.plan.cgroup if self.launch.directory else None

    @property
    def _foreign_group(self) -> CgroupPlan | None:
        """The cgroup that another runtime puts the container into."""
        return CgroupPlan.restore(self.launch.foreign[1]) if any(self.launch.foreign[1:]) else None

    def _first_pid(self, spawned: Spawned, stdio: Stdio) -> int:
        if not self.launch.foreign:
            return spawned.pid
        complaints = spawned.terminal if self.plan.terminal else stdio.stderr
        return foreign_init.await_init(spawned, self.launch.foreign[0], complaints, self.plan)

    def _begin_health(self, pid: int) -> Health | None:
        if not self.launch.health:
            return None
        from containerlab.runtime import health  # takes memory, which most monitors can do without

        state = health.beginning(self.journal.state.get("health"))
        self.journal.update(health=state)
        group = self._foreign_group or self._group
        try:
            return health.Health(self.launch.health, pid, group, state, self._tell_health)
        except (ProcessLookupError, FileNotFoundError):  # it was quick
            return None

    def _tell_health(self, changed: bool) -> None:
        self.journal.write()
        if changed:
            self.journal.emit(f"health_status: {self.journal.state['health']['status']}")

    def _announce(self, spawned: Spawned, pid: int) -> None:
        os.close(spawned.channel)
        self.journal.write(
            durable=self._is_for_ever(),
            status="running",
            pid=pid,
            start_ticks=_start_ticks(pid),
            boot=procfs.boot_id(),
            attached=self.launch.attached,
            started_at=time.time(),
            finished_at=0.0,
            exit_code=None,
            oom_killed=False,
            error="",
        )
        self.journal.emit("start")
        self._run_hook("poststart", pid, "running")
        self.clients.send(wire.STARTED, json.dumps(self.journal.state).encode())
        if self.journal.state["restarts"] and self._is_stopping():
            # Somebody stopped it while it waited for its restart, and saw no process to signal.
            signal.pidfd_send_signal(spawned.pidfd, signal.SIGKILL)

    def _is_for_ever(self) -> bool:
        """Say whether the container is to be started again after a power cut, if this is known then."""
        stays = self.launch.directory and not self.launch.remove
        return bool(stays) and policy_of(self.launch.directory).condition != "no"

    def _watch(self, watch: Watch) -> None:
        """Carry output and input until the process has ended and its output is drained."""
        if self.launch.attached:
            watch.on_orphaned = lambda: self._end_orphan(watch)
            watch.on_detached = self._note_detached
        if self._group and not self.plan.new_namespaces & CLONE_NEWPID:
            # Others may outlive the first process, and print for ever what would have to be drained.
            watch.on_ended = functools.partial(cgroups.kill, self._group)
        watch.run()

    def _note_detached(self) -> None:
        self.journal.write(attached=self.clients.is_bound)

    def _end_orphan(self, watch: Watch) -> None:
        patience_s = self.launch.stop_timeout_s
        watch.kill_at = time.monotonic() + (patience_s if patience_s >= 0 else math.inf)
        if self._group:
            cgroups.thaw(self._group)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watch.spawned.pidfd, self.launch.stop_signal)

    def _collect(self, spawned: Spawned, recording: Recording | None) -> None:
        _, status, rusage = os.wait4(spawned.pid, 0)
        os.close(spawned.pidfd)
        if recording:
            recording.end(everybody=bool(self.plan.new_namespaces & CLONE_NEWPID))
        self._heed_updates()
        used = _usage(self._group, rusage)
        code = os.waitstatus_to_exitcode(status)
        self._remove_cgroup()
        ended = {"exit_code": code if code >= 0 else 128 - code, "finished_at": time.time(), **used}
        # What is removed right away needs no last words on disk; the client gets them.
        self.journal.update(status="exited", pid=0, **ended)
        if self._wants_restart():
            # In one write: whoever saw it exited in between would not stop what starts again.
            self.journal.update(status="restarting", restarts=self.journal.state["restarts"] + 1)
        if not self.launch.remove:
            self.journal.write_last()
        if used["oom_killed"]:
            self.journal.emit("oom")
        self.journal.emit("die", exitCode=str(ended["exit_code"]))
        self._run_hook("poststop", 0, "stopped")

    def _remove_cgroup(self) -> None:
        if left := self._foreign_group:
            cgroups.kill(left)
            cgroups.remove(left)
        if not self._group:
            return
        if not self.plan.new_namespaces & CLONE_NEWPID:
            # Without a PID namespace of its own, others may outlive the first process.
            cgroups.kill(self._group)
        cgroups.remove(self._group)

    # --- hooks and restarts ---------------------------------------------------------------------

    def _run_hooks(self, pid: int) -> None:
        for kind in ("prestart", "createRuntime"):
            self._run_hook(kind, pid, "creating")

    def _run_hook(self, kind: str, pid: int, status: str) -> None:
        if self.launch.hooks:
            about = hooks.state(self.launch.labels[0], status, pid, self.launch.directory)
            hooks.run(self.launch.hooks, kind, about)

    def _wants_restart(self, earlier: int = 0) -> bool:
        """Say whether it is to be started again; `earlier` restarts less than are counted have been made."""
        orphaned = self.launch.attached and self.clients.lost_first
        if not self.launch.directory or self.launch.remove or orphaned or self._is_stopping():
            return False
        state = self.journal.state
        return policy_of(self.launch.directory).wants(state["exit_code"], state["restarts"] - earlier)

    def _pause(self, seconds: float) -> bool:
        """Wait before a restart; say False when the container was stopped meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            select.poll().poll(min(left, 0.1) * 1000)
            if self._is_stopping():
                return False
        return True

    def _is_stopping(self) -> bool:
        return os.path.exists(self.launch.directory + "/stopping")

    # --- the end --------------------------------------------------------------------------------

    def _discard(self, step: str, code: int, text: str, hint: str = "") -> None:
        """End a container whose process could not be made."""
        self._remove_cgroup()
        exit_code = _exit_code_of_failure(step, code)
        # What has run before stays what has ended, however this start failed.
        started_at = self.journal.earlier().get("started_at", 0.0)
        self.journal.write(
            status="exited" if started_at else "created",
            started_at=started_at,
            error=f"{step}: {text}",
            exit_code=exit_code,
            finished_at=time.time(),
        )
        self._leave(wire.FAILED, {"step": step, "errno": code, "text": text, "hint": hint})

    def _leave(self, kind: int, last_words: dict[str, Any]) -> None:
        """Take away what is not to stay, let others at the container, say how it was, clean up."""
        if self.log:
            self.log.close()
        removed = (*filter(self._is_free, self.launch.volumes), *self.launch.remove)
        rubbish = [path for path in map(self._take_away, removed) if path]
        if self.launch.remove:
            self.journal.emit("destroy")
        self._unlock()
        self._say_goodbye(kind, last_words)
        self._remove(rubbish)

    def _remove(self, paths: list[str]) -> None:
        """Remove directories; what belongs to mapped ids, by a child that is root of the map."""
        try:
            for path in paths:
                remove_tree(path)
        except PermissionError:
            if self.plan.idmap is None:
                raise
            doing = (step("await_maps"), step("become", (0, 0)), step("remove_trees", (tuple(paths),)))
            child = spawn(Plan(CLONE_NEWUSER, (), self.plan.idmap, None, False, doing), ())
            os.waitpid(child.pid, 0)

    def _say_goodbye(self, kind: int, last_words: dict[str, Any]) -> None:
        self.clients.send(kind, json.dumps(last_words).encode())
        self.clients.flush()
        self.clients.close()

    def _is_free(self, volume: str) -> bool:
        """Say whether no other container has a volume, whose name is 64 random digits (--volumes-from)."""
        containers, own = os.path.split(self.launch.directory)
        return not any(
            os.path.basename(volume).encode() in _record(f"{containers}/{other}")
            for other in os.listdir(containers)
            if other != own
        )

    def _take_away(self, path: str) -> str:
        """Unlink a link, or move a directory to where nobody sees it; return where it is now."""
        try:
            if os.path.islink(path):
                os.unlink(path)
                return ""
            # Locked until all of this container is closed, so that a sweep leaves it alone until then.
            fcntl.flock(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), fcntl.LOCK_EX)
            gone = f"{self.launch.trash}/gone-{os.path.basename(path)}"
            os.rename(path, gone)
        except FileNotFoundError:
            return ""
        return gone


def _record(directory: str) -> bytes:
    try:
        return read_whole(f"{directory}/record.json")
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _start_ticks(pid: int) -> int:
    """Return when a process started; 0 for one that another runtime has collected already."""
    try:
        return procfs.start_ticks(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _name_of(plan: Plan, step: int) -> str:
    return str(plan.steps[step][0]) if step >= 0 else "prepare"


def _usage(group: CgroupPlan | None, rusage: Any) -> dict[str, Any]:
    """Say what was used, by the cgroup's count, else by that of the first process and its children."""
    cpu_s = rusage.ru_utime + rusage.ru_stime
    if group is None:
        return {
            "cpu_s": cpu_s,
            "peak_memory_bytes": _peak(rusage.ru_maxrss * 1024),
            "throttled_s": 0.0,
            "oom_killed": False,
            "usage_source": "rusage",
        }
    used = usage(group)
    return {
        "cpu_s": cpu_s if used.cpu_usec is None else used.cpu_usec / 1e6,
        "peak_memory_bytes": used.peak_memory_bytes,
        "throttled_s": (used.throttled_usec or 0) / 1e6,
        "oom_killed": bool(used.oom_kills),
        "usage_source": "cgroup",
    }


def _peak(most_bytes: int) -> int | None:
    """Return the peak of the program, None when it cannot be told from this process's own, its beginning.

    Source: Linux fs/exec.c, begin_new_exec: what was in use before execve counts in ru_maxrss.
    """
    with open("/proc/self/status", "rb") as file:
        own_kib = next(int(line.split()[1]) for line in file if line.startswith(b"VmHWM:"))
    return most_bytes if most_bytes > own_kib * 1024 * _BEGINNING else None


_BEGINNING = 1.2
"""How much more than this process has its child may touch before it becomes the program."""


def _exit_code_of_failure(step: str, code: int) -> int:
    """Return 127 for a program that is not there, 126 for one that cannot be executed, else 125."""
    if step not in ("find_program", "execute"):
        return 125
    return 127 if code in (errno.ENOENT, errno.ENOTDIR) else 126
