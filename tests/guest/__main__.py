"""Run tests in the guest: `python -m tests.guest tests/backends/test_limits.py -k memory`."""

from __future__ import annotations

import sys

from containerlab.errors import LabError
from tests.guest import guest


def main() -> int:
    """Boot a guest, have pytest run there with the words of the command line, and show what it prints."""
    try:
        with guest.opened() as engine:
            return guest.run(engine, sys.argv[1:], guest.show).exit_code
    except LabError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
