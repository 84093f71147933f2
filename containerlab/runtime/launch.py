"""What a client tells the monitor that it asks for."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["HealthOrders", "Launch"]


class HealthOrders(NamedTuple):
    """How a container is checked.

    plan: of the check's process, packed; its namespaces are those of the container, whichever these are.
    start_interval_s: instead of interval_s in the start period, until a check succeeds.
    retries: how many failures in a row make it unhealthy.
    """

    plan: tuple[Any, ...]
    interval_s: float
    timeout_s: float
    start_period_s: float
    start_interval_s: float
    retries: int


class Launch(NamedTuple):
    """What a monitor is told.

    trouble: the file that a traceback goes to if this code fails; it must be the first field.
    directory: the container's, for state, log and socket; empty for an exec session.
    attached: whether the container ends with its client.
    stdin_open: whether standard input is a pipe from the client instead of /dev/null.
    remove: links and directories to remove when the container has ended (--rm).
    volumes: directories of volumes to remove with them, unless another container has them.
    trash: where such directories are moved before they are emptied.
    stop_signal, stop_timeout_s: how an attached container is ended when its client dies; -1: never killed.
    log: whether to keep output; log_most_bytes (0: no bound), log_most_files.
    hooks: ((kind, path, args, env, timeout_s), …) of the specification.
    events: the file that events are appended to, or empty.
    labels: (id, name, image) for events.
    foreign: what another runtime leaves: the file with the first process's pid, and its cgroup; or nothing.
    health: how the container is checked, as `HealthOrders` in a plain tuple; empty for not at all.
    """

    trouble: str
    directory: str
    attached: bool = False
    stdin_open: bool = False
    remove: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    trash: str = ""
    stop_signal: int = 15
    stop_timeout_s: float = 10.0
    log: bool = True
    log_most_bytes: int = 0
    log_most_files: int = 1
    hooks: tuple[Any, ...] = ()
    events: str = ""
    labels: tuple[str, str, str] = ("", "", "")
    foreign: tuple[Any, ...] = ()
    health: tuple[Any, ...] = ()
