"""Perform a plan: make the group, let processes in, hold, kill and remove it. Works on data only."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress

from containerlab.errors import SetupFailed
from containerlab.linux.cgroups import devices
from containerlab.linux.cgroups.plan import Plan, Write
from containerlab.linux.cgroups.resources import Current

__all__ = [
    "apply",
    "clone_into_fd",
    "create",
    "current",
    "enter",
    "filter_devices",
    "freeze",
    "is_frozen",
    "kill",
    "open_attach",
    "processes",
    "remove",
    "thaw",
    "update",
]

_RETRIES = 100
"""Times that a parent may be removed by somebody else between making it and making the group."""


def create(plan: Plan) -> tuple[str, ...]:
    """Make the group and write its limits; return notices about what the kernel did not take.

    Directories that are there already are used as they are. After a failure nothing new is left behind.

    Raises: SetupFailed naming file, value and reason.
    """
    made: list[str] = []
    try:
        for path in plan.paths:
            made += _make(path)
        notices = apply(plan.writes)
        return notices + filter_devices(plan) if plan.program else notices
    except BaseException:
        _remove(made, plan.parents, time.monotonic() + 1)
        raise


def _make(path: str) -> list[str]:
    """Make a directory and, on demand, those above it; somebody may be removing them at the same time."""
    for _ in range(_RETRIES):
        try:
            os.mkdir(path, 0o755)
            return [path]
        except FileExistsError:
            return []
        except FileNotFoundError:
            try:
                os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            except FileNotFoundError:
                continue
        except OSError as error:
            raise _failed(f"cannot make the cgroup {path}", error) from error
    raise _failed(f"cannot make the cgroup {path}", OSError(errno.ENOENT, os.strerror(errno.ENOENT)))


def _failed(what: str, error: OSError, hint: str = "") -> SetupFailed:
    return SetupFailed(f"{what}: {error.strerror}", hint, step="cgroup", errno=error.errno or 0)


def apply(writes: Iterable[Write]) -> tuple[str, ...]:
    """Do the writes in order; return notices about those that were not required and not taken.

    Raises: SetupFailed for the first required one that the kernel refuses.
    """
    taken: set[tuple[str, str]] = set()
    refused: dict[tuple[str, str], tuple[Write, OSError]] = {}
    with closing(_LastFile()) as file:
        for write in writes:
            purpose = (write.path, write.why)
            if not write.required and purpose in taken:
                continue
            try:
                file.put(f"{write.path}/{write.file}", write.value)
                taken.add(purpose)
            except OSError as error:
                if write.required:
                    what = f"cannot write {write.value!r} to {write.file} of the cgroup {write.path}"
                    raise _failed(what, error, _hint(write, error.errno)) from error
                if purpose not in refused or refused[purpose][1].errno == errno.ENOENT:
                    refused[purpose] = (write, error)  # a file that is there and refuses tells more
    return tuple(_why_refused(*refused[purpose]) for purpose in refused if purpose not in taken)


class _LastFile:
    """Writes values to files and keeps the last one open: a dozen device rules all go to the same."""

    def __init__(self) -> None:
        self._path = ""
        self._fd = -1

    def put(self, path: str, value: str) -> None:
        """Write a value, by one call of write(2)."""
        if path != self._path:
            self.close()
            self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            self._path = path
        os.write(self._fd, value.encode())

    def close(self) -> None:
        """Close what is open."""
        if self._fd >= 0:
            os.close(self._fd)
        self._path, self._fd = "", -1


def _put(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _why_refused(write: Write, error: OSError) -> str:
    reason = "this kernel has no " + write.file if error.errno == errno.ENOENT else error.strerror
    return f"no {write.why}: {reason}"


def _hint(write: Write, number: int | None) -> str:
    """What the kernel most likely means."""
    if write.controller == "memory" and number == errno.EBUSY:
        return "the limit is smaller than what the group uses already: give it more memory"
    if write.controller == "memory" and number == errno.EINVAL:
        return "the memory limit must not be larger than the limit of memory and swap"
    if write.file == "cgroup.subtree_control" and number == errno.EBUSY:
        return "the cgroup above holds processes of its own; only one without may hand controllers down"
    if write.controller == "cpuset":
        return "these processors or memory nodes are not among those that the host offers here"
    if write.controller == "cpu" and number == errno.EINVAL:
        return "a period is 1000 to 1000000 us, a quota at least 1000 us and within what is above"
    if write.controller == "io" and number == errno.ENODEV:
        return "there is no such block device, or it is a partition: limit the whole disk"
    if number == errno.ENOENT:
        return "this kernel has no such limit"
    return ""


def filter_devices(plan: Plan) -> tuple[str, ...]:
    """Put the device filter onto the v2 directory; return a notice if the kernel refuses it."""
    try:
        devices.attach(bytes.fromhex(plan.program), plan.unified)
    except OSError as error:
        return (f"no device rules: the kernel refuses the device filter ({error.strerror})",)
    return ()


# --- processes in and out -----------------------------------------------------------------------


def open_attach(plan: Plan, *, cloned: bool = False) -> list[int]:
    """Open the files into which a process writes b"0" to enter; the caller closes them.

    On v1 these are `tasks`: unlike cgroup.procs they move one thread and so spare the lock that holds up
    every fork and exit of the machine (kernel/cgroup/cgroup.c, cgroup_attach_lock). `cloned` leaves out the
    v2 directory, for a process that was cloned into it.
    """
    fds: list[int] = []
    try:
        for path in plan.attach:
            if not (cloned and os.path.dirname(path) == plan.unified):
                fds.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise _failed(f"cannot open {path}", error) from error
    return fds


def clone_into_fd(plan: Plan, beside: int = 0) -> int | None:
    """Open the v2 directory for CLONE_INTO_CGROUP; None when there is none. The caller closes it.

    beside: a process in the group. If the group hands controllers down it may hold no process itself; then
    that process's own directory below is opened. Source: cgroup-v2.rst, No Internal Process Constraint.
    """
    if not plan.unified:
        return None
    directory = plan.unified
    if beside and _content(f"{directory}/cgroup.subtree_control").strip():
        directory = next((path for path in _tree(directory) if beside in _pids(path)), directory)
    return os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def enter(plan: Plan, pid: int) -> None:
    """Move a running process with all its threads into every directory of the group."""
    for path in plan.paths:
        try:
            _put(f"{path}/cgroup.procs", str(pid))
        except OSError as error:
            raise _failed(f"cannot move process {pid} into the cgroup {path}", error) from error


def update(plan: Plan) -> tuple[str, ...]:
    """Change the limits of a running group, as `create` does.

    A controller that takes part only from now on (cpuset on v1) gets all processes of the group.
    """
    new = [path for path in plan.paths if not os.path.isdir(path)]
    notices = create(plan)
    for path in new:
        for _ in range(_RETRIES):  # a process outside may fork another one there
            outside = set(processes(plan)) - set(_pids(path))
            for pid in outside:
                with suppress(ProcessLookupError):
                    _put(f"{path}/cgroup.procs", str(pid))
            if not outside:
                break
    return notices


def processes(plan: Plan) -> tuple[int, ...]:
    """Return the processes in the group and in groups below it, whichever hierarchy they are in."""
    found = {pid for path in plan.paths for directory in _tree(path) for pid in _pids(directory)}
    return tuple(sorted(found))


def _tree(path: str) -> Iterator[str]:
    """The directory and all below, deepest first."""
    try:
        names = [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for name in names:
        yield from _tree(f"{path}/{name}")
    yield path


def _pids(directory: str) -> Iterator[int]:
    """A process outside of our pid namespace is listed as 0, which kill(2) would take for ourselves."""
    return (pid for pid in map(int, _content(f"{directory}/cgroup.procs").split()) if pid)


def _content(path: str) -> str:
    """Text of a file, empty when it or its group is not there (any more)."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            raise
        return ""


