"""A small process that starts others, and starts them again when they die, as an init system would.

It serves what has no engine: bare processes, and bundles that crun and runc run. It is told over a socket, a
JSON object each, descriptors beside, and ends with its client; then all that it started ends too. In a mount
namespace of its own it mounts what bundles need, so that no mount outlives it.

    {"verb": "mount", "mounts": [[source, target, type or bind, data], …]}   → {} or {"error"}
    {"verb": "unmount", "targets": […]}                               → {} or {"error"}
    {"verb": "start", "id", "argv", "tasks": [files to enter v1 cgroups by], "into": v2 cgroup,
     "restarts": bool,
     "pid_file": where the runtime writes the workload's pid, "undo": argv to run when the workload is dead}
        with descriptors 1 and 2 of the new process, and one to which its exit code is written at its end
    {"verb": "pid", "id"}    → {"pid": of the workload, 0 if there is none}
    {"verb": "end", "id"}    → {} when it is gone
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from containerlab.linux import mounts, namespaces, syscalls

__all__ = ["RESTART_AFTER_S", "main"]

RESTART_AFTER_S = 0.1
"""As systemd.service(5) has RestartSec, and what Docker and our own monitor begin with."""
_LONGEST_REQUEST = 1 << 16
_PR_SET_CHILD_SUBREAPER = 36
"""What a runtime has made comes to us when the runtime ends. Source: PR_SET_CHILD_SUBREAPER(2const)."""


def main() -> NoReturn:
    """Serve the client, on the descriptor that the last word names, until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a notebook's interrupt goes to the whole terminal
    syscalls.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    client = socket.socket(fileno=int(sys.argv[-1]))
    client.set_inheritable(False)
    server = _Supervisor(client)
    try:
        while server.serve_one():
            pass
    finally:
        server.end_all()
        os._exit(0)


