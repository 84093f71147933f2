"""Starting the launcher from processes of any kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import busybox

_START = """
import os
from containerlab.runtime.launching import start
process = start()
os.close(process.control)
print(os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1]))
"""


def test_interpreter_is_found_when_its_descriptor_is_the_first_free_one() -> None:
    """The launcher's socket takes the place of descriptor 3 before Python is executed."""
    done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


_WITHOUT_STREAMS = """
import os, sys
answer = os.dup(1)
for fd in (0, 1, 2):
    os.close(fd)
from containerlab.engine.engine import Engine
from tests import busybox
with busybox.engine(__import__("pathlib").Path(sys.argv[1])) as engine:
    os.write(answer, engine.containers.run(busybox.NAME, ["echo", "hi"], rm=True).stdout.encode())
"""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.system("busybox-static")
def test_containers_run_for_a_client_without_standard_streams(base: Path) -> None:
    words = [sys.executable, "-c", _WITHOUT_STREAMS, str(base / "streamless")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("hi\n", "")


@pytest.mark.root
@pytest.mark.slow
def test_launcher_gives_up_when_no_monitor_can_wait() -> None:
    """Descriptor 3 is no socket: all monitors die, and nobody must go on making them for ever."""
    words = [sys.executable, "-c", "from containerlab.runtime.launcher import main; main()"]
    with open(os.devnull, "rb") as null:
        moves = f"import os, sys; os.dup2({null.fileno()}, 3); os.execv(sys.executable, {words!r})"
        done = subprocess.run(
            [sys.executable, "-c", moves], pass_fds=(null.fileno(),), capture_output=True, timeout=60
        )
    assert done.returncode == 1


_ODD = """
import os, signal, sys
from containerlab.engine.engine import Engine
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.umask(0o077)
shown = "grep -e SigBlk -e SigIgn /proc/self/status; stat -c %a /made/here"
with Engine(sys.argv[1]) as engine:
    print(engine.containers.run(sys.argv[2], ["sh", "-c", shown], rm=True, workdir="/made/here").stdout)
"""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.system("busybox-static")
def test_a_container_has_nothing_of_its_clients_signals_and_mask(base: Path) -> None:
    """Of nohup, of threads that block signals, of a careful umask."""
    home = base / "odd"
    busybox.engine(home).close()
    words = [sys.executable, "-c", _ODD, str(home), busybox.NAME]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    _, blocked, _, ignored, mode = done.stdout.split()
    assert (int(blocked, 16), int(ignored, 16) & 1, mode) == (0, 0, "755")
