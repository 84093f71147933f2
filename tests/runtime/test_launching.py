"""Starting the launcher from processes of any kind."""

from __future__ import annotations

import subprocess
import sys

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
