"""Real groups of this host's kernel."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable

import pytest

from containerlab.errors import SetupFailed
from containerlab.linux import syscalls
from containerlab.linux.cgroups import control, counters, hierarchy
from containerlab.linux.cgroups.plan import Plan, Write
from containerlab.linux.cgroups.resources import Resources
from tests.linux.cgroups.conftest import MIB, Inside, wait_until

Create = Callable[..., Plan]
Run = Callable[..., Inside]
SPIN = "while True: pass"


def test_limits_are_in_force_and_can_be_changed(create: Create, host: hierarchy.Hierarchy) -> None:
    plan = create(Resources(memory_bytes=64 * MIB, pids_max=7, cpu_quota_usec=50000, cpu_period_usec=100000))
    found = counters.read(plan)
    assert (found.memory_limit_bytes, found.pids_limit, found.cpu_quota_cores) == (64 * MIB, 7, 0.5)
    changed = host.group(_path(plan)).plan(
        Resources(memory_bytes=32 * MIB, pids_max=-1), control.current(plan)
    )
    assert control.update(changed) == ()
    found = counters.read(plan)
    assert (found.memory_limit_bytes, found.pids_limit, found.cpu_quota_cores) == (32 * MIB, None, 0.5)


def _path(plan: Plan) -> str:
    return "/".join(plan.paths[0].split("/")[-2:])


def test_memory_with_swap_goes_up_and_down(create: Create, host: hierarchy.Hierarchy) -> None:
    plan = create(Resources(memory_bytes=32 * MIB, memory_swap_bytes=32 * MIB))
    if control.current(plan).memory_swap_bytes is None:
        pytest.skip("this kernel does not account swap")
    for size in (64 * MIB, 16 * MIB, -1, 8 * MIB):
        resources = Resources(memory_bytes=size, memory_swap_bytes=size)
        control.apply(host.group(_path(plan)).plan(resources, control.current(plan)).writes)
        assert control.current(plan).memory_bytes == size


def test_too_much_memory_is_killed_and_counted(create: Create, run: Run) -> None:
    plan = create(Resources(memory_bytes=24 * MIB, memory_swap_bytes=24 * MIB))
    inside = run(plan, "hog = bytearray(96 << 20)")
    inside.go()
    assert inside.process.wait(20) == -signal.SIGKILL
    used = counters.usage(plan)
    assert used.oom_kills == 1
    assert used.peak_memory_bytes is not None
    assert 16 * MIB < used.peak_memory_bytes <= 24 * MIB


def test_a_memory_limit_below_what_is_used_is_refused_with_a_reason(create: Create, run: Run) -> None:
    plan = create(Resources(memory_bytes=64 * MIB, memory_swap_bytes=64 * MIB))
    inside = run(plan, "hog = bytearray(24 << 20); print('ready', flush=True)")
    inside.go()
    assert inside.line() == "ready"
    directory = dict(plan.directories)["memory"]
    if directory == plan.unified:
        pytest.skip("v2 kills instead of refusing")
    write = Write("memory", "memory.limit_in_bytes", str(4 * MIB), directory, "memory limit")
    with pytest.raises(SetupFailed, match=r"4194304.*memory\.limit_in_bytes") as caught:
        control.apply([write])
    assert "smaller than what the group uses" in caught.value.hint
    assert control.current(plan).memory_bytes == 64 * MIB


def test_cpu_quota_throttles_and_is_counted(create: Create, run: Run) -> None:
    plan = create(Resources(cpu_quota_usec=10000, cpu_period_usec=50000))
    run(plan, SPIN).go()
    wait_until(lambda: (counters.usage(plan).throttled_periods or 0) >= 3)
    used = counters.usage(plan)
    assert used.throttled_usec
    assert used.cpu_usec


def test_pids_limit_stops_a_fork(create: Create, run: Run) -> None:
    plan = create(Resources(pids_max=3))
    code = """
made = []
try:
    for _ in range(10):
        pid = os.fork()
        if not pid:
            sys.stdin.read()
            os._exit(0)
        made.append(pid)
except BlockingIOError as error:
    print(len(made), error.errno, flush=True)
