"""Which programs of the host make a small usable system, and what else that needs."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Sequence

from containerlab import errors
from containerlab.store.host_tree import Node, Tree

__all__ = ["DEFAULT", "PATH", "add_programs", "add_skeleton"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEFAULT = (
    *("sh", "bash", "busybox"),
    # coreutils
    *("arch", "b2sum", "base32", "base64", "basename", "cat", "chgrp", "chmod", "chown", "chroot", "cksum"),
    *("comm", "cp", "csplit", "cut", "date", "dd", "df", "dir", "dircolors", "dirname", "du", "echo", "env"),
    *("expand", "expr", "factor", "false", "fmt", "fold", "groups", "head", "hostid", "id", "install"),
    *("join", "link", "ln", "logname", "ls", "md5sum", "mkdir", "mkfifo", "mknod", "mktemp", "mv", "nice"),
    *("nl", "nohup", "nproc", "numfmt", "od", "paste", "pathchk", "pr", "printenv", "printf", "ptx", "pwd"),
    *("readlink", "realpath", "rm", "rmdir", "runcon", "seq", "sha1sum", "sha224sum", "sha256sum"),
    *("sha384sum", "sha512sum", "shred", "shuf", "sleep", "sort", "split", "stat", "stdbuf", "stty", "sum"),
    *("sync", "tac", "tail", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "tsort", "tty"),
    *("uname", "unexpand", "uniq", "unlink", "users", "vdir", "wc", "who", "whoami", "yes", "["),
    # what people type next
    *("awk", "cmp", "diff", "find", "free", "grep", "gzip", "hostname", "ip", "kill", "mount", "nsenter"),
    *("ps", "sed", "setpriv", "tar", "top", "umount", "unshare", "which", "xargs"),
)
"""Those of them that the host has are taken."""

_TERMINALS = ("dumb", "linux", "screen", "tmux-256color", "vt100", "xterm", "xterm-256color")
_LOADED_LATE = (
    *("libnss_files.so.2", "libnss_dns.so.2"),
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
)
"""Parts of the C library that programs load by name, or that modules from a wheel were linked with."""

_PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = b"root:x:0:\ndaemon:x:1:\ntty:x:5:\nmail:x:8:\nusers:x:100:\nnogroup:x:65534:\n"
_NSSWITCH = b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
_MOUNTED_UPON = ("hostname", "hosts", "resolv.conf")
"""Files of /etc that each container is given; where they are missing, it must make them first."""
_DIRECTORIES = {
    **dict.fromkeys(("dev", "etc", "home", "mnt", "opt", "proc", "run", "srv", "sys"), 0o755),
    **dict.fromkeys(("usr/bin", "usr/sbin", "usr/local/bin", "var/cache", "var/lib", "var/log"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}


def add_skeleton(tree: Tree) -> None:
    """Add the directories and files that programs take for granted."""
    for path, mode in _DIRECTORIES.items():
        tree.add(path, Node(mode))
    for path, content in (("passwd", _PASSWD), ("group", _GROUP), ("nsswitch.conf", _NSSWITCH)):
        tree.add(f"etc/{path}", Node(0o644, content=content))
    for path in _MOUNTED_UPON:
        tree.add(f"etc/{path}", Node(0o644, content=b""))
    if os.path.exists("/etc/os-release"):
        tree.copy("/etc/os-release", "etc/os-release")
    for terminal in _TERMINALS:
        for place in ("lib/terminfo", "usr/share/terminfo"):
            file = f"{place}/{terminal[0]}/{terminal}"
            if os.path.exists(f"/{file}"):
                tree.copy(f"/{file}", file)
    for file in glob.glob("/usr/lib/locale/C.[uU][tT][fF]*8/**", recursive=True):
        tree.copy(file, file)


def add_programs(tree: Tree, names: Sequence[str] | None) -> None:
    """Add programs with all that they need to run; None means those of DEFAULT that are here.

    Raises: NotFound for one that was named and is missing, or lacks a library.
    """
    programs = _default() if names is None else [_locate(name) for name in names]
    files = [_add_program(tree, program) for program in programs]
    try:
        tree.copy_libraries(files, _late())
    except FileNotFoundError as error:
        raise errors.NotFound(f"a program cannot be taken from this host: {error.strerror}") from error


def _default() -> list[str]:
    found = (shutil.which(name, path=PATH) for name in DEFAULT)
    return [program for program in found if program is not None and os.access(program, os.R_OK)]


def _locate(name: str) -> str:
    program = shutil.which(name, path=PATH) or shutil.which(name)
    if program is None:
        raise errors.NotFound.named("program on this host", name, hint="give a path, or install it")
    return os.path.abspath(program)


def _add_program(tree: Tree, program: str) -> str:
    """Add a program where the host has it, or below /usr/local; return the file that is really run.

    A name that is a link (sh → dash) stays one. An interpreter that a script names comes along.
    """
    real = os.path.realpath(program)
    for path in (real, program):
        if not path.startswith(("/usr/", "/bin/", "/sbin/")):
            tree.copy(real, f"usr/local/bin/{os.path.basename(program)}")
            return _interpreter(tree, real) or real
    tree.copy(real, real)
    if os.path.join(os.path.realpath(os.path.dirname(program)), os.path.basename(program)) != real:
        tree.add(program, Node(0o777, link=real))
    return _interpreter(tree, real) or real


def _interpreter(tree: Tree, script: str) -> str:
    with open(script, "rb") as file:
        line = file.readline(256)
    if not line.startswith(b"#!"):
        return ""
    words = os.fsdecode(line[2:]).split()
    if len(words) > 1 and os.path.basename(words[0]) == "env":
        _add_program(tree, _locate(words[1]))
    return _add_program(tree, words[0]) if words and os.path.exists(words[0]) else ""


def _late() -> Iterable[str]:
    for name in _LOADED_LATE:
        for directory in ("/lib", "/usr/lib", "/lib64", "/usr/lib64"):
            yield from glob.glob(f"{directory}/{name}") or glob.glob(f"{directory}/*-linux-gnu/{name}")
