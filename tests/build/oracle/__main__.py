"""`python -m tests.build.oracle [CASE…]`: let Docker say what it makes of cases, and keep it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.build.oracle import by_docker
from tests.build.oracle.case import Case, all_cases


def main(wanted: list[str]) -> None:
    """Build the named cases, or all of which nothing is known yet."""
    cases = [case for case in all_cases() if (case.name in wanted if wanted else _is_new(case))]
    with by_docker.docker_with_bases() as docker:
        for case in cases:
            with tempfile.TemporaryDirectory() as work:
                lines = by_docker.build(docker, case, Path(work))
            print(f"== {case.name}", *lines, sep="\n")
            if not case.fails or lines != ["It fails."]:
                case.docker_result.write_text("".join(f"{line}\n" for line in lines))


def _is_new(case: Case) -> bool:
    return not (case.reference or case.docker_result.exists() or (case.fails and not case.differs))


main(sys.argv[1:])