# --- hold and kill ------------------------------------------------------------------------------


def freeze(plan: Plan, timeout_s: float = 10.0) -> None:
    """Hold all processes of the group and wait until they stand still.

    Raises: SetupFailed when there is no freezer or they do not stop in time (then they run on).
    """
    try:
        stopped = _is_stopped(plan, timeout_s)
    except OSError as error:
        raise _failed(f"cannot freeze {plan.paths[0]}", error, "has it ended?") from error
    if not stopped:
        thaw(plan)
        raise SetupFailed(
            f"the processes of {plan.paths[0]} did not freeze within {timeout_s:g} s",
            step="cgroup",
            errno=errno.ETIMEDOUT,
        )


def _is_stopped(plan: Plan, timeout_s: float) -> bool:
    if plan.unified:
        _put(f"{plan.unified}/cgroup.freeze", "1")
        return _wait_event(plan.unified, "frozen 1", timeout_s)
    if freezer := dict(plan.directories).get("freezer"):
        return _wait(lambda: _freeze_v1(freezer), timeout_s)
    raise SetupFailed("cannot freeze: no freezer can be used here", step="cgroup", errno=errno.ENOSYS)


def _freeze_v1(directory: str) -> bool:
    """Ask until it is so: a group with a process that is being forked may stay in FREEZING.

    Source: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst.
    """
    _put(f"{directory}/freezer.state", "FROZEN")
    return _content(f"{directory}/freezer.state").strip() == "FROZEN"


