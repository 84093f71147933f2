"""The child: it performs the steps of a plan one after the other; the last one is execve.

After the root file system is entered nothing is imported, decoded or looked up by name: whatever could
be loaded then would come from the container (CVE-2019-14271). A failure goes back over the channel as
(number of the step, errno, text); silence until the channel closes means that execve succeeded.
"""

from __future__ import annotations

import _socket
import errno
import os
import resource
import select
import signal
import stat
from collections.abc import Sequence
from typing import Any, NoReturn

from containerlab.linux import capabilities, netlink, syscalls, tty
from containerlab.linux.files import remove_tree
from containerlab.linux.namespaces import CLONE_NEWTIME
from containerlab.runtime import copy_up, hooks, rootfs
from containerlab.runtime.rootfs import Scene
from containerlab.runtime.steps import Step

__all__ = ["await_parent", "failure", "perform"]


def perform(scene: Scene, steps: Sequence[Step]) -> NoReturn:
    """Perform the steps; never return."""
    number = 0
    try:
        _reset_signals()
        os.umask(0o022)  # whatever the caller's is: mount points and directories are made from here on
        for number, (name, arguments) in enumerate(steps):  # noqa: B007 - told when one fails
            OPERATIONS[name](scene, *arguments)
        raise OSError(errno.EINVAL, "the plan has no program")
    except OSError as error:
        _report(scene.channel, number, error.errno or errno.EIO, error.strerror or str(error))
    except BaseException as error:
        _report(scene.channel, number, errno.EIO, f"{type(error).__name__}: {error}")
    finally:
        os._exit(125)


def _reset_signals() -> None:
    # Python and the launcher ignore these, and what is ignored stays so over execve.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _report(channel: int, number: int, code: int, text: str) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        os.write(channel, failure(number, code, text))
    except BrokenPipeError:  # created long ago, and its maker has ended
        os.write(2, b"cannot start the container: " + text.encode() + b"\n")


def failure(number: int, code: int, text: str) -> bytes:
    """Return the message that a step failed."""
    return b"E" + number.to_bytes(4, "little", signed=True) + code.to_bytes(4, "little") + text.encode()


def await_parent(scene: Scene) -> None:
    """Wait until the parent knows this process in place of the one that cloned it."""
    if os.read(scene.channel, 1) != b"p":
        os._exit(125)


def enter_processes(scene: Scene, preserved: int, start_index: int) -> None:
    """Go on as a process in the PID namespace that was joined, with nothing left that it should not have.

    Whoever has CAP_SYS_PTRACE there can take it over from now on (CVE-2016-9962); not even a directory
    of the host may be open then, for `..` leads up from it.
    """
    kept = [scene.channel, *([scene.descriptors[start_index]] if start_index >= 0 else [])]
    first = 3 + preserved
    for fd in sorted(kept):
        if first < fd:
            syscalls.close_range(first, fd - 1)
        first = max(first, fd + 1)
    syscalls.close_range(first)
    scene.root = scene.proc = scene.terminal = -1
    pid = syscalls.clone(syscalls.CLONE_PARENT | signal.SIGCHLD)
    if pid:
        os.write(scene.channel, b"P" + pid.to_bytes(4, "little"))
        os._exit(0)
    await_parent(scene)


def await_maps(scene: Scene) -> None:
    """Wait until the user namespace has its maps."""
    os.write(scene.channel, b"M")
    if os.read(scene.channel, 1) != b"m":
        raise OSError(errno.EPERM, "the user namespace got no map")


def become(scene: Scene, uid: int, gid: int) -> None:
    """Be a user and group that the user namespace has: its root, or the only one of a single-id map."""
    syscalls.setresgid(gid, gid, gid)
    syscalls.setresuid(uid, uid, uid)


def offset_clocks(scene: Scene, lines: bytes) -> None:
    """Make a time namespace with offsets; execve enters it (Linux 6.1). Source: time_namespaces(7)."""
    syscalls.unshare(CLONE_NEWTIME)
    fd = os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, lines)
    os.close(fd)


