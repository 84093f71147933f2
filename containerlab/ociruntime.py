"""`conlab runtime`, `conlab-runtime`: the OCI runtime's command line, for podman, containerd and Docker.

Its grammar is fixed by those who call it (global options, command, options, arguments), so it is spelled
out here with argparse and not made from the option tables.
Source: opencontainers/runtime-tools, docs/command-line-interface.md; runc(8).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from containerlab import units
from containerlab.errors import InvalidInput, LabError
from containerlab.linux.cgroups import control
from containerlab.linux.files import fill_stdio
from containerlab.oci import runtime as oci
from containerlab.runtime import console, creation, ending
from containerlab.runtime.creation import Created, Wishes
from containerlab.runtime.register import Register, default_root

__all__ = ["main"]

_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform one command of an OCI runtime and return its exit code."""
    fill_stdio()
    words = _parser().parse_args(sys.argv[1:] if arguments is None else list(arguments))
    if words.command is None:
        _parser().print_help()
        return 1
    try:
        return int(words.act(words) or 0)
    except LabError as error:
        message, hint = error.message, error.hint
    except OSError as error:
        message, hint = f"{words.command}: {error}", ""
    _log(words, "error", message)
    sys.stderr.write(f"conlab-runtime: {message}\n" + (f"  hint: {hint}\n" if hint else ""))
    return 1


def _log(words: argparse.Namespace, level: str, message: str) -> None:
    if not words.log:
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    if words.log_format == "json":
        line = json.dumps({"level": level, "msg": message, "time": now})
    else:
        line = f"time={json.dumps(now)} level={level} msg={json.dumps(message, ensure_ascii=False)}"
    with open(words.log, "a", encoding="utf-8") as file:
        file.write(line + "\n")


# --- words --------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conlab-runtime", description=__doc__, allow_abbrev=False)
    parser.add_argument("--root", default=default_root(), help="where containers are registered")
    parser.add_argument("--log", default="", help="file that errors and warnings are appended to")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="accepted; everything is logged anyway")
    parser.add_argument("--systemd-cgroup", action="store_true", help="read cgroupsPath as slice:prefix:name")
    parser.add_argument("--rootless", default="auto", help="accepted; found out by itself")
    parser.add_argument("--version", "-v", action="store_const", dest="command", const="version")
    parser.set_defaults(act=lambda words: _print_version())
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, act, options in _COMMANDS:
        one = commands.add_parser(name, help=_first_line(act), allow_abbrev=False)
        one.set_defaults(act=act, command=name)
        for flags, settings in options:
            one.add_argument(*flags, **settings)
    return parser


def _first_line(act: Callable[..., Any]) -> str:
    return (act.__doc__ or "").partition("\n")[0].rstrip(".")


