"""Hooks of the runtime specification. Source: runtime-spec config.md, "POSIX-platform Hooks"."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["HookFailed", "run", "state"]

_FATAL = ("prestart", "createRuntime", "createContainer", "startContainer")


class HookFailed(OSError):
    """A hook that must succeed did not."""


def state(
    container_id: str, status: str, pid: int, bundle: str, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the container's state as hooks get it on standard input."""
    about = {"ociVersion": "1.2.0", "id": container_id, "status": status, "pid": pid, "bundle": bundle}
    return about | {"annotations": dict(annotations)} if annotations else about


def run(
    hooks: Sequence[tuple[str, str, Sequence[str], Sequence[str], float]], kind: str, about: dict[str, Any]
) -> None:
    """Run the hooks of one kind, in order, with the state on their standard input.

    Raises: HookFailed when one of a kind that must succeed does not.
    """
    for each, path, arguments, environment, timeout_s in hooks:
        if each != kind:
            continue
        status = _run_one(path, arguments or (path,), environment, json.dumps(about).encode(), timeout_s)
        if status and kind in _FATAL:
            raise HookFailed(5, f"{kind} hook {path} ended with status {os.waitstatus_to_exitcode(status)}")


def _run_one(
    path: str, arguments: Sequence[str], environment: Sequence[str], stdin: bytes, timeout_s: float
) -> int:
    reader, writer = os.pipe()
    variables = dict(entry.split("=", 1) for entry in environment if "=" in entry)
    try:
        pid = os.posix_spawn(
            path, list(arguments), variables, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)]
        )
    except OSError as error:
        raise HookFailed(error.errno, f"hook {path}: {error.strerror}") from error
    finally:
        os.close(reader)
    with contextlib.suppress(BrokenPipeError):
        os.write(writer, stdin)
    os.close(writer)
    return _wait(pid, timeout_s)


def _wait(pid: int, timeout_s: float) -> int:
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if timeout_s and not poll.poll(timeout_s * 1000):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    return os.waitpid(pid, 0)[1]
