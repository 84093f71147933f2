"""`python -m benchmarks [--quick] [--in-memory] [SUBJECT…]`: measure, print a table, keep it in README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from benchmarks import (
    auditing,
    big_client,
    building,
    calls,
    crowd,
    importing,
    machines,
    memory,
    overhead,
    report,
    running,
    serving,
    transferring,
    unpacking,
)
from benchmarks.arena import DISK, MEMORY, QUICK, Counts, arena

_SUBJECTS = {
    "run": running.runs,
    "exec": running.executions,
    "crowd": crowd.starts,
    "shell": running.shell_runs,
    "import": importing.imports,
    "processor": overhead.processor,
    "memory": memory.idle_containers,
    "big": big_client.big_clients,
    "unpack": unpacking.unpacks,
    "build": building.builds,
    "user-build": building.user_builds,
    "audit": auditing.audits,
    "serve": serving.servers,
    "transfer": transferring.transfers,
    "machines": machines.machines,
    "calls": calls.system_calls,
}


def main() -> int:
    """Measure what was asked for; only a full run, of everything, is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see that it works")
    parser.add_argument("--in-memory", action="store_true", help="all stores on a tmpfs instead of a disk")
    parser.add_argument("subjects", nargs="*", choices=[[], *_SUBJECTS], default=[], metavar="SUBJECT")
    given = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("The benchmarks need root, as the peers do.")
    # So that what runs is ended and what was made is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    load_before = os.getloadavg()[0]
    rows = []
    place = MEMORY if given.in_memory else DISK
    with arena(QUICK if given.quick else Counts(), place) as built:
        for name in given.subjects or _SUBJECTS:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            rows += _SUBJECTS[name](built)
        text = report.markdown(rows, report.host(built, load_before))
    print(text)
    if not given.quick and not given.subjects:
        report.write(text, "in memory" if given.in_memory else "on disk")
    return 0


if __name__ == "__main__":
    sys.exit(main())