def _option(*flags: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return flags, settings


_ON: dict[str, Any] = {"action": "store_true"}
_ID = _option("id", metavar="ID")
_MAKING = (
    _option("--pid-file", default="", help="file that the process's pid is written to"),
    _option("--console-socket", default="", help="unix socket that the terminal's master is sent to"),
    _option("--preserve-fds", type=int, default=0, help="how many descriptors from 3 on are passed on"),
    _option("--no-new-keyring", **_ON),
)
_CREATING = (
    _option("--bundle", "-b", default="."),
    _option("--no-pivot", **_ON),
    *_MAKING,
    _ID,
)


# --- commands -----------------------------------------------------------------------------------


def _create(words: argparse.Namespace) -> None:
    """Create a container from a bundle; it waits for `start`."""
    _said(words, creation.create(_register(words), words.id, words.bundle, _wishes(words)))


def _start(words: argparse.Namespace) -> None:
    """Start the program of a created container."""
    ending.start(_register(words), words.id)


def _run(words: argparse.Namespace) -> int:
    """Create a container, start it, wait for it and delete it."""
    register = _register(words)
    wishes = _wishes(words)._replace(owns_terminal=not words.detach)
    created = _said(words, creation.create(register, words.id, words.bundle, wishes))
    ending.start(register, words.id)
    if words.detach:
        return 0
    try:
        return _wait(created, wishes)
    finally:
        if not words.keep:
            ending.delete(register, words.id, force=True)


def _exec(words: argparse.Namespace) -> int:
    """Run one more process in a container."""
    register = _register(words)
    process = _process(words, register)
    wishes = _wishes(words)._replace(owns_terminal=not words.detach)
    created = _said(words, creation.execute(register, words.id, process, wishes))
    return 0 if words.detach else _wait(created, wishes)


def _state(words: argparse.Namespace) -> None:
    """Show a container's state as JSON."""
    register = _register(words)
    _print_json(ending.show(register, register.entry(words.id)))


def _kill(words: argparse.Namespace) -> None:
    """Send a signal (default TERM) to a container's first process, or to all."""
    ending.kill(_register(words), words.id, units.signal_number(words.signal), everyone=words.all)


def _delete(words: argparse.Namespace) -> None:
    """Delete what is left of a container."""
    ending.delete(_register(words), words.id, force=words.force)


def _pause(words: argparse.Namespace) -> None:
    """Hold all processes of a container."""
    ending.pause(_register(words), words.id)


def _resume(words: argparse.Namespace) -> None:
    """Let a paused container go on."""
    ending.resume(_register(words), words.id)


def _update(words: argparse.Namespace) -> None:
    """Change the limits of a container."""
    document = sys.stdin.buffer.read() if words.resources == "-" else _limits(words)
    for notice in ending.update(_register(words), words.id, document, systemd=words.systemd_cgroup):
        _log(words, "warning", notice)


def _list(words: argparse.Namespace) -> None:
    """List the containers."""
    register = _register(words)
    shown = [ending.show(register, entry) for entry in register.entries()]
    if words.quiet:
        sys.stdout.writelines(f"{each['id']}\n" for each in shown)
    elif words.format == "json":
        _print_json(shown)
    else:
        rows = [list(_COLUMNS), *([str(each[key.lower()]) for key in _COLUMNS] for each in shown)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _ps(words: argparse.Namespace) -> None:
    """List the processes of a container."""
    entry = _register(words).require(words.id, "created", "running", "paused")
    pids = list(control.processes(entry.group)) if entry.group else [entry.pid]
    if words.format == "json":
        _print_json(pids)
        return
    print(f"{'PID':>8} COMMAND")
    for pid in pids:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        print(f"{pid:>8} {command}")


def _spec(words: argparse.Namespace) -> None:
    """Write a config.json to begin with."""
    from containerlab.runtime.features import example

    path = Path(words.bundle, "config.json")
    if path.exists():
        raise InvalidInput(f"{path} is there already", "remove it first, or name another --bundle")
    path.write_bytes(msgspec.json.format(oci.encode(example())) + b"\n")


def _features(words: argparse.Namespace) -> None:
    """Show what this runtime can as JSON."""
    from containerlab.runtime.features import features

    _print_json(features())


def _print_version() -> None:
    from importlib.metadata import version

    print(f"conlab-runtime version {version('containerlab')}\nspec: 1.2.0")


_COMMANDS: tuple[tuple[str, Callable[..., Any], tuple[Any, ...]], ...] = (
    ("create", _create, _CREATING),
    ("start", _start, (_ID,)),
    (
        "run",
        _run,
        (
            _option("--detach", "-d", **_ON),
            _option("--keep", help="do not delete it when it has ended", **_ON),
            _option("--no-subreaper", help="accepted", **_ON),
            *_CREATING,
        ),
    ),
    (
        "exec",
        _exec,
        (
            _option("--process", "-p", default="", help="file with a process as in config.json"),
            _option("--detach", "-d", **_ON),
            _option("--tty", "-t", **_ON),
            _option("--cwd", default=""),
            _option("--env", "-e", action="append", default=[]),
            _option("--user", "-u", default="", help="UID[:GID]"),
            _option("--additional-gids", "-g", action="append", default=[], type=int),
            _option("--cap", "-c", action="append", default=[]),
            _option("--no-new-privs", **_ON),
            *_MAKING,
            _ID,
            _option("args", nargs=argparse.REMAINDER, metavar="COMMAND"),
        ),
    ),
    ("state", _state, (_ID,)),
    ("kill", _kill, (_option("--all", "-a", **_ON), _ID, _option("signal", nargs="?", default="TERM"))),
    ("delete", _delete, (_option("--force", "-f", **_ON), _ID)),
    ("pause", _pause, (_ID,)),
    ("resume", _resume, (_ID,)),
    (
        "update",
        _update,
        (
            _option("--resources", "-r", default="", help="file with linux.resources; - is standard input"),
            _option("--memory"),
            _option("--memory-reservation"),
            _option("--memory-swap"),
            _option("--cpu-period", type=int),
            _option("--cpu-quota", type=int),
            _option("--cpu-share", type=int),
            _option("--cpuset-cpus"),
            _option("--cpuset-mems"),
            _option("--pids-limit", type=int),
            _option("--blkio-weight", type=int),
            _ID,
        ),
    ),
    (
        "list",
        _list,
        (
            _option("--quiet", "-q", **_ON),
            _option("--format", "-f", choices=("table", "json"), default="table"),
        ),
    ),
    ("ps", _ps, (_option("--format", "-f", choices=("table", "json"), default="table"), _ID)),
    ("spec", _spec, (_option("--bundle", "-b", default="."),)),
    ("features", _features, ()),
)


# --- from words to values, and back -------------------------------------------------------------


def _register(words: argparse.Namespace) -> Register:
    return Register(words.root)


def _wishes(words: argparse.Namespace) -> Wishes:
    for fd in range(3, 3 + words.preserve_fds):
        try:
            os.fstat(fd)
        except OSError as error:
            raise InvalidInput(f"--preserve-fds {words.preserve_fds}: descriptor {fd} is not open") from error
    return Wishes(
        pid_file=words.pid_file,
        console_socket=words.console_socket,
        can_pivot=not getattr(words, "no_pivot", False),
        keeps_keyring=words.no_new_keyring,
        preserved=words.preserve_fds,
        systemd_cgroup=words.systemd_cgroup,
    )


def _said(words: argparse.Namespace, created: Created) -> Created:
    for notice in created.notices:
        _log(words, "warning", notice)
    return created


def _wait(created: Created, wishes: Wishes) -> int:
    """Wait for a process that is our child, hand signals on to it, and return its exit code."""
    process = created.process
    for number in _FORWARDED:
        signal.signal(number, lambda number, frame: signal.pidfd_send_signal(process.pidfd, number))
    if process.terminal >= 0 and not wishes.console_socket:
        console.carry(process.terminal, process.pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
    return code if code >= 0 else 128 - code


def _process(words: argparse.Namespace, register: Register) -> oci.Process:
    if words.process:
        try:
            return msgspec.json.decode(Path(words.process).read_bytes(), type=oci.Process)
        except msgspec.DecodeError as error:
            raise InvalidInput(
                f"{words.process} is no process: {error}", "see config.json, process"
            ) from error
    first = register.spec(words.id).process
    assert first is not None
    args = tuple(words.args[1:] if words.args[:1] == ["--"] else words.args)
    user = _user(words, first.user)
    sets = first.capabilities or oci.Capabilities()
    added = {field: (*getattr(sets, field), *words.cap) for field in ("bounding", "effective", "permitted")}
    return msgspec.structs.replace(
        first,
        args=args,
        terminal=words.tty,
        cwd=words.cwd or first.cwd,
        env=(*first.env, *words.env),
        user=user,
        capabilities=msgspec.structs.replace(sets, **added),
        no_new_privileges=first.no_new_privileges or words.no_new_privs,
    )


def _user(words: argparse.Namespace, first: oci.User) -> oci.User:
    if not words.user:
        return msgspec.structs.replace(
            first, additional_gids=(*first.additional_gids, *words.additional_gids)
        )
    uid, _, gid = words.user.partition(":")
    if not uid.isdecimal() or not (gid or "0").isdecimal():
        raise InvalidInput(f"--user {words.user!r} is not made of numbers", "write it as UID or UID:GID")
    return oci.User(uid=int(uid), gid=int(gid or 0), additional_gids=tuple(words.additional_gids))


def _limits(words: argparse.Namespace) -> bytes:
    if words.resources:
        return Path(words.resources).read_bytes()
    sizes = {key: units.size(text) if text else None for key, text in _sizes(words).items()}
    cpu = {
        "quota": words.cpu_quota,
        "period": words.cpu_period,
        "shares": words.cpu_share,
        "cpus": words.cpuset_cpus,
        "mems": words.cpuset_mems,
    }
    document = {
        "memory": _given(sizes),
        "cpu": _given(cpu),
        "pids": _given({"limit": words.pids_limit}),
        "blockIO": _given({"weight": words.blkio_weight}),
    }
    return json.dumps({key: value for key, value in document.items() if value}).encode()


def _sizes(words: argparse.Namespace) -> dict[str, str | None]:
    return {"limit": words.memory, "reservation": words.memory_reservation, "swap": words.memory_swap}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
