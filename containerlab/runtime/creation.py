"""A bundle becomes a container that waits for `start`; a running one gets one more process.

The caller is a single-threaded process of its own. What it makes belongs to whoever collects orphans
(conmon, containerd's shim) once it ends, so there is no monitor.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from containerlab.errors import CannotExecute, CommandNotFound, Conflict, InvalidInput, LabError, SetupFailed
from containerlab.linux import namespaces, procfs
from containerlab.linux.cgroups import control, hierarchy
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.cgroups.v1 import V1
from containerlab.linux.files import write_atomically
from containerlab.oci import runtime as oci
from containerlab.oci.runtime import Process, Spec
from containerlab.runtime import bundle, console, hook_steps, hooks, posture, resources, rootfs, seccomp
from containerlab.runtime.plan import Surroundings, container_plan, exec_plan
from containerlab.runtime.register import Entry, Register
from containerlab.runtime.spawn import ChildFailed, Spawned, spawn
from containerlab.runtime.steps import Plan

__all__ = ["Wishes", "create", "execute", "group_at", "group_path"]

_DEFAULT_GROUP = "containerlab"


class Wishes(NamedTuple):
    """What the caller of `create` and `exec` says beside the bundle.

    console_socket: where the terminal's master is to be sent; pid_file: where the pid is to be written.
    can_pivot, keeps_keyring: see `Surroundings`; preserved: how many descriptors from 3 on are passed on.
    systemd_cgroup: whether cgroupsPath is slice:prefix:name.
    owns_terminal: whether the caller carries the terminal's bytes itself when there is no console socket.
    """

    pid_file: str = ""
    console_socket: str = ""
    can_pivot: bool = True
    keeps_keyring: bool = False
    preserved: int = 0
    systemd_cgroup: bool = False
    owns_terminal: bool = False


class Created(NamedTuple):
    """A process that was made, and what could not be given to it."""

    process: Spawned
    notices: tuple[str, ...]


def create(register: Register, container_id: str, directory: str, wishes: Wishes) -> Created:
    """Create a container that waits for `start`; after a failure nothing of it is left.

    Raises: InvalidInput, AlreadyExists, SetupFailed and others.
    """
    directory = os.path.realpath(directory)
    fitted = bundle.fit(bundle.read(directory), directory)
    spec = fitted.spec
    assert spec.process is not None
    assert spec.root is not None
    _check_terminal(spec.process, wishes)
    group = _group(spec, container_id, wishes)
    place = register.claim(container_id)
    entry = Entry(
        id=container_id,
        bundle=directory,
        rootfs=spec.root.path,
        created=time.time(),
        annotations=spec.annotations,
    ).with_group(group)
    try:
        register.write(entry)
        write_atomically(str(place / "config.json"), oci.encode(spec))
        plan = _plan(spec, entry, wishes, Path(register.root))
        if group:
            control.create(group)
        process = _make(plan, place, spec, entry, wishes)
        try:
            _hand_over(process, wishes)
            register.write(entry.with_process(process.pid))
            _write_pid(wishes.pid_file, process.pid)
        except BaseException:
            _kill(process)
            raise
    except BaseException:
        _undo(register, entry, spec)
        raise
    return Created(process, (*fitted.notices, *(group.notices if group else ())))


def _check_terminal(process: Process, wishes: Wishes) -> None:
    if process.terminal and not wishes.console_socket and not wishes.owns_terminal:
        raise InvalidInput("process.terminal needs --console-socket", "say where the terminal is to be sent")
    if wishes.console_socket and not process.terminal:
        raise InvalidInput("--console-socket needs process.terminal", "set it in config.json")


def group_path(cgroups_path: str, container_id: str, *, systemd: bool) -> str:
    """Return the cgroup below the hierarchies' roots; systemd's slice:prefix:name is spelled out.

    >>> group_path("user-lab.slice:conlab:web", "1", systemd=True)
    'user.slice/user-lab.slice/conlab-web.scope'
    """
    if systemd and cgroups_path.count(":") == 2:
        slice_name, prefix, name = cgroups_path.split(":")
        words = (slice_name or "system.slice").removesuffix(".slice").split("-")
        slices = [f"{'-'.join(words[: i + 1])}.slice" for i in range(len(words)) if words[0]]
        unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
        return "/".join((*slices, unit))
    if systemd and cgroups_path:
        raise InvalidInput(
            f"linux.cgroupsPath {cgroups_path!r} is not slice:prefix:name", "see --systemd-cgroup"
        )
    if ".." in cgroups_path.split("/"):
        raise InvalidInput(f"linux.cgroupsPath {cgroups_path!r} leads upward", "give a path without ..")
    return cgroups_path.strip("/") or f"{_DEFAULT_GROUP}/{container_id}"


def _group(spec: Spec, container_id: str, wishes: Wishes) -> CgroupPlan | None:
    """Plan the cgroup; directories above it are their maker's, so they are never removed here."""
    assert spec.linux is not None
    path = group_path(spec.linux.cgroups_path, container_id, systemd=wishes.systemd_cgroup)
    plan = (
        hierarchy.detect().group(path).plan(resources.from_oci(_with_default_devices(spec.linux.resources)))
    )
    if not plan.directories:
        return None
    return plan if path.startswith(f"{_DEFAULT_GROUP}/") else plan._replace(parents=())


def group_at(path: str) -> hierarchy.Cgroup:
    """Return a cgroup in every hierarchy that engines read, also where v2 does the same better."""
    found = hierarchy.detect()
    parts = tuple(part._replace(alone=True) if isinstance(part, V1) else part for part in found.parts)
    return found._replace(parts=parts).group(path)


