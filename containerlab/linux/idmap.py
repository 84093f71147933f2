"""Which host ids the ids of a container stand for.

Root needs no map, unless it lacks CAP_SYS_ADMIN (inside another container) and then maps all ids that it
has; a user with subordinate ids gets a full map through newuidmap; any other user gets a map of one id.
Source: user_namespaces(7), subuid(5), newuidmap(1).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER
from containerlab.linux.syscalls import capget

# Every monitor loads this module: what only clients need is imported where it is used.
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

__all__ = ["HOST", "IdMap", "Range", "choose", "run", "write"]

_CAP_SYS_ADMIN = 21


class Range(NamedTuple):
    """`length` ids from `inside` on stand for those from `outside` on."""

    inside: int
    outside: int
    length: int


class IdMap(NamedTuple):
    """The ids of a user namespace; `kind` is "none", "subids", "own" or "single", `reason` says why."""

    uids: tuple[Range, ...]
    gids: tuple[Range, ...]
    kind: str
    reason: str = ""

    def outside_uid(self, inside: int) -> int:
        """Return the host's user id. Raises ValueError when it is not mapped."""
        return _outside(self.uids, inside)

    def outside_gid(self, inside: int) -> int:
        """Return the host's group id. Raises ValueError when it is not mapped."""
        return _outside(self.gids, inside)


def _outside(ranges: tuple[Range, ...], inside: int) -> int:
    for r in ranges:
        if r.inside <= inside < r.inside + r.length:
            return r.outside + inside - r.inside
    raise ValueError(f"id {inside} is not in the user namespace's map")


_ALL = (Range(0, 0, 0xFFFFFFFF),)
HOST = IdMap(_ALL, _ALL, "none", "root needs no user namespace")


def choose() -> IdMap:
    """Return the best map this process may have, by asking for the full one and trying it."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and capget()[0] & 1 << _CAP_SYS_ADMIN:
        return HOST
    single = (Range(0, uid, 1),), (Range(0, gid, 1),)
    if uid == 0:
        own = IdMap(_own("uid_map"), _own("gid_map"), "own", "root without CAP_SYS_ADMIN needs one")
        failure = _try(own)
        return IdMap(*single, "single", failure) if failure else own
    reason = _why_not_subids()
    if reason:
        return IdMap(*single, "single", reason)
    full = IdMap(
        (Range(0, uid, 1), *_subordinate("/etc/subuid", uid)),
        (Range(0, gid, 1), *_subordinate("/etc/subgid", uid)),
        "subids",
        "newuidmap and subordinate ids are there",
    )
    failure = _try(full)
    return IdMap(*single, "single", failure) if failure else full


def _own(file: str) -> tuple[Range, ...]:
    """Return every id that this process's own user namespace has, standing for itself."""
    ranges = [[int(word) for word in line.split()] for line in _read_lines(f"/proc/self/{file}")]
    return tuple(Range(inside, inside, length) for inside, _, length in ranges)


def _why_not_subids() -> str:
    import shutil

    for tool in ("newuidmap", "newgidmap"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (package uidmap)"
    for file in ("/etc/subuid", "/etc/subgid"):
        if not _subordinate(file, os.geteuid()):
            return f"{file} has no line for this user"
    return ""


def _subordinate(file: str, uid: int) -> tuple[Range, ...]:
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = ""
    ranges, inside = [], 1
    for line in _read_lines(file):
        owner, _, numbers = line.partition(":")
        start, _, count = numbers.partition(":")
        if owner in (name, str(uid)) and owner and start.isdigit() and count.isdigit():
            ranges.append(Range(inside, int(start), int(count)))
            inside += int(count)
    return tuple(ranges)


def _read_lines(file: str) -> list[str]:
    try:
        with open(file) as lines:
            return lines.read().splitlines()
    except FileNotFoundError:
        return []


def _try(idmap: IdMap) -> str:
    import subprocess

    try:
        process = run(idmap, ["true"], stderr=subprocess.PIPE)
    except OSError as error:
        return str(error)
    _, stderr = process.communicate()
    return stderr.decode(errors="replace").strip() if process.returncode else ""


def write(pid: int, idmap: IdMap) -> None:
    """Write the maps of a process that has just made a user namespace.

    Raises: OSError naming the tool's or the kernel's answer.
    """
    if idmap.kind == "subids":
        _newidmap("newuidmap", pid, idmap.uids)
        _newidmap("newgidmap", pid, idmap.gids)
        return
    if idmap.kind == "single":
        # Without a privileged helper the kernel takes a group map only after setgroups is given up.
        _put(pid, "setgroups", "deny")
    _put(pid, "uid_map", _lines(idmap.uids))
    _put(pid, "gid_map", _lines(idmap.gids))


def _newidmap(tool: str, pid: int, ranges: tuple[Range, ...]) -> None:
    words = [tool, str(pid), *(str(number) for r in ranges for number in r)]
    status = os.waitpid(os.posix_spawnp(tool, words, os.environ), 0)[1]
    if status:
        raise PermissionError(1, f"{tool} refused the map of process {pid}")


def _lines(ranges: tuple[Range, ...]) -> str:
    return "".join(f"{r.inside} {r.outside} {r.length}\n" for r in ranges)


def _put(pid: int, file: str, text: str) -> None:
    fd = os.open(f"/proc/{pid}/{file}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def run(idmap: IdMap, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
    """Start a program as uid 0 of a new user and mount namespace; without a map, just start it.

    Raises: OSError when the namespace or its map is refused.
    """
    import subprocess

    if idmap.kind == "none":
        return subprocess.Popen(argv, **popen)
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    package = __file__.removesuffix("/containerlab/linux/idmap.py")
    stub = [sys.executable, "-I", "-S", "-c", _STUB, package, str(ready_w), str(go_r), *argv]
    popen["pass_fds"] = (*popen.get("pass_fds", ()), ready_w, go_r)
    try:
        process = subprocess.Popen(stub, **popen)
        os.close(ready_w)
        ready_w = -1
        if os.read(ready_r, 1) == b"r":
            write(process.pid, idmap)
            os.write(go_w, b"g")
        return process
    finally:
        for fd in (ready_r, ready_w, go_r, go_w):
            if fd >= 0:
                os.close(fd)


_STUB = f"""
import os, sys
sys.path.append(sys.argv[1])
from containerlab.linux import syscalls
ready, go = int(sys.argv[2]), int(sys.argv[3])
syscalls.unshare({CLONE_NEWUSER | CLONE_NEWNS})
os.write(ready, b"r")
os.close(ready)
if os.read(go, 1) != b"g":
    sys.exit("the user namespace got no map")
os.close(go)
syscalls.setresgid(0, 0, 0)
syscalls.setresuid(0, 0, 0)
os.execvp(sys.argv[4], sys.argv[4:])
"""
