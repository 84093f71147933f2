"""One set of names and units for what v1 and v2 count; the v2 files are recorded from a Linux 6.1 host."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab.linux.cgroups import control, counters
from containerlab.linux.cgroups.plan import UNIFIED, Plan
from containerlab.linux.cgroups.resources import Resources
from tests.linux.cgroups.conftest import MIB, Inside, wait_until

V2_FILES = {
    "cpu.stat": """\
usage_usec 2500000
user_usec 2000000
system_usec 500000
nr_periods 50
nr_throttled 20
throttled_usec 1200000
nr_bursts 0
burst_usec 0
""",
    "cpu.max": "50000 100000\n",
    "memory.current": "20971520\n",
    "memory.peak": "31457280\n",
    "memory.max": "67108864\n",
    "memory.swap.current": "4096\n",
    "memory.stat": "anon 10485760\nfile 8388608\nkernel 2097152\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=100 wbytes=0 rios=1\n",
    "cpu.pressure": """\
some avg10=12.50 avg60=3.00 avg300=0.70 total=900000
full avg10=2.00 avg60=0.50 avg300=0.10 total=400000
""",
}


@pytest.fixture
def recorded(tmp_path: Path) -> Plan:
    """Return a v2 group made of recorded files."""
    for name, text in V2_FILES.items():
        (tmp_path / name).write_text(text)
    names = ("cpu", "memory", "pids", "io", UNIFIED)
    return Plan(tuple((name, str(tmp_path)) for name in names))


def test_v2_files(recorded: Plan) -> None:
    found = counters.read(recorded)
    assert found._replace(pressure_cpu=None) == counters.Counters(
        cpu_usec=2500000,
        cpu_quota_cores=0.5,
        periods=50,
        throttled_periods=20,
        throttled_usec=1200000,
        memory_bytes=20 * MIB,
        memory_peak_bytes=30 * MIB,
        memory_limit_bytes=64 * MIB,
        anon_bytes=10 * MIB,
        cache_bytes=8 * MIB,
        swap_bytes=4096,
        oom_kills=1,
        pids=3,
        pids_limit=None,
        io_read_bytes=4196,
        io_write_bytes=8192,
    )
    assert found.pressure_cpu == counters.Pressure(12.5, 900000, 2.0, 400000)


def test_usage_of_v2(recorded: Plan) -> None:
    assert counters.usage(recorded) == counters.Usage(2500000, 30 * MIB, 1200000, 20, 1)


def test_what_a_kernel_does_not_count_is_none(recorded: Plan, tmp_path: Path) -> None:
    (tmp_path / "memory.peak").unlink()
    (tmp_path / "io.stat").unlink()
    found = counters.read(recorded)
    assert (found.memory_peak_bytes, found.io_read_bytes) == (None, None)
    assert counters.read(Plan()) == counters.Counters()


def test_a_real_group_counts_what_its_processes_do(
    create: Callable[..., Plan], run: Callable[..., Inside]
) -> None:
    plan = create()
    inside = run(plan, "hog = bytearray(16 << 20); sum(range(10**6)); print('done', flush=True)")
    with counters.Reader(plan) as reader:
        inside.go()
        assert inside.line() == "done"
        found = reader.read()
    assert found.pids == 1
    assert found.cpu_usec
    assert found.anon_bytes
    assert found.memory_bytes
    assert found.anon_bytes > 12 * MIB
    assert found.memory_peak_bytes
    assert found.memory_peak_bytes >= found.memory_bytes
    assert found.memory_limit_bytes is None


def test_reading_a_removed_group_is_an_error_of_its_own(create: Callable[..., Plan]) -> None:
    plan = create()
    with counters.Reader(plan) as reader:
        control.remove(plan)
        with pytest.raises(OSError, match="No such device") as caught:
            reader.read()
    assert caught.value.errno == errno.ENODEV


def test_throttling_is_counted_while_it_happens(
    create: Callable[..., Plan], run: Callable[..., Inside]
) -> None:
    plan = create(Resources(cpu_quota_usec=5000, cpu_period_usec=20000))
    run(plan, "while True: pass").go()
    with counters.Reader(plan) as reader:
        wait_until(lambda: (reader.read().throttled_periods or 0) >= 2)
        found = reader.read()
    assert found.throttled_usec
    assert found.periods
    assert found.periods >= 2
