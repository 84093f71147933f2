"""The way of `run`: a record becomes a plan and a running container.

`decide` asks, each once and in this order: snapshot, user, specification, cgroup, filters, plan; it makes no
more than empty directories. `launch` acts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from containerlab.backends.embedded import etc_files
from containerlab.errors import Conflict, InvalidInput, Unsupported
from containerlab.linux import namespaces
from containerlab.linux.cgroups import hierarchy
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.files import write_atomically
from containerlab.linux.idmap import IdMap
from containerlab.linux.procfs import Identity, is_alive
from containerlab.oci import runtime as oci
from containerlab.oci.image import Config
from containerlab.options.log_bounds import log_bounds
from containerlab.runtime import foreign, resources, rootfs, seccomp, steps, users
from containerlab.runtime.host import Host
from containerlab.runtime.launch import HealthOrders, Launch
from containerlab.runtime.lifecycle import Connection, Launcher
from containerlab.runtime.plan import Surroundings, container_plan
from containerlab.runtime.spec import Request, make
from containerlab.runtime.steps import Plan
from containerlab.runtime.users import Account
from containerlab.store import snapshots
from containerlab.store.home import Home
from containerlab.store.records import Record, Records
from containerlab.store.snapshots import Snapshot

if TYPE_CHECKING:
    from containerlab.runtime.secret_files import SecretFile

__all__ = [
    "Decided",
    "Decision",
    "Parts",
    "decide",
    "keep",
    "launch",
    "namespaces_of_others",
    "worth_saying",
]

_LOG_DEFAULTS = {"local": {"max-size": "20m", "max-file": "5"}}
"""As Docker's drivers have them: json-file keeps all."""
_JOINABLE = (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("network", "network"), ("userns", "user"))


class Decision(NamedTuple):
    """Everything about one start of a container."""

    record: Record
    spec: oci.Spec
    plan: Plan
    snapshot: Snapshot
    notices: tuple[str, ...]
    group: CgroupPlan | None
    is_foreign: bool = False
    health: HealthOrders | None = None

    @property
    def plan_directory(self) -> str:
        """Return the container's directory."""
        return str(self.snapshot.root.parent)

    @property
    def kept(self) -> Decided:
        """Return what later commands need of it."""
        return Decided(cgroup=self.group, notices=self.notices, snapshot=self.snapshot.kind)


