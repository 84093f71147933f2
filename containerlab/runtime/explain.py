"""A plan in words: for each step the real system calls and why they are made."""
# ruff: noqa: E501 - a table: one step, one line

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from containerlab.linux.mounts import FLAGS, Mount, split_options
from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER, KINDS
from containerlab.runtime.secret_files import SHOWN
from containerlab.runtime.steps import Plan

__all__ = ["Explained", "explain"]

_ATTRIBUTES = {
    1: "RDONLY",
    2: "NOSUID",
    4: "NODEV",
    8: "NOEXEC",
    0x10: "NOATIME",
    0x20: "STRICTATIME",
    0x80: "NODIRATIME",
}


class Explained(NamedTuple):
    """One thing that is done: the call as strace would show it, why, and which process does it."""

    call: str
    why: str
    who: str


def explain(plan: Plan) -> Iterator[Explained]:
    """Yield everything that is done for a plan, in order."""
    yield Explained(
        "fork()", "the launcher forks a monitor, so that the notebook's own process never has to", "launcher"
    )
    yield from _cgroups(plan)
    for join in plan.joins:
        target = join.path or "the container's pidfd"
        enter = '; fchdir("/proc/PID/root"); chroot(".")' if join.flags & CLONE_NEWNS else ""
        yield Explained(
            f"setns({target}, {_namespaces(join.flags)}){enter}",
            "enter namespaces that exist already",
            "go-between",
        )
    flags = (
        " | ".join(("CLONE_PIDFD", *_namespaces(plan.new_namespaces).split(" | ")))
        if plan.new_namespaces
        else "CLONE_PIDFD"
    )
    isolates = "; ".join(kind.isolates for kind in KINDS if plan.new_namespaces & kind.flag)
    yield Explained(
        f"clone3({flags})",
        f"make the first process, with its own {isolates}" if isolates else "make the process",
        "monitor",
    )
    if plan.new_namespaces & CLONE_NEWUSER and plan.idmap:
        tool = "newuidmap, newgidmap" if plan.idmap.kind == "subids" else "write"
        ranges = ", ".join(f"{r.inside} {r.outside} {r.length}" for r in plan.idmap.uids)
        yield Explained(
            f'{tool}("/proc/PID/uid_map", "{ranges}")', "say which host ids its ids stand for", "monitor"
        )
    for name, arguments in _grouped(plan.steps):
        call, why = _TEXTS[name](*arguments)
        yield Explained(call, why, "init")


