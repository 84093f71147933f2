"""The supervisor: it starts, starts again, tells, and takes all with it when its client is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.errors import ContainerFailed, SetupFailed, TimedOut
from containerlab.experiments.probe import probe
from containerlab.experiments.subjects.process import Started, run_to_end
from containerlab.experiments.subjects.supervised import Program, Supervised
from tests.containers import is_gone, until

pytestmark = pytest.mark.timeout(120)
_PROBE = str(probe.program())


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    found = Supervised()
    yield found
    found.close()


def test_a_program_runs_to_its_end(supervised: Supervised) -> None:
    assert run_to_end(supervised, ["/bin/echo", "hi"], 20) == "hi\n"


def test_a_program_that_fails_is_told_with_its_words(supervised: Supervised) -> None:
    with pytest.raises(ContainerFailed, match=r"ended with 3: oh no"):
        run_to_end(supervised, ["/bin/sh", "-c", "echo oh no >&2; exit 3"], 20)


def test_a_program_that_is_not_there_is_told(supervised: Supervised) -> None:
    with pytest.raises(ContainerFailed, match="ended with 127"):
        run_to_end(supervised, ["/nowhere"], 20)


def test_a_program_that_takes_too_long_is_killed(supervised: Supervised) -> None:
    with pytest.raises(TimedOut, match="sleep 100 has not ended"):
        run_to_end(supervised, ["/bin/sleep", "100"], 0.05)


def test_what_dies_is_started_again_and_ends_when_it_is_told(supervised: Supervised) -> None:
    started = Started(supervised, Program("one", [_PROBE, "idle"], restarts=True))
    started.start()
    started.first_output_at(20)
    pids = [started.pid()]
    for _ in range(2):
        os.kill(pids[-1], signal.SIGKILL)
        pids.append(until(lambda: next((pid for pid in [started.pid()] if pid not in (0, *pids)), 0)))
    started.close()
    assert len(set(pids)) == 3
    until(lambda: is_gone(pids[-1]))


def test_two_supervisors_do_not_hold_each_others_output(supervised: Supervised) -> None:
    other = Supervised()
    try:
        assert run_to_end(other, ["/bin/echo", "hi"], 20) == "hi\n"
    finally:
        other.close()
    assert run_to_end(supervised, ["/bin/echo", "ho"], 20) == "ho\n"


def test_all_ends_with_a_killed_client(tmp_path: Path) -> None:
    program = f"""
from containerlab.experiments.subjects.process import Started
from containerlab.experiments.subjects.supervised import Program, Supervised
started = Started(Supervised(), Program("one", [{_PROBE!r}, "idle"], restarts=True))
started.start()
started.first_output_at(20)
print(started.pid(), flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        assert not is_gone(pid)
        client.kill()
    until(lambda: is_gone(pid))


@pytest.mark.root
def test_a_mount_that_is_refused_is_told(supervised: Supervised) -> None:
    with pytest.raises(SetupFailed, match="cannot mount for a comparison: mount: No such file"):
        supervised.mount([("none", "/nowhere/at/all", "tmpfs", "")])


@pytest.mark.root
def test_mounts_are_seen_by_nobody_else(supervised: Supervised, tmp_path: Path) -> None:
    supervised.mount([("none", str(tmp_path), "tmpfs", "")])
    run_to_end(supervised, ["/bin/touch", f"{tmp_path}/inside"], 20)
    assert run_to_end(supervised, ["/bin/ls", str(tmp_path)], 20) == "inside\n"
    assert os.listdir(tmp_path) == []
    supervised.unmount([str(tmp_path)])
