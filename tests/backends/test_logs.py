"""What containers printed, read while it is written, turned to new files, and long after."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, InvalidInput
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
COUNT = (
    "i=0; until test -e /go; do sleep 0.01; done; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
)
LINES = "".join(f"line {number}\n" for number in range(20000))


def test_nobody_who_follows_misses_a_line_when_files_turn(containers: Containers) -> None:
    turning = {"max-size": "10k", "max-file": "200"}
    made = containers.start(IMAGE, ["sh", "-c", COUNT], name="turning", log_opt=turning)
    followed: list[str] = []
    reader = threading.Thread(target=lambda: followed.append(made.logs(follow=True).stdout))
    reader.start()
    made.exec(["touch", "/go"])
    made.wait(timeout=60)
    reader.join()
    assert followed == [LINES]
    assert made.logs().stdout == LINES
    assert made.logs(tail=2000).stdout == "".join(LINES.splitlines(keepends=True)[-2000:])


def test_following_ends_at_the_moment_that_was_said(containers: Containers) -> None:
    made = containers.start(IMAGE, ["sh", "-c", "echo x; sleep 1000"], name="quiet")
    until(lambda: made.logs().stdout)
    assert made.logs(follow=True, until=time.time() + 0.2).stdout == "x\n"
    made.remove(force=True)


def test_moments_and_numbers_of_lines(containers: Containers) -> None:
    containers.run(IMAGE, ["sh", "-c", "echo a; echo b; printf c"], name="said")

    def shown(**options: object) -> str:
        return containers.logs("said", **options).stdout

    assert shown(since="10m") == shown(tail="all") == shown(tail=-5) == shown(follow=True) == "a\nb\nc"
    assert shown(until="10m") == shown(tail=0) == shown(since=time.time() + 60) == ""
    assert shown(since="2000-01-01T00:00:00Z", until="2001-01-01") == ""
    assert shown(tail=2) == "b\nc"
    with pytest.raises(InvalidInput, match="yesterday"):
        shown(since="yesterday")


def test_output_that_is_not_kept_cannot_be_read(containers: Containers) -> None:
    containers.run(IMAGE, ["echo", "x"], name="unkept", log_driver="none")
    with pytest.raises(Conflict, match="not kept"):
        containers.logs("unkept")


@pytest.mark.parametrize(
    "options", [{"max-size": "0"}, {"max-file": "0"}, {"max-size": "big"}, {"maxsize": "1m"}, {"tag": "x"}]
)
def test_options_of_the_log_that_mean_nothing_are_refused(
    containers: Containers, options: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput):
        containers.run(IMAGE, ["true"], log_opt=options)
    assert not containers.list(all=True).rows


def test_a_torn_line_does_not_spoil_the_next_one(containers: Containers, engine: Engine) -> None:
    containers.run(IMAGE, ["sh", "-c", "echo said"], name="torn")
    log = Path(engine.system.info()["home"], "containers", containers.get("torn").id, "log")
    with log.open("ab") as file:
        file.write(b"2026-01-02T03:04:05.678901")
    containers.resume("torn")
    containers.wait("torn")
    assert containers.logs("torn").stdout == "said\nsaid\n"