def rendezvous(scene: Scene) -> None:
    """Let the parent act while the child stands still (hooks that run outside)."""
    os.write(scene.channel, b"H")
    if os.read(scene.channel, 1) != b"h":
        raise OSError(errno.ECANCELED, "a hook failed")


def run_hooks(
    scene: Scene,
    wanted: Sequence[Any],
    kind: str,
    status: str,
    container: tuple[str, str],
    annotations: Sequence[tuple[str, str]],
) -> None:
    """Run hooks in the namespaces of the container: before its root is entered, or before its program."""
    name, bundle = container
    hooks.run(wanted, kind, hooks.state(name, status, os.getpid(), bundle, dict(annotations)))


def protect(scene: Scene) -> None:
    """Keep processes of the container from tracing this one, or reading its descriptors (CVE-2016-9962)."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def join_cgroups(scene: Scene) -> None:
    """Enter the cgroups whose files were opened before.

    A process that writes 0 moves itself: on cgroup v1 `tasks` that skips the kernel's global lock.
    """
    for fd in scene.attach:
        os.write(fd, b"0")
        os.close(fd)
    scene.attach.clear()


def hold_root(scene: Scene) -> None:
    """Hold the root that was joined, to resolve paths in it."""
    scene.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def unshare(scene: Scene, flags: int) -> None:
    """Leave namespaces for new ones."""
    syscalls.unshare(flags)


def new_session(scene: Scene) -> None:
    """Leave the caller's session and terminal (CVE-2017-5226)."""
    os.setsid()


def new_keyring(scene: Scene, name: bytes) -> None:
    """Have a session keyring of its own; some sandboxes refuse the call, and then there is none to share."""
    try:
        syscalls.keyctl(syscalls.KEYCTL_JOIN_SESSION_KEYRING, name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EDQUOT, errno.EACCES):
            raise


def die_with_parent(scene: Scene) -> None:
    """Ask for SIGKILL when the monitor dies."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before that; its end of the channel is closed then.
    poll = select.poll()
    poll.register(scene.channel, 0)
    if poll.poll(0):
        os._exit(125)


def set_hostname(scene: Scene, name: bytes) -> None:
    """Name the host of the new UTS namespace."""
    syscalls.sethostname(name)


def set_domainname(scene: Scene, name: bytes) -> None:
    """Name the NIS domain of the new UTS namespace."""
    syscalls.setdomainname(name)


def bring_up_loopback(scene: Scene) -> None:
    """Set the interface `lo` up."""
    netlink.bring_up_loopback()


def set_oom_score_adj(scene: Scene, value: int) -> None:
    """Tell the kernel how gladly to kill this process. Source: proc_pid_oom_score_adj(5)."""
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, b"%d" % value)
    os.close(fd)


def set_exec_profile(scene: Scene, profile: bytes) -> None:
    """Have AppArmor confine what is executed, by the host's own /proc. Source: aa_change_onexec(2)."""
    fd = os.open("/proc/self/attr/exec", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, b"exec " + profile)
    os.close(fd)


def set_rlimits(scene: Scene, limits: Sequence[tuple[int, int, int]]) -> None:
    """Set resource limits (number, soft, hard)."""
    for number, soft, hard in limits:
        resource.setrlimit(number, (soft, hard))


def open_terminal(scene: Scene, rows: int, columns: int) -> None:
    """Open a pseudo-terminal in the container's devpts and send its master to the parent."""
    directory = scene.open("/dev/pts", os.O_RDONLY | os.O_DIRECTORY)
    master, slave = tty.open_pair("ptmx", dir_fd=directory)
    os.close(directory)
    if rows and columns:
        tty.set_size(master, rows, columns)
    _send(scene, b"T", master)
    os.close(master)
    scene.terminal = slave


def _send(scene: Scene, word: bytes, descriptor: int) -> None:
    """Hand a descriptor to the parent."""
    channel = _socket.socket(fileno=os.dup(scene.channel))
    channel.sendmsg([word], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, "little"))])
    channel.close()


