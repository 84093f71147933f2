"""A supervisor, as its client sees it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from containerlab.errors import SetupFailed
from containerlab.experiments.subjects.supervisor import RESTART_AFTER_S
from containerlab.linux.cgroups.plan import Plan

__all__ = ["RESTARTS", "Program", "Supervised"]

RESTARTS = f"a supervisor of ours, after {RESTART_AFTER_S:g} s"
_PROGRAM = (
    "import gc, sys; gc.disable(); sys.path.append(sys.argv[1]); "
    "from containerlab.experiments.subjects.supervisor import main; main()"
)
_PACKAGE_ROOT = str(Path(__file__).parents[3])


class Program(NamedTuple):
    """Something to start. tasks: files by which it enters v1 cgroups; into: its v2 cgroup.

    pid_file: of a runtime that makes the workload and ends, where it writes whose pid; undo: what is run when
    the workload has died.
    """

    id: str
    argv: Sequence[str]
    tasks: Sequence[str] = ()
    into: str = ""
    restarts: bool = False
    pid_file: str = ""
    undo: Sequence[str] = ()

    def within(self, group: Plan | None) -> Program:
        """Return the same in a group, if there is one."""
        if group is None:
            return self
        tasks = [path for path in group.attach if os.path.dirname(path) != group.unified]
        return self._replace(tasks=tasks, into=group.unified)


class Supervised:
    """A supervisor process; what it started ends with `close`, or with this process. Safe for threads."""

    def __init__(self) -> None:
        self._client, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, _PACKAGE_ROOT, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )
        self.pid("")  # it has started when it answers: nobody's first start waits for an interpreter

    def start(self, program: Program, stdout: int, stderr: int, exited: int) -> None:
        """Have it started; returns at once. exited: its exit code is written there at its end."""
        request = {"verb": "start", **program._asdict()}
        with self._lock:
            socket.send_fds(self._client, [json.dumps(request).encode()], [stdout, stderr, exited])

    def mount(self, mounts: Sequence[tuple[str, str, str, str]]) -> None:
        """Mount in its namespace: (source, target, type, data) each. Raises: SetupFailed."""
        self._ask({"verb": "mount", "mounts": mounts})

    def unmount(self, targets: Sequence[str]) -> None:
        """Undo it. Raises: SetupFailed."""
        self._ask({"verb": "unmount", "targets": targets})

    def pid(self, id_: str) -> int:
        """Return the process of the workload, 0 when there is none at the moment."""
        return int(self._ask({"verb": "pid", "id": id_})["pid"])

    def end(self, id_: str) -> None:
        """Kill it and wait until it is gone."""
        self._ask({"verb": "end", "id": id_})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._client.send(json.dumps(request).encode())
            data = self._client.recv(1 << 16)
        if not data:
            raise SetupFailed("the supervisor of the comparison has died", step="supervisor")
        answer: dict[str, Any] = json.loads(data)
        if error := answer.get("error"):
            raise SetupFailed(f"cannot {request['verb']} for a comparison: {error}", step=request["verb"])
        return answer

    def close(self) -> None:
        """End all that it started, and itself."""
        self._client.close()
        self._process.wait()
