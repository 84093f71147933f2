"""Kill at every system call: `python -m tests.kill [--user root|subids|single] [--every N] [SCENARIO…]`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import leaks, users
from tests.kill.scenarios import NEEDS_CGROUP, SCENARIOS
from tests.kill.tracer import Blow
from tests.kill.trial import Ground, ground


def main() -> int:
    """Sweep, print what is wrong, and say how many blows left something."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description="Kill at every system call.")
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--user", action="append", choices=("root", "subids", "single"))
    parser.add_argument("--role", action="append", help="only this one: client, launcher, monitor, init, …")
    parser.add_argument("--every", type=int, default=1, help="only each N-th call")
    parser.add_argument("--at", type=int, default=1, help="begin at this call")
    given = parser.parse_args()
    bad = 0
    with _base() as base:
        for kind in given.user or ("root", "subids", "single"):
            with _user(kind, base) as user, ground(user, base) as place:
                for name in given.scenarios:
                    if name not in NEEDS_CGROUP or place.has_cgroup:
                        bad += _sweep(place, name, given)
    return min(bad, 1)


def _sweep(place: Ground, name: str, given: argparse.Namespace) -> int:
    whole = place.try_(name, None)
    _tell(f"{place.user.kind} {name}", "no kill", whole.wrong)
    roles = given.role or (*SCENARIOS[name].roles, "all")
    bad, began, count = bool(whole.wrong), time.monotonic(), 0
    for role in roles:
        calls = whole.story.calls.get(role, [])
        most = sum(map(len, whole.story.calls.values())) if role == "all" else len(calls)
        for number in range(given.at, most + 1, given.every):
            found = place.try_(name, Blow(role, number))
            _tell(f"{place.user.kind} {name}", f"{role}:{number} {found.story.hit}", found.wrong)
            bad += bool(found.wrong)
            count += 1
    sizes = {role: len(calls) for role, calls in whole.story.calls.items()}
    print(
        f"{place.user.kind} {name}: {count} blows, {bad} wrong, {time.monotonic() - began:.0f} s {sizes}",
        flush=True,
    )
    return bad


def _tell(what: str, blow: str, wrong: tuple[str, ...]) -> None:
    if wrong:
        print(f"{what}, {blow}:", *(f"    {sentence}" for sentence in wrong), sep="\n", flush=True)


@contextlib.contextmanager
def _base() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix=f"conlab-test-{os.getpid()}-", dir="/var/tmp"))
    base.chmod(0o755)
    os.environ[leaks.TOKEN_VARIABLE] = base.name
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def _user(kind: str, base: Path) -> Iterator[users.User]:
    if kind == "root":
        yield users.myself(base)
    else:
        yield from users.make(base, subordinate_ids=kind == "subids")


if __name__ == "__main__":
    sys.exit(main())
