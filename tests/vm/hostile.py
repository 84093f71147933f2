"""A guest that says what it likes: a program in QEMU's place, which speaks to the monitor's sockets."""

from __future__ import annotations

import sys
from pathlib import Path

from containerlab.vm.guest import wire
from containerlab.vm.launch import Launch

__all__ = ["HELLO", "STARTED", "exited", "launch"]

HELLO = wire.frame(wire.HELLO, wire.pairs([("version", "1"), ("release", "6.12"), ("uptime_usec", "5")]))
STARTED = wire.frame(wire.STARTED, wire.pairs([("pid", "7")]), wire.MAIN)

_GUEST = """
import socket, sys
agent, qmp, console = (socket.socket(fileno=int(word)) for word in sys.argv[1:4])
heard = b""

def hear(kind):
    global heard
    while True:
        length = int.from_bytes(heard[4:8], "big")
        if len(heard) >= 8 + length and len(heard) >= 8:
            found, heard = heard[0], heard[8 + length:]
            if found == kind:
                return
        else:
            heard += agent.recv(1 << 16)

exec(sys.argv[4])
try:
    while agent.recv(1 << 16):
        pass
except OSError:
    pass
"""


def exited(code: str = "0", **changes: str) -> bytes:
    """Return what a guest says when its program has ended."""
    said = {"code": code, "cpu_usec": "1", "peak_rss_bytes": "1", "oom_killed": "0", **changes}
    return wire.frame(wire.EXITED, wire.pairs(said.items()), wire.MAIN)


def launch(
    directory: Path, does: str, said: bytes = b"", *, console: bytes = b"", qmp: bytes = b""
) -> Launch:
    """Return what starts a guest that says something, does something, and listens.

    does: source of Python, which may `hear(kind)`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    steps = [
        f"{name}.sendall(bytes.fromhex('{data.hex()}'))"
        for name, data in (("console", console), ("qmp", qmp), ("agent", said))
        if data
    ]
    words = (sys.executable, "-I", "-S", "-c", _GUEST, "{agent}", "{qmp}", "{console}")
    return Launch(
        directory=str(directory),
        companions=(),
        qemu=(*words, "\n".join([*steps, does])),
        setup=wire.pairs([("hostname", "guest")]),
        exec=wire.pairs([("arg", "true")]),
        boot_limit_s=20,
        off_limit_s=0.1,
        is_foreground=True,
    )
