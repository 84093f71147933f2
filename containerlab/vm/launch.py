"""What the monitor of a machine is told, all of it decided before. Only the standard library."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Launch"]


class Launch(NamedTuple):
    """A machine that is about to start; `marshal` carries it as a plain tuple.

    directory: the machine's own, where log, console, state and control socket are.
    qemu: its command line. In a word, `{agent}`, `{qmp}` and `{console}` stand for the numbers of inherited
    sockets, `{directory}` for a short path of the machine's directory.
    companions: command lines of processes that QEMU needs (virtiofsd), started before it and ended after it;
    `{socket}` stands for the number of a socket that listens at `{directory}/share-N`, N counted from 0.
    setup, exec: payloads of SETUP and of EXEC for the image's program.
    until: "exit" of the program; "hello": as soon as the guest has answered; "snapshot": after it was saved,
    before SETUP, to the file `state`.
    state: where the state of a machine that was saved is: with "exit", it is restored from there.
    are_pages_apart: its memory is not in `state`, but is what QEMU's memory file holds.
    begun_at: the monotonic clock when the user asked for it; all times of the state count from there.
    boot_limit_s: how long the guest may take to say HELLO. off_limit_s: how long to power off.
    is_foreground: it ends with its first client. remove: its directory goes when it has ended.
    restart: "no", "on-failure", "always" or "unless-stopped", with at most `retries` for on-failure (0: no
    limit).
    """

    directory: str
    companions: tuple[tuple[str, ...], ...]
    qemu: tuple[str, ...]
    setup: bytes
    exec: bytes
    boot_limit_s: float
    is_foreground: bool
    until: str = "exit"
    state: str = ""
    are_pages_apart: bool = False
    begun_at: float = 0.0
    off_limit_s: float = 2.0
    remove: bool = False
    restart: str = "no"
    retries: int = 0
    stop_signal: int = 15
    stop_timeout_s: float = 10.0
    log_most_bytes: int = 0
    log_most_files: int = 1
