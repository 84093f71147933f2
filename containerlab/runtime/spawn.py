"""A plan becomes a process: cgroups, clone, id maps, and the word that it has begun.

Only for single-threaded processes (launcher, monitor, `conlab runtime`), for it clones without telling
any library.
"""

from __future__ import annotations

import _socket
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from containerlab.linux import idmap, procfs, roots, syscalls
from containerlab.linux.cgroups import control as cgroups
from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWPID
from containerlab.runtime import child
from containerlab.runtime.rootfs import Scene
from containerlab.runtime.steps import Join, Plan

__all__ = ["ChildFailed", "Spawned", "spawn"]


class ChildFailed(Exception):
    """The child could not perform a step: its number in the plan (-1: before the first), errno, and text."""

    def __init__(self, step: int, errno: int, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.errno = errno
        self.text = text


class Spawned(NamedTuple):
    """A process that was made.

    channel: closes when execve succeeds; while the child stands still before that, `b"s"` lets it go on.
    terminal: the master of its pseudo-terminal, or -1.
    listener: where its calls that change ownership are received, or -1; the caller closes it.
    """

    pid: int
    pidfd: int
    channel: int
    terminal: int
    listener: int = -1


def spawn(plan: Plan, descriptors: Sequence[int], on_hook: Callable[[int], None] | None = None) -> Spawned:
    """Make the process of a plan and wait until it runs its program, or stands still before it.

    descriptors: standard input, output and error, then those that steps name by index. They stay open.
    on_hook: called with the pid when the child stands at a rendezvous.
    Raises: ChildFailed; the child is gone then, its cgroups are the caller's to remove.
    """
    ours, theirs = _channel()
    try:
        with _doors(plan, descriptors) as doors:
            made = _clone(plan, Scene(theirs, descriptors, doors.attach), doors, ours)
    finally:
        os.close(theirs)
    try:
        handed = _attend(plan, ours, made, on_hook)
    except BaseException:
        made.end()
        os.close(ours)
        if made.is_between:
            _collect_unknown()
        raise
    return Spawned(made.pid, made.pidfd, ours, handed.get(b"T", -1), handed.get(b"L", -1))


def _collect_unknown() -> None:
    """Wait for a child that a go-between made and did not tell of; it ends now that its channel is closed."""
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)