def _with_default_devices(asked: oci.Resources | None) -> oci.Resources | None:
    """Allow the default devices after the bundle's own rules. Source: runtime-spec, Default Devices."""
    if asked is None or not asked.devices or bundle.is_nested():
        return asked and msgspec.structs.replace(asked, devices=())
    allowed = (rule for rule in posture.DEVICE_RULES if rule.allow)
    return msgspec.structs.replace(asked, devices=(*asked.devices, *allowed))


def _plan(spec: Spec, entry: Entry, wishes: Wishes, root: Path) -> Plan:
    assert spec.linux is not None
    around = Surroundings(
        root=entry.rootfs,
        cgroup=entry.group,
        idmap=bundle.idmap_of(spec),
        filters=seccomp.filters(spec.linux.seccomp, _filter_cache(root), hides_ownership=False),
        can_pivot=wishes.can_pivot,
        mounts_any_proc=rootfs.mounts_any_proc(),
        start_index=3,
        outlive_parent=True,
        container=(entry.id, entry.bundle),
        is_nested=bundle.is_nested(),
        preserved=wishes.preserved,
        keeps_keyring=wishes.keeps_keyring,
    )
    return container_plan(spec, around)


def _filter_cache(root: Path) -> Path:
    cache = root / ".seccomp"
    cache.mkdir(mode=0o700, exist_ok=True)
    return cache


def _make(plan: Plan, place: Path, spec: Spec, entry: Entry, wishes: Wishes) -> Spawned:
    fifo = place / "exec.fifo"
    os.mkfifo(fifo, 0o600)
    # Open both ways, so that the child waits for a word instead of seeing an end.
    waiting = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    wanted = hook_steps.flat(spec.hooks)

    def run_hooks(pid: int) -> None:
        about = hooks.state(entry.id, "creating", pid, entry.bundle, entry.annotations)
        for kind in ("prestart", "createRuntime"):
            hooks.run(wanted, kind, about)

    try:
        return _spawn(plan, [0, 1, 2, waiting], run_hooks)
    finally:
        os.close(waiting)


def _spawn(plan: Plan, descriptors: Sequence[int], on_hook: object = None) -> Spawned:
    try:
        return spawn(plan, descriptors, on_hook)  # type: ignore[arg-type]
    except ChildFailed as failure:
        name = plan.steps[failure.step][0] if failure.step >= 0 else "clone"
        if name in ("find_program", "execute"):
            raise _not_executed(plan, failure) from failure
        raise _failed(name, failure.errno, failure.text) from failure
    except hooks.HookFailed as failure:
        raise SetupFailed(str(failure.strerror), step="hook", errno=failure.errno or 0) from failure
    except OSError as error:
        raise _failed("clone", error.errno or 0, error.strerror or str(error)) from error


def _failed(step: str, number: int, text: str) -> SetupFailed:
    return SetupFailed(f"cannot create the process: {step}: {text}", step=step, errno=number)


def _not_executed(plan: Plan, failure: ChildFailed) -> SetupFailed:
    program = next(arguments[0] for name, arguments in plan.steps if name == "find_program")
    kind = CommandNotFound if failure.errno in (errno.ENOENT, errno.ENOTDIR) else CannotExecute
    return kind(f"cannot execute {os.fsdecode(program)!r}: {failure.text}", errno=failure.errno)


def _hand_over(process: Spawned, wishes: Wishes) -> None:
    if process.terminal >= 0 and wishes.console_socket:
        console.send(process.terminal, wishes.console_socket)


def _write_pid(path: str, pid: int) -> None:
    if path:
        write_atomically(path, str(pid).encode(), 0o644)


def _kill(process: Spawned) -> None:
    signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
    os.waitpid(process.pid, 0)


def _undo(register: Register, entry: Entry, spec: Spec) -> None:
    with contextlib.suppress(LabError):
        if group := entry.group:
            control.kill(group)
            control.remove(group)
    register.forget(entry.id)
    with contextlib.suppress(OSError):
        about = hooks.state(entry.id, "stopped", 0, entry.bundle, entry.annotations)
        hooks.run(hook_steps.flat(spec.hooks), "poststop", about)


def execute(register: Register, container_id: str, process: Process, wishes: Wishes) -> Created:
    """Run one more process in a container.

    Raises: NotFound, Conflict, SetupFailed.
    """
    entry = register.require(container_id, "running", "created", "paused")
    if register.status(entry) == "paused":
        raise Conflict(f"cannot exec in container {container_id}: it is paused", "resume it first")
    _check_terminal(process, wishes)
    spec = register.spec(container_id)
    linux = spec.linux or oci.Linux()
    in_user_namespace = any(namespace.type == "user" for namespace in linux.namespaces)
    fitted, notices = bundle.fit_process(process, in_user_namespace, f"/proc/{entry.pid}/root")
    around = Surroundings(
        root="/",
        cgroup=entry.group,
        idmap=bundle.idmap_of(spec),
        filters=seccomp.filters(linux.seccomp, _filter_cache(Path(register.root)), hides_ownership=False),
        outlive_parent=True,
        preserved=wishes.preserved,
        keeps_keyring=wishes.keeps_keyring,
    )
    pidfd = procfs.open_pidfd(entry.identity)
    try:
        made = _spawn(exec_plan(fitted, _foreign_namespaces(entry.pid), around), [0, 1, 2, pidfd])
    finally:
        os.close(pidfd)
    _hand_over(made, wishes)
    _write_pid(wishes.pid_file, made.pid)
    return Created(made, tuple(notices))


def _foreign_namespaces(pid: int) -> int:
    """Return the flags of those that differ from this process's own: joining one's own may be refused."""
    theirs, ours = namespaces.of_pid(pid), namespaces.of_pid("self")
    return sum(kind.flag for kind in namespaces.KINDS if theirs[kind.file] != ours[kind.file])
