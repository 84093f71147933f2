"""A machine's state goes to a file, by QEMU's own migration. Only the standard library."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from containerlab.vm.qemu.qmp import Qmp, QmpFailed

__all__ = ["Saving"]

_FAST = 1 << 40


class Saving:
    """One save. `then` is told when it is complete and on disk, with what went wrong or nothing."""

    def __init__(self, qmp: Qmp, path: str, then: Callable[[str], None], *, are_pages_apart: bool) -> None:
        self._qmp = qmp
        self._path = path
        self._then: Callable[[str], None] | None = then
        self._are_pages_apart = are_pages_apart
        self._fd = -1

    def begin(self) -> None:
        """Tell QEMU to save; it answers by events."""
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.fail(f"cannot save to {self._path}: {error.strerror}")
            return
        wanted = ["events"] + (["x-ignore-shared"] if self._are_pages_apart else [])
        capabilities = [{"capability": name, "state": True} for name in wanted]
        self._qmp.command("migrate-set-capabilities", self._check, capabilities=capabilities)
        # The guest is stopped at once for as long as it takes: its pages need not be sent twice.
        self._qmp.command("migrate-set-parameters", max_bandwidth=_FAST, downtime_limit=600_000)
        self._qmp.command("getfd", self._check, [self._fd], fdname="saved")
        self._qmp.command("migrate", self._check, uri="fd:saved")

    def _check(self, answer: Any) -> None:
        if isinstance(answer, QmpFailed):
            self.fail(answer.message)

    def heed(self, status: str) -> None:
        """Take what QEMU tells of it."""
        if status == "completed":
            os.fsync(self._fd)
            self._finish("")
        elif status in ("failed", "cancelled"):
            self.fail("QEMU could not save the machine")

    def fail(self, reason: str) -> None:
        """Leave nothing behind."""
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        self._finish(reason)

    def _finish(self, failure: str) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        then, self._then = self._then, None
        if then:
            then(failure)
