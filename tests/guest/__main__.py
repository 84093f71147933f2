"""Run tests in the machine: `python -m tests.guest tests/backends/test_limits.py -k memory`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.guest.inside.suite import orders
from tests.guest.machine import Machine, archive, root


def main() -> int:
    """Start a machine, have pytest run there with the words of the command line, and show what it prints."""
    with tempfile.TemporaryDirectory(prefix="conlab-vm-", dir="/var/tmp") as place:
        code = archive(Path(place) / "code.tar", orders(sys.argv[1:]))
        with Machine(root(), code) as machine:
            for line in machine.lines():
                print(line, flush=True)
            return 1 if machine.exit_code is None else machine.exit_code


if __name__ == "__main__":
    sys.exit(main())
