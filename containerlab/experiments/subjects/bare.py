"""The measuring program as a process of the host: what everything else is compared to."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from containerlab.errors import Unsupported
from containerlab.experiments.probe import probe
from containerlab.experiments.shares import Shares, remove
from containerlab.experiments.subject import DISK, PROBE
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.process import Started, run_to_end
from containerlab.experiments.subjects.supervised import RESTARTS, Program, Supervised
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan

__all__ = ["Bare"]


class Bare:
    """Processes of the host, each in a session and, where that may be, a cgroup of its own."""

    name, kind, tier = "bare process", "process", ""

    def __init__(self, shares: Shares, scratch: Path) -> None:
        self._shares = shares
        self._scratch = scratch
        self._supervised = Supervised()
        self._numbers = count()
        self.facts: Mapping[str, str] = {
            "engine": "none",
            "version": os.uname().release,
            "network": "the host's",
            "filesystem": "the host's",
            "seccomp": "none",
            "cpu_shares": shares.fact,
            "restarts": RESTARTS,
        }

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Process:
        """Make a place for a process of the measuring program. Raises: Unsupported for other programs."""
        id_ = f"bare-{next(self._numbers)}"
        directory = self._scratch / id_
        directory.mkdir()
        group = self._shares.group(id_)
        program = Program(id_, _here(words, directory), restarts=restarts).within(group)
        return Process(self._supervised, program, (group, directory), port)

    def close(self) -> None:
        """End all of them."""
        self._supervised.close()


def _here(words: Sequence[str], directory: Path) -> list[str]:
    """Translate words of an image to where their files are on this host."""
    if not words or words[0] != PROBE:
        raise Unsupported(f"the bare process is the measuring program alone, not {' '.join(words)}")
    return [str(probe.program()), *(word.replace(DISK, str(directory)) for word in words[1:])]


class Process:
    """One process; `place`: its cgroup and what stands for its disk."""

    def __init__(
        self, supervised: Supervised, program: Program, place: tuple[Plan | None, Path], port: int
    ) -> None:
        self._supervised = supervised
        self._started = Started(supervised, program)
        self._group, self._directory = place
        self._port = port

    def start(self) -> None:
        self._started.start()

    def first_output_at(self, timeout_s: float) -> float:
        return self._started.first_output_at(timeout_s)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        return run_to_end(self._supervised, _here(words, self._directory), timeout_s, self._group)

    def pids(self) -> list[int]:
        return counting.descendants([self.workload_pid()])

    def workload_pid(self) -> int:
        return self._started.pid()

    def memory_bytes(self) -> int | None:
        return counting.memory_bytes(self._group)

    def disk_bytes(self) -> int:
        return counting.allocated_bytes(str(self._directory))

    def pause(self) -> None:
        if self._group:
            control.freeze(self._group)
        else:
            self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._group:
            control.thaw(self._group)
        else:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def snapshot(self) -> int:
        raise Unsupported("a bare process has no files of its own that could be kept")

    def delete(self) -> None:
        if self._group:
            control.thaw(self._group)
        self._started.close()
        remove(self._group)
        shutil.rmtree(self._directory)