def control_terminal(scene: Scene) -> None:
    """Have the terminal signal this process's session."""
    tty.set_controlling(scene.terminal if scene.terminal >= 0 else 0)


def bind_console(scene: Scene) -> None:
    """Make the terminal /dev/console, by descriptor (CVE-2025-52565)."""
    tree = syscalls.open_tree(scene.terminal, "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH)
    place = scene.make("/dev/console", directory=False)
    syscalls.move_mount(
        tree, "", place, "", syscalls.MOVE_MOUNT_F_EMPTY_PATH | syscalls.MOVE_MOUNT_T_EMPTY_PATH
    )
    os.close(tree)
    os.close(place)


def set_stdio(scene: Scene, uid: int, gid: int) -> None:
    """Make the terminal, or the three descriptors handed over first, standard input, output and error.

    Their owner becomes the container's user, so that /dev/stdout can be opened again.
    """
    sources = [scene.terminal] * 3 if scene.terminal >= 0 else scene.descriptors[:3]
    for target, source in enumerate(sources):
        os.dup2(source, target, inheritable=True)
        _give_away(target, uid, gid)


def _give_away(fd: int, uid: int, gid: int) -> None:
    status = os.fstat(fd)
    if status.st_uid == uid or not (stat.S_ISFIFO(status.st_mode) or os.isatty(fd)):
        return
    try:
        os.fchown(fd, uid, status.st_gid)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.EROFS):
            raise


def change_directory(scene: Scene, path: str) -> None:
    """Go to the working directory and make sure that it is inside the root (CVE-2024-21626)."""
    fd = syscalls.openat2(
        syscalls.AT_FDCWD, path, os.O_PATH | os.O_DIRECTORY, 0, syscalls.RESOLVE_NO_MAGICLINKS
    )
    os.fchdir(fd)
    os.close(fd)
    if not os.getcwdb().startswith(b"/"):
        raise OSError(errno.EPERM, f"the working directory {path} lies outside the container")


def find_program(scene: Scene, name: bytes, search: Sequence[bytes]) -> None:
    """Find the program as execvp(3) does.

    Without magic links: /proc/self/exe would be the host's (CVE-2019-5736).
    """
    denied: OSError | None = None
    candidates = [name] if b"/" in name else [directory.rstrip(b"/") + b"/" + name for directory in search]
    for candidate in candidates:
        try:
            _check_program(candidate)
        except (FileNotFoundError, NotADirectoryError) as error:
            denied = denied or (error if b"/" in name else None)
        except OSError as error:
            denied = error
        else:
            scene.program = candidate
            return
    reason = (denied.strerror or str(denied)) if denied else "executable file not found in $PATH"
    raise OSError(denied.errno if denied else errno.ENOENT, f"{os.fsdecode(name)}: {reason}")


def _check_program(path: bytes, depth: int = 0) -> None:
    fd = syscalls.openat2(syscalls.AT_FDCWD, path, os.O_PATH, 0, syscalls.RESOLVE_NO_MAGICLINKS)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EACCES, "is a directory")
        if not mode & 0o111:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    finally:
        os.close(fd)


def set_identity(scene: Scene, uid: int, gid: int, groups: Sequence[int] | None, umask: int) -> None:
    """Become the container's user; `groups` is None where the kernel has given up setgroups."""
    if groups is not None:
        syscalls.setgroups(list(groups))
    syscalls.setresgid(gid, gid, gid)
    capabilities.keep_caps(True)
    syscalls.setresuid(uid, uid, uid)
    capabilities.keep_caps(False)
    os.umask(umask)


def drop_bounding(scene: Scene, keep: int) -> None:
    """Give up for ever the capabilities that are not in the mask."""
    capabilities.drop_bounding(keep)


def set_capabilities(scene: Scene, effective: int, permitted: int, inheritable: int, ambient: int) -> None:
    """Set the capability sets; ambient is empty unless a bundle asks for it."""
    capabilities.clear_ambient()
    capabilities.apply(effective, permitted, inheritable)
    if ambient:
        capabilities.set_ambient(ambient)