def thaw(plan: Plan) -> None:
    """Let all processes of the group go on; nothing happens when they do already."""
    for file, value in _thaw_files(plan):
        try:
            _put(file, value)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise _failed(f"cannot write {value!r} to {file}", error) from error


def _thaw_files(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.unified:
        yield f"{plan.unified}/cgroup.freeze", "0"
    if freezer := dict(plan.directories).get("freezer"):
        yield f"{freezer}/freezer.state", "THAWED"


def is_frozen(plan: Plan) -> bool:
    """Whether the group is held."""
    if plan.unified and "frozen 1" in _content(f"{plan.unified}/cgroup.events"):
        return True
    freezer = dict(plan.directories).get("freezer", "")
    return bool(freezer) and _content(f"{freezer}/freezer.state").strip() == "FROZEN"


def kill(plan: Plan, timeout_s: float = 10.0) -> bool:
    """Kill every process of the group with SIGKILL and return whether all were gone in time.

    A frozen v1 process keeps the signal pending until it is thawed, hence the order.
    """
    if plan.unified:
        with suppress(FileNotFoundError):  # before Linux 5.14, or already removed
            _put(f"{plan.unified}/cgroup.kill", "1")
    return _wait(lambda: _kill_round(plan), timeout_s)


def _kill_round(plan: Plan) -> bool:
    pids = processes(plan)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if pids:
        thaw(plan)
    return not pids


def _wait(is_done: Callable[[], bool], timeout_s: float) -> bool:
    """Ask again and again, at growing distances of at most 20 ms: v1 tells nobody of changes."""
    deadline, pause = time.monotonic() + timeout_s, 0.0002
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
    return True


def _wait_event(directory: str, line: str, timeout_s: float) -> bool:
    """Wait until a line stands in cgroup.events, which wakes its readers at each change."""
    deadline = time.monotonic() + timeout_s
    fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    try:
        while line.encode() not in os.pread(fd, 512, 0).split(b"\n"):
            left_ms = (deadline - time.monotonic()) * 1000
            if left_ms <= 0:
                return False
            poll.poll(left_ms)
        return True
    finally:
        os.close(fd)


# --- the end ------------------------------------------------------------------------------------


def remove(plan: Plan, timeout_s: float = 5.0) -> None:
    """Remove the group with all groups below it, then those above that are empty.

    What is gone already is fine. The processes must have been killed; the kernel needs a moment after that.

    Raises: SetupFailed when a directory is still in use after `timeout_s`.
    """
    thaw(plan)
    _remove(plan.paths, plan.parents, time.monotonic() + timeout_s)


def _remove(paths: Iterable[str], parents: Iterable[str], deadline: float) -> None:
    for path in paths:
        if not _wait(lambda path=path: _remove_tree(path), deadline - time.monotonic()):  # type: ignore[misc]
            raise _failed(f"cannot remove the cgroup {path}", OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
    for parent in reversed(list(parents)):
        with suppress(OSError):  # others are in it, or have just removed it
            os.rmdir(parent)


def _remove_tree(path: str) -> bool:
    """Try once; the usual case, a group without groups below it, costs one call."""
    if _is_removed(path):
        return True
    for directory in _tree(path):
        _is_removed(directory)
    return not os.path.isdir(path)


def _is_removed(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise _failed(f"cannot remove the cgroup {directory}", error) from error
        return False
    return True


def current(plan: Plan) -> Current:
    """Return the memory limits in force, for `Cgroup.plan` of an update."""
    directory = dict(plan.directories).get("memory", "")
    if not directory:
        return Current()
    memory = _limit(f"{directory}/memory.limit_in_bytes", f"{directory}/memory.max")
    swap = _limit(f"{directory}/memory.memsw.limit_in_bytes", f"{directory}/memory.swap.max")
    is_v2 = directory == plan.unified
    return Current(memory, memory + swap if is_v2 and min(memory, swap) >= 0 else swap)


def _limit(*files: str) -> int:
    """The number in the first file that is there; -1 for no limit, which v1 writes as almost 2**63."""
    text = next((content for file in files if (content := _content(file).strip())), "max")
    return -1 if text == "max" or int(text) > 1 << 60 else int(text)