def _grouped(steps: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield steps, with neighbours that show files of the host in the same way made one."""
    for (name, ways), group in groupby(
        steps, lambda step: (step[0], step[1][2:] if step[0] == "bind" else None)
    ):
        alike = [arguments for _, arguments in group]
        if name != "bind":
            yield from ((name, arguments) for arguments in alike)
            continue
        sources, targets = (_alternatives([arguments[place] for arguments in alike]) for place in (0, 1))
        if len(sources) == len(targets) == 1:
            yield name, (sources[0], targets[0], *(ways or ()))
        else:
            yield from ((name, arguments) for arguments in alike)


def _cgroups(plan: Plan) -> Iterator[Explained]:
    if plan.cgroup is None:
        return
    directories = ", ".join(f'"{path}"' for path in _alternatives(plan.cgroup.paths))
    yield Explained(f"mkdir({directories})", "cgroups: they count and limit what is in them", "monitor")
    for (path, file, why), writes in groupby(
        plan.cgroup.writes, lambda write: (write.path, write.file, write.why)
    ):
        values = ", ".join(f'"{write.value}"' for write in writes)
        yield Explained(f'write("{path}/{file}", {values})', why, "monitor")


def _alternatives(paths: Sequence[str]) -> list[str]:
    """Write paths that differ in one part as one, as a shell's braces do.

    >>> _alternatives(["/a/x/c", "/a/y/c"])
    ['/a/{x,y}/c']
    """
    split = [path.split("/") for path in paths]
    if len({len(parts) for parts in split}) != 1:
        return list(paths)
    columns = [list(dict.fromkeys(column)) for column in zip(*split, strict=True)]
    if sum(len(column) > 1 for column in columns) > 1:
        return list(paths)
    return ["/".join(column[0] if len(column) == 1 else f"{{{','.join(column)}}}" for column in columns)]


def _namespaces(flags: int) -> str:
    names = {kind.flag: "CLONE_NEW" + ("NS" if kind.oci == "mount" else kind.file.upper()) for kind in KINDS}
    return " | ".join(name for flag, name in names.items() if flags & flag)


def _attributes(value: int) -> str:
    return " | ".join(f"MOUNT_ATTR_{name}" for bit, name in _ATTRIBUTES.items() if value & bit) or "0"


def _mount_root(root: str, sources: Sequence[Any]) -> tuple[str, str]:
    calls = []
    for source, target, fstype, options in sources:
        flags, data = split_options(Mount(source, target, fstype, tuple(options)))
        names = " | ".join(name for name, bit in FLAGS.items() if flags & bit) or "0"
        calls.append(f'mount("{source}", "{target or root}", "{fstype}", {names}, "{data}")')
    return "; ".join(calls) or f'mount("{root}", "{root}", MS_BIND | MS_REC)', (
        "the image's layers below, a directory of the container's own above: writes go there, layers are shared"
    )


def _mount_filesystem(
    target: str, fstype: str, source: str, attributes: int, options: Sequence[str]
) -> tuple[str, str]:
    if fstype == "overlay" and source.startswith("/"):
        call = (
            f'chdir("{source}"); mount("overlay", ".", "overlay", "{",".join(options)}"); open_tree; umount'
        )
        return f'{call}; move_mount(→ "{target}")', "several directories as one"
    settings = "".join(f'; fsconfig("{option}")' for option in options)
    call = f'fsopen("{fstype}"){settings}; fsmount({_attributes(attributes)}); move_mount(→ "{target}")'
    return call, _PURPOSES.get(fstype, "a file system of its own")


_PURPOSES = {
    "proc": "processes as the new PID namespace has them; a host's /proc would show the host's",
    "sysfs": "devices and the network namespace's interfaces, read-only",
    "tmpfs": "memory that vanishes with the container",
    "devpts": "terminals of its own",
    "mqueue": "POSIX message queues of its IPC namespace",
}


def _bind(source: str, target: str, recursive: bool, attributes: int, propagation: int) -> tuple[str, str]:
    tree = "OPEN_TREE_CLONE" + (" | AT_RECURSIVE" if recursive else "")
    change = f"; mount_setattr({_attributes(attributes)})" if attributes else ""
    return (
        f'open_tree("{source}", {tree}){change}; move_mount(→ "{target}")',
        "show a file or directory of the host there",
    )


def _list(items: Sequence[Any], most: int = 6) -> str:
    names = [str(item[0] if isinstance(item, tuple) else item) for item in items]
    return ", ".join(names[:most]) + (f", … {len(names)} in all" if len(names) > most else "")


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


_TEXTS: dict[str, Callable[..., tuple[str, str]]] = {
    "await_maps": lambda: ("read(channel)", "wait until the user namespace has its id maps"),
    "become": lambda uid, gid: (f"setresgid({gid}); setresuid({uid})", "be root of the user namespace"),
    "rendezvous": lambda: ("read(channel)", "wait while hooks run outside"),
    "offset_clocks": lambda lines: ('unshare(CLONE_NEWTIME); write("/proc/self/timens_offsets")', "clocks that start elsewhere"),
    "run_hooks": lambda hooks, kind, *rest: (f"posix_spawn: {_list([hook[1] for hook in hooks])}", f"{kind} hooks"),
    "set_exec_profile": lambda profile: (f'write("/proc/self/attr/exec", "exec {_text(profile)}")', "AppArmor confines the program"),
    "mount_copied": lambda target, source, attributes, options: (f'fsmount(tmpfs); copy; move_mount(→ "{target}")', "memory that begins with what the image has there"),
    "protect": lambda: ("prctl(PR_SET_DUMPABLE, 0)", "nobody in the container may trace this process yet"),
    "join_cgroups": lambda: ('write(tasks, "0")', "from now on everything it does is counted and limited"),
    "unshare": lambda flags: (f"unshare({_namespaces(flags)})", "its cgroup becomes the root that it sees"),
    "new_session": lambda: ("setsid()", "leave the caller's terminal, which could be typed into otherwise"),
    "new_keyring": lambda name: ("keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "kernel keys of its own"),
    "die_with_parent": lambda: ("prctl(PR_SET_PDEATHSIG, SIGKILL)", "never outlive the monitor unnoticed"),
    "set_hostname": lambda name: (f'sethostname("{_text(name)}")', "only the new UTS namespace sees it"),
    "set_domainname": lambda name: (f'setdomainname("{_text(name)}")', "only the new UTS namespace sees it"),
    "bring_up_loopback": lambda: ('ioctl(SIOCSIFFLAGS, "lo", IFF_UP)', "a new network namespace has lo, but down"),
    "set_oom_score_adj": lambda value: (f'write("/proc/self/oom_score_adj", "{value}")', "who is killed first"),
    "set_rlimits": lambda limits: (f"setrlimit × {len(limits)}", "limits of each process"),
    "open_terminal": lambda rows, columns: ('open("/dev/pts/ptmx"); ioctl(TIOCGPTPEER)', "a terminal of its own devpts"),
    "control_terminal": lambda: ('ioctl(TIOCSCTTY)', "the terminal's keys signal its session"),
    "enter_processes": lambda preserved, index: (f"close_range({3 + preserved}, ~0); clone(CLONE_PARENT)", "be among its processes only now, with no more rights than they have"),
    "bind_console": lambda: ('move_mount(→ "/dev/console")', "the terminal is its console"),
    "hold_root": lambda: ('open("/", O_PATH)', "resolve paths in the root that was joined"),
    "set_stdio": lambda uid, gid: ("dup2 × 3; fchown", "its standard input, output and error"),
    "change_directory": lambda path: (f'openat2("{path}", RESOLVE_NO_MAGICLINKS); fchdir', "the working directory, surely inside"),
    "find_program": lambda name, search: (f'openat2("{_text(name)}", RESOLVE_NO_MAGICLINKS)', "find the program along PATH, never /proc/self/exe"),
    "set_identity": lambda uid, gid, groups, umask: (f"setgroups({list(groups or ())}); setresgid({gid}); setresuid({uid})", "become the container's user"),
    "drop_bounding": lambda keep: (f"prctl(PR_CAPBSET_DROP) down to {keep:#x}", "capabilities that can never come back"),
    "set_capabilities": lambda *sets: (f"capset(effective {sets[0]:#x}, permitted {sets[1]:#x}, inheritable {sets[2]:#x})", "root of the container is less than root"),
    "set_no_new_privileges": lambda: ("prctl(PR_SET_NO_NEW_PRIVS, 1)", "setuid programs give nothing"),
    "record_ownership": lambda program, fallback, table: ("seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)", "there is one id: chown is noted for layers instead of done"),
    "install_filter": lambda program, flags: (f"seccomp(SECCOMP_SET_MODE_FILTER) of {len(program) // 8} instructions", "system calls that containers do not need fail"),
    "set_personality": lambda persona: (f"personality({persona:#x})", "execution domain"),
    "await_start": lambda index: ("read(fifo)", "created; wait for start"),
    "be_init": lambda: ("clone3(0)", "stay as first process: reap orphans, hand signals on"),
    "close_descriptors": lambda preserved=0: (f"close_range({3 + preserved}, ~0, CLOSE_RANGE_CLOEXEC)", "nothing of the host stays open"),
    "become_runtime": lambda arguments, environment: (f"execve({[_text(a) for a in arguments]})", "the other runtime makes the container"),
    "remove_trees": lambda paths: (f"unlinkat: {_list(paths)}", "as root of the map, whose ids own the files"),
    "execute": lambda arguments, environment: (f"execve({[_text(a) for a in arguments]})", "become the container's program"),
    "set_propagation": lambda flags: ('mount("/", MS_REC | MS_SLAVE)', "mounts made here stay here"),
    "mount_root": _mount_root,
    "mount_filesystem": _mount_filesystem,
    "bind": _bind,
    "bind_of": lambda pid, path, target, *ways: (f'open_tree("/proc/{pid}/root{path}", OPEN_TREE_CLONE); move_mount(→ "{target}")', "show what another container has there"),
    "bind_descriptor": lambda index, target, attributes: (f'open_tree(fd); move_mount(→ "{target}")', "show what was handed over"),
    "show_secrets": lambda files: (f'fsmount(tmpfs, noswap); write({SHOWN} × {len(files)}); open_tree; move_mount(→ {_list(files)})', "secrets: in memory, each file by itself, gone with the container"),
    "add_variables": lambda variables: (f"environment: {', '.join(f'{_text(name)}={SHOWN}' for name, _ in variables)}", "secrets: in no file, only in the program's environment"),
    "make_working_directory": lambda path: (f'mkdirat("{path}")', "programs expect to start there"),
    "make_devices": lambda devices: (f"mknodat: {_list(devices)}", "the devices that every program may expect"),
    "make_links": lambda links: (f"symlinkat: {_list([link[1] for link in links])}", "names that programs expect"),
    "mask": lambda paths: (f"move_mount(/dev/null or an empty tmpfs → {_list(paths)})", "hide what tells of the host or changes it"),
    "make_readonly": lambda paths: (f"mount_setattr(RDONLY): {_list(paths)}", "kernel settings are not the container's to change"),
    "set_attributes": lambda target, attributes: (f'mount_setattr("{target}", {_attributes(attributes)})', "filled; now close it"),
    "make_root_readonly": lambda: ("mount_setattr(root, MOUNT_ATTR_RDONLY)", "--read-only"),
    "write_sysctls": lambda values: (f"write(/proc/sys/…): {_list(values)}", "kernel parameters of its namespaces"),
    "pivot": lambda: ('setns(self, CLONE_NEWNS); pivot_root(".", "."); umount2(".", MNT_DETACH)', "the host's files are gone from its world, also those above a chroot"),
    "move_and_chroot": lambda: ('setns(self, CLONE_NEWNS); mount(MS_MOVE); chroot(".")', "the same where pivot_root is refused"),
}  # fmt: skip
