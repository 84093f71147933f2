"""`python -m tests.build.oracle.everything HOME [CASE…]`: build cases by ours, print results as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from tests.build.oracle import by_ours
from tests.build.oracle.case import all_cases


def main(home: Path, wanted: list[str]) -> None:
    """Build the named cases, or all that this user can."""
    made = {}
    with by_ours.engine_with_bases(home) as engine:
        for case in all_cases():
            if case.needs == "root" and os.geteuid() != 0:
                continue
            if not wanted or case.name in wanted:
                with tempfile.TemporaryDirectory() as work:
                    made[case.name] = by_ours.build(engine, home, case, Path(work))
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