"""
    inside = run(plan, code)
    inside.go()
    assert inside.line() == "2 11"


def test_cpuset_pins(create: Create, run: Run) -> None:
    plan = create(Resources(cpuset_cpus="0"))
    inside = run(plan, "print(os.sched_getaffinity(0), flush=True)")
    inside.go()
    assert inside.line() == "{0}"


def test_a_controller_that_joins_later_takes_the_running_processes(
    create: Create, run: Run, host: hierarchy.Hierarchy
) -> None:
    plan = create()
    inside = run(plan, "print(os.sched_getaffinity(0), flush=True)")
    changed = host.group(_path(plan)).plan(Resources(cpuset_cpus="0"), control.current(plan))
    assert control.update(changed) == ()
    try:
        inside.go()
        assert inside.line() == "{0}"
    finally:
        control.kill(changed)
        control.remove(changed)


def test_a_frozen_group_stands_still_and_goes_on(create: Create, run: Run) -> None:
    plan = create()
    inside = run(plan, "print('on', flush=True)")
    control.freeze(plan)
    assert control.is_frozen(plan)
    inside.go()
    assert inside.process.stdout
    assert not select.select([inside.process.stdout], [], [], 0.05)[0]
    control.thaw(plan)
    assert inside.line() == "on"
    assert not control.is_frozen(plan)


def test_v1_freezer_is_used_where_there_is_no_v2(run: Run, host: hierarchy.Hierarchy) -> None:
    v1 = next((part for part in host.parts if type(part).__name__ == "V1"), None)
    if v1 is None or "freezer" not in dict(v1.bases):
        pytest.skip("no v1 freezer")
    alone = hierarchy.Hierarchy((v1._replace(alone=True),))  # type: ignore[attr-defined]
    plan = alone.group(f"containerlab-test-{os.getpid()}/v1").plan(Resources())
    control.create(plan)
    try:
        inside = run(plan, SPIN)
        inside.go()
        control.freeze(plan)
        assert control.is_frozen(plan)
        assert control.kill(plan)
        assert inside.process.wait(5) == -signal.SIGKILL
        assert counters.usage(plan).cpu_usec
    finally:
        control.kill(plan)
        control.remove(plan)


def test_kill_takes_all_processes_even_frozen_and_nested_ones(create: Create, run: Run) -> None:
    plan = create()
    nested = Plan(tuple((name, f"{path}/nested") for name, path in plan.directories))
    for path in nested.paths:
        os.mkdir(path)
    insides = [run(plan, SPIN), run(nested, SPIN), run(plan, "os.fork()\nwhile True: pass")]
    for inside in insides:
        inside.go()
    wait_until(lambda: len(control.processes(plan)) == 4)
    control.freeze(plan)
    assert control.kill(plan)
    assert control.processes(plan) == ()
    assert [inside.process.wait(5) for inside in insides] == [-signal.SIGKILL] * 3


def test_remove_takes_nested_groups_and_a_freeze_with_it(create: Create) -> None:
    plan = create()
    for path in plan.paths:
        os.makedirs(f"{path}/a/b")
    control.freeze(plan)
    control.remove(plan)
    assert not any(os.path.exists(path) for path in (*plan.paths, *plan.parents))
    control.remove(plan)


def test_remove_says_what_is_still_in_use(create: Create, run: Run) -> None:
    plan = create()
    run(plan)
    with pytest.raises(SetupFailed, match=r"cannot remove the cgroup .*busy"):
        control.remove(plan, timeout_s=0.01)


def test_a_refused_limit_leaves_nothing_behind(create: Create, host: hierarchy.Hierarchy) -> None:
    plan = host.group(f"containerlab-test-{os.getpid()}/refused").plan(Resources(cpuset_cpus="4000"))
    with pytest.raises(SetupFailed, match=r"'4000' to cpuset\.cpus") as caught:
        control.create(plan)
    assert caught.value.step == "cgroup"
    assert caught.value.errno
    assert not any(os.path.exists(path) for path in plan.paths)


def test_an_optional_limit_that_the_kernel_lacks_becomes_a_notice(create: Create) -> None:
    plan = create()
    directory = plan.paths[0]
    either = [
        Write("io", name, "1", directory, "weight", required=False) for name in ("a.weight", "b.weight")
    ]
    assert control.apply(either) == ("no weight: this kernel has no b.weight",)
    there = Write("pids", "pids.max", "9", dict(plan.directories)["pids"], "weight", required=False)
    either = [Write("io", "a.weight", "1", there.path, "weight", required=False)]
    assert control.apply([*either, there]) == ()


def test_a_process_enters_by_the_attach_files_and_by_clone(create: Create) -> None:
    plan = create()
    assert plan.paths
    fds = control.open_attach(plan, cloned=bool(plan.unified))
    into = control.clone_into_fd(plan)
    flags = syscalls.CLONE_INTO_CGROUP if into is not None else 0
    pid, pidfd = syscalls.clone3(flags, exit_signal=signal.SIGCHLD, cgroup=into or 0)
    if pid == 0:
        for fd in fds:
            os.write(fd, b"0")
        signal.pause()
    for fd in (*fds, pidfd, *(() if into is None else (into,))):
        os.close(fd)
    try:
        wait_until(lambda: all(_is_in(pid, path) for path in plan.paths))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _is_in(pid: int, path: str) -> bool:
    with open(f"{path}/cgroup.procs") as file:
        return str(pid) in file.read().split()


def test_of_process_finds_the_directories_of_whoever_runs(create: Create, run: Run) -> None:
    plan = create(Resources(memory_bytes=64 * MIB))
    inside = run(plan)
    found = hierarchy.of_process(inside.process.pid)
    assert set(plan.directories) <= set(found.directories)
    assert counters.read(found).memory_limit_bytes == 64 * MIB
    with pytest.raises(ProcessLookupError):
        hierarchy.of_process(2**22 + 1)


def test_concurrent_groups_do_not_pull_the_common_parent_from_under_each_other(
    host: hierarchy.Hierarchy,
) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        plan = host.group(f"containerlab-test-{os.getpid()}-race/{name}").plan(Resources(pids_max=5))
        try:
            for _ in range(25):
                control.create(plan)
                control.remove(plan)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
