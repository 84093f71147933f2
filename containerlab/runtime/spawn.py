"""A plan becomes a process: cgroups, clone, id maps, and the word that it has begun.

Only for single-threaded processes (launcher, monitor, `conlab runtime`), for it clones without telling
any library.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import _signal
import _socket

from containerlab.linux import idmap, syscalls
from containerlab.linux.cgroups import control as cgroups
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
    """

    pid: int
    pidfd: int
    channel: int
    terminal: int


def spawn(plan: Plan, descriptors: Sequence[int], on_hook: Callable[[int], None] | None = None) -> Spawned:
    """Make the process of a plan and wait until it runs its program, or stands still before it.

    descriptors: standard input, output and error, then those that steps name by index. They stay open.
    on_hook: called with the pid when the child stands at a rendezvous.
    Raises: ChildFailed; the child is gone then, its cgroups are the caller's to remove.
    """
    ours, theirs = _channel()
    attach = cgroups.open_attach(plan.cgroup) if plan.cgroup else []
    try:
        pid, pidfd = _clone(plan, Scene(theirs, descriptors, attach), ours)
    finally:
        for fd in (theirs, *attach):
            os.close(fd)
    try:
        terminal = _attend(plan, ours, pid, on_hook)
    except BaseException:
        _signal.pidfd_send_signal(pidfd, _signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)
        os.close(ours)
        raise
    return Spawned(pid, pidfd, ours, terminal)


def _channel() -> tuple[int, int]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    return ours.detach(), theirs.detach()


def _clone(plan: Plan, scene: Scene, ours: int) -> tuple[int, int]:
    if plan.joins:
        return _clone_joined(plan, scene, ours)
    pid, pidfd = syscalls.clone3(plan.new_namespaces, exit_signal=_signal.SIGCHLD)
    if pid == 0:
        os.close(ours)
        child.perform(scene, plan.steps)
    return pid, pidfd


def _clone_joined(plan: Plan, scene: Scene, ours: int) -> tuple[int, int]:
    """Clone from a go-between that has joined the namespaces, as a child of this process all the same.

    Joining a PID namespace moves only later children, joining a user namespace takes the right to act on
    the host; so neither is for this process itself.
    """
    between, between_pidfd = syscalls.clone3(0, exit_signal=_signal.SIGCHLD)
    if between == 0:
        os.close(ours)
        _join_and_clone(plan, scene)
    os.close(between_pidfd)
    message = os.read(ours, 65536)
    os.waitpid(between, 0)
    if message[:1] == b"P":
        pid = int.from_bytes(message[1:5], "little")
        return pid, os.pidfd_open(pid)
    raise ChildFailed(-1, *_failure(message)[1:])


def _join_and_clone(plan: Plan, scene: Scene) -> None:
    try:
        syscalls.prctl(child._PR_SET_DUMPABLE, 0)
        for join, fd in [(join, _open_join(join, scene)) for join in plan.joins]:
            syscalls.setns(fd, join.flags)
        pid, _ = syscalls.clone3(plan.new_namespaces | syscalls.CLONE_PARENT, exit_signal=0)
        if pid == 0:
            child.perform(scene, plan.steps)
        os.write(scene.channel, b"P" + pid.to_bytes(4, "little"))
    except OSError as error:
        os.write(scene.channel, b"E" + marshal.dumps((-1, error.errno or 5, f"join namespaces: {error.strerror}")))
    finally:
        os._exit(0)


def _open_join(join: Join, scene: Scene) -> int:
    return os.open(join.path, os.O_RDONLY | os.O_CLOEXEC) if join.path else scene.descriptors[-1]


def _attend(plan: Plan, channel: int, pid: int, on_hook: Callable[[int], None] | None) -> int:
    """Answer the child until it runs or stands still; return its terminal."""
    terminal = -1
    while True:
        message, received = _receive(channel)
        match message[:1]:
            case b"":
                return terminal
            case b"R":
                return terminal
            case b"M":
                assert plan.idmap is not None
                idmap.write(pid, plan.idmap)
                os.write(channel, b"m")
            case b"T":
                terminal = received
            case b"H":
                if on_hook:
                    on_hook(pid)
                os.write(channel, b"h")
            case _:
                raise ChildFailed(*_failure(message))


def _receive(channel: int) -> tuple[bytes, int]:
    sock = _socket.socket(fileno=os.dup(channel))
    try:
        message, ancillary, _, _ = sock.recvmsg(65536, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    finally:
        sock.close()
    return message, int.from_bytes(ancillary[0][2], "little") if ancillary else -1


def _failure(message: bytes) -> tuple[int, int, str]:
    if message[:1] == b"E":
        number, code, text = marshal.loads(message[1:])
        return number, code, text
    return -1, 5, "the process died while it was set up"


