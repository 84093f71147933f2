"""What the monitor of a machine is told, all of it decided before. Only the standard library."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Launch"]


class Launch(NamedTuple):
    """A machine that is about to start; `marshal` carries it as a plain tuple.

    directory: the machine's own, where log, console, state and control socket are. companions: command lines
    of processes that QEMU needs (virtiofsd), started before it and ended after it. qemu: its command line;
    `{agent}` and `{qmp}` in a word stand for the numbers of inherited sockets. is_incoming: it is restored
    from a snapshot, and waits already. setup, exec: payloads of SETUP and of EXEC for the image's program.
    boot_limit_s: how long the guest may take to say HELLO. is_foreground: it ends with its client. restart:
    "no", "on-failure", "always" or "unless-stopped", with at most `retries` for on-failure (0: no limit).
    """

    directory: str
    companions: tuple[tuple[str, ...], ...]
    qemu: tuple[str, ...]
    is_incoming: bool
    setup: bytes
    exec: bytes
    boot_limit_s: float
    is_foreground: bool
    restart: str = "no"
    retries: int = 0
