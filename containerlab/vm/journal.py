"""What is known of a machine, in `state.json` of its directory. Only the standard library.

status: created (until its program has started), running, paused, restarting or exited.
pid: QEMU's, 0 when there is none. lock: whoever holds the lock of the file `lock` is its monitor; a free lock
beside a status that is not exited means that the monitor was killed, and QEMU with it.
started_at, finished_at: seconds since the epoch, 0 before. exit_code: as Docker's, or null.
error, hint: a sentence why it did not run, and what to do; console: the last lines of its console then.
oom_killed, restarts. guest: what HELLO and STARTED said (release, version, pid).
times: seconds of the host's monotonic clock from `begun_at`, which is one of it: monitor (it runs), qemu (it
is started), hello (the guest has answered), ready (it is set up), started (the program runs), output (its
first byte), exited (the program has ended), off (QEMU is gone).
usage: guest_cpu_s and guest_peak_bytes (of the program), host_cpu_s and host_peak_bytes (of QEMU).
"""

from __future__ import annotations

import json
import time
from typing import Any

from containerlab.linux.files import missing_where_full, read_whole, write_atomically

__all__ = ["Journal", "read"]

FILE = "state.json"


def read(directory: str) -> dict[str, Any]:
    """Return the state of the machine in a directory. Raises: FileNotFoundError."""
    state: dict[str, Any] = json.loads(read_whole(f"{directory}/{FILE}"))
    return state


class Journal:
    """The state that a monitor writes down."""

    def __init__(self, directory: str, begun_at: float) -> None:
        self._path = f"{directory}/{FILE}"
        self.begun_at = begun_at or time.monotonic()
        self.state: dict[str, Any] = {
            "status": "created",
            "pid": 0,
            "started_at": 0.0,
            "finished_at": 0.0,
            "exit_code": None,
            "error": "",
            "hint": "",
            "console": "",
            "oom_killed": False,
            "restarts": 0,
            "guest": {},
            "begun_at": self.begun_at,
            "times": {},
            "usage": {},
        }
        self.mark("monitor")

    def forget_boot(self) -> None:
        """Begin to tell of another boot."""
        self.begun_at = time.monotonic()
        self.state.update(
            guest={}, times={}, usage={}, exit_code=None, oom_killed=False, begun_at=self.begun_at
        )

    def mark(self, moment: str) -> None:
        """Note when something happened, the first time it does."""
        self.state["times"].setdefault(moment, round(time.monotonic() - self.begun_at, 6))

    def write(self, **changes: Any) -> None:
        """Change the state, and write it down where the disk has room."""
        self.state.update(changes)
        with missing_where_full():
            write_atomically(self._path, self.as_bytes())

    def as_bytes(self) -> bytes:
        """Return it as it is written."""
        return json.dumps(self.state).encode()