class _Made:
    """A child process, or first a go-between in its place."""

    def __init__(self, pid: int, pidfd: int, *, is_between: bool) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.is_between = is_between

    def follow(self, pid: int) -> None:
        """Take a child that the go-between has made in this process's name."""
        self._bury()
        self.pid, self.pidfd, self.is_between = pid, os.pidfd_open(pid), False

    def end(self) -> None:
        """Kill it."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self._bury()

    def _bury(self) -> None:
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)


def _channel() -> tuple[int, int]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    return ours.detach(), theirs.detach()


class _Doors(NamedTuple):
    """Descriptors that lead into the cgroup: files to write 0 to, and the v2 directory to be cloned into.

    Writing to a v2 cgroup.procs waits for a grace period of the whole machine (18 ms here), cloning does not.
    """

    attach: tuple[int, ...]
    into: int

    @property
    def flags(self) -> int:
        return syscalls.CLONE_INTO_CGROUP if self.into >= 0 else 0


@contextmanager
def _doors(plan: Plan, descriptors: Sequence[int]) -> Iterator[_Doors]:
    if plan.cgroup is None:
        yield _Doors((), -1)
        return
    beside = roots.pid_of(descriptors[-1]) if _is_entering(plan) else 0
    into = cgroups.clone_into_fd(plan.cgroup, beside)
    attach = cgroups.open_attach(plan.cgroup, cloned=True)
    try:
        yield _Doors(tuple(attach), -1 if into is None else into)
    finally:
        for fd in (*attach, *(() if into is None else (into,))):
            os.close(fd)


def _clone(plan: Plan, scene: Scene, doors: _Doors, ours: int) -> _Made:
    """Clone the child, or for joined namespaces a go-between that makes it a child of this process.

    Joining a PID namespace moves only later children, joining a user namespace takes the right to act on
    the host; so neither is for this process itself. The go-between enters the cgroup too: afterwards it may
    have no right to.
    """
    flags = doors.flags if plan.joins else plan.new_namespaces | doors.flags
    pid, pidfd = syscalls.clone3(flags, exit_signal=signal.SIGCHLD, cgroup=max(doors.into, 0))
    if pid == 0:
        os.close(ours)
        if plan.joins:
            _join_and_clone(plan, scene)
        child.perform(scene, plan.steps)
    return _Made(pid, pidfd, is_between=bool(plan.joins))


def _join_and_clone(plan: Plan, scene: Scene) -> None:
    """Return in the process that is to perform the steps."""
    try:
        child.protect(scene)
        child.join_cgroups(scene)
        _join(plan, scene)
        if plan.clones_last:
            syscalls.unshare(plan.new_namespaces)
            return
        pid, _ = syscalls.clone3(plan.new_namespaces | syscalls.CLONE_PARENT, exit_signal=0)
    except OSError as error:
        os.write(scene.channel, child.failure(-1, error.errno or 5, f"join namespaces: {error.strerror}"))
        os._exit(125)
    if pid:
        os.write(scene.channel, b"P" + pid.to_bytes(4, "little"))
        os._exit(0)
    child.await_parent(scene)


def _join(plan: Plan, scene: Scene) -> None:
    """Enter the namespaces of others, and with a mount namespace the root of the very process."""
    scene.others = {other.pid: procfs.open_pidfd(other) for other in plan.others}
    opened = [_open_join(join, scene) for join in plan.joins]
    is_entering = _is_entering(plan)
    root = roots.open_of(scene.descriptors[-1]) if is_entering else -1
    for other in scene.others.values():
        roots.require_alive(other)
    for join, fd in zip(plan.joins, opened, strict=True):
        syscalls.setns(fd, join.flags)
        if plan.clones_last and join.flags == CLONE_NEWPID:
            scene.pid_namespace = fd
    if is_entering:
        roots.enter(root)
        scene.is_inside = True


def _is_entering(plan: Plan) -> bool:
    """Say whether the process joins a whole container, whose first process is the last descriptor."""
    return any(join.flags & CLONE_NEWNS for join in plan.joins)


def _open_join(join: Join, scene: Scene) -> int:
    return os.open(join.path, os.O_RDONLY | os.O_CLOEXEC) if join.path else scene.descriptors[-1]


def _attend(plan: Plan, channel: int, made: _Made, on_hook: Callable[[int], None] | None) -> dict[bytes, int]:
    """Answer the child until it runs or stands still; return what it handed over: a terminal, a listener.

    One that was cloned last may be in the hands of others, and has nothing to ask for any more.
    """
    handed: dict[bytes, int] = {}
    while True:
        message, received = (b"", -1) if _has_died_silently(channel, made) else _receive(channel)
        if plan.clones_last and not made.is_between and message[:1] in (b"M", b"T", b"H", b"L"):
            raise ChildFailed(-1, 1, "the process was taken over while it was set up")
        if made.is_between and not message:
            # All are killed who are in a container that ends; nobody else holds the other end then.
            raise ChildFailed(*_failure(plan, message))
        match message[:1]:
            case b"P" if made.is_between:
                made.follow(int.from_bytes(message[1:5], "little"))
                with suppress(BrokenPipeError):
                    os.write(channel, b"p")
            case b"" | b"R":
                return handed
            case b"M":
                assert plan.idmap is not None
                idmap.write(made.pid, plan.idmap)
                os.write(channel, b"m")
            case b"T" | b"L" as word:
                handed[word] = received
            case b"H":
                if on_hook:
                    on_hook(made.pid)
                os.write(channel, b"h")
            case _:
                raise ChildFailed(*_failure(plan, message))


def _has_died_silently(channel: int, made: _Made) -> bool:
    """Wait for a word of a go-between; say whether it ended without one.

    Had it cloned before, nobody closes the other end of the channel: the clone holds it and waits, too.
    """
    if not made.is_between:
        return False
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(made.pidfd, select.POLLIN)
    # It may have spoken and ended while the first poll was under way.
    return channel not in dict(poll.poll()) and channel not in dict(poll.poll(0))


def _receive(channel: int) -> tuple[bytes, int]:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, channel)
    try:
        message, ancillary, _, _ = sock.recvmsg(65536, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it was killed before it read an answer
        return b"", -1
    finally:
        sock.detach()
    return message, int.from_bytes(ancillary[0][2], "little") if ancillary else -1


def _failure(plan: Plan, message: bytes) -> tuple[int, int, str]:
    if message[:1] != b"E":
        return -1, 5, "the process died while it was set up"
    number = int.from_bytes(message[1:5], "little", signed=True)
    code = int.from_bytes(message[5:9], "little")
    return number if number < len(plan.steps) else -1, code, message[9:].decode(errors="replace")
