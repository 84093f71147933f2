"""A Docker daemon of the suite's own: its socket, its data and its containers are removed with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Docker", "daemon", "remove_cgroups", "unmount"]

_DEADLINE_S = 30


class Docker:
    """Words for a daemon's command line."""

    def __init__(self, host: str, config: Path | None = None) -> None:
        self.host = host
        self._argv = [_client(), *(["--config", str(config)] if config else []), "-H", host]

    def with_config(self, folder: Path) -> Docker:
        """Return the same with credentials of its own."""
        return Docker(self.host, folder)

    def run(self, *words: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command; keywords as subprocess.run's."""
        return subprocess.run([*self._argv, *map(str, words)], capture_output=True, **options)

    def __call__(self, *words: object, **options: Any) -> str:
        """Run a command that must not fail; return what it printed."""
        done = self.run(*words, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


def _client() -> str:
    """Prefer the client that came with the daemon: newer ones have no builder of their own."""
    return "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"


@contextmanager
def daemon(storage_driver: str = "overlay2", mirror: str = "") -> Iterator[Docker]:
    """Run a daemon; the test is skipped where Docker is not installed or does not start.

    mirror: URL of a registry that it asks before Docker Hub.
    """
    if not shutil.which("dockerd"):
        pytest.skip("Docker is not installed")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="dockerd-") as folder:
        host = f"unix://{folder}/socket"
        places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        cgroup = f"containerlab-{os.path.basename(folder)}"
        alone = [
            f"--cgroup-parent={cgroup}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            f"--storage-driver={storage_driver}",
            *([f"--registry-mirror={mirror}"] if mirror else []),
        ]
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(["dockerd", "-H", host, *places, *alone], stderr=log)
        try:
            docker = Docker(host)
            _wait_until_it_answers(docker, process, Path(folder, "log"))
            yield docker
        finally:
            process.terminate()
            process.wait()
            unmount(folder)
            remove_cgroups(cgroup)


def remove_cgroups(name: str) -> None:
    """Remove what an engine leaves of its cgroup, in every hierarchy."""
    for top in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        for directory, _, _ in os.walk(top, topdown=False):
            os.rmdir(directory)


def unmount(directory: str) -> None:
    """Undo what an engine leaves: the host's network namespace, and after a crash its data directory."""
    with open("/proc/self/mounts") as file:
        targets = [line.split()[1] for line in file]
    for target in reversed(targets):
        if target == directory or target.startswith(f"{directory}/"):
            subprocess.run(["umount", "--lazy", target], check=True)


def _wait_until_it_answers(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while docker.run("version").returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"dockerd does not start here: {log.read_text()[-300:]}")
