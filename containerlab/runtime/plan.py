"""A Spec becomes a Plan: which namespaces, which cgroup, and the steps in the order that matters.

Pure: everything about the host is in the arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab.errors import InvalidInput
from containerlab.linux import capabilities, mounts
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.idmap import IdMap
from containerlab.linux.mounts import Mount
from containerlab.linux.namespaces import (
    BY_OCI_NAME,
    CLONE_NEWCGROUP,
    CLONE_NEWNET,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
)
from containerlab.linux.procfs import Identity
from containerlab.oci.runtime import Linux, Process, Spec
from containerlab.runtime import devices, hook_steps, mount_steps
from containerlab.runtime.rlimits import NUMBERS as RLIMITS
from containerlab.runtime.steps import Join, Plan, Step, step

if TYPE_CHECKING:
    from containerlab.runtime.secret_files import SecretFile

__all__ = ["Surroundings", "container_plan", "exec_plan"]

_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}


class Surroundings(NamedTuple):
    """What of the host and the store a plan depends on, beside the Spec.

    root: where the root file system is or will be mounted.
    snapshot: what to mount there; empty when the bundle's root is there already.
    cgroup: the cgroup to make, or None.
    idmap: the map of a new user namespace, or None.
    filters: compiled seccomp programs, in the order of installation, and their flags.
    recorder: what hands calls that change ownership to a recorder: the program, another that lets them
        have no effect, and the file for what attributes cannot say; empty where the kernel knows all ids.
    can_pivot: whether pivot_root(2) works here.
    start_index: which handed-over descriptor is the FIFO to wait at before execve; -1 to go on at once.
    outlive_parent: whether the process goes on when the one that made it dies.
    is_init: whether a first process reaps orphans and hands signals on to the program.
    container: (id, bundle), as hooks are told.
    is_nested: whether this process is in a user namespace, where no device node can be made.
    preserved: how many descriptors after standard error the program inherits.
    keeps_keyring: whether the session keyring stays the caller's.
    mounts_any_proc: whether a process can mount /proc for a PID namespace that it is not in (Linux 6.17).
    others: whose namespaces the Spec names by `/proc/PID/…`.
    secrets: files in memory that the container is shown.
    secret_environment: variables beside those of the Spec, which win over them.
    """

    root: str
    snapshot: tuple[Mount, ...] = ()
    cgroup: CgroupPlan | None = None
    idmap: IdMap | None = None
    filters: tuple[tuple[bytes, int], ...] = ()
    recorder: tuple[bytes, bytes, str] | tuple[()] = ()
    can_pivot: bool = True
    start_index: int = -1
    outlive_parent: bool = False
    is_init: bool = False
    container: tuple[str, str] = ("", "")
    is_nested: bool = False
    preserved: int = 0
    keeps_keyring: bool = False
    mounts_any_proc: bool = False
    others: tuple[Identity, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    secret_environment: tuple[tuple[bytes, bytes], ...] = ()


def container_plan(spec: Spec, around: Surroundings) -> Plan:
    """Return how the first process of a container comes to be.

    Raises: InvalidInput for what the specification asks and no kernel could do.
    """
    process, linux = _required(spec)
    new, joins = _namespaces(linux)
    late = _clones_last(new, joins) and around.mounts_any_proc
    steps = (
        *_arrive(new, joins, around, process, linux),
        *(() if late else (step("new_session"),)),
        *_adjust(new, linux),
        *_build_root(spec, linux, new, around),
        *_enter_root(spec, linux, process, late, around),
        *_become_program(
            process,
            around,
            late,
            tuple(hook_steps.inside(spec, "startContainer", "created", around.container)),
        ),
    )
    afterwards = CLONE_NEWCGROUP | (CLONE_NEWTIME if linux.time_offsets else 0)
    return Plan(
        new & ~afterwards, joins, around.idmap, around.cgroup, process.terminal, steps, late, around.others
    )


def exec_plan(process: Process, flags: int, around: Surroundings) -> Plan:
    """Return how one more process comes to be in the namespaces (`flags`) behind a pidfd sent along."""
    joins = (Join("", flags),)
    late = _clones_last(0, joins)
    steps = [step("protect"), *(() if late else (step("new_session"),))]
    if flags & CLONE_NEWUSER and around.idmap:
        steps.append(step("become", _first_ids(around.idmap)))
    if process.terminal:
        size = process.console_size
        steps += [step("hold_root"), step("open_terminal", (size.height, size.width) if size else (0, 0))]
        steps += [] if late else [step("control_terminal")]
    plan_steps = (*steps, *_settle(process), *_become_program(process, around, late))
    return Plan(0, joins, None, around.cgroup, process.terminal, plan_steps, late)


def _required(spec: Spec) -> tuple[Process, Linux]:
    if spec.process is None or not spec.process.args:
        raise InvalidInput("config.json has no process.args", "say which program to run")
    if not spec.process.cwd.startswith("/"):
        raise InvalidInput(f"process.cwd must be an absolute path, not {spec.process.cwd!r}")
    return spec.process, spec.linux or Linux()


def _namespaces(linux: Linux) -> tuple[int, tuple[Join, ...]]:
    new, joins = 0, []
    for namespace in linux.namespaces:
        kind = BY_OCI_NAME.get(namespace.type)
        if kind is None:
            raise InvalidInput(
                f"unknown namespace type {namespace.type!r}", f"known are {', '.join(BY_OCI_NAME)}"
            )
        if namespace.path:
            joins.append(Join(namespace.path, kind.flag))
        else:
            new |= kind.flag
    # A user namespace comes first: it gives the right to join the others.
    return new, tuple(sorted(joins, key=lambda join: join.flags != CLONE_NEWUSER))


def _clones_last(new: int, joins: Sequence[Join]) -> bool:
    """Say whether a process must be set up before those who live in its PID namespace can see it.

    Who has CAP_SYS_PTRACE there could else take it over while it still has rights on the host.
    With a user namespace of its own it has none, and could not do what is to be done from outside.
    """
    return any(join.flags & CLONE_NEWPID for join in joins) and not new & CLONE_NEWUSER


def _first_ids(idmap: IdMap) -> tuple[int, int]:
    return idmap.uids[0].inside, idmap.gids[0].inside


def _arrive(
    new: int, joins: Sequence[Join], around: Surroundings, process: Process, linux: Linux
) -> Iterator[Step]:
    if new & CLONE_NEWUSER:
        yield step("await_maps")
        if around.idmap:
            yield step("become", _first_ids(around.idmap))
    elif any(join.flags == CLONE_NEWUSER for join in joins):
        yield step("become", (0, 0))
    if process.oom_score_adj is not None:
        yield step("set_oom_score_adj", (process.oom_score_adj,))
    yield step("protect")
    # Shared would keep pivot_root from working, and unbindable the root from being bound.
    private = linux.rootfs_propagation in ("private", "rprivate")
    yield step("set_propagation", (mounts.PROPAGATION["rprivate" if private else "rslave"],))
    # Before its cgroup may forbid /dev/fuse, which fuse-overlayfs needs.
    yield step("mount_root", (around.root, tuple(tuple(mount) for mount in around.snapshot)))
    yield step("join_cgroups")
    if new & CLONE_NEWCGROUP:
        yield step("unshare", (CLONE_NEWCGROUP,))
    if new & CLONE_NEWNET:
        yield step("bring_up_loopback")


def _adjust(new: int, linux: Linux) -> Iterator[Step]:
    if new & CLONE_NEWTIME and linux.time_offsets:
        lines = (f"{clock} {o.secs} {o.nanosecs}\n" for clock, o in linux.time_offsets.items())
        yield step("offset_clocks", ("".join(lines).encode(),))
    if linux.personality:
        domain = linux.personality.get("domain")
        if domain not in _PERSONALITIES:
            raise InvalidInput(f"unknown personality {domain!r}", f"known are {', '.join(_PERSONALITIES)}")
        yield step("set_personality", (_PERSONALITIES[domain],))


def _build_root(spec: Spec, linux: Linux, new: int, around: Surroundings) -> Iterator[Step]:
    readonly = bool(spec.root and spec.root.readonly)
    for mount in spec.mounts:
        yield from mount_steps.steps(mount, around.cgroup, {other.pid for other in around.others})
    if not any(
        mount_steps.is_bind(mount) and os.path.normpath(mount.destination) == "/dev" for mount in spec.mounts
    ):
        nested = around.is_nested or _is_in_user_namespace(linux)
        yield from devices.steps(linux.devices, in_user_namespace=nested)
    if around.secrets:
        from containerlab.runtime import secret_files

        yield from secret_files.files(around.secrets)
    if spec.hooks and (spec.hooks.prestart or spec.hooks.create_runtime):
        yield step("rendezvous")
    yield from hook_steps.inside(spec, "createContainer", "creating", around.container)
    if spec.process and spec.process.cwd != "/":
        yield step("make_working_directory", (spec.process.cwd,))
    if readonly:
        yield step("make_root_readonly")


def _is_in_user_namespace(linux: Linux) -> bool:
    return any(namespace.type == "user" for namespace in linux.namespaces)


def _enter_root(
    spec: Spec, linux: Linux, process: Process, late: bool, around: Surroundings
) -> Iterator[Step]:
    if spec.hostname:
        yield step("set_hostname", (os.fsencode(spec.hostname),))
    if spec.domainname:
        yield step("set_domainname", (os.fsencode(spec.domainname),))
    if process.terminal:
        size = process.console_size
        yield step("open_terminal", (size.height, size.width) if size else (0, 0))
        if not late:
            yield step("control_terminal")
        yield step("bind_console")
    if linux.sysctl:
        yield step(
            "write_sysctls", (tuple((key.replace(".", "/"), value) for key, value in linux.sysctl.items()),)
        )
    if linux.readonly_paths:
        yield step("make_readonly", (tuple(linux.readonly_paths),))
    if linux.masked_paths:
        yield step("mask", (tuple(linux.masked_paths),))
    if process.apparmor_profile:
        yield step("set_exec_profile", (os.fsencode(process.apparmor_profile),))
    yield step("pivot") if around.can_pivot else step("move_and_chroot")
    if linux.rootfs_propagation not in ("", "private", "rprivate", "slave", "rslave"):
        yield step("set_propagation", (mounts.PROPAGATION[linux.rootfs_propagation],))
    yield from _settle(process)


def _settle(process: Process) -> Iterator[Step]:
    yield step("change_directory", (process.cwd,))
    search = _environment(process).get(
        b"PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    yield step("find_program", (os.fsencode(process.args[0]), tuple(search.split(b":"))))
    if process.rlimits:
        yield step("set_rlimits", (tuple((RLIMITS[r.type], r.soft, r.hard) for r in process.rlimits),))


def _environment(process: Process) -> dict[bytes, bytes]:
    pairs = (os.fsencode(entry).partition(b"=") for entry in process.env)
    return {name: value for name, _, value in pairs}


def _become_program(
    process: Process, around: Surroundings, late: bool, before: Sequence[Step] = ()
) -> Iterator[Step]:
    yield step("set_stdio", (process.user.uid, process.user.gid))
    if not around.keeps_keyring:
        yield step("new_keyring", (b"_ses.containerlab",))
    yield step("close_descriptors", (around.preserved,) if around.preserved else ())
    yield from _give_up_rights(process, around)
    if late:
        yield step("enter_processes", (around.preserved, around.start_index))
        yield step("new_session")
        if process.terminal:
            yield step("control_terminal")
    if not around.outlive_parent:
        yield step("die_with_parent")
    if around.start_index >= 0:
        yield step("await_start", (around.start_index,))
    yield from before
    if around.is_init:
        yield step("be_init")
    if around.secret_environment:
        from containerlab.runtime import secret_files

        yield from secret_files.variables(around.secret_environment)
    arguments = tuple(os.fsencode(argument) for argument in process.args)
    yield step("execute", (arguments, tuple(_environment(process).items())))


def _give_up_rights(process: Process, around: Surroundings) -> Iterator[Step]:
    user, sets = process.user, process.capabilities
    recorder = [step("record_ownership", around.recorder)] if around.recorder else []
    filters = [*recorder, *(step("install_filter", each) for each in around.filters)]
    if not process.no_new_privileges:
        # Without no_new_privs a filter needs CAP_SYS_ADMIN, which is given up below.
        yield from filters
    if sets:
        yield step("drop_bounding", (capabilities.mask(sets.bounding),))
    groups = None if around.idmap and around.idmap.kind == "single" else tuple(user.additional_gids)
    yield step("set_identity", (user.uid, user.gid, groups, 0o022 if user.umask is None else user.umask))
    if sets:
        held = (sets.effective, sets.permitted, sets.inheritable, sets.ambient)
        yield step("set_capabilities", tuple(map(capabilities.mask, held)))
    if process.no_new_privileges:
        yield step("set_no_new_privileges")
        yield from filters
