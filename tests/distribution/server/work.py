"""The jobs of a server in a process of their own, for tests that kill it or have several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["end", "start"]

_PROGRAM = """
import sys
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.upkeep.worker import Worker
registry = Registry(Settings(storage=sys.argv[1], allows_private_targets=True))
with Worker(registry):
    print("ready", flush=True)
    sys.stdin.read()
registry.close()
"""


def start(home: Path) -> subprocess.Popen[bytes]:
    """Start one on a home, and wait until it works."""
    found = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert found.stdout
    assert found.stdout.readline() == b"ready\n"
    return found


def end(worker: subprocess.Popen[bytes]) -> None:
    """Let it end in order."""
    worker.communicate()
    assert worker.returncode == 0
