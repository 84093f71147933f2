"""Instances of what a supervisor starts: the parts that bare processes and bundles share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count

from containerlab.errors import ContainerFailed
from containerlab.experiments.subjects.output import Output
from containerlab.experiments.subjects.supervised import Program, Supervised
from containerlab.linux.cgroups.plan import Plan

__all__ = ["Started", "run_to_end"]

_numbers = count()


class Started:
    """A program that a supervisor starts, and its output; `close` ends it."""

    def __init__(self, supervised: Supervised, program: Program) -> None:
        self._supervised = supervised
        self._program = program
        self._output, self._exit = Output(), Output()
        self._errors = os.memfd_create("stderr", os.MFD_CLOEXEC)

    def start(self) -> None:
        """Ask for its start."""
        self._supervised.start(self._program, self._output.writer, self._errors, self._exit.writer)
        self._output.handed()
        self._exit.handed()

    def first_output_at(self, timeout_s: float) -> float:
        """Wait for its first byte. Raises: TimedOut; ContainerFailed when it ends without one."""
        try:
            return self._output.first_at(timeout_s, f"{self._program.argv[0]} has not printed anything")
        except ContainerFailed as error:
            raise ContainerFailed(f"{error.message}: {self._said()}") from error

    def pid(self) -> int:
        """Return the workload's process, 0 when there is none at the moment."""
        return self._supervised.pid(self._program.id)

    def end(self, timeout_s: float) -> str:
        """Wait for its end and return what it printed. Raises: TimedOut; ContainerFailed with its words."""
        what = " ".join(self._program.argv)
        printed = self._output.rest(timeout_s, f"{what} has not ended")
        code = int(self._exit.rest(timeout_s, f"{what} has not ended") or b"1")
        if code:
            raise ContainerFailed(f"{what} ended with {code}: {self._said()}")
        return printed.decode(errors="replace")

    def _said(self) -> str:
        return os.pread(self._errors, 2000, 0).decode(errors="replace").strip() or "nothing on standard error"

    def close(self) -> None:
        """End it if it runs, and let go of its output."""
        self._supervised.end(self._program.id)
        self._output.close()
        self._exit.close()
        os.close(self._errors)


def run_to_end(
    supervised: Supervised, argv: Sequence[str], timeout_s: float, group: Plan | None = None
) -> str:
    """Run a program to its end, in a cgroup if one is given, and return what it printed.

    Raises: ContainerFailed with its words; TimedOut, then it is killed.
    """
    started = Started(supervised, Program(f"run-{next(_numbers)}", argv).within(group))
    try:
        started.start()
        return started.end(timeout_s)
    finally:
        started.close()