class Joined(NamedTuple):
    """Namespaces of other containers.

    paths: namespace type → path; "shm" → the shared memory that goes with their IPC namespace.
    others: the containers' first processes.
    """

    paths: Mapping[str, str]
    others: tuple[Identity, ...]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What `decision.json` keeps of it for later commands."""

    cgroup: Any = None
    notices: tuple[str, ...] = ()
    snapshot: str = ""


class Parts(NamedTuple):
    """What a container is put together from: its unpacked layers, its volumes, namespaces of others.

    secrets, secret_environment: what its process gets and nothing on disk tells of.
    """

    lowers: list[Path]
    volumes: tuple[oci.MountPoint, ...]
    joined: Joined
    secrets: tuple[SecretFile, ...] = ()
    secret_environment: tuple[tuple[bytes, bytes], ...] = ()


def decide(home: Home, host: Host, record: Record, config: Config, parts: Parts) -> Decision:
    """Return how a container will be started.

    Raises: InvalidInput, NotFound, Unsupported and others for what was asked and cannot be.
    """
    directory = home.containers / record.id
    runtime = foreign.find(str(record.options.get("runtime") or ""))
    if runtime and record.options.get("init"):
        raise Unsupported("--init is not there with another runtime", "leave out --init or --runtime")
    if runtime and (parts.secrets or parts.secret_environment):
        raise Unsupported("another runtime would write secrets into its state", "leave out --runtime")
    snapshot = _snapshot(home, host, record, directory, parts.lowers)
    account = _account(record, config, parts.lowers, snapshot)
    volumes, joined = parts.volumes, parts.joined
    if host.idmap.kind == "single":
        host = host._replace(idmap=_single(host.idmap, account))
        volumes = (*volumes, *_apt_setting(directory, parts.lowers))
    spec, notices = make(
        Request(
            record.id,
            str(directory),
            config,
            record.command,
            record.options,
            account,
            volumes,
            joined.paths,
            is_build=record.purpose == "build",
        ),
        host,
    )
    assert spec.linux is not None
    group = host.cgroups.group(spec.linux.cgroups_path).plan(resources.from_oci(spec.linux.resources))
    notices = (*notices, *worth_saying(group.notices, record))
    if runtime:
        decision = _handed_over(runtime, Decision(record, spec, _NO_PLAN, snapshot, notices, group), host)
    else:
        around = _surroundings(home, host, record, spec, snapshot, _own(group))
        plan = container_plan(spec, _with_parts(around, parts))
        decision = Decision(record, spec, plan, snapshot, notices, plan.cgroup)
    return decision._replace(health=_health(home, host, record, config, decision.spec, decision.group))


_NO_PLAN = Plan(0, (), None, None, terminal=False, steps=())


def _handed_over(runtime: str, decision: Decision, host: Host) -> Decision:
    """Have another runtime make the container: its cgroup may be in every hierarchy then."""
    assert decision.spec.linux is not None
    assert decision.group is not None
    mounted = (str(decision.snapshot.root), decision.snapshot.mounts)
    place = (decision.record.id, decision.plan_directory)
    handed = foreign.hand_over(runtime, decision.spec, mounted, host, place)
    directories, above, *_ = hierarchy.everywhere(decision.spec.linux.cgroups_path)
    return decision._replace(
        spec=handed.spec,
        plan=handed.plan,
        notices=(*decision.notices, *handed.notices),
        group=_own(decision.group._replace(directories=directories, parents=above)),
        is_foreign=True,
    )


def _account(record: Record, config: Config, lowers: list[Path], snapshot: Snapshot) -> Account:
    passwd, group = (_read(lowers, snapshot, name) for name in ("etc/passwd", "etc/group"))
    user = str(record.options.get("user") or config.user)
    return users.resolve(user, passwd, group, record.options.get("group_add", ()))


def _health(
    home: Home, host: Host, record: Record, config: Config, spec: oci.Spec, group: CgroupPlan | None
) -> HealthOrders | None:
    if record.healthcheck is None:
        return None
    from containerlab.backends.embedded import executing, healthcheck  # most containers need neither

    target = executing.Target(0, spec, group, _filter_cache(home))
    plan = executing.check_plan(target, healthcheck.command(record.healthcheck, config), host)
    return healthcheck.orders(record.healthcheck, plan)


def _surroundings(
    home: Home, host: Host, record: Record, spec: oci.Spec, snapshot: Snapshot, group: CgroupPlan | None
) -> Surroundings:
    assert spec.linux is not None
    cache, directory = _filter_cache(home), str(snapshot.root.parent)
    recorder = seccomp.recorder(cache, directory, host.idmap)
    hides_ownership = host.idmap.kind == "single" and not recorder
    return Surroundings(
        root=str(snapshot.root),
        snapshot=snapshot.mounts,
        cgroup=group,
        idmap=host.idmap if host.is_rootless else None,
        filters=seccomp.filters(spec.linux.seccomp, cache, hides_ownership=hides_ownership),
        recorder=recorder,
        can_pivot="pivot" not in host.refused,
        mounts_any_proc=rootfs.mounts_any_proc(),
        is_init=bool(record.options.get("init")),
    )


def _with_parts(around: Surroundings, parts: Parts) -> Surroundings:
    return around._replace(
        others=parts.joined.others,
        secrets=parts.secrets,
        secret_environment=parts.secret_environment,
    )


def _own(group: CgroupPlan) -> CgroupPlan | None:
    return group if group.directories else None


def _single(idmap: IdMap, account: Account) -> IdMap:
    """Let the one id there is be the one that the program wants to have."""
    (user,), (group,) = idmap.uids, idmap.gids
    return idmap._replace(
        uids=(user._replace(inside=account.uid),), gids=(group._replace(inside=account.gid),)
    )


def _apt_setting(directory: Path, lowers: list[Path]) -> tuple[oci.MountPoint, ...]:
    """Keep apt from looking whether it has become another user, which no one can with a single id."""
    folder = "etc/apt/apt.conf.d"
    if not any((lower / folder).is_dir() for lower in lowers):
        return ()
    (directory / "apt.conf").write_text('APT::Sandbox::User "root";\n')
    target, source = f"/{folder}/99containerlab", f"{directory}/apt.conf"
    return (oci.MountPoint(destination=target, type="bind", source=source, options=("bind", "ro")),)


def _filter_cache(home: Home) -> Path:
    cache = home.cache / "seccomp"
    cache.mkdir(mode=0o700, exist_ok=True)
    return cache


def _snapshot(home: Home, host: Host, record: Record, directory: Path, lowers: list[Path]) -> Snapshot:
    root = directory / "root"
    if record.snapshot == "copy" and root.exists() and any(root.iterdir()):
        return Snapshot("copy", (), root, None)
    return snapshots.prepare(home, directory, lowers, idmap=host.idmap, kind=record.snapshot)


def _read(lowers: list[Path], snapshot: Snapshot, path: str) -> bytes | None:
    from containerlab.store.merged import read_file

    return read_file(lowers, snapshot.upper, path)


def worth_saying(notices: Iterable[str], record: Record) -> tuple[str, ...]:
    """Leave out what nobody asked for: the swap limit that goes with every memory limit."""
    silent = "memory_swap" not in record.options
    return tuple(notice for notice in notices if not (silent and "swap" in notice))


def namespaces_of_others(records: Records, options: Mapping[str, Any], host: Host) -> Joined:
    """Return where the namespaces are of every option that says `container:NAME`.

    In a user namespace the other container's must be joined too, for it owns the others.
    Raises: NotFound, Conflict when the other container does not run.
    """
    joined: dict[str, str] = {}
    others: dict[int, Identity] = {}
    for option, kind in _JOINABLE:
        mode = str(options.get(option) or "")
        if not mode.startswith("container:"):
            continue
        other = _running(records, mode.removeprefix("container:"), option)
        pid = other.pid
        others[pid] = other
        file = namespaces.BY_OCI_NAME[kind].file
        joined[kind] = f"/proc/{pid}/ns/{file}"
        if kind == "ipc":
            joined["shm"] = f"/proc/{pid}/root/dev/shm"
        if host.is_rootless:
            _join_user(joined, f"/proc/{pid}/ns/user")
    return Joined(joined, tuple(others.values()))


def _join_user(joined: dict[str, str], path: str) -> None:
    if joined.setdefault("user", path) != path:
        raise InvalidInput(
            "namespaces of two containers cannot be joined at once without root",
            "join those of one container",
        )


def _running(records: Records, name: str, option: str) -> Identity:
    state = records.state(records.find(name))
    if state.status != "running" or not is_alive(state.identity):
        raise Conflict(
            f"--{option} container:{name}: that container does not run", f"start it: conlab start {name}"
        )
    return state.identity


def launch(home: Home, launcher: Launcher, decision: Decision, lock: int, *, attached: bool) -> Connection:
    """Write what was decided and have the container made; `lock` is the one that its monitor will hold."""
    record = decision.record
    directory = home.containers / record.id
    etc_files.write(directory, decision.spec, record.options)
    # Whole at once: others may be looking at the container.
    write_atomically(f"{directory}/config.json", oci.encode(decision.spec))
    keep(str(directory), decision.kept)
    _forget_stop(directory)
    orders = _orders(home, record, attached=attached)._replace(health=tuple(decision.health or ()))
    if decision.is_foreign:
        left = steps.plain(decision.group._replace(writes=())) if decision.group else None
        orders = orders._replace(foreign=(foreign.pid_file(str(directory)), left))
    return launcher.launch(orders, decision.plan, [lock])


def keep(directory: str, decided: Decided) -> None:
    """Write what later commands need to know of a start."""
    write_atomically(f"{directory}/decision.json", msgspec.json.encode(decided))


def _forget_stop(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(directory / "stopping")


def _orders(home: Home, record: Record, *, attached: bool) -> Launch:
    options = record.options
    directory = str(home.containers / record.id)
    bounds = log_bounds(
        {**_LOG_DEFAULTS.get(options.get("log_driver", ""), {}), **options.get("log_opt", {})}
    )
    removed = (f"{home.root}/names/{record.name}", directory) if record.auto_remove else ()
    volumes = tuple(f"{home.volumes}/{name}" for name in record.anonymous) if removed else ()
    return Launch(
        trouble=f"{home.root}/monitor.log",
        directory=directory,
        attached=attached,
        stdin_open=bool(options.get("interactive")),
        remove=removed,
        volumes=volumes,
        trash=str(home.temporary),
        stop_signal=record.stop_signal,
        stop_timeout_s=record.stop_timeout_s,
        log=options.get("log_driver") != "none",
        log_most_bytes=bounds.most_bytes,
        log_most_files=bounds.most_files,
        events=f"{home.root}/events.log",
        labels=(record.id, record.name, record.image),
    )