def set_no_new_privileges(scene: Scene) -> None:
    """Make setuid bits and file capabilities powerless. Source: prctl(2), PR_SET_NO_NEW_PRIVS."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def install_filter(scene: Scene, program: bytes, flags: int) -> None:
    """Install a seccomp filter."""
    syscalls.seccomp(program, flags)


def record_ownership(scene: Scene, program: bytes, fallback: bytes, table: str) -> None:
    """Hand calls that change ownership to a recorder; where that cannot be, let them have no effect.

    Before all other filters, which may refuse what this needs. The table is for the parent to know.
    """
    try:
        listener = syscalls.seccomp_listener(program)
    except OSError:
        syscalls.seccomp(fallback)
        return
    _send(scene, b"L", listener)
    os.close(listener)


def set_personality(scene: Scene, persona: int) -> None:
    """Set the execution domain."""
    syscalls.personality(persona)


def await_start(scene: Scene, index: int) -> None:
    """Stand still until `start` writes to the FIFO that was handed over."""
    os.write(scene.channel, b"R")
    while os.read(scene.descriptors[index], 1) != b"s":
        pass


def close_descriptors(scene: Scene, preserved: int = 0) -> None:
    """Let execve close everything above standard error and what is handed on (CVE-2024-21626)."""
    syscalls.close_range(3 + preserved, flags=syscalls.CLOSE_RANGE_CLOEXEC)


def be_init(scene: Scene) -> None:
    """Let a child become the program, and as first process reap orphans and hand signals on to it."""
    numbers = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    pid = os.fork()  # not clone3, which filters answer with ENOSYS
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return
    # Not even standard input: its other end is among what this process has inherited.
    syscalls.close_range(0)
    while True:
        number = signal.sigwait(numbers)
        if number != signal.SIGCHLD:
            os.kill(pid, number)
        else:
            _reap(pid)


def _reap(main: int) -> None:
    """Collect whoever has ended; end as the program did when it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if pid == 0:
            return


def remove_trees(scene: Scene, paths: Sequence[str]) -> None:
    """Remove what belongs to ids of the map, and end; for a child that is to become no program."""
    for path in paths:
        remove_tree(path)
    os._exit(0)


def add_variables(scene: Scene, variables: Sequence[tuple[bytes, bytes]]) -> None:
    """Add secret variables to those that the program will have."""
    scene.variables |= dict(variables)


def execute(scene: Scene, arguments: Sequence[bytes], environment: Sequence[tuple[bytes, bytes]]) -> None:
    """Become the container's program, but never in the host's root."""
    if not scene.is_inside:
        raise OSError(errno.EPERM, "the container's root was not entered")
    os.execve(scene.program, list(arguments), dict(environment) | scene.variables)


def become_runtime(
    scene: Scene, arguments: Sequence[bytes], environment: Sequence[tuple[bytes, bytes]]
) -> None:
    """Become another OCI runtime, which makes the container; it runs on the host."""
    os.execve(scene.program, list(arguments), dict(environment))


OPERATIONS: dict[str, Any] = rootfs.OPERATIONS | {
    operation.__name__: operation
    for operation in (
        await_maps,
        become,
        copy_up.mount_copied,
        offset_clocks,
        rendezvous,
        run_hooks,
        protect,
        join_cgroups,
        hold_root,
        unshare,
        new_session,
        new_keyring,
        die_with_parent,
        set_hostname,
        set_domainname,
        bring_up_loopback,
        set_oom_score_adj,
        set_exec_profile,
        set_rlimits,
        open_terminal,
        control_terminal,
        enter_processes,
        bind_console,
        set_stdio,
        change_directory,
        find_program,
        set_identity,
        drop_bounding,
        set_capabilities,
        set_no_new_privileges,
        record_ownership,
        install_filter,
        set_personality,
        await_start,
        be_init,
        remove_trees,
        close_descriptors,
        add_variables,
        execute,
        become_runtime,
    )
}