class _Task:
    """One program: how to start it, and its process while it lives."""

    def __init__(self, request: dict[str, Any], streams: list[int], exited: int) -> None:
        self.argv: list[str] = request["argv"]
        self.tasks: list[str] = request["tasks"]
        self.into: str = request["into"]
        self.restarts: bool = request["restarts"]
        self.pid_file: str = request["pid_file"]
        self.undo: list[str] = request["undo"]
        self.streams, self._exited = streams, exited
        self.pid = self.pidfd = 0
        self.is_runtime = False
        """The process is not the workload yet but the runtime that makes it."""
        self.restart_at = 0.0

    def start(self) -> None:
        self.is_runtime = bool(self.pid_file)
        self.restart_at = 0.0
        self.pid, self.pidfd = _forked(self.argv, self.tasks, self.into, self.streams)
        if not self.restarts:
            self._close_streams()

    def ended(self) -> None:
        """Take note of the death of the process that is followed."""
        code = _reaped(self.pid)
        os.close(self.pidfd)
        self.pid = self.pidfd = 0
        if self.is_runtime and code == 0:
            self.is_runtime = False
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                with open(self.pid_file) as file:
                    pid = int(file.read())
                self.pid, self.pidfd = pid, os.pidfd_open(pid)
                return
        self._undo()
        if self.restarts:
            self.restart_at = time.monotonic() + RESTART_AFTER_S
        else:
            self._tell(code)

    def _tell(self, code: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            os.write(self._exited, b"%d" % code)
        self.streams.append(self._exited)
        self._close_streams()

    def _undo(self) -> None:
        if self.undo:
            pid, pidfd = _forked(self.undo, [], "", [])
            _reaped(pid)
            os.close(pidfd)

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.restarts, self.restart_at = False, 0.0
        while self.pid:
            if not self.is_runtime:  # a runtime that is killed half-way leaves half a container
                _kill(self.pid)
            _wait_for(self.pidfd)
            self.ended()
        self._close_streams()

    def _close_streams(self) -> None:
        while self.streams:
            os.close(self.streams.pop())


class _Supervisor:
    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._tasks: dict[str, _Task] = {}
        self._has_namespace = False

    def serve_one(self) -> bool:
        """Wait for something to happen and deal with it; say False when the client has hung up."""
        followed = {task.pidfd: task for task in self._tasks.values() if task.pidfd}
        waiting = [task for task in self._tasks.values() if task.restart_at]
        left_s = min((task.restart_at - time.monotonic() for task in waiting), default=None)
        ready = _readable([self._client.fileno(), *followed], left_s)
        for task in waiting:
            if task.restart_at <= time.monotonic():
                task.start()
        for fd in ready:
            if fd in followed:
                followed[fd].ended()
        return self._client.fileno() not in ready or self._answer()

    def _answer(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._client, _LONGEST_REQUEST, 3, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        request = json.loads(data)
        answer = getattr(self, f"_{request['verb']}")(request, fds)
        if answer is not None:
            self._client.send(json.dumps(answer).encode())
        return True

    def _mount(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        try:
            if not self._has_namespace:
                syscalls.unshare(namespaces.CLONE_NEWNS)
                syscalls.mount("none", "/", "", mounts.PROPAGATION["rslave"])
                self._has_namespace = True
            for source, target, fstype, data in request["mounts"]:
                flags = mounts.FLAGS.get(fstype, 0)
                syscalls.mount(source, target, "" if flags else fstype, flags, data)
        except OSError as error:
            return {"error": str(error.strerror)}
        return {}

    def _unmount(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        try:
            for target in request["targets"]:
                syscalls.umount2(target)
        except OSError as error:
            return {"error": str(error.strerror)}
        return {}

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        task = self._tasks[request["id"]] = _Task(request, fds[:2], fds[2])
        task.start()

    def _pid(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        task = self._tasks.get(request["id"])
        if task is None:
            return {"pid": 0}
        if task.pid and task.is_runtime:  # it has made the workload, or is about to
            _wait_for(task.pidfd)
            task.ended()
        return {"pid": task.pid}

    def _end(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        if task := self._tasks.pop(request["id"], None):
            task.end()
        return {}

    def end_all(self) -> None:
        """End all that was started."""
        for task in self._tasks.values():
            with contextlib.suppress(OSError):
                task.end()


def _readable(descriptors: list[int], timeout_s: float | None) -> list[int]:
    poll = select.poll()
    for fd in descriptors:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000)]


def _wait_for(pidfd: int) -> None:
    _readable([pidfd], None)


def _forked(argv: list[str], tasks: list[str], into: str, streams: list[int]) -> tuple[int, int]:
    """Start a program in cgroups; return its pid and pidfd.

    Cloned into the v2 one: to enter that takes a lock for which all processors are waited for, 20 ms and more
    (kernel/cgroup/cgroup.c, cgroup_attach_lock); `tasks` of v1 do without.
    """
    cgroup = os.open(into, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if into else -1
    try:
        flags = syscalls.CLONE_INTO_CGROUP if into else 0
        pid, pidfd = syscalls.clone3(flags, exit_signal=signal.SIGCHLD, cgroup=max(cgroup, 0))
        if pid == 0:
            _become(argv, tasks, streams)
    finally:
        if cgroup >= 0:
            os.close(cgroup)
    return pid, pidfd


def _become(argv: list[str], tasks: list[str], streams: list[int]) -> NoReturn:
    try:
        os.setsid()
        for path in tasks:
            with open(path, "w") as file:
                file.write("0")
        null = os.open("/dev/null", os.O_RDWR)
        outputs = streams or [null, null]
        for target, source in enumerate((null, *outputs)):
            os.dup2(source, target)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(argv[0], argv)
    finally:
        os._exit(127)


def _reaped(pid: int) -> int:
    """Wait for a child; return its exit code, or 128 and the signal."""
    try:
        return _code(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0  # it was not ours: a runtime has handed it to somebody else


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
