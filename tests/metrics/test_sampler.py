"""Real groups and processes, sampled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.cgroups.resources import Resources
from containerlab.metrics.meter import ProcMeter
from containerlab.metrics.sample import Sample
from containerlab.metrics.sampler import Sampler, meter_of, take
from tests.linux.cgroups.conftest import MIB, Inside, create, host, run, wait_until

__all__ = ["create", "host", "run"]


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    """Start a process without a group of its own that computes until it is killed."""
    code = "hog = bytearray(8 << 20)\nprint('on', flush=True)\nwhile True: pass"
    argv = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_group_is_sampled_until_it_is_left(
    create: Callable[..., Plan],
    run: Callable[..., Inside],
) -> None:
    plan = create(Resources(cpu_quota_usec=10000, cpu_period_usec=50000, memory_bytes=64 * MIB, pids_max=5))
    with Sampler(meter_of(plan), interval_s=0.01) as sampler:
        run(plan, "while True: pass").go()
        wait_until(lambda: bool(sampler.series.last and sampler.series.last.throttled_periods))
        assert sampler.is_running
    assert not sampler.is_running
    frame = sampler.series.to_frame()
    assert frame["cpu_s"].is_monotonic_increasing
    assert frame["cpu_throttled_s"].iloc[-1] > 0
    limits = frame[["cpu_limit_cores", "memory_limit_bytes", "pids_limit"]].iloc[-1].tolist()
    assert limits == [0.2, 64 * MIB, 5]
    assert frame["pids"].iloc[-1] == 1


def test_sampling_ends_with_the_process(
    create: Callable[..., Plan],
    run: Callable[..., Inside],
) -> None:
    plan = create()
    inside = run(plan, "raise SystemExit")
    pidfd = os.pidfd_open(inside.process.pid)
    try:
        with Sampler(meter_of(plan), interval_s=600, pidfd=pidfd) as sampler:
            inside.go()
            wait_until(lambda: not sampler.is_running)
    finally:
        os.close(pidfd)
    assert len(sampler.series) == 2


def test_sampling_ends_when_the_group_is_removed(create: Callable[..., Plan]) -> None:
    plan = create()
    with Sampler(meter_of(plan), interval_s=0.005) as sampler:
        control.remove(plan)
        wait_until(lambda: not sampler.is_running)
    assert len(sampler.series) >= 1


def test_an_error_of_the_thread_is_raised_where_the_sampler_is_left() -> None:
    class Broken:
        def __init__(self) -> None:
            self.reads = 0

        def read(self) -> Sample:
            self.reads += 1
            if self.reads > 1:
                raise ValueError("broken")
            return Sample(time=0, clock_s=0)

        def close(self) -> None:
            pass

    sampler = Sampler(Broken(), interval_s=0.001)
    sampler.__enter__()
    wait_until(lambda: not sampler.is_running)
    with pytest.raises(ValueError, match="broken"):
        sampler.__exit__(None, None, None)


def test_without_a_cgroup_the_processes_are_added_up(busy: subprocess.Popen[str]) -> None:
    meter = meter_of(Plan(), lambda: [busy.pid])
    wait_until(lambda: (meter.read().cpu_s or 0) > 0.02)
    found = meter.read()
    assert found.source == "/proc"
    assert found.pids == 1
    assert found.memory_bytes
    assert found.memory_bytes > 8 * MIB


def test_cpu_time_of_ended_processes_is_not_forgotten(busy: subprocess.Popen[str]) -> None:
    pids = [busy.pid, os.getpid()]
    meter = ProcMeter(lambda: pids)
    wait_until(lambda: (meter.read().cpu_s or 0) > 0.02)
    before = meter.read().cpu_s
    busy.kill()
    busy.wait()
    assert before is not None
    after = meter.read()
    assert after.cpu_s is not None
    assert after.cpu_s >= before
    assert after.pids is not None


def test_a_container_that_is_gone_is_an_error() -> None:
    with pytest.raises(ProcessLookupError):
        take(Plan(), list)


def test_written_bytes_are_counted_whatever_the_cgroup_version(
    create: Callable[..., Plan],
    run: Callable[..., Inside],
    base: os.PathLike[str],
) -> None:
    plan = create()
    code = f"""
fd = os.open({str(base)!r} + "/written", os.O_CREAT | os.O_RDWR)
os.unlink({str(base)!r} + "/written")
os.write(fd, bytes(1 << 20))
os.fsync(fd)
print("written", flush=True)
"""
    inside = run(plan, code)
    inside.go()
    assert inside.line() == "written"
    assert (take(plan).io_write_bytes or 0) >= MIB
