"""Another Python that runs a container for each line it reads: `python -m benchmarks.client HOME MIB`.

It holds that many MiB of touched data, as a notebook kernel may, and answers with the seconds of each run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.arena import IMAGE, RUN
from benchmarks.measure import timed
from containerlab.engine.engine import Engine

__all__ = ["Client", "client"]


class Client:
    """The hand that holds such a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self) -> float:
        """Have a container run; return how many seconds it took in there."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@contextmanager
def client(home: Path, held_mib: int) -> Iterator[Client]:
    """Start one, have it run once, and end it afterwards."""
    words = [sys.executable, "-m", "benchmarks.client", str(home), str(held_mib)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        made = Client(process)
        made.run()
        yield made
        assert process.stdin
        process.stdin.close()


def main() -> None:
    """Answer each line until there are no more."""
    home, held_mib = sys.argv[1:]
    held = bytearray(b"data" * 256 * 1024) * int(held_mib)
    with Engine(home=home) as engine:
        run = timed(lambda: engine.containers.run(IMAGE, ["/bin/true"], **RUN).check())
        for _ in sys.stdin:
            print(run(), flush=True)
    del held


if __name__ == "__main__":
    main()
