"""Groups of their own for tests, and processes inside of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from containerlab.linux.cgroups import control, hierarchy
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.cgroups.resources import Resources

MIB = 1 << 20


class Inside(NamedTuple):
    """A Python process that waits in a group until it is told to go."""

    process: subprocess.Popen[str]

    def go(self) -> None:
        """Let it run its code; it goes on reading lines from its standard input."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    """Look again until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def host() -> hierarchy.Hierarchy:
    """Return the cgroups of this host; skip where a group cannot be made."""
    found = hierarchy.detect()
    if not any(part.bases for part in found.parts):
        pytest.skip(found.group("a/b").plan(Resources(memory_bytes=1)).notices[0])
    return found


@pytest.fixture
def create(host: hierarchy.Hierarchy) -> Iterator[Callable[[Resources], Plan]]:
    """Make groups with given resources, and remove them with their processes afterwards."""
    made: list[Plan] = []

    def make(resources: Resources = Resources()) -> Plan:  # noqa: B008
        plan = host.group(f"containerlab-test-{os.getpid()}/{len(made)}").plan(resources)
        control.create(plan)
        made.append(plan)
        return plan

    yield make
    for plan in made:
        control.kill(plan)
        control.remove(plan)


@pytest.fixture
def run() -> Iterator[Callable[[Plan, str], Inside]]:
    """Start Python code in a group; it waits for `go`."""
    with contextlib.ExitStack() as ends:

        def start(plan: Plan, code: str = "") -> Inside:
            argv = [
                sys.executable,
                "-I",
                "-S",
                "-c",
                f"import os, sys\nsys.stdin.readline()\n{code}\nsys.stdin.read()",
            ]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            ends.enter_context(process)
            ends.callback(process.kill)
            control.enter(plan, process.pid)
            return Inside(process)

        yield start
