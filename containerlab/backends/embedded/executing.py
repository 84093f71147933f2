"""One more process in a running container."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from containerlab.errors import Conflict, InvalidInput, SetupFailed
from containerlab.linux import capabilities, namespaces, procfs, syscalls
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.idmap import IdMap
from containerlab.oci import runtime as oci
from containerlab.runtime import seccomp, users
from containerlab.runtime.host import Host
from containerlab.runtime.plan import Surroundings, exec_plan
from containerlab.runtime.steps import Plan

__all__ = ["Target", "check_plan", "plan"]

_MOST_BYTES = 1 << 20
_END_MS = 200


class Target(NamedTuple):
    """A running container.

    pid: its first process, 0 before it has one; spec: its config.json; cgroup: the one to enter;
    filter_cache: compiled filters; directory: where the container notes owners, for health checks nowhere.
    """

    pid: int
    spec: oci.Spec
    cgroup: CgroupPlan | None
    filter_cache: Path
    directory: str = ""


def plan(target: Target, command: Sequence[str], options: Mapping[str, Any], host: Host) -> Plan:
    """Return how the process comes to be.

    Raises: InvalidInput for an unknown user or no command.
    """
    if not command:
        raise InvalidInput("exec needs a command", "conlab exec NAME COMMAND")
    linux = target.spec.linux or oci.Linux()
    profile = None if options.get("privileged") else linux.seccomp
    process = _process(target, command, options, host)
    return exec_plan(process, namespaces.foreign(target.pid), _surroundings(target, profile, host))


def check_plan(target: Target, command: Sequence[str], host: Host) -> Plan:
    """Return how a health check comes to be; its namespaces are left to its monitor, who will see them."""
    linux = target.spec.linux or oci.Linux()
    flags = namespaces.CLONE_NEWUSER if host.is_rootless else 0
    process = _process(target, command, {}, host)
    return exec_plan(process, flags, _surroundings(target, linux.seccomp, host))


def _surroundings(target: Target, profile: oci.Seccomp | None, host: Host) -> Surroundings:
    idmap = _idmap(target.spec, host.idmap)
    recorder = seccomp.recorder(target.filter_cache, target.directory, idmap) if target.directory else ()
    hides_ownership = idmap.kind == "single" and not recorder
    return Surroundings(
        root="/",
        cgroup=target.cgroup,
        idmap=idmap if host.is_rootless else None,
        filters=seccomp.filters(profile, target.filter_cache, hides_ownership=hides_ownership),
        recorder=recorder,
    )


def _idmap(spec: oci.Spec, usual: IdMap) -> IdMap:
    """Return the container's map: a single id is mapped to that of the user whom it was started for."""
    linux = spec.linux or oci.Linux()
    if usual.kind != "single" or not linux.uid_mappings or not linux.gid_mappings:
        return usual
    (uid,), (gid,) = usual.uids, usual.gids
    uid = uid._replace(inside=linux.uid_mappings[0].container_id)
    gid = gid._replace(inside=linux.gid_mappings[0].container_id)
    return usual._replace(uids=(uid,), gids=(gid,))


@contextlib.contextmanager
def while_alive(name: str, identity: procfs.Identity) -> Iterator[None]:
    """Say of what fails because a container ends meanwhile that it does not run any more.

    Raises: Conflict.
    """
    try:
        yield
    except (FileNotFoundError, ProcessLookupError, SetupFailed) as error:
        if not _ends(identity):
            raise
        raise Conflict(f"container {name} has just ended", f"start it: conlab start {name}") from error


def _ends(identity: procfs.Identity) -> bool:
    """Say whether a process has ended or is about to: what it has in /proc goes before it does."""
    try:
        pidfd = procfs.open_pidfd(identity)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    try:
        return bool(poll.poll(_END_MS))
    finally:
        os.close(pidfd)


def _process(target: Target, command: Sequence[str], options: Mapping[str, Any], host: Host) -> oci.Process:
    first = target.spec.process
    assert first is not None
    user, sets = first.user, first.capabilities
    env = first.env
    if wanted := options.get("user"):
        account = users.resolve(str(wanted), _file(target.pid, "etc/passwd"), _file(target.pid, "etc/group"))
        _refuse_unmapped(target.spec, account, host)
        user = oci.User(uid=account.uid, gid=account.gid, additional_gids=account.groups)
        env = (*env, f"HOME={account.home or '/'}")
    if options.get("privileged"):
        sets = _all_capabilities(host)
    elif sets:
        sets = _for_user(sets, user.uid)
    terminal = bool(options.get("tty"))
    return msgspec.structs.replace(
        first,
        args=tuple(command),
        env=(*env, *(("TERM=xterm",) if terminal else ()), *options.get("env", ())),
        user=user,
        capabilities=sets,
        terminal=terminal,
        cwd=options.get("workdir") or first.cwd,
    )


def _refuse_unmapped(spec: oci.Spec, account: users.Account, host: Host) -> None:
    mapped = spec.linux.uid_mappings[0].container_id if spec.linux and spec.linux.uid_mappings else 0
    if host.idmap.kind == "single" and account.uid != mapped:
        raise InvalidInput(
            f"uid {account.uid} does not exist in this container, which has the single id {mapped}",
            "install the package uidmap and have subordinate ids, or start the container with --user",
        )


def _all_capabilities(host: Host) -> oci.Capabilities:
    names = tuple(sorted(capabilities.chosen(privileged=True, available=host.bounding).capabilities))
    return oci.Capabilities(bounding=names, effective=names, permitted=names)


def _for_user(sets: oci.Capabilities, uid: int) -> oci.Capabilities:
    held = sets.bounding if uid == 0 else ()
    return oci.Capabilities(bounding=sets.bounding, effective=held, permitted=held)


def _file(pid: int, path: str) -> bytes | None:
    """Read a file of the container: no link out, no FIFO, no more than 1 MiB (CVE-2024-9676)."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS | syscalls.RESOLVE_NO_XDEV
        fd = syscalls.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, 0, resolve)
    except OSError:
        return None
    finally:
        os.close(root)
    with open(fd, "rb") as file:
        return file.read(_MOST_BYTES) if os.path.isfile(f"/proc/self/fd/{fd}") else None
