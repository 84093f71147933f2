"""The registries that are measured: ours and docker-registry, each a process on the same disk."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import Absent
from containerlab.distribution.server.registry import Settings
from containerlab.distribution.server.serving.process import Order
from containerlab.engine.registries.process import command

__all__ = ["Server", "docker_registry", "ours", "version"]

_PATIENCE_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A registry that runs, open to all at an address of the loopback."""

    port: int
    pid: int

    def connect(self) -> socket.socket:
        """Open a connection."""
        found = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def cpu_s(self) -> float:
        """Return the processor time it has had."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_bytes(self) -> int:
        """Return the most memory it has had at once."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


@contextmanager
def ours(folder: Path) -> Iterator[Server]:
    """Run ours, one process of it."""
    settings = Settings(storage=str(folder / "home"), port=0, auth="none")
    with (folder.with_suffix(".log")).open("ab") as log:
        process = subprocess.Popen(
            command(Order(settings=settings)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    with process:
        assert process.stdin
        assert process.stdout
        try:
            yield Server(_port(json.loads(process.stdout.readline())["url"]), process.pid)
        finally:
            process.stdin.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


@contextmanager
def docker_registry(folder: Path) -> Iterator[Server]:
    """Run docker-registry as Debian sets it up, but open.

    Raises: Absent.
    """
    if not shutil.which("docker-registry"):
        raise Absent("docker-registry is not installed (package docker-registry)")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": "127.0.0.1:0", "secret": "of this measurement"},
    }
    path, log = folder / "config.yml", folder / "log"
    path.write_text(json.dumps(settings))  # which is YAML too
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with log.open("wb") as file:
        words = ["docker-registry", "serve", str(path)]
        process = subprocess.Popen(words, stdout=file, stderr=file, env=environment)
    with process:
        try:
            yield Server(_listening(process, log), process.pid)
        finally:
            process.terminate()


def _listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """Read its log until it says where it listens."""
    limit = time.monotonic() + _PATIENCE_S
    while not (found := re.search(rb"listening on 127\.0\.0\.1:(\d+)", log.read_bytes())):
        if process.poll() is not None or time.monotonic() > limit:
            raise Absent(f"docker-registry does not start: {log.read_text()[-300:]}")
        select.select([], [], [], 0.002)
    return int(found[1])


def version() -> str:
    """Return which docker-registry is here."""
    said = subprocess.run(
        ["docker-registry", "--version"], capture_output=True, text=True, check=False
    ).stdout
    return said.split()[-1] if said else ""
