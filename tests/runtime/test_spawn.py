"""How a process comes to be, when somebody kills those who make it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers import until

# Joining waits until somebody opens the other end of the FIFO, so that the go-between can be met alive.
_SPAWN = """
import sys
from containerlab.runtime.spawn import ChildFailed, spawn
from containerlab.runtime.steps import Join, Plan
try:
    spawn(Plan(0, (Join(sys.argv[1], 0),), None, None, False, ()), (0, 1, 2))
except ChildFailed as error:
    print(error)
"""


@pytest.mark.root
def test_the_maker_learns_that_its_go_between_was_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "namespace")
    words = [sys.executable, "-c", _SPAWN, str(tmp_path / "namespace")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as maker:
        children = Path(f"/proc/{maker.pid}/task/{maker.pid}/children")
        between = int(until(lambda: children.read_text().split())[0])
        os.kill(between, signal.SIGKILL)
        output, _ = maker.communicate(timeout=10)
    assert output == "the process died while it was set up\n"
