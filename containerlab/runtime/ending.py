"""What happens to a container of `conlab runtime` after it was created: start, signals, limits, its end."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import select
import signal
from typing import Any

import msgspec

from containerlab.errors import Conflict, InvalidInput, LabError, NotFound, TimedOut, Unsupported
from containerlab.linux import procfs
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.oci import runtime as oci
from containerlab.runtime import hook_steps, hooks, resources
from containerlab.runtime.creation import group_at, group_path
from containerlab.runtime.register import Entry, Register

__all__ = ["delete", "kill", "pause", "resume", "show", "start", "update"]

_PATIENCE_MS = 10_000


def start(register: Register, container_id: str) -> None:
    """Let the program of a created container begin; return when it runs.

    Raises: NotFound, Conflict when it is not in the state `created`.
    """
    entry = register.require(container_id, "created")
    fifo = register.path(container_id) / "exec.fifo"
    try:
        fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fifo.unlink()
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ENOENT):
            raise
        raise Conflict(
            f"cannot start container {container_id}: it has ended or was started already"
        ) from error
    os.write(fd, b"s")
    _await_execve(fd)
    about = hooks.state(entry.id, "running", entry.pid, entry.bundle, entry.annotations)
    hooks.run(hook_steps.flat(register.spec(container_id).hooks), "poststart", about)


def _await_execve(fd: int) -> None:
    """Wait until nobody holds the other end of the FIFO: execve has closed it, or the process has ended."""
    poll = select.poll()
    poll.register(fd, 0)
    poll.poll()
    os.close(fd)


def show(register: Register, entry: Entry) -> dict[str, Any]:
    """Return a container's state as the specification has it."""
    status = register.status(entry)
    about = hooks.state(entry.id, status, 0 if status == "stopped" else entry.pid, entry.bundle)
    created = datetime.datetime.fromtimestamp(entry.created, datetime.UTC).isoformat()
    owner = str(register.path(entry.id).stat().st_uid)
    more = {"rootfs": entry.rootfs, "created": created, "owner": owner, "annotations": entry.annotations}
    return about | more


def kill(register: Register, container_id: str, number: int, *, everyone: bool = False) -> None:
    """Send a signal to a container's first process, or to all in its cgroup.

    Raises: NotFound; Conflict when it has ended, unless `everyone`.
    """
    entry = register.entry(container_id)
    group = entry.group
    if everyone and group:
        for pid in control.processes(group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    else:
        _signal(register.require(container_id, "created", "running", "paused"), number)
    if number == signal.SIGKILL and group:
        control.thaw(group)


def _signal(entry: Entry, number: int) -> None:
    try:
        pidfd = procfs.open_pidfd(entry.identity)
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError as error:
        raise Conflict(f"container not running: {entry.id} has just ended") from error
    os.close(pidfd)


def delete(register: Register, container_id: str, *, force: bool = False) -> None:
    """Remove what is left of a container; with `force` kill it first, and be content when there is none.

    Raises: NotFound, Conflict when it has not ended.
    """
    try:
        entry = register.entry(container_id)
    except NotFound:
        if force:
            return
        raise
    status = register.status(entry)
    if status != "stopped" and not force:
        raise Conflict(f"cannot delete container {container_id}: it is {status}", "stop it, or use --force")
    _end(entry)
    spec = _spec(register, container_id)
    register.forget(container_id)
    if spec:
        about = hooks.state(entry.id, "stopped", 0, entry.bundle, entry.annotations)
        hooks.run(hook_steps.flat(spec.hooks), "poststop", about)


def _spec(register: Register, container_id: str) -> oci.Spec | None:
    try:
        return register.spec(container_id)
    except FileNotFoundError:
        return None


def _end(entry: Entry) -> None:
    group = entry.group
    if procfs.is_alive(entry.identity):
        with contextlib.suppress(LabError):
            _signal(entry, signal.SIGKILL)
        if group:
            control.thaw(group)
        _await_end(entry)
    if group:
        control.kill(group)
        control.remove(group)


def _await_end(entry: Entry) -> None:
    try:
        pidfd = procfs.open_pidfd(entry.identity)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = poll.poll(_PATIENCE_MS)
    os.close(pidfd)
    if not ended:
        raise TimedOut(f"container {entry.id} does not end although it was killed")


def pause(register: Register, container_id: str) -> None:
    """Hold all processes of a container."""
    control.freeze(_group(register.require(container_id, "running", "created")))


def resume(register: Register, container_id: str) -> None:
    """Let a paused container go on."""
    control.thaw(_group(register.require(container_id, "paused")))


def _group(entry: Entry) -> CgroupPlan:
    group = entry.group
    if group is None:
        raise Unsupported(f"container {entry.id} has no cgroup", "run as root, or have one delegated")
    return group


def update(register: Register, container_id: str, document: bytes, *, systemd: bool) -> tuple[str, ...]:
    """Change a container's limits to those of a linux.resources document; return what was not taken.

    Raises: InvalidInput when it cannot be read, SetupFailed when the kernel refuses a limit.
    """
    entry = register.require(container_id, "created", "running", "paused")
    group = _group(entry)
    try:
        asked = msgspec.json.decode(document, type=oci.Resources)
    except msgspec.DecodeError as error:
        raise InvalidInput(
            f"the resources cannot be read: {error}", "write them as linux.resources"
        ) from error
    linux = register.spec(container_id).linux or oci.Linux()
    path = group_path(linux.cgroups_path, container_id, systemd=systemd)
    wanted = resources.from_oci(msgspec.structs.replace(asked, devices=()))
    plan = group_at(path).plan(wanted, control.current(group))
    notices = (*plan.notices, *control.update(plan._replace(parents=())))
    added = tuple(pair for pair in plan.directories if pair not in group.directories)
    parents = tuple(dict.fromkeys((*group.parents, *plan.parents))) if group.parents else ()
    register.write(
        entry.with_group(group._replace(directories=(*group.directories, *added), parents=parents))
    )
    return notices
